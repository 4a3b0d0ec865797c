"""What any program can do with accounts over HTTP: its own, and as administrator all others."""

from __future__ import annotations

from typing import Any, TypedDict
from urllib.parse import quote, urlencode

from atelier.transport import Transport


class Person(TypedDict):
    """A person; a limit that is None does not bound."""

    id: str
    name: str
    role: str
    language: str | None
    disabled: bool
    second_factor: bool
    created_at: str
    limits: dict[str, Any]
    use: dict[str, Any]


class Token(TypedDict):
    """A token, or a browser's session; ``access`` is read, write or admin."""

    id: str
    name: str
    access: str
    created_at: str
    expires_at: str
    used_at: str | None


class MadeToken(Token):
    """A token as the answer that makes it shows it, once."""

    token: str


class Link(TypedDict):
    """A link to a shared work."""

    id: str
    file_id: str
    name: str
    recipe: bool
    views: int
    expires_at: str
    url: str


class Invitation(TypedDict, total=False):
    """An invitation; ``url`` stands in the answer that makes it, and nowhere else."""

    id: str
    role: str
    note: str
    expires_at: str
    url: str


class People(Transport):
    """Accounts of one studio."""

    def me(self) -> Person:
        """Who one is, what one may have and has."""
        found: Person = self._json("GET", "/me")
        return found

    def change_me(self, **changes: str) -> Person:
        """Another ``name``, another ``language`` ("" for the browser's)."""
        changed: Person = self._json("PATCH", "/me", body=changes)
        return changed

    def change_password(self, current: str, new: str, end_tokens: bool = False) -> None:
        """Another password; every browser is signed out, and with ``end_tokens`` every token but
        the one that asks ends.
        """
        body = {"current_password": current, "new_password": new, "end_tokens": end_tokens}
        self._send("POST", "/me/password", body=body)

    def begin_second_factor(self, password: str) -> dict[str, str]:
        """``secret`` and ``url`` for an authenticator app; they count once a code confirms them."""
        body = {"current_password": password}
        return dict(self._json("POST", "/me/second-factor", body=body))

    def confirm_second_factor(self, code: str, password: str) -> list[str]:
        """Turn the second factor on; the recovery codes are shown once."""
        body = {"code": code, "current_password": password}
        answer = self._json("POST", "/me/second-factor/confirm", body=body)
        return list(answer["recovery_codes"])

    def remove_second_factor(self, password: str) -> None:
        """Turn the second factor off."""
        self._send("POST", "/me/second-factor/remove", body={"current_password": password})

    def renew_recovery_codes(self, password: str) -> list[str]:
        """Ten new recovery codes; those of before no longer work."""
        body = {"current_password": password}
        return list(self._json("POST", "/me/recovery-codes", body=body)["recovery_codes"])

    def sessions(self) -> list[Token]:
        """Browsers that are signed in."""
        return list(self._json("GET", "/me/sessions")["results"])

    def revoke_session(self, session_id: str) -> None:
        """Sign a browser out."""
        self._send("DELETE", f"/me/sessions/{_segment(session_id)}")

    def tokens(self) -> list[Token]:
        """One's tokens for programs."""
        return list(self._json("GET", "/me/tokens")["results"])

    def make_token(self, name: str, access: str = "write", days: int = 90) -> MadeToken:
        """A token that reaches at most as far as the one that asks; it is shown once."""
        body = {"name": name, "access": access, "days": days}
        made: MadeToken = self._json("POST", "/me/tokens", body=body)
        return made

    def revoke_token(self, token_id: str) -> None:
        """End a token."""
        self._send("DELETE", f"/me/tokens/{_segment(token_id)}")

    def links(self) -> list[Link]:
        """Links to works one shares."""
        return list(self._json("GET", "/links")["results"])

    def share(self, file_id: str, days: int = 7, recipe: bool = False) -> Link:
        """A link that shows one work to whoever has it."""
        body = {"file_id": file_id, "days": days, "recipe": recipe}
        made: Link = self._json("POST", "/links", body=body)
        return made

    def unshare(self, link_id: str) -> None:
        """Take a link back."""
        self._send("DELETE", f"/links/{_segment(link_id)}")

    def people(self) -> list[Person]:
        """Everybody, by name; for administrators, as all that follows."""
        return list(self._json("GET", "/admin/people")["results"])

    def person(self, person_id: str) -> Person:
        """One person."""
        found: Person = self._json("GET", f"/admin/people/{_segment(person_id)}")
        return found

    def change_person(self, person_id: str, **changes: Any) -> Person:
        """``role``, ``disabled``, ``running_limit``, ``waiting_limit``, ``disk_limit`` (bytes),
        ``gpu_hours_limit`` (a week); None gives back the studio's limit. ``reason`` goes to the
        audit log, as everywhere below.
        """
        address = f"/admin/people/{_segment(person_id)}"
        changed: Person = self._json("PATCH", address, body=changes)
        return changed

    def reset_link(self, person_id: str, second_factor: bool = False, reason: str = "") -> str:
        """An address where this person sets a new password, once."""
        body = {"second_factor": second_factor, "reason": reason}
        address = f"/admin/people/{_segment(person_id)}/reset"
        return str(self._json("POST", address, body=body)["url"])

    def invitations(self) -> list[Invitation]:
        """Invitations that nobody has accepted yet."""
        return list(self._json("GET", "/admin/invitations")["results"])

    def invite(
        self, role: str = "artist", days: int = 7, note: str = "", reason: str = ""
    ) -> Invitation:
        """An invitation; its ``url`` is shown once."""
        body = {"role": role, "days": days, "note": note, "reason": reason}
        made: Invitation = self._json("POST", "/admin/invitations", body=body)
        return made

    def withdraw(self, invitation_id: str, reason: str = "") -> None:
        """Take an invitation back."""
        why = f"?{urlencode({'reason': reason})}" if reason else ""
        self._send("DELETE", f"/admin/invitations/{_segment(invitation_id)}{why}")


def _segment(text: str) -> str:
    return quote(text, safe="")
