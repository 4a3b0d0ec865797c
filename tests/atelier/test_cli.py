"""The command line on a real studio."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from atelier.answers import Series
from atelier.cli import shown, timeline
from atelier.client import Studio
from tests.atelier.conftest import Cli

TINY = ["--size", "64", "--start-size", "64", "--iterations", "1"]
UNKNOWN = "01890000-0000-7000-8000-000000000000"


@pytest.fixture
def pictures(photo: Path, painting: Path) -> list[str | Path]:
    return ["--content", photo, "--styles", painting]


def test_help_loads_nothing_heavy() -> None:
    script = "import sys; from atelier.cli import main\ntry: main(['--help'])\nfinally:\n"
    script += " print(sorted({'torch', 'requests', 'pydantic', 'sqlalchemy'} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.endswith("[]\n")
    assert "Exit codes" in done.stdout


def test_the_client_knows_http_and_nothing_else_of_ours() -> None:
    script = "import sys, atelier.client; print({m.split('.')[0] for m in sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    loaded = eval(done.stdout)
    assert not loaded & {"jobs", "engines", "webui", "worker", "torch", "sqlalchemy"}


def test_a_job_from_files_to_its_picture(
    cli: Cli, pictures: list[str | Path], tmp_path: Path
) -> None:
    made = cli("submit", "style-transfer", *pictures, *TINY, "--output", "art.png", "--tag", "mine")
    assert made.status == 0, made.err
    assert "job page: http://" in made.out
    job_id = made.out.split()[1]
    shown = cli("show", job_id, "--json").document
    assert shown["params"]["size"] == 64
    saved = hashlib.sha256((tmp_path / "art.png").read_bytes()).hexdigest()
    assert saved == shown["outputs"][0]["sha256"]

    listed = cli("list", "--tag", "mine")
    assert job_id in listed.out
    assert max(map(len, listed.out.splitlines())) <= 80
    assert cli("watch", job_id).status == 0

    fetched = cli("download", job_id, "--output-dir", "works")
    assert fetched.status == 0
    assert (tmp_path / fetched.out.splitlines()[0]).is_file()
    again = cli("download", job_id, "--output-dir", "works")
    assert (again.status, "--force" in again.err) == (2, True)
    bundled = cli("download", job_id, "--zip", "works/all.zip")
    assert (bundled.status, bundled.out.strip()) == (0, "works/all.zip"), bundled.err
    with ZipFile(tmp_path / "works/all.zip") as archive:
        assert hashlib.sha256(archive.read(archive.namelist()[0])).hexdigest() == saved
    assert cli("download", job_id, "--zip", "works/all.zip").status == 2
    assert not list(tmp_path.rglob(".atelier-*"))

    measured = cli("metrics", job_id)
    figures, _, meanings = measured.out.partition("\n\n")
    assert [line.split()[:2] for line in figures.splitlines()[1:]] == [
        [name, "1"] for name in ("loss", "content", "style")
    ]
    assert "content: Distance to the photo. " in meanings
    table = cli("metrics", job_id, "--csv", "--name", "loss").out.splitlines()
    assert (table[0], len(table)) == ("step,loss", 2)
    kept = cli("frames", job_id, "--save", "timeline")
    assert [Path(line).name for line in kept.out.splitlines()] == [
        "step-00000000.jpg",
        "step-00000001.jpg",
    ]
    assert all((tmp_path / line).is_file() for line in kept.out.splitlines())
    (tmp_path / "timeline" / "step-00000001.jpg").write_bytes(b"mine")
    assert cli("frames", job_id, "--save", "timeline").status == 2
    assert cli("frames", job_id, "--save", "timeline", "--force").status == 0

    # Too long to succeed before its cancellation is seen, which a tiny run may rightly do.
    longer = ["--set", "seed=7", "--set", "iterations=1000"]
    other = cli("rerun", job_id, *longer, "--json").document
    assert (other["params"]["seed"], other["params"]["size"]) == (7, 64)
    canceled = cli("cancel", other["id"], "--json").document
    assert canceled["status"] in ("canceled", "canceling")
    lines = cli("watch", other["id"], "--json")
    assert (lines.status, json.loads(lines.out.splitlines()[-1])["status"]) == (3, "canceled")
    assert cli("retry", other["id"], "--json").document["status"] in ("queued", "running")
    cli("cancel", other["id"])


def test_a_job_can_rest_and_go_on_and_its_log_be_followed(
    cli: Cli, studio: Studio, pictures: list[str | Path]
) -> None:
    steps = [*TINY[:-1], "150"]
    job_id = cli("submit", "style_transfer", *pictures, *steps, "--json").document["id"]
    assert cli("pause", job_id, "--json").document["status"] in ("pausing", "paused")
    for job in studio.watch(job_id):
        if job["status"] == "paused":
            break
    assert "paused" in cli("pause", job_id).out
    assert cli("resume", job_id, "--json").document["status"] in ("queued", "running")
    followed = cli("log", job_id, "--follow")
    assert (followed.status, followed.err) == (0, "")
    assert studio.job(job_id)["status"] == "succeeded"
    assert "the other steps took" in followed.out
    assert "attempt" in followed.out
    assert followed.out == cli("log", job_id).out == "".join(studio.follow_log(job_id))
    assert cli("log", job_id, "--tail", "1").out == followed.out.splitlines(keepends=True)[-1]
    both = cli("log", job_id, "--tail", "1", "--follow")
    assert (both.status, "leave out --tail" in both.err) == (2, True)


def test_several_paintings_may_repeat_the_option_or_stand_with_commas(
    cli: Cli, photo: Path, painting: Path
) -> None:
    stored = [
        cli("submit", "style_transfer", "--content", photo, *styles, *TINY, "--json").document
        for styles in (
            ["--styles", painting, "--styles", photo],
            ["--styles", f"{painting},{photo}", "--weights", "1,2.5"],
        )
    ]
    assert [len(job["params"]["styles"]) for job in stored] == [2, 2]
    assert stored[1]["params"]["weights"] == [1, 2.5]
    for job in stored:
        cli("cancel", job["id"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--size", "9999"], ["--size", "9999", "2048"]),
        (["--size", "many"], ["--size", "'many'", "integer"]),
        (["--preset", "best"], ["--preset", "'best'", "draft", "fine"]),
        (["--content-weight", "nan"], ["--content-weight", "nan"]),
        (["--weights", "1,x"], ["--weights", "'x'"]),
        (["--content", "no.jpg"], ["--content", "no.jpg", "Check the path"]),
        (["--sise", "64"], ["--sise", "--size"]),
        (["--weights", "1,2,3"], ["/params/weights", "one weight for each"]),
    ],
)
def test_bad_input_is_named_with_its_value_and_limit(
    cli: Cli, pictures: list[str | Path], arguments: list[str], words: list[str]
) -> None:
    refused = cli("submit", "style_transfer", *pictures, *arguments)
    assert refused.status == 2
    for word in words:
        assert word in refused.err


def test_a_file_that_is_no_picture_is_refused_in_words(cli: Cli, photo: Path) -> None:
    refused = cli("submit", "style_transfer", "--content", __file__, "--styles", photo)
    assert refused.status == 2
    assert "/file" in refused.err


def test_an_unknown_job_kind_and_change_are_named(cli: Cli) -> None:
    unknown = cli("show", UNKNOWN, "--json")
    assert (unknown.status, unknown.document["error"]["code"]) == (2, "unknown_job")
    assert cli("show", "../kinds").status == 2
    kind = cli("submit", "sculpture", "--size", "3")
    assert (kind.status, "style_transfer" in kind.err) == (2, True)
    change = cli("rerun", UNKNOWN, "--set", "seed")
    assert (change.status, "NAME=VALUE" in change.err) == (2, True)


def test_every_option_of_a_kind_is_in_its_help_with_limits(cli: Cli) -> None:
    kind = cli("kinds", "--json").document["results"][0]
    shown = cli("submit", kind["name"], "--help").out
    for name in kind["params"]["properties"]:
        assert f"--{name.replace('_', '-')}" in shown
    assert "64<=x<=2048" in shown
    assert "[default: 512]" in shown


def test_without_a_studio_it_says_how_to_start_one(cli: Cli, tmp_path: Path) -> None:
    for variables in (
        {"ATELIER_URL": "", "ATELIER_DATA": str(tmp_path / "none")},
        {"ATELIER_URL": "http://127.0.0.1:9"},
    ):
        away = cli("list", **variables)
        assert (away.status, "atelier up" in away.err) == (4, True)


def test_a_wrong_token_is_refused_with_a_hint(cli: Cli) -> None:
    refused = cli("list", ATELIER_TOKEN="wrong")
    assert refused.status == 1
    assert "token" in refused.err


def test_a_file_that_is_no_known_network_is_not_added(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "vgg19-dcbb9e9d.pth").write_bytes(b"not a network")
    refused = cli("weights", "add", "vgg19-dcbb9e9d.pth", ATELIER_DATA=str(tmp_path / "var"))
    assert (refused.status, "sha256" in refused.err) == (1, True)
    assert not (tmp_path / "var" / "weights").exists()
    listed = cli("weights", "list", "--json", ATELIER_DATA=str(tmp_path / "var")).document
    assert {entry["name"]: entry["status"] for entry in listed["results"]}["vgg16"] == "ready"


def test_the_doctor_finds_this_machine_fit_and_names_what_is_not(cli: Cli, tmp_path: Path) -> None:
    fit = cli("doctor", "--json", ATELIER_DATA=str(tmp_path / "var"))
    wrong = [check for check in fit.document["checks"] if not check["good"]]
    assert (fit.status, wrong) == (0, [])
    away = {
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:9/none",
        "REDIS_URL": "redis://127.0.0.1:9/0",
        "STORAGE_URL": "/proc/nowhere",
        "ATELIER_SLOTS": "gpu:77",
        "ATELIER_DATA": "/proc/nowhere",
    }
    unfit = cli("doctor", "--json", **away)
    named = {check["check"] for check in unfit.document["checks"] if not check["good"]}
    assert unfit.status == 1
    assert named >= {"database", "broker", "storage", "slots", "data folder"}
    assert all(check["fix"] for check in unfit.document["checks"] if not check["good"])


def test_a_job_is_deleted_for_good_after_it_was_said_what_goes(
    cli: Cli, photo: Path, painting: Path
) -> None:
    pictures = ["--content", photo, "--styles", painting]
    job_id = cli("submit", "style_transfer", *pictures, *TINY, "--json").document["id"]
    assert "not ended" in cli("delete", job_id, "--yes").err
    cli("cancel", job_id, "--json")
    cli("watch", job_id)
    asked = cli("delete", job_id)
    assert (asked.status != 0, "This removes" in asked.err) == (True, True)
    assert cli("show", job_id).status == 0
    assert cli("delete", job_id, "--yes").out == "Deleted.\n"
    assert "no such job" in cli("show", job_id).err


def test_a_figure_with_an_interval_is_printed_and_written_with_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    kid: Series = {
        "name": "kid",
        "label": "Distance",
        "meaning": "",
        "measured": 2,
        "kept": 2,
        "shown": 2,
        "method": "every_point",
        "thinned_to": None,
        "points": [[0, 7.7], [500, 0.061]],
        "interval": {
            "percent": 95,
            "low": "kid_low",
            "high": "kid_high",
            "ends": [None, [0.033, 0.106]],
        },
    }
    loss: Series = {**kid, "name": "loss", "interval": None}
    lines = list(shown.figures([kid, loss]))
    assert [line.split() for line in lines[1:]] == [
        ["kid", "2", "0.061", "7.7", "0.061"],
        ["now", "between", "0.033", "and", "0.106", "(95", "%)"],
        ["loss", "2", "0.061", "7.7", "0.061"],
    ]
    timeline._write_csv([kid, loss])
    assert capsys.readouterr().out.splitlines() == [
        "step,kid,kid_low,kid_high,loss",
        "0,7.7,,,7.7",
        "500,0.061,0.033,0.106,0.061",
    ]
