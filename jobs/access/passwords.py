"""Passwords: Argon2id hashes, and what is asked of a new one.

Costs are those of the OWASP Password Storage Cheat Sheet for Argon2id: 19 MiB, two passes, one
lane. Length is the only rule of composition, as NIST SP 800-63B (5.1.1.2) advises.
"""

from __future__ import annotations

import unicodedata
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from jobs.refusals import Fault, RefusedError

MIN_LENGTH, MAX_LENGTH = 12, 256
# Guessed first wherever a long password is asked for, whatever the case.
GUESSED_FIRST = frozenset(
    {
        "123456789012",
        "1234567890123",
        "adminadmin123",
        "administrator",
        "changeme1234",
        "iloveyou1234",
        "letmein12345",
        "password1234",
        "password12345",
        "passwordpassword",
        "qwertyuiop12",
        "qwertyuiop123",
        "qwertyuiopasdf",
        "welcome12345",
    }
)
_hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)


def hashed(password: str) -> str:
    """A hash that may be stored; it holds its own salt and costs."""
    return _hasher.hash(_normal(password))


def matches(stored: str | None, password: str) -> bool:
    """Whether ``password`` is the one of ``stored``. Without one it takes as long and is False,
    so that nobody learns from the clock who has an account.
    """
    try:
        _hasher.verify(stored or _of_nobody(), _normal(password)[:MAX_LENGTH])
    except (VerificationError, InvalidHashError):
        return False
    return stored is not None


def is_outdated(stored: str) -> bool:
    """Whether ``stored`` was made with other costs than today's."""
    return _hasher.check_needs_rehash(stored)


def check(password: str, name: str, pointer: str = "/password") -> None:
    """Raises :class:`RefusedError` naming ``pointer`` when a new password is not good enough."""
    length = len(_normal(password))
    if not MIN_LENGTH <= length <= MAX_LENGTH:
        limits = {"low": MIN_LENGTH, "high": MAX_LENGTH}
        raise RefusedError("invalid", faults=[Fault(pointer, "password_length", limits)])
    plain = _normal(password).casefold()
    easy = len(set(plain)) < 5 or plain in GUESSED_FIRST or name.casefold() == plain
    if easy:
        raise RefusedError("invalid", faults=[Fault(pointer, "password_guessable")])


@cache
def _of_nobody() -> str:
    return _hasher.hash("the password of nobody")


def _normal(password: str) -> str:
    # Two keyboards may write the same letter as one code point or as two.
    return unicodedata.normalize("NFKC", password)
