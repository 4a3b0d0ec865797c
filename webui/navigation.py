"""Where the head of every page leads: each place once, with its key and who sees it."""

from __future__ import annotations

from dataclasses import dataclass

from engines.kind import N_


@dataclass(frozen=True)
class Place:
    """A page in the head. ``key`` opens it from anywhere; ``below`` are the endpoints of pages
    that belong to it, ``reserved`` one only administrators see."""

    endpoint: str
    title: str
    key: str
    below: tuple[str, ...] = ()
    reserved: bool = False

    def holds(self, endpoint: str | None) -> bool:
        """Whether the page at ``endpoint`` is this place or below it."""
        return endpoint == self.endpoint or endpoint in self.below


PLACES = (
    Place("pages.studio_page", N_("Studio"), "s"),
    Place("pages.datasets_page", N_("Datasets"), "d", below=("pages.dataset_page",)),
    Place("pages.models_page", N_("Models"), "m", below=("pages.model_page",)),
    Place("pages.jobs_page", N_("Jobs"), "j", below=("pages.job_page",)),
    Place(
        "pages.admin_page",
        N_("Admin"),
        "a",
        below=(
            *("pages.all_jobs_page", "pages.whole_job_page", "pages.requeue_page"),
            *("pages.audit_page", "pages.people_page", "pages.retention_page"),
        ),
        reserved=True,
    ),
)
