"""Every word in both languages, nothing inline, nothing from another host."""

from __future__ import annotations

import re
from pathlib import Path
from uuid import UUID

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po
from pydantic import ValidationError

from engines.engine import InputError
from engines.gan_sampling.kind import GanSamplingParams
from engines.gan_training.misfits import TOO_FEW
from engines.registry import KINDS
from jobs import lease
from jobs.refusals import Fault
from jobs.states import Reason, State
from tests.webui.pages.conftest import Visitor
from tests.webui.pages.worker_double import WorkerDouble
from webui import durations, problems, texts
from worker import failures

ROOT = Path(__file__).parents[3]
SOURCES = ("engines", "jobs", "webui")
METHODS = [("**.py", "python"), ("**/templates/**.html", "jinja2")]
KEYWORDS = {
    "_": None,
    "N_": None,
    "gettext": None,
    "ngettext": (1, 2),
}
PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|\{\w+\}")
PAGES = ["/", "/jobs", "/new/style_transfer", "/welcome", "/login?token=spent", "/nowhere"]


def marked() -> set[str]:
    """Every text that is marked for translation, by its first form."""
    found = set()
    for folder in SOURCES:
        extracted = extract_from_dir(
            str(ROOT / folder), METHODS, {}, keywords=KEYWORDS, comment_tags=()
        )
        for _, _, message, _, _ in extracted:
            found.add(message if isinstance(message, str) else message[0])
    return found


def test_chinese_has_every_text_with_the_same_placeholders() -> None:
    path = texts.FOLDER / "zh" / "LC_MESSAGES" / "messages.po"
    with path.open("rb") as opened:
        known = {
            message.id if isinstance(message.id, str) else message.id[0]: message
            for message in read_po(opened, locale="zh")
            if message.id
        }
    wanted = marked()
    assert len(wanted) > 200
    assert wanted - known.keys() == set()
    for id_ in wanted:
        message = known[id_]
        assert not message.fuzzy, id_
        told = [message.string] if isinstance(message.string, str) else list(message.string or ())
        assert all(told), id_
        for text in told:
            assert sorted(PLACEHOLDER.findall(text)) == sorted(PLACEHOLDER.findall(id_)), id_


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("path", PAGES)
def test_every_page_speaks_the_readers_language(visitor: Visitor, path: str, language: str) -> None:
    _, shown = visitor.get(path, headers={"Accept-Language": language})
    assert f'<html lang="{"zh-Hans" if language == "zh" else "en"}">' in shown
    assert ("画室" in shown) == (language == "zh")


def test_a_job_is_told_in_chinese(visitor: Visitor, worker: WorkerDouble) -> None:
    where = visitor.commission()
    worker.progress(worker.claim(), 0.5, 250)
    shown = visitor.page(where, headers={"Accept-Language": "zh"})
    for words in ("风格迁移", "制作中", "画较小的笔触", "还需大约 4 分钟", "暂停"):
        assert words in shown


def test_why_a_job_failed_is_told_in_chinese_with_its_figures(
    visitor: Visitor, worker: WorkerDouble
) -> None:
    where, hold = visitor.commission(), worker.claim()
    found = failures.told(InputError("/dataset", TOO_FEW, values={"count": 3, "fewest": 8}), None)
    with worker.database.begin() as session:
        reason = Reason(found["reason"])
        lease.stop(session, hold, State.FAILED, reason, 1.0, error=found["error"])
    shown = visitor.page(where, headers={"Accept-Language": "zh"})
    assert "图集有 3 张图片；至少需要 8 张。" in shown


def test_what_a_kind_refuses_is_told_in_chinese(visitor: Visitor) -> None:
    with pytest.raises(ValidationError) as refused:
        GanSamplingParams(model=str(UUID(int=1)), mode="film", count=1)
    (error,) = refused.value.errors()
    chinese = {"Accept-Language": "zh"}
    with visitor.http.application.test_request_context(headers=chinese):
        assert "影片至少要经过 2 张图片" in problems.words(Fault.of_pydantic(error, ""))


@pytest.mark.parametrize("path", PAGES)
def test_no_page_needs_another_host_or_anything_inline(visitor: Visitor, path: str) -> None:
    _, shown = visitor.get(path)
    # A namespace is a name: nothing is fetched from it.
    outside = shown.replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r'(?:src|href|action)="(?:https?:)?//(?!127\.0\.0\.1)', outside)
    assert " style=" not in shown
    assert "<style" not in shown
    assert not re.search(r"<script(?![^>]*\bsrc=)", shown)
    assert not re.search(r"\son\w+=", shown)


def test_static_files_name_no_host_and_are_not_minified() -> None:
    for path in (ROOT / "webui" / "static").iterdir():
        content = path.read_text()
        assert not re.search(r"https?://(?!www\.w3\.org)", content), path
        assert max(map(len, content.splitlines())) < 260, path


def test_every_choice_of_every_kind_has_words(visitor: Visitor) -> None:
    for name in KINDS:
        shown = visitor.page(f"/new/{name}", headers={"Accept-Language": "zh"})
        for word in ("Draft", "Standard", "Fine"):
            assert word not in shown


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "a few seconds"),
        (30, "less than a minute"),
        (80, "about a minute"),
        (100, "about 2 minutes"),
        (250, "about 4 minutes"),
        (760, "about 15 minutes"),
        (3500, "about an hour"),
        (7000, "about 2 hours"),
        (86400, "about a day"),
        (864000, "about 10 days"),
    ],
)
def test_lengths_of_time_are_never_more_precise_than_they_are(
    visitor: Visitor, seconds: float, words: str
) -> None:
    with visitor.http.application.test_request_context():
        assert durations.about(seconds) == words


def test_people_are_spoken_to_alike_and_every_hint_is_filled() -> None:
    """Politely, in Chinese; and a template leaves filling a hint to what fills refusals."""
    catalogue = ROOT / "webui" / "translations" / "zh" / "LC_MESSAGES" / "messages.po"
    with catalogue.open("rb") as file:
        familiar = [str(text.id) for text in read_po(file) if "\u4f60" in str(text.string)]
    assert familiar == []
    templates = (ROOT / "webui" / "templates").glob("*.html")
    assert [path.name for path in templates if "refusal.hint" in path.read_text("utf-8")] == []
