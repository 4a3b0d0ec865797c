"""Tables of the documentation that are drawn from the code. ``python -m tests.tables`` does it."""

from __future__ import annotations

from pathlib import Path

from annotated_types import Ge, Le

from engines.registry import KINDS
from jobs.refusals import FAULTS, REFUSALS
from jobs.settings import Settings
from jobs.states import Reason, State
from tests.source import ROOT

SETTINGS = (ROOT / "docs" / "settings.md", "settings")
REFUSED = (ROOT / "docs" / "api.md", "refusals")
FAULTY = (ROOT / "docs" / "api.md", "faults")
STATES = (ROOT / "docs" / "api.md", "states")
FIGURES = (ROOT / "docs" / "api.md", "figures")
REASONS = (ROOT / "docs" / "api.md", "reasons")


def settings_table() -> str:
    """Every variable with its default, limits and meaning."""
    rows = []
    for field in Settings.model_fields.values():
        low = [f"at least {limit.ge}" for limit in field.metadata if isinstance(limit, Ge)]
        high = [f"at most {limit.le}" for limit in field.metadata if isinstance(limit, Le)]
        default = "" if field.default in (None, "") else f"`{field.default}`"
        rows.append([f"`{field.alias}`", default, ", ".join(low + high), field.description or ""])
    return _table(["variable", "default", "limits", "meaning"], rows)


def refusals_table() -> str:
    """Every code of a problem with its status, title and hint."""
    rows = [
        [f"`{code}`", str(told.status), told.title, told.hint] for code, told in REFUSALS.items()
    ]
    return _table(["code", "status", "title", "hint"], rows)


def faults_table() -> str:
    """Every code of a fault with its words."""
    return _table(["code", "detail"], [[f"`{code}`", words] for code, words in FAULTS.items()])


def states_table() -> str:
    """Every state with its meaning."""
    return _table(["status", "meaning"], [[f"`{state}`", state.meaning] for state in State])


def reasons_table() -> str:
    """Every reason with its meaning, and which of them another try would meet again."""
    rows = [[f"`{each}`", each.meaning, "yes" if each.lasting else ""] for each in Reason]
    return _table(["reason", "meaning", "lasting"], rows)


def figures_table() -> str:
    """Every figure of every kind with its name and meaning."""
    rows = [
        [f"`{kind.name}`", f"`{name}`", figure.label, figure.meaning]
        for kind in KINDS.values()
        for name, figure in kind.figures.items()
    ]
    return _table(["kind", "figure", "label", "meaning"], rows)


TABLES = {
    SETTINGS: settings_table,
    REFUSED: refusals_table,
    FAULTY: faults_table,
    STATES: states_table,
    FIGURES: figures_table,
    REASONS: reasons_table,
}


def documented(place: tuple[Path, str]) -> str:
    """The table as it stands in its document."""
    before, _, after = _split(place)
    return place[0].read_text(encoding="utf-8")[len(before) : -len(after)]


def _split(place: tuple[Path, str]) -> tuple[str, str, str]:
    path, name = place
    text = path.read_text(encoding="utf-8")
    begin, end = f"<!-- {name}: drawn from the code -->\n\n", f"\n<!-- end of {name} -->"
    start = text.index(begin) + len(begin)
    stop = text.index(end, start)
    return text[:start], text[start:stop], text[stop:]


def _table(head: list[str], rows: list[list[str]]) -> str:
    escaped = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    lines = [head, ["---"] * len(head), *escaped]
    return "".join("| " + " | ".join(cells) + " |\n" for cells in lines)


def main() -> None:
    """Write every table into its document."""
    for place, made in TABLES.items():
        before, _, after = _split(place)
        place[0].write_text(before + made() + after, encoding="utf-8")


if __name__ == "__main__":
    main()
