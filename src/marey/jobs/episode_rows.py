"""Episodes on encoded clips: the accuracy of every classifier, and of encoders that are asked by class names."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..data import Manifest, unit_of
from ..errors import DataError
from ..metrics import (
    CLASSIFIERS,
    Episode,
    draw_episodes,
    estimate_over_episodes,
    few_shot_accuracies,
    zero_shot_accuracies,
)
from ..results import Estimate

BY_NAMES = "class names"  # in the place of a classifier


@dataclass(frozen=True)
class FewShotRow:
    """Accuracy over the episodes of one of `metrics.CLASSIFIERS`, or of BY_NAMES, on what an encoder makes of clips."""

    encoder: str
    classifier: str
    shots: int
    accuracy: Estimate


def true_classes(read: Manifest) -> np.ndarray:
    """int (clips,): the class of every clip of data with one head and one class a clip."""
    ((head, labels),) = read.heads.items()
    return np.array([labels.index(sample.labels[head][0]) for sample in read.samples])


def clip_groups(read: Manifest) -> np.ndarray:
    """int (clips,): what must not be on both sides of an episode."""
    return unit_of(read.samples)


def few_shot_rows(
    encoder: str, vectors: np.ndarray, read: Manifest, shots: Sequence[int], asked: Mapping[str, int]
) -> list[FewShotRow]:
    """Of every number of shots. `asked`: {"ways", "queries", "episodes", "seed"}. DataError where groups do not allow
    such episodes."""
    rows = []
    for count in shots:
        found = few_shot_accuracies(vectors, _episodes(read, count, asked))
        rows += [FewShotRow(encoder, name, count, estimate_over_episodes(found[name])) for name in CLASSIFIERS]
    return rows


def zero_shot_row(
    encoder: str, similarity: np.ndarray, read: Manifest, shots: int, asked: Mapping[str, int]
) -> FewShotRow:
    """The row of 0 shots, on the queries of the episodes of so many shots."""
    found = zero_shot_accuracies(similarity, true_classes(read), _episodes(read, shots, asked))
    return FewShotRow(encoder, BY_NAMES, 0, estimate_over_episodes(found))


def _episodes(read: Manifest, shots: int, asked: Mapping[str, int]) -> Iterator[Episode]:
    try:
        yield from draw_episodes(true_classes(read), clip_groups(read), shots=shots, **asked)
    except ValueError as error:
        raise DataError(
            f"{read.source}: {error}; add clips of other groups, or ask for fewer --ways or --shots"
        ) from None
