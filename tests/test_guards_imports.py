"""Arrows point one way: webui asks, jobs remembers, worker runs, engines make."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.source import PACKAGES, ROOT, imported, python_files, shown, within

# What the front end and the queue may know of the engines: nothing that needs torch.
LIGHT_ENGINES = re.compile(
    r"engines(\.(kind|registry|pictures|bounds|copies|film|media|models|origin|thumbnails|datasets(\.\w+)?)(\.\w+)?|\.\w+\.kind(\.\w+)?)?"
)
HEAVY = ("torch", "torchvision", "numpy", "safetensors")
FORBIDDEN = {
    "engines": (*(package for package in PACKAGES if package != "engines"), "flask", "celery"),
    "jobs": ("webui", "worker", "atelier", "migrations", "flask", "werkzeug", *HEAVY),
    "webui": ("worker", "atelier", "migrations", "celery", *HEAVY),
    "worker": ("webui", "atelier", "migrations", "flask", "werkzeug"),
    "migrations": ("webui", "worker", "atelier", "engines"),
}
ENGINES = python_files("engines")
# The command line knows a studio over HTTP alone; Settings tells it where that studio is.
OVER_HTTP = ("jobs", "engines", "worker", "webui", "migrations", "sqlalchemy", *HEAVY)


@pytest.mark.parametrize("package", FORBIDDEN)
def test_a_package_imports_nothing_that_the_arrows_do_not_lead_to(package: str) -> None:
    wrong = {
        f"{shown(path)} imports {name}"
        for path in python_files(package)
        for name in imported(path)
        if within(name, *FORBIDDEN[package])
    }
    assert wrong == set()


@pytest.mark.parametrize("package", ["jobs", "webui"])
def test_what_must_stay_light_knows_only_the_light_side_of_the_engines(package: str) -> None:
    wrong = {
        f"{shown(path)} imports {name}"
        for path in python_files(package)
        for name in imported(path)
        if within(name, "engines") and not LIGHT_ENGINES.fullmatch(name)
    }
    assert wrong == set()


def test_no_modules_of_the_engines_name_each_other_in_a_circle() -> None:
    paths = {shown(path).removesuffix(".py").replace("/", "."): path for path in ENGINES}
    known = {name: imported(path) & paths.keys() for name, path in paths.items()}
    while ends := [name for name, names in known.items() if not names & known.keys()]:
        for name in ends:
            del known[name]
    assert known == {}


def test_the_client_and_the_command_line_know_a_studio_over_http_alone() -> None:
    wrong = {
        f"{shown(path)} imports {name}"
        for path in [ROOT / "atelier" / "client.py", *python_files("atelier/cli")]
        for name in imported(path)
        if within(name, *OVER_HTTP) and not within(name, "jobs.settings")
    }
    assert wrong == set()


def test_the_client_needs_not_even_the_settings() -> None:
    names = (
        *("client.py", "administration.py", "keeping.py", "people.py", "telling.py"),
        *("transport.py", "multipart.py", "answers.py", "collecting.py"),
    )
    parts = [ROOT / "atelier" / name for name in names]
    ours = {name for part in parts for name in imported(part) if within(name, *PACKAGES)}
    allowed = (
        *("atelier.administration", "atelier.keeping", "atelier.people", "atelier.telling"),
        *("atelier.multipart", "atelier.answers", "atelier.collecting"),
        *("atelier.problems", "atelier.transport"),
    )
    assert {name for name in ours if not within(name, *allowed)} == set()


def _light_modules() -> list[str]:
    kinds = [path for path in python_files("engines") if path.name == "kind.py"]
    files = [
        *python_files("jobs"),
        *kinds,
        ROOT / "engines/registry.py",
        ROOT / "engines/pictures.py",
    ]
    return ["webui", "atelier.cli", *map(_module, files)]


def _module(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def test_what_must_stay_light_loads_no_torch() -> None:
    script = f"""
import importlib, sys
for name in {_light_modules()!r}:
    importlib.import_module(name)
    heavy = [heavy for heavy in {HEAVY!r} if heavy in sys.modules]
    assert not heavy, f"importing {{name}} loaded {{heavy}}"
from webui import create_app
from jobs.settings import Settings
create_app(Settings.read({{"DATABASE_URL": "postgresql://nobody@nowhere/nothing"}}))
heavy = [heavy for heavy in (*{HEAVY!r}, "worker", "atelier.local") if heavy in sys.modules]
assert not heavy, f"create_app loaded {{heavy}}"
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
