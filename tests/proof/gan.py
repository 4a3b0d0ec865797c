"""What training promises, proved: ``python -m tests.proof.gan [small|dial|transfer ...]``.

Runs what has not been run yet (results are kept in build/gan, so it may be stopped), then writes
docs/gan.md and docs/pictures/gan_training.jpg from the results.
"""

from __future__ import annotations

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
from engines.gan_training.innovation import LEARNED, RISEN
from engines.gan_training.model_file import load_model
from engines.gan_training.networks import build_generator, load_into
from engines.gan_training.samples import as_bytes, grid, made, wishes
from engines.gan_training.stylist import Stylist
from engines.state import generator
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
MADE = 256
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


def dialled(innovation: float, seed: int) -> Run:
    """A model that has learned the styles goes on for 400 steps with the dial at ``innovation``.

    Conditional: without labels a model of so few steps is a blend of styles by itself (entropy
    0.36 at the dial 0, recall 0), from which there is nothing to rise.
    """
    both = {**LITTLE, **DIALLED, "seed": seed}
    base = Run(f"dial-base-{seed}", 24, {**both, "steps": 1600, "kid_every": 1600})
    base.result()
    params = {**both, "steps": 400, "kid_every": 400, "innovation": innovation}
    return Run(f"dial-{innovation:g}-{seed}", 24, params, begun_from=base.name)


def dial() -> list[str]:
    """Whether the dial raises style entropy, told by a classifier that never saw the set."""
    stylist = _independent_stylist()
    rows, found = [], {}
    for innovation in DIALS:
        entropies, precisions = [], []
        for seed in (*SEEDS, *OTHERS):
            run = dialled(innovation, seed)
            precisions.append(run.result()["precision"])
            entropies.append(stylist.entropy(points(_made(run, seed))))
        found[innovation] = entropies
        shown = " | ".join(f"{entropy:.3f}" for entropy in entropies)
        told = ", ".join(f"{each:.2f}" for each in precisions)
        cells = (
            f"{innovation:g}",
            shown,
            f"{mean(entropies):.3f}",
            told,
            f"{mean(precisions):.2f}",
        )
        rows.append(f"| {' | '.join(cells)} |")
    rising = [sorted(values) == list(values) for values in zip(*found.values(), strict=True)]
    means = [mean(found[innovation]) for innovation in DIALS]
    of_seeds = [mean(found[innovation][: len(SEEDS)]) for innovation in DIALS]
    _dial_picture()
    return [
        "## The dial from imitation to innovation",
        "",
        f"A model of 1,600 steps goes on: {_told(run)}. The dial begins to pull after"
        f" {LEARNED:.0%} of these steps and pulls in full after {RISEN:.0%}."
        f" Style entropy over log K of {MADE} made"
        " pictures, by a classifier trained on the features of other pictures of"
        " the same styles (seed 1 of the sample art);"
        f" precision (k = 3) against the set, seed by seed: the proof's {SEEDS}, and {OTHERS}.",
        "",
        "| dial | "
        + " | ".join(f"seed {seed}" for seed in (*SEEDS, *OTHERS))
        + " | mean | precision | mean |",
        "|---:|" + "---:|" * (len(SEEDS) + len(OTHERS) + 1) + "---|---:|",
        *rows,
        "",
        f"Monotonic in the mean of {SEEDS}: {_verdict(of_seeds == sorted(of_seeds))}; of all"
        f" {len(SEEDS) + len(OTHERS)}: {_verdict(means == sorted(means))}; seed by seed:"
        f" {', '.join(_verdict(each) for each in rising)}.",
        "",
        *_sanity(stylist),
        "",
        "![Samples with the dial at 0, 0.5, 1 and 2](pictures/gan_dial.jpg)",
        "",
        f"*Seed {SEEDS[0]}, the same latents and labels; from left to right the dial at"
        f" {', '.join(f'{each:g}' for each in DIALS)}.*",
    ]


def _sanity(stylist: Stylist) -> list[str]:
    """What the classifier says of pictures whose answer is known."""
    run = dialled(0.0, SEEDS[0])
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
    blocks = [grid(_made(dialled(each, SEEDS[0]), SEEDS[0])[:56], 7) for each in DIALS]
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


def transferred(seed: int) -> tuple[Run, Run]:
    """The later styles from scratch, and from a model of the earlier ones."""
    base = Run(
        f"base-{seed}", 40, {**LITTLE, "steps": 1600, "kid_every": 1600, "seed": seed}, BEFORE
    )
    base.result()
    params = {**LITTLE, "steps": 400, "kid_every": 400, "seed": seed}
    return (
        Run(f"scratch-{seed}", EACH, params, AFTER),
        Run(f"transfer-{seed}", EACH, {**params, "freeze": 1}, AFTER, begun_from=base.name),
    )


def transfer() -> list[str]:
    """Whether a model of some styles helps with the others."""
    rows, found = [], []
    for seed in (*SEEDS, *OTHERS):
        scratch, begun = (run.result() for run in transferred(seed))
        last = [report["kid"][-1] for report in (scratch, begun)]
        found.append([point["value"] for point in last])
        shown = " | ".join(f"{p['value']:.3f} ({p['low']:.3f} to {p['high']:.3f})" for p in last)
        rows.append(f"| {seed} | {shown} |")
    of_proof, of_all = (
        [mean(values) for values in zip(*some, strict=True)]
        for some in (found[: len(SEEDS)], found)
    )
    return [
        "## Transfer",
        "",
        f"A model of {', '.join(BEFORE)} (40 pictures each, 1,600 steps) goes on with"
        f" {EACH * len(AFTER)} pictures of {', '.join(AFTER)} for 400 steps, the judge"
        "'s first block frozen, against the same 400 steps from scratch; 32 px. KID at the end:",
        "",
        "| seed | from scratch | from the model |",
        "|---:|---|---|",
        *rows,
        f"| mean of {SEEDS} | {of_proof[0]:.3f} | {of_proof[1]:.3f} |",
        f"| mean of all | {of_all[0]:.3f} | {of_all[1]:.3f} |",
        "",
        f"Transfer is nearer in the mean of {SEEDS}: {_verdict(of_proof[1] < of_proof[0])}; of all"
        f" {len(found)}: {_verdict(of_all[1] < of_all[0])}; seed by seed:"
        f" {', '.join(_verdict(begun < scratch) for scratch, begun in found)}.",
    ]


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


def _made(run: Run, seed: int) -> Any:
    """Pictures of a run's model, with latents that no measurement during training used."""
    model = load_model(run.model())
    maker = build_generator(model.config).eval()
    load_into(maker, model.generator, "generator")
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
