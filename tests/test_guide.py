"""docs/adding-a-kind.md, followed to the letter in a copy of the tree."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
GUIDE = (ROOT / "docs" / "adding-a-kind.md").read_text()


def block(heading: str) -> str:
    """The code below a heading that contains ``heading``."""
    found = re.search(rf"^## [^\n]*{re.escape(heading)}.*?```python\n(.*?)```", GUIDE, re.M | re.S)
    assert found is not None, f"the guide has no code below {heading!r}"
    return found[1]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the tree with the guide's kind in it."""
    copy = tmp_path_factory.mktemp("guide")
    for folder in ("engines", "tests/engines", "atelier/samples"):
        shutil.copytree(ROOT / folder, copy / folder)
    shutil.copy(ROOT / "tests" / "__init__.py", copy / "tests")
    shutil.copy(ROOT / "pyproject.toml", copy)
    kind = copy / "engines" / "posterise"
    kind.mkdir()
    (kind / "__init__.py").write_text('"""A picture in few colours."""\n')
    (kind / "kind.py").write_text(block("engines/posterise/kind.py"))
    (kind / "engine.py").write_text(block("engines/posterise/engine.py"))
    follow_registry(copy / "engines" / "registry.py")
    table = copy / "tests" / "engines" / "tiny.py"
    entry = block("tests/engines/tiny.py")
    start = "TINY: dict[str, Tiny] = {\n"
    assert start in table.read_text()
    table.write_text(table.read_text().replace(start, start + entry))
    return copy


def follow_registry(path: Path) -> None:
    """Add the import, and put the new line in the old one's place."""
    added, _, line = block("engines/registry.py").partition("...\n")
    registry = path.read_text()
    imports = "from engines.kind import Kind\n"
    assert imports in registry
    registry = registry.replace(imports, imports + added)
    registry = re.sub(r"^KINDS: .*\n", line, registry, flags=re.M)
    path.write_text(registry)


def python(tree: Path, *arguments: str) -> str:
    """Run this interpreter in the copy; its standard output."""
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_guides_kind_passes_the_conformance_suite(tree: Path) -> None:
    """Every promise that the suite knows holds for the example."""
    suite = "tests/engines/test_conformance.py"
    said = python(tree, "-m", "pytest", "-q", "-p", "no:cacheprovider", suite, "-k", "posterise")
    assert re.search(r"\d+ passed", said)


def test_the_guides_kind_draws_its_schema(tree: Path) -> None:
    """What form, API and command line are drawn from names its parameters and limits."""
    code = (
        "import json; from engines.registry import KINDS;"
        " print(json.dumps(KINDS['posterise'].schema()))"
    )
    schema = json.loads(python(tree, "-c", code))
    assert schema["properties"]["levels"]["maximum"] == 16
    assert schema["properties"]["picture"]["x-reference"] == "picture"


def test_the_guides_code_is_formatted_like_ours(tree: Path) -> None:
    """What people copy passes the same linter."""
    folder = str(tree / "engines" / "posterise")
    python(tree, "-m", "ruff", "check", folder)
    python(tree, "-m", "ruff", "format", "--check", folder)
