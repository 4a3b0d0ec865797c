"""What a person, and a token of theirs, may do in a studio: each word once, with its meaning."""

from __future__ import annotations

from engines.kind import N_
from jobs.states import Word


class Role(Word):
    """A person's role."""

    ARTIST = "artist", N_("Makes works and sees only their own.")
    ADMINISTRATOR = "administrator", N_("Also looks after people, machines and the studio.")


class Access(Word):
    """What a token lets its holder do; each includes those before it."""

    READ = "read", N_("Looks at works, jobs and files.")
    WRITE = "write", N_("Also makes, changes and stops them.")
    ADMIN = "admin", N_("Also does what its owner may do as an administrator.")

    def includes(self, other: Access) -> bool:
        """Whether whoever has this may do what ``other`` allows."""
        ranks = list(Access)
        return ranks.index(self) >= ranks.index(other)


ROLE_TITLES = {Role.ARTIST: N_("artist"), Role.ADMINISTRATOR: N_("administrator")}
