"""Which batch fits into memory: asked once memory has run out, before a step is tried again."""

from __future__ import annotations

from collections.abc import Iterator

from engines.gan_training.data import Batch
from engines.gan_training.kind import GanTrainingParams
from engines.gan_training.lesson import Lesson
from engines.gan_training.pair import Pair, cloned, copy_all

FEWEST = 2
"""The smallest batch that the parameters allow."""


def tried(
    params: GanTrainingParams, lesson: Lesson, pair: Pair, batch: Batch, most: int, p: float
) -> Iterator[int]:
    """Go through the gradients of ever larger batches, 2, 4, 8 up to ``most`` pictures, and yield
    each size that memory held; whatever the allocator raises where it does not.

    With all that ``params`` want of a step, of the gradients of ``lesson`` in one piece, as such
    steps need most. The networks are afterwards as they were.
    """
    # The last at which the gradient penalty is due.
    step = (params.steps - 1) // params.r1_interval * params.r1_interval
    size = FEWEST
    while size <= min(most, len(batch.pictures)):
        before = cloned(pair.weights())
        few = Batch(batch.pictures[:size], None if batch.labels is None else batch.labels[:size])
        pair.clear_gradients()
        lesson.whole(size).gradients(pair, few, step, p)
        pair.clear_gradients()
        # Passing through changes the running means of batch norm, and nothing else.
        copy_all(pair.weights(), before)
        yield size
        size *= 2
