"""What may not stand in any file of the project, and links that must lead somewhere."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.source import PACKAGES, ROOT, python_files, shown, text_files, tree, within

# Written in parts, so that this file does not name them either.
UNFINISHED = re.compile("|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X")))
OF_A_MACHINE = re.compile(
    "|".join(("/wo" + "rk/", r"\.libr" + "ary", "/ho" + "me/[a-z]", "/ro" + "ot/"))
)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
MAY_PRINT = ("atelier.cli", "bench")


def _lines(pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{shown(path)}:{number}: {line.strip()}"
        for path in text_files()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if pattern.search(line)
    ]


def test_nothing_is_left_for_later() -> None:
    assert _lines(UNFINISHED) == []


def test_no_file_knows_the_machine_it_was_written_on() -> None:
    assert _lines(OF_A_MACHINE) == []


def test_only_the_command_line_prints() -> None:
    wrong = [
        f"{shown(path)}:{node.lineno}"
        for path in python_files(*PACKAGES)
        if not within(shown(path).replace("/", "."), *MAY_PRINT)
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "print"
    ]
    assert wrong == []


def _documents() -> list[Path]:
    return [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("path", _documents(), ids=shown)
def test_every_link_of_a_document_leads_to_something_that_is_there(path: Path) -> None:
    broken = [
        link
        for link in LINK.findall(path.read_text(encoding="utf-8"))
        if not link.startswith(("http://", "https://", "mailto:")) and not _leads(path, link)
    ]
    assert broken == []


def _leads(document: Path, link: str) -> bool:
    name, _, section = link.partition("#")
    target = (document.parent / name) if name else document
    if not target.exists():
        return False
    return not section or section in _sections(target)


def _sections(document: Path) -> set[str]:
    """The anchors of a document's headings, made as code hosts make them."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_module_class_and_public_function_says_what_it_is_for() -> None:
    silent = [
        f"{shown(path)}: {getattr(node, 'name', 'the module')}"
        for path in python_files(*PACKAGES)
        for node in _public(tree(path))
        if ast.get_docstring(node) is None
    ]
    assert silent == []


def _public(module: ast.Module) -> list[ast.Module | ast.ClassDef | ast.FunctionDef]:
    found: list[ast.Module | ast.ClassDef | ast.FunctionDef] = [module]
    for node in module.body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and not node.name.startswith("_"):
            found.append(node)
    return found
