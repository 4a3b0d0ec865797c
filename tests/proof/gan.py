"""What training promises, proved: ``python -m tests.proof.gan [small|dial|transfer ...]``.

Runs what has not been run yet (results are kept in build/gan, so it may be stopped), then writes
docs/gan.md and docs/pictures/gan_training.jpg from the results.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import torch
from PIL import Image

from engines import pictures
from engines.datasets import samples
from engines.datasets.prepared import prepared
from engines.gan_training.model_file import load_model
from engines.gan_training.networks import build_generator, load_into, set_dial
from engines.gan_training.samples import as_bytes, grid, made, wishes
from engines.gan_training.stylist import Stylist
from engines.state import generator
from engines.vision import sets
from tests.engines import art
from tests.proof.runs import KEPT, Run, points

DOCS = Path(__file__).parents[2] / "docs"
SEEDS = (0, 1, 2)
OTHERS = (3, 4)
"""Seeds that nothing was tried on."""
DIALS = (0.0, 0.5, 1.0, 2.0)
LITTLE: dict[str, Any] = {
    "width": 16,
    "batch": 16,
    "maker_rate": 5e-4,
    "judge_rate": 5e-4,
    "policies": ["translation", "cutout"],
    "averaging": 0.99,
    "kid_samples": 96,
}
SMALL = Run(
    "small",
    40,
    {
        "width": 24,
        "batch": 16,
        "steps": 2400,
        "conditional": True,
        "variety": 1.0,
        "maker_rate": 6e-4,
        "judge_rate": 6e-4,
        "policies": ["translation", "cutout"],
        "averaging": 0.995,
        "kid_every": 300,
        "kid_samples": 200,
    },
    resolution=64,
)
DIALLED: dict[str, Any] = {"conditional": True, "variety": 1.0}
MADE = 512
FALL = 0.8


def small() -> list[str]:
    """The fixed small run: how far KID falls, and what the samples look like."""
    report = SMALL.result()
    first, best = report["kid"][0], min(report["kid"], key=lambda point: point["value"])
    _picture()
    fall = 1 - best["value"] / first["value"]
    return [
        "## A small run",
        "",
        f"`python -m tests.proof.gan small`: {_told(SMALL)}.",
        "KID against the set (packaged VGG-16"
        f" `{report['network']['sha256'][:12]}`, {report['made']} made and"
        f" {report['compared']} real pictures, 95 % interval):",
        "",
        "| steps | KID | interval |",
        "|---:|---:|---|",
        *(
            f"| {p['step']} | {p['value']:.3f} | {p['low']:.3f} to {p['high']:.3f} |"
            for p in report["kid"]
        ),
        "",
        f"It fell by {fall:.1%} from the start to its best, at step {best['step']}"
        f" ({_verdict(fall >= FALL)}: 80 % was asked for). Precision"
        f" {report['precision']:.2f}, recall {report['recall']:.2f}, copies"
        f" {report['memorised']:.1%}."
        + (
            " So low a recall means that within a label its pictures are much alike."
            if report["recall"] < 0.05
            else ""
        ),
        "",
        "![Left pictures of the set, right made by the model](pictures/gan_training.jpg)",
        "",
        "*Left: pictures of the set. Right: made by the model, not chosen.*",
    ]


def styled(seed: int) -> Run:
    """A model that has learned the styles."""
    params = {**LITTLE, **DIALLED, "seed": seed, "steps": 2000, "kid_every": 2000}
    return Run(f"styled-{seed}", 24, params)


def turned(seed: int) -> list[dict[str, float]]:
    """At each of :data:`DIALS` what the model of ``seed`` draws from the same latents: its style
    entropy, told by a classifier that never saw the set, and its precision against the set."""
    kept = KEPT / f"turned-{seed}.json"
    if not kept.exists():
        run, stylist = styled(seed), _independent_stylist()
        run.result()
        real, found = points(prepared(run.pack(), run.resolution, None, "").images), []
        for innovation in DIALS:
            made = points(_made(run, seed, innovation))
            precision, recall = sets.precision_recall(real, made)
            figures = {"entropy": stylist.entropy(made), "precision": precision, "recall": recall}
            found.append(figures)
        kept.write_text(json.dumps(found))
    told: list[dict[str, float]] = json.loads(kept.read_text())
    return told


def dial() -> list[str]:
    """Whether the dial raises style entropy."""
    every = (*SEEDS, *OTHERS)
    found = [turned(seed) for seed in every]
    entropies = [[figures["entropy"] for figures in of_seed] for of_seed in found]
    rows = []
    for place, innovation in enumerate(DIALS):
        told = [of_seed[place] for of_seed in found]
        means = (mean(each[name] for each in told) for name in ("entropy", "precision", "recall"))
        cells = (f"{innovation:g}", *(f"{each['entropy']:.3f}" for each in told))
        rows.append(f"| {' | '.join([*cells, *(f'{value:.3f}' for value in means)])} |")
    of_proof, of_all = (
        [mean(values) for values in zip(*some, strict=True)]
        for some in (entropies[: len(SEEDS)], entropies)
    )
    _dial_picture()
    return [
        "## The dial from imitation to innovation",
        "",
        f"{_told(styled(SEEDS[0]))}; the seeds are the proof's {SEEDS}, and {OTHERS}. {MADE}"
        " pictures of the same latents at each place of the dial: their style entropy over log K,"
        " by a classifier trained on the features of other pictures of the same styles (seed 1 of"
        " the sample art), and means over the seeds of it and of precision and recall (k = 3)"
        " against the set:",
        "",
        "| dial | "
        + " | ".join(f"seed {seed}" for seed in every)
        + " | mean | precision | recall |",
        "|---:|" + "---:|" * (len(every) + 3),
        *rows,
        "",
        f"Monotonic in the mean of {SEEDS}: {_verdict(of_proof == sorted(of_proof))}; of all"
        f" {len(every)}: {_verdict(of_all == sorted(of_all))}; seed by seed:"
        f" {', '.join(_verdict(each == sorted(each)) for each in entropies)}.",
        "",
        *_sanity(_independent_stylist()),
        "",
        "![Samples with the dial at 0, 0.5, 1 and 2](pictures/gan_dial.jpg)",
        "",
        f"*Seed {SEEDS[0]}, the same latents and labels; from left to right the dial at"
        f" {', '.join(f'{each:g}' for each in DIALS)}.*",
    ]


def _sanity(stylist: Stylist) -> list[str]:
    """What the classifier says of pictures whose answer is known."""
    run = styled(SEEDS[0])
    real = prepared(run.pack(), run.resolution, None, "").images
    order = torch.randperm(len(real), generator=generator(0, "pairs", 0)).numpy()
    other = np.array(real[order])
    faded = ((real.astype(np.uint16) + other) // 2).astype(np.uint8)
    halves = np.concatenate(
        [real[:, :, : run.resolution // 2], other[:, :, run.resolution // 2 :]], 2
    )
    noise = torch.randint(256, real.shape, generator=generator(0, "noise", 0)).numpy()
    known = {
        "the set": real,
        "two of its pictures faded into one": faded,
        "a half of each of two": halves,
        "noise": noise.astype(np.uint8),
    }
    said = (f"{name} {stylist.entropy(points(pixels)):.2f}" for name, pixels in known.items())
    return [
        f"What the classifier says of pictures whose answer is known: {', '.join(said)}. It is"
        " sure of what is no picture at all: entropy cannot be had by leaving pictures behind."
    ]


def _dial_picture() -> None:
    """The same latents and labels, a block for each place of the dial."""
    blocks = [grid(_made(styled(SEEDS[0]), SEEDS[0], each)[:56], 7) for each in DIALS]
    gap = 12
    sheet = Image.new(
        "RGB", ((blocks[0].width + gap) * len(blocks) - gap, blocks[0].height), "white"
    )
    for position, block in enumerate(blocks):
        sheet.paste(block, (position * (block.width + gap), 0))
    (DOCS / "pictures" / "gan_dial.jpg").write_bytes(pictures.encode_jpeg(sheet, quality=90))


HALF = len(samples.STYLES) // 2
BEFORE, AFTER = samples.STYLES[:HALF], samples.STYLES[HALF:]
EACH = 13
"""Pictures of each later style: about 50 in all."""


COMPARED = (100, 200, 400)
"""Steps after which both are compared; a training this short of so few pictures is not yet worn."""


def transferred(seed: int) -> tuple[Run, Run]:
    """The later styles from scratch, and from a model of the earlier ones."""
    base = Run(
        f"base-{seed}", 40, {**LITTLE, "steps": 1600, "kid_every": 1600, "seed": seed}, BEFORE
    )
    base.result()
    params = {**LITTLE, "steps": 400, "kid_every": 100, "kid_samples": 160, "seed": seed}
    return (
        Run(f"scratch-{seed}", EACH, params, AFTER),
        Run(f"transfer-{seed}", EACH, {**params, "freeze": 1}, AFTER, begun_from=base.name),
    )


def transfer() -> list[str]:
    """Whether a model of some styles helps with the others."""
    rows, found = [], []
    for seed in (*SEEDS, *OTHERS):
        both = [run.result() for run in transferred(seed)]
        curves = [{point["step"]: point for point in report["kid"]} for report in both]
        found.append([[curve[step]["value"] for curve in curves] for step in COMPARED])
        told = [_interval(curve[step]) for step in COMPARED for curve in curves]
        rows.append(f"| {seed} | {' | '.join(told)} |")
    means = [
        f"{mean(of_seed[place][which] for of_seed in found[: len(SEEDS)]):.3f}"
        for place in range(len(COMPARED))
        for which in (0, 1)
    ]
    verdicts = [
        f"after {step} steps "
        + ", ".join(_verdict(begun < scratch) for scratch, begun in (each[at] for each in found))
        for at, step in enumerate(COMPARED)
    ]
    return [
        "## Transfer",
        "",
        f"A model of {', '.join(BEFORE)} (40 pictures each, 1,600 steps) goes on with"
        f" {EACH * len(AFTER)} pictures of {', '.join(AFTER)}, the judge's first block frozen,"
        " against the same steps from scratch; 32 px. KID at equal steps:",
        "",
        "| seed | " + " | ".join(f"scratch, {step} | transfer, {step}" for step in COMPARED) + " |",
        "|---:|" + "---|" * (2 * len(COMPARED)),
        *rows,
        f"| mean of {SEEDS} | {' | '.join(means)} |",
        "",
        f"Transfer is nearer, seed by seed: {'; '.join(verdicts)}.",
    ]


def _interval(point: Mapping[str, float]) -> str:
    return f"{point['value']:.3f} ({point['low']:.3f} to {point['high']:.3f})"


PARTS = {"small": small, "dial": dial, "transfer": transfer}


def main(chosen: list[str]) -> None:
    """Run the ``chosen`` parts, or all; write the report of all that were ever run here."""
    torch.set_num_threads(1)
    for name in chosen or PARTS:
        (KEPT / f"{name}.md").write_text("\n".join(PARTS[name]()) + "\n")
    text = ["# What training holds\n\nMade by `make training` from its own runs; one thread.\n"]
    for name in PARTS:
        part = KEPT / f"{name}.md"
        text.append(part.read_text() if part.exists() else f"## Not run yet: {name}\n")
    (DOCS / "gan.md").write_text("\n".join(text))


def _independent_stylist() -> Stylist:
    found = prepared(art.pack(60, 32, seed=1), 32, None, "")
    assert found.labels is not None
    labels = torch.from_numpy(found.labels)
    return Stylist(points(found.images), labels, len(found.label_names))


def _made(run: Run, seed: int, innovation: float = 0.0) -> Any:
    """Pictures of a run's model, with latents that no measurement during training used."""
    model = load_model(run.model())
    maker = build_generator(model.config).eval()
    load_into(maker, model.generator, "generator")
    set_dial(maker, innovation)
    wanted = wishes(model.config, MADE, seed, "proof")
    return np.concatenate([as_bytes(few) for few in made(maker, wanted)])


def _picture() -> None:
    """Twenty-four of the set beside twenty-four made ones."""
    found = prepared(SMALL.pack(), SMALL.resolution, None, "")
    real = found.images[:: len(found) // 24][:24]
    both = [grid(np.array(pixels), 6) for pixels in (real, _made(SMALL, 0)[:24])]
    sheet = Image.new("RGB", (2 * both[0].width + 24, both[0].height), "white")
    sheet.paste(both[0], (0, 0))
    sheet.paste(both[1], (both[0].width + 24, 0))
    (DOCS / "pictures" / "gan_training.jpg").write_bytes(pictures.encode_jpeg(sheet, quality=90))


def _told(run: Run) -> str:
    params: Mapping[str, Any] = run.params
    return (
        f"sample art, {run.per_style} pictures of each of {len(run.styles)} styles at"
        f" {run.resolution} px, " + ", ".join(f"`{name}` {params[name]}" for name in sorted(params))
    )


def _verdict(kept: bool) -> str:
    return "yes" if kept else "no"


if __name__ == "__main__":
    main(sys.argv[1:])
