"""Somebody with one of everything that a person may own, so that others can try to get at it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from engines import media
from jobs import service, slots
from jobs.access import accounts, people, shares
from jobs.ids import new_id
from jobs.models import Checkpoint, Dataset, Delivery, File, Frame, ShareLink, Token
from jobs.moves import enter, lock_share
from jobs.post import notices
from tests.webui.quiet import Caller, png

DAY = timedelta(days=1)
SLOT = "cpu:3@permissions"


@dataclass
class Belongings:
    """Ids and secrets of one person's things, by the name of a route's parameter.

    ``sha256`` is a picture that is stored already.
    """

    owner: Caller
    sha256: str = ""
    values: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.sha256:
            self.sha256 = str(self.owner.upload(png(64, 48)).get_json()["sha256"])
        with self.owner.quiet.database.begin() as session:
            self._make(session, self.sha256)

    def of(self, rule: str, parameter: str) -> str:
        """What stands for ``parameter`` in the address ``rule``."""
        key = next((to for at, name, to in PART_OF if at in rule and name == parameter), parameter)
        assert key in self.values, f"say in tests/webui/belongings.py what <{parameter}> of one is"
        return self.values[key]

    def _make(self, session: Session, sha256: str) -> None:
        owner = self.owner.owner
        upload = _file(session, owner, None, sha256, "upload", "image/png")
        job = _job(session, owner, str(upload), sha256)
        work = _file(session, owner, job, sha256, "result", "image/png")
        model = _file(session, owner, job, sha256, "model", media.MODEL)
        shown = {"job_id": job, "step": 1, "sha256": sha256, "fence": 0}
        session.execute(insert(Frame).values(**shown, width=64, height=48))
        checkpoint = {"id": new_id(), "sha256": sha256, "state_version": 1, "threads": 1}
        session.execute(insert(Checkpoint).values(**checkpoint, job_id=job, fence=0, step=1))
        dataset = {"id": new_id(), "owner_id": owner, "name": "dots", "upload_sha256": sha256}
        session.execute(insert(Dataset).values(**dataset))
        link = shares.make(session, owner, work, 7, recipe=True)
        hook = notices.add_webhook(session, owner, "https://host.example/hook")
        delivery = {"id": new_id(), "owner_id": owner, "job_id": job, "webhook_id": hook.id}
        session.execute(insert(Delivery).values(**delivery, body={"type": "job.failed"}))
        invitation, invited = people.invite(session, "artist", 7, "", by="console")
        slots.register(session, SLOT, machine="x", resource="cpu", device="cpu", standby=False)
        self.values = {
            "job_id": str(job),
            "file_id": str(upload),
            "model_id": str(model),
            "work": str(work),
            "dataset_id": str(dataset["id"]),
            "checkpoint_id": str(checkpoint["id"]),
            "webhook_id": str(hook.id),
            "delivery_id": str(delivery["id"]),
            "link_id": str(link.id),
            "link": shares.address(session.get_one(ShareLink, link.id)),
            "invitation": invited,
            "invitation_id": str(invitation.id),
            "reset": people.make_reset(session, owner, by="console"),
            "person_id": str(owner),
            "session": _token(session, owner, "session"),
            "token_id": _token(session, owner, "api"),
            "slot": SLOT,
            "queue": "cpu",
            "kind_name": "style_transfer",
            "sample": "cat.jpg",
            "action": "cancel",
            "slot_action": "drain",
            "queue_action": "pause",
            "maintenance_action": "begin",
            "step": "1",
            "position": "0",
            "filename": "base.css",
        }


# Parameters that mean different things in different addresses.
PART_OF = (
    ("/workers/", "name", "slot"),
    ("/slots/", "name", "slot"),
    ("/queues/", "name", "queue"),
    ("/slots/", "action", "slot_action"),
    ("/queues/", "action", "queue_action"),
    ("/maintenance/", "action", "maintenance_action"),
    ("/kinds/", "name", "kind_name"),
    ("/samples/", "name", "sample"),
    ("/sessions/", "token_id", "session"),
    ("/invitations/", "secret", "invitation"),
    ("/reset/", "secret", "reset"),
)


def _job(session: Session, owner: UUID, file_id: str, sha256: str) -> UUID:
    given = {"content": file_id, "styles": [file_id], "preset": "draft"}
    params = service.validated(service.kind_named("style_transfer"), given)
    lock_share(session, owner, "cpu")
    job = enter(
        session,
        owner,
        kind="style_transfer",
        given=given,
        params=params.model_dump(mode="json"),
        inputs={file_id: sha256},
        resource="cpu",
        preview_sha256=sha256,
    )
    return job.id


def _file(
    session: Session, owner: UUID, job: UUID | None, sha256: str, role: str, media_type: str
) -> UUID:
    id_ = new_id()
    made = {"id": id_, "owner_id": owner, "job_id": job, "sha256": sha256, "role": role}
    session.execute(insert(File).values(**made, name=f"{role}.png", media_type=media_type))
    return id_


def _token(session: Session, owner: UUID, scope: accounts.Scope) -> str:
    secret = accounts.issue(session, owner, scope, DAY)
    query = select(Token.id).where(Token.sha256 == func.sha256(secret.encode()))
    return str(session.execute(query).scalar_one())
