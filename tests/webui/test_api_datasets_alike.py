"""Look-alikes of a set have names in the API, whatever version has checked it."""

from __future__ import annotations

from io import BytesIO

from PIL import Image
from sqlalchemy import update

from jobs.models import Dataset
from tests.archives import labelled, zipped
from tests.webui.quiet import Caller
from tests.webui.test_api_datasets import bring, check


def with_a_look_alike() -> dict[str, bytes]:
    """A set of which one picture is another one made smaller."""
    files, smaller = labelled(), BytesIO()
    with Image.open(BytesIO(files["set/flow-fields/0.png"])) as drawn:
        drawn.resize((40, 40)).save(smaller, "PNG")
    return {**files, "set/flow-fields/small.png": smaller.getvalue()}


def test_look_alikes_have_names_also_in_a_report_of_an_earlier_version(caller: Caller) -> None:
    done = check(caller, bring(caller, ("set.zip", zipped(with_a_look_alike()))))
    near = done["report"]["near_duplicates"]
    assert [sorted(pair) for pair in near["shown"]] == [
        ["set/flow-fields/0.png", "set/flow-fields/small.png"]
    ]
    earlier = {"count": 1, "shown": near["positions"]}
    with caller.quiet.database.begin() as session:
        row = session.get_one(Dataset, done["id"])
        report = {**(row.report or {}), "near_duplicates": earlier}
        session.execute(update(Dataset).where(Dataset.id == row.id).values(report=report))
    told = caller.get(f"/datasets/{done['id']}").get_json()["report"]["near_duplicates"]
    assert told["positions"] == near["positions"]
    assert [sorted(pair) for pair in told["shown"]] == [["0.png", "small.png"]]
