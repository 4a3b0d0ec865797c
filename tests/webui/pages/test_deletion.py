"""Deleting a job and saying how long things are kept, as a person does it."""

from __future__ import annotations

import re
from uuid import UUID

from flask import Flask
from sqlalchemy import text

from jobs.access.roles import Role
from tests.webui.pages.conftest import Visitor, new_artist
from webui.studio import Studio


def test_a_job_is_deleted_after_a_page_that_says_what_goes(visitor: Visitor) -> None:
    where = visitor.commission()
    status, _ = visitor.get(f"{where}/delete")
    assert status == 409
    visitor.post(f"{where}/cancel")
    assert f'href="{where}/delete"' in visitor.page(where)
    asked = visitor.page(f"{where}/delete")
    assert "its settings, figures and log" in asked
    assert visitor.get(where)[0] == 200
    status, _, then = visitor.post(f"{where}/delete")
    assert (status, then) == (303, "/jobs")
    assert visitor.get(where)[0] == 404


def test_uploads_are_listed_and_deleted_on_a_page(visitor: Visitor) -> None:
    """What a job needs stays as long as it does, and says so."""
    where = visitor.commission()
    assert 'href="/account/uploads"' in visitor.page("/account")
    delete = re.findall(r"/account/uploads/[0-9a-f-]{36}/delete", visitor.page("/account/uploads"))
    assert len(delete) == 2
    status, shown, _ = visitor.post(delete[0])
    assert (status, "is made from this" in shown) == (409, True)
    visitor.post(f"{where}/cancel")
    for address in delete:
        assert visitor.post(address)[0] == 303
    assert "None yet." in visitor.page("/account/uploads")


def administrator(app: Flask, parts: Studio) -> tuple[Visitor, UUID]:
    owner = new_artist(parts)
    with parts.database.begin() as session:
        session.execute(
            text("UPDATE owner SET role = :role WHERE id = :id"),
            {"role": str(Role.ADMINISTRATOR), "id": owner},
        )
    return Visitor(app, parts, owner), owner


def test_rules_are_set_on_a_page_and_their_effect_is_shown(
    app: Flask, parts: Studio, visitor: Visitor, artist: UUID
) -> None:
    where = visitor.commission()
    visitor.post(f"{where}/cancel")
    admin, _ = administrator(app, parts)
    assert "everything is kept" in admin.page("/admin/retention")
    own = {"owner": str(artist), "own-what": "works", "own-days": "0", "own-keep": ""}
    status, said, _ = admin.post("/admin/retention", **{"previews-days": "30", **own})
    assert status == 303, said
    page = admin.page("/admin/retention")
    assert 'name="previews-days" value="30"' in page
    assert f"Drop the rule of {artist}" in page
    assert f"({artist}):\n      1 job," in page
    assert visitor.get(where)[0] == 200
    admin.post("/admin/retention/apply")
    assert visitor.get(where)[0] == 404
    admin.post("/admin/retention", drop=f"works/{artist}")
    assert "everything is kept" in admin.page("/admin/retention")


def test_a_wrong_number_is_named_and_artists_are_refused(
    app: Flask, parts: Studio, visitor: Visitor
) -> None:
    admin, _ = administrator(app, parts)
    status, said, _ = admin.post("/admin/retention", **{"logs-days": "many"})
    assert (status, "many" in said) == (422, True)
    assert "<code>logs-days</code>" in said, "the field is not named"
    assert visitor.get("/admin/retention")[0] == 403
    assert visitor.post("/admin/retention/apply")[0] == 403
