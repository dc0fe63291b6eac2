"""The official splits of a data set as rounds: each is one division of the same clips into train and test."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from ..data import Manifest, Sample, official_lists
from ..errors import DataError
from .fold_answers import Fold
from .prepare import ClassEdits, load_data

Span = tuple[str, float | None, float | None]


def load_official(
    data: str | Path, *, kind: str | None, root: str | Path | None, group_by: str | None, edits: ClassEdits | None
) -> tuple[Manifest, list[list[Fold]]]:
    """(every clip of any split, each split as a round of one fold); DataError for data without several of them."""
    lists = official_lists(Path(data))
    if len(lists) < 2:
        raise DataError(
            f"{data} has no several official splits, which the lists of UCF-101 and HMDB-51 are; take --folds 5"
        )
    parts = [load_data(path, kind=kind, root=root, group_by=group_by, edits=edits) for path in lists]
    places: dict[Span, int] = {}
    samples: list[Sample] = []
    for sample in (sample for part in parts for sample in part.samples):
        if _span(sample) not in places:
            places[_span(sample)] = len(samples)
            samples.append(replace(sample, split=None))
    rounds = []
    for part in parts:
        sides = {side: [places[_span(s)] for s in part.part(side)] for side in ("train", "test")}
        rounds.append([(np.array(sides["train"], np.int64), np.array(sides["test"], np.int64))])
    kind_of_all = f"{parts[0].kind.partition(' (')[0]} ({len(parts)} splits)"
    return replace(parts[0], samples=tuple(samples), source=str(data), kind=kind_of_all), rounds


def _span(sample: Sample) -> Span:
    return sample.path, sample.start_s, sample.end_s
