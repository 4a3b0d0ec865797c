"""Whether recipes lie in what leaves, as a person chooses it."""

from __future__ import annotations

from tests.webui.pages.conftest import Visitor

CHECKED = 'type="checkbox" name="recipe" checked'


def test_recipes_are_inside_until_somebody_chooses_otherwise(visitor: Visitor) -> None:
    assert CHECKED in visitor.page("/account")
    assert visitor.post("/account/downloads")[0] == 303
    assert CHECKED not in visitor.page("/account")
    assert visitor.post("/account/downloads", recipe="on")[0] == 303
    assert CHECKED in visitor.page("/account")
