"""``/metrics``: what it tells and whom; dashboard and alerts ask for what there is."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from jobs import figures, lease, service, slots
from jobs.access.roles import Role
from jobs.models import Job, Slot
from jobs.states import Reason, State
from tests.source import ROOT
from tests.webui.quiet import Caller, Quiet, problem
from webui.metrics import VITALS

OPS = ROOT / "ops"
# Prometheus itself says whether it could ask us.
NOT_OURS = {"up"}
KIND = "style_transfer"


def asked(quiet: Quiet, token: str | None = None, source: str = "127.0.0.1") -> TestResponse:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    client = quiet.app.test_client(use_cookies=False)
    environ = {"REMOTE_ADDR": source}
    return client.get("/metrics", base_url=quiet.address, headers=headers, environ_base=environ)


def told(quiet: Quiet) -> dict[str, list[tuple[dict[str, str], float]]]:
    """Every sample by name, freshly asked."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("webui.metrics.FRESH_SECONDS", -1.0)
        answer = asked(quiet)
    assert answer.status_code == 200
    assert answer.content_type == "text/plain; version=0.0.4; charset=utf-8"
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(answer.get_data(as_text=True)):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def value(samples: list[tuple[dict[str, str], float]], **labels: str) -> float:
    """The sum of the samples with these labels."""
    return sum(
        number for held, number in samples if all(held[name] == labels[name] for name in labels)
    )


def test_jobs_are_counted_by_state_and_claims_and_ends_by_reason(
    quiet: Quiet, caller: Caller
) -> None:
    before = told(quiet)
    failed, kept = caller.submit(), caller.submit()
    claim = quiet.claim(caller.owner)
    with quiet.database.begin() as session:
        lease.stop(session, claim.hold, State.FAILED, Reason.STALLED, 2.5)
    caller.post(f"/jobs/{kept['id']}/pause")
    after = told(quiet)

    def grown(name: str, **labels: str) -> float:
        return value(after[name], **labels) - value(before.get(name, []), **labels)

    assert str(claim.hold.job_id) == failed["id"]
    assert grown("atelier_jobs", state="failed", kind=KIND, resource="cpu") == 1
    assert grown("atelier_jobs", state="paused") == 1
    assert grown("atelier_jobs", state="queued") == 0
    assert grown("atelier_jobs") == 2
    assert grown("atelier_job_moves_total", to="running") == 1
    assert grown("atelier_job_moves_total", **{"from": "running"}, reason="stalled") == 1
    assert grown("atelier_job_run_seconds_total", to="failed") == pytest.approx(2.5)


def test_the_tally_agrees_with_the_rows(quiet: Quiet, caller: Caller) -> None:
    caller.submit()
    with quiet.database.begin() as session:
        counted = figures.read(session).jobs()
        rows = session.execute(
            select(Job.state, Job.kind, Job.resource, func.count()).group_by(
                Job.state, Job.kind, Job.resource
            )
        ).all()
    assert {key: many for key, many in counted.items() if many} == {
        (state, kind, resource): many for state, kind, resource, many in rows
    }


def test_a_queue_tells_its_depth_and_its_oldest_wait(quiet: Quiet, caller: Caller) -> None:
    job = caller.submit()
    first = told(quiet)
    assert value(first["atelier_queue_waiting"], resource="cpu") >= 1
    assert value(first["atelier_queue_oldest_wait_seconds"], resource="cpu") > 0
    assert value(first["atelier_queue_waiting"], resource="gpu") == 0
    caller.post(f"/jobs/{job['id']}/cancel")
    assert value(told(quiet)["atelier_queue_waiting"], resource="cpu") == (
        value(first["atelier_queue_waiting"], resource="cpu") - 1
    )


def test_a_slot_tells_its_state(quiet: Quiet) -> None:
    name = "cpu:7@figures"

    def state() -> list[str]:
        return [
            held["state"] for held, _ in told(quiet)["atelier_slot_state"] if held["slot"] == name
        ]

    with quiet.database.begin() as session:
        about: dict[str, Any] = {"machine": "figures", "resource": "cpu", "device": "cpu"}
        slots.register(session, name, **about, standby=True)
    assert state() == ["ready"]
    with quiet.database.begin() as session:
        session.get_one(Slot, name).vitals = {"cpu": 0.5, "temperature": 61, "load": None}
    shown = told(quiet)
    assert value(shown["atelier_slot_cpu_utilisation_ratio"], slot=name) == 0.5
    assert value(shown["atelier_slot_temperature_celsius"], slot=name) == 61
    with quiet.database.begin() as session:
        slots.quarantine(session, name, "CUDA error")
    assert state() == ["quarantined"]
    with quiet.database.begin() as session:
        slots.undrain(session, name)
        slots.drain(session, name)
    assert state() == ["drained"]


def test_requests_are_measured_by_part_of_the_site(quiet: Quiet, caller: Caller) -> None:
    def answered() -> float:
        return value(told(quiet)["atelier_web_request_seconds_count"], route="api", status="4xx")

    before = answered()
    caller.get("/jobs/nothing")
    assert answered() == before + 1


def test_strangers_are_refused(
    quiet: Quiet, caller: Caller, administrator: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert asked(quiet).status_code == 200
    problem(asked(quiet, source="192.0.2.7"), 401, "unauthenticated")
    problem(asked(quiet, "unknown"), 401, "unauthenticated")
    problem(asked(quiet, caller.token), 403, "administrators_only")
    assert asked(quiet, administrator.token, "192.0.2.7").status_code == 200
    reader = quiet.token(caller.owner, "metrics", timedelta(hours=1))
    assert asked(quiet, reader, "192.0.2.7").status_code == 200
    # Behind a proxy everybody comes from loopback.
    quiet.change(monkeypatch, public_url=quiet.address)
    problem(asked(quiet), 401, "unauthenticated")
    assert asked(quiet, reader).status_code == 200
    problem(Caller(quiet, caller.owner, reader).get("/jobs"), 401, "unauthenticated")


def test_without_a_database_the_rest_is_told(quiet: Quiet, monkeypatch: pytest.MonkeyPatch) -> None:
    from webui import create_app

    away = create_app(quiet.settings.changed(database_url="postgresql://nobody@127.0.0.1:9/none"))
    answer = away.test_client().get("/metrics", base_url=quiet.address)
    assert answer.status_code == 200
    body = answer.get_data(as_text=True)
    assert "\natelier_database_up 0.0\n" in body
    assert "\natelier_storage_free_bytes " in body
    assert "atelier_jobs" not in body


def expressions() -> dict[str, str]:
    """Every query of the dashboard and the alerts, by where it stands."""
    found = {}
    board = json.loads((OPS / "grafana-dashboard.json").read_text(encoding="utf-8"))
    for panel in board["panels"]:
        for target in panel.get("targets", []):
            found[f"panel {panel['title']}: {target['refId']}"] = target["expr"]
    rules = yaml.safe_load((OPS / "alerts.yml").read_text(encoding="utf-8"))
    for group in rules["groups"]:
        for rule in group["rules"]:
            found[f"alert {rule['alert']}"] = rule["expr"]
    return found


def test_every_metric_of_dashboard_and_alerts_is_there(quiet: Quiet, caller: Caller) -> None:
    claimed = caller.submit()
    claim = quiet.claim(caller.owner)
    with quiet.database.begin() as session:
        lease.stop(session, claim.hold, State.QUEUED, Reason.WORKER_STOPPED, 1.0)
        service.cancel(session, caller.owner, claim.hold.job_id)
        figures.note_chore(session, figures.KEEPER)
        about: dict[str, Any] = {"machine": "figures", "resource": "cpu", "device": "cpu"}
        slots.register(session, "cpu:8@figures", **about, standby=True)
        vitals = dict.fromkeys(VITALS, 1.0)
        session.get_one(Slot, "cpu:8@figures").vitals = vitals
    assert claimed
    there = set(told(quiet))
    queries = expressions()
    assert len(queries) > 15
    for where, query in queries.items():
        bare = re.sub(r"\{[^}]*\}|\"[^\"]*\"|\[[^\]]*\]", " ", query)
        names = set(re.findall(r"\b(?:up|(?:atelier|process)_[a-z_]+)\b", bare))
        assert names, where
        assert names - NOT_OURS <= there, where
        for open_, close in ("()", "{}", "[]"):
            assert query.count(open_) == query.count(close), where


def test_labels_that_are_asked_for_are_there(quiet: Quiet) -> None:
    samples = told(quiet)
    for where, query in expressions().items():
        for name, inside in re.findall(r"\b((?:atelier|process)_[a-z_]+)\{([^}]*)\}", query):
            asked_for = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", inside))
            have = {label for held, _ in samples[name] for label in held}
            assert asked_for <= have, where


def test_every_alert_says_what_to_do() -> None:
    rules = yaml.safe_load((OPS / "alerts.yml").read_text(encoding="utf-8"))
    for group in rules["groups"]:
        for rule in group["rules"]:
            assert set(rule) == {"alert", "expr", "for", "labels", "annotations"}, rule
            assert rule["labels"]["severity"] in ("page", "ticket")
            assert set(rule["annotations"]) == {"summary", "description"}
            assert re.fullmatch(r"\d+[smh]", rule["for"])


def test_roles_are_checked_with_the_role_of_now(quiet: Quiet) -> None:
    assert asked(quiet, quiet.somebody(Role.ARTIST).token).status_code == 403
