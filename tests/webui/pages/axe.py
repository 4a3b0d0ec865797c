"""What axe-core finds wrong with a page: ``assert violations(page) == []``."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright._impl._api_structures import SetCookieParam
from playwright.sync_api import BrowserContext, Page

from webui.texts import LANGUAGE_COOKIE

# Everything that WCAG 2.2 asks at levels A and AA, and what axe-core's makers hold good practice.
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# Both sizes, both grounds and both languages, each at least twice and in every pair; make proof
# looks at the other four of the eight too.
LOOKS = [(360, "light", "zh"), (360, "dark", "en"), (1440, "light", "en"), (1440, "dark", "zh")]
OTHERS = [
    look for look in product((360, 1440), ("light", "dark"), ("en", "zh")) if look not in LOOKS
]
every_look = pytest.mark.parametrize(
    ("width", "scheme", "language"),
    [*LOOKS, *(pytest.param(*look, marks=pytest.mark.proof) for look in OTHERS)],
)
_axe = Axe()


def violations(page: Page) -> list[str]:
    """A line for each element that breaks a rule; none on a page that is in order."""
    # What passes is not gathered and sent, which takes longer than looking.
    wanted = {"runOnly": {"type": "tag", "values": RULES}, "resultTypes": ["violations"]}
    found = _axe.run(page, options=wanted)
    return list(_lines(found.response["violations"]))


def speak(context: BrowserContext, language: str, address: str) -> None:
    """Let a browser's pages be in ``language``, as somebody who has chosen it."""
    cookie: SetCookieParam = {"name": LANGUAGE_COOKIE, "value": language, "url": address}
    context.add_cookies([cookie])


def fits(page: Page) -> bool:
    """Whether the page is no wider than its window."""
    return bool(page.evaluate("document.documentElement.scrollWidth <= innerWidth"))


def _lines(found: list[dict[str, object]]) -> Iterator[str]:
    for rule in found:
        nodes = rule["nodes"]
        assert isinstance(nodes, list)
        for node in nodes:
            yield f"{rule['id']}: {' '.join(map(str, node['target']))}: {node['html'][:160]}"
