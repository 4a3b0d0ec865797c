"""Being told, as a person sets it up; the browser is asked only on a button."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import BrowserContext
from sqlalchemy import text

from tests.webui.pages.conftest import Visitor
from webui.studio import Studio


def test_wishes_and_webhooks_are_set_on_a_page(visitor: Visitor, parts: Studio) -> None:
    assert "/account/notices" in visitor.page("/account")
    status, _, _ = visitor.post("/account/notices", mail="ada@studio.example", minutes="7")
    assert status == 303
    page = visitor.page("/account/notices")
    assert 'value="ada@studio.example"' in page
    assert re.search(r'name="minutes"[^>]* value="7"', page)
    status, said, _ = visitor.post("/account/notices", mail="nobody", minutes="7")
    assert (status, "is no mail address" in said) == (422, True)
    status, said, _ = visitor.post("/account/notices", mail="", minutes="soon")
    assert (status, "soon" in said) == (422, True)
    status, shown, _ = visitor.post("/account/webhooks", url="https://host.example/hook")
    assert (status, "whsec_" in shown) == (200, True)
    page = visitor.page("/account/notices")
    assert "whsec_" not in page
    form = visitor.page("/new/style_transfer")
    named = re.search(r'<option value="([0-9a-f-]{36})">https://host.example/hook', form)
    assert named
    job = visitor.commission(webhook=named[1], size="64").rpartition("/")[2]
    foreign = visitor.post("/new/style_transfer", webhook=job)
    assert foreign[0] in (404, 422)
    with parts.database.begin() as session:
        told = text("SELECT webhook_id FROM job WHERE id = :job")
        assert str(session.execute(told, {"job": job}).scalar_one()) == named[1]
    found = re.search(r"/account/webhooks/[0-9a-f-]{36}/remove", page)
    assert found
    assert visitor.post(found[0])[0] == 303
    assert "host.example" not in visitor.page("/account/notices")


def test_a_job_names_a_fresh_address_on_the_form_and_its_secret_is_shown_once(
    visitor: Visitor, parts: Studio
) -> None:
    """As in the API; sent again it is the same job, and another address is another order."""
    chosen = {"content": "sample:cat.jpg", "styles": "sample:van-gogh-langlois-bridge.jpg"}
    order = {**chosen, "size": "64", "order": "0123"}
    status, shown, _ = visitor.post("/new/style_transfer", **order, webhook_address="ftp://x")
    assert status == 422
    assert shown.count("cannot be called") == 2, "in the summary and at the field"
    assert re.search(r'name="webhook_address" value="ftp://x"', shown)
    made = {**order, "webhook_address": "https://host.example/fresh"}
    status, shown, _ = visitor.post("/new/style_transfer", **made)
    assert (status, shown.count("whsec_")) == (200, 1)
    found = re.search(r'href="(/jobs/[0-9a-f-]{36})"', shown)
    assert found
    assert found[1] in visitor.post("/new/style_transfer", **made)[1]
    other = visitor.post("/new/style_transfer", **{**made, "webhook_address": ""})
    assert (other[0], other[2] == found[1]) == (303, False)
    named = visitor.post("/new/style_transfer", **{**made, "order": "4567"})
    assert named[0] == 303, "the address is known, and its secret told"
    assert "whsec_" not in visitor.page(named[2])


def test_the_browser_tells_of_an_end_once_it_was_allowed_on_a_button(
    visitor: Visitor, window: Callable[..., BrowserContext], parts: Studio
) -> None:
    where = visitor.commission()
    context = window(permissions=["notifications"])
    told = (
        "window.told = []; window.Notification = class extends EventTarget {"
        " static permission = 'granted'; static async requestPermission() { return 'granted'; }"
        " constructor(title) { super(); window.told.push(title); } };"
    )
    context.add_init_script(told)
    page = context.new_page()
    page.goto(where)
    page.evaluate("document.getElementById('job').dataset.status = 'succeeded'")
    assert page.evaluate("window.told") == [], "nobody has asked for it"
    page.goto("/account/notices")
    page.get_by_role("button", name="Let this browser tell me").click()
    page.get_by_text("This browser tells you.").wait_for()
    page.goto(where)
    with parts.database.begin() as session:
        ended = text(
            "UPDATE job SET state = 'failed', reason = 'stalled', ended_at = now(),"
            " version = version + 1 WHERE id = :id"
        )
        session.execute(ended, {"id": where.rpartition("/")[2]})
    page.locator("#job[data-status='failed']").wait_for(state="attached")
    (title,) = page.evaluate("window.told")
    assert "Atelier" in title
