"""Being told, as programs and people ask for it."""

from __future__ import annotations

from tests.webui.quiet import Caller, Quiet, problem


def test_wishes_and_webhooks_are_ones_own_and_a_secret_is_shown_once(
    quiet: Quiet, caller: Caller
) -> None:
    assert caller.get("/me/notices").get_json() == {"mail": None, "long_seconds": 300}
    changed = caller.ask("PUT", "/me/notices", json={"mail": "ada@studio.example"})
    assert changed.get_json() == {"mail": "ada@studio.example", "long_seconds": 300}
    changed = caller.ask("PUT", "/me/notices", json={"mail": "", "long_seconds": 0})
    assert changed.get_json() == {"mail": None, "long_seconds": 0}
    problem(
        caller.ask("PUT", "/me/notices", json={"long_seconds": -1}), 422, "invalid", "/long_seconds"
    )
    made = caller.post("/me/webhooks", json={"url": "https://host.example/hook"})
    assert made.status_code == 201
    assert made.headers["Cache-Control"] == "no-store"
    hook = made.get_json()
    assert hook["secret"].startswith("whsec_")
    (listed,) = caller.get("/me/webhooks").get_json()["results"]
    assert listed == {name: value for name, value in hook.items() if name != "secret"}
    other = quiet.somebody()
    assert other.get("/me/webhooks").get_json() == {"results": []}
    problem(other.ask("DELETE", f"/me/webhooks/{hook['id']}"), 404, "unknown_webhook")
    problem(caller.post("/me/webhooks", json={"url": "no"}), 422, "invalid", "/url")
    assert caller.get("/me/deliveries").get_json() == {"results": []}
    problem(caller.post(f"/me/deliveries/{hook['id']}/replay"), 404, "unknown_delivery")
    assert caller.ask("DELETE", f"/me/webhooks/{hook['id']}").status_code == 204
    assert caller.get("/me/webhooks").get_json() == {"results": []}
