"""The first page: what can I make, and how do my jobs stand?"""

from __future__ import annotations

from flask import render_template
from sqlalchemy.orm import Session

from engines.registry import KINDS
from jobs import listing
from webui import cards, choices, forms
from webui.outlook import of_form
from webui.pages.blueprint import pages
from webui.studio import owner_id, studio

# In the order they hang: what moves first.
AT_WORK = ("running", "pausing", "canceling", "queued", "paused")
AT_WORK_SHOWN, WORKS_SHOWN = 12, 12


@pages.get("/")
def studio_page() -> str:
    """The studio."""
    kind = next(iter(KINDS.values()))
    form = forms.prefilled(kind)
    with studio().database.begin() as session:
        offered = choices.offered(session, owner_id(), form)
        _begin_with_samples(form, offered)
        ahead = of_form(session, owner_id(), form)
        at_work = _listed(session, listing.Filter(status=AT_WORK), AT_WORK_SHOWN)
        at_work.sort(key=lambda card: AT_WORK.index(card.status))
        works = _listed(session, listing.Filter(status=("succeeded",)), WORKS_SHOWN)
    return render_template(
        "studio.html", form=form, offered=offered, outlook=ahead, at_work=at_work, works=works
    )


def _listed(session: Session, wanted: listing.Filter, most: int) -> list[cards.Card]:
    return cards.cards(session, listing.page(session, owner_id(), wanted, most).jobs)


def _begin_with_samples(form: forms.Filled, offered: dict[str, list[choices.Choice]]) -> None:
    """One press is enough on a first visit: the first sample of each is chosen already."""
    for known in form.fields:
        if known.reference == "picture" and known.required and offered[known.name]:
            form.chosen[known.name] = [offered[known.name][0].value]
