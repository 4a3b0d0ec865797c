"""What a person may do in a studio: each role once, with its words."""

from __future__ import annotations

from engines.kind import N_
from jobs.states import Word


class Role(Word):
    """A person's role."""

    ARTIST = "artist", N_("Makes works and sees only their own.")
    ADMINISTRATOR = "administrator", N_("Also looks after people, machines and the studio.")


ROLE_TITLES = {Role.ARTIST: N_("artist"), Role.ADMINISTRATOR: N_("administrator")}
