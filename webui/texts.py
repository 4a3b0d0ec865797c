"""Texts in the reader's language: gettext catalogues read from the .po files as they are."""

from __future__ import annotations

import gettext as standard
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from babel.messages.pofile import read_po
from flask import Flask, Response, g, request

LANGUAGES = {"en": "English", "zh": "中文"}
LANGUAGE_COOKIE = "atelier_language"
FOLDER = Path(__file__).parent / "translations"


class Catalogue(standard.NullTranslations):
    """Translations of one language, from a .po file; an untranslated text stays English."""

    def __init__(self, language: str) -> None:
        super().__init__()
        self._texts: dict[str, str] = {}
        self._plurals: dict[str, tuple[str, ...]] = {}
        path = FOLDER / language / "LC_MESSAGES" / "messages.po"
        if not path.exists():
            return
        with path.open("rb") as opened:
            for message in read_po(opened, locale=language):
                if message.fuzzy or not message.id or not message.string:
                    continue
                if isinstance(message.id, str):
                    self._texts[message.id] = str(message.string)
                else:
                    self._plurals[message.id[0]] = tuple(message.string)

    def gettext(self, message: str) -> str:
        """The text in this language."""
        return self._texts.get(message, message)

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        """The text for a count; Chinese has one form, English two."""
        forms = [form for form in self._plurals.get(msgid1, ()) if form]
        if not forms:
            return msgid1 if n == 1 else msgid2
        return forms[0] if len(forms) == 1 or n == 1 else forms[1]


@cache
def catalogue(language: str) -> Catalogue:
    """The catalogue of a language, read once."""
    return Catalogue(language)


def language() -> str:
    """The reader's language: their choice, else their browser's, else English."""
    if "language" not in g:
        chosen = request.cookies.get(LANGUAGE_COOKIE, "")
        offered = request.accept_languages.best_match(["en", "zh", "zh-CN", "zh-TW"], "en")
        g.language = chosen if chosen in LANGUAGES else str(offered)[:2]
    return str(g.language)


def _(text: str) -> str:
    """``text`` in the reader's language."""
    return catalogue(language()).gettext(text) if text else ""


def ngettext(one: str, many: str, count: int) -> str:
    """The text for a count in the reader's language, its ``%(num)s`` filled in."""
    return catalogue(language()).ngettext(one, many, count) % {"num": count}


def filled(text: str, values: Mapping[str, Any]) -> str:
    """``text`` in the reader's language, its ``%(name)s`` filled from ``values``."""
    return _(text) % values if values else _(text)


def phase_text(phase: Mapping[str, Any] | None) -> str:
    """An engine's phase in the reader's language, its ``{name}`` filled in."""
    if not phase:
        return ""
    text = phase["text"]
    return _(text).format(**phase["values"])


def install(app: Flask) -> None:
    """Give templates ``_`` and ``ngettext``, and say in the answer which language it is in."""
    app.jinja_env.add_extension("jinja2.ext.i18n")
    app.jinja_env.install_gettext_callables(  # type: ignore[attr-defined]
        lambda text: _(text),
        lambda one, many, n: catalogue(language()).ngettext(one, many, n),
        newstyle=True,
    )
    app.context_processor(
        lambda: {"language": language(), "languages": LANGUAGES, "phase_text": phase_text}
    )
    app.after_request(_say_language)


def _say_language(answer: Response) -> Response:
    if request.endpoint != "static":
        answer.headers["Content-Language"] = language()
        answer.vary.add("Accept-Language")
    return answer
