"""The project's own files, for the tests that guard them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGES = ("atelier", "engines", "jobs", "migrations", "webui", "worker")
FOLDERS = (*PACKAGES, "bench", "docs", "tests")
TEXTS = {".css", ".html", ".js", ".json", ".mako", ".md", ".po", ".py", ".toml", ".yml", ".sh"}


def python_files(*folders: str) -> list[Path]:
    """Every Python file below these folders."""
    found = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    assert found, folders
    return found


def text_files() -> Iterator[Path]:
    """Every text file of the project."""
    for path in sorted(ROOT.iterdir()):
        if path.is_file() and (path.suffix in TEXTS or path.name in ("Dockerfile", "Makefile")):
            yield path
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in TEXTS and "node_modules" not in path.parts:
                yield path


@cache
def tree(path: Path) -> ast.Module:
    """A Python file, parsed."""
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imported(path: Path) -> set[str]:
    """The full names of the modules a file imports, wherever in it, also by ``from``."""
    found: set[str] = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            assert node.module
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def within(name: str, *packages: str) -> bool:
    """Whether a module lies in one of ``packages``."""
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def shown(path: Path) -> str:
    """A path as a person writes it."""
    return str(path.relative_to(ROOT))
