"""Training, validation and test splits, and folds, that keep together what belongs together.

A unit is what must not be on two sides: the clips of one group; where there is no group, of one video and of its
near-duplicates. Units are placed so that every class has its share of clips on every side, as far as units allow.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from ..errors import DataError, UsageError, counted
from .manifest import Manifest, Sample

SIDES = ("train", "val", "test")
Groups = Sequence[Sequence[str]]


def unit_of(samples: Sequence[Sample], near_duplicate_groups: Groups | None = None) -> np.ndarray:
    """int (samples,): the unit of every sample, numbered in order of appearance.

    near_duplicate_groups  paths of near-duplicate videos, as `near_duplicates` finds them
    """
    parents: dict[tuple[str, str], tuple[str, str]] = {}

    def top(key: tuple[str, str]) -> tuple[str, str]:
        while (parent := parents.setdefault(key, key)) != key:
            parents[key] = key = parents[parent]
        return key

    for sample in samples:
        if sample.group is not None:
            parents[top(("path", sample.path))] = top(("group", sample.group))
    for paths in near_duplicate_groups or ():
        for path in paths[1:]:
            parents[top(("path", path))] = top(("path", paths[0]))
    tops = [top(("path", sample.path)) for sample in samples]
    number = {unit: index for index, unit in enumerate(dict.fromkeys(tops))}
    return np.array([number[unit] for unit in tops], dtype=np.int64)


def drawn_together(samples: Sequence[Sample]) -> list[str] | None:
    """What every sample is no independent evidence beside: its group, or where there is none its video.

    None where the data name no group, and every sample is a video by itself. Near-duplicates are not looked for.
    """
    units = unit_of(samples)
    if len(set(units.tolist())) == len(units) and all(sample.group is None for sample in samples):
        return None
    name: dict[int, str] = {}
    for unit, sample in zip(units.tolist(), samples, strict=True):
        if sample.group is not None or unit not in name:
            name[unit] = sample.group if sample.group is not None else sample.path
    return [name[unit] for unit in units.tolist()]


def class_counts(manifest: Manifest) -> np.ndarray:
    """uint8 (samples, 1 + classes of all heads): a column of ones, then whether the sample has the class."""
    column = {key: index for index, key in enumerate(((h, c) for h, names in manifest.heads.items() for c in names), 1)}
    table = np.zeros((len(manifest), 1 + len(column)), dtype=np.uint8)
    table[:, 0] = 1
    for row, sample in enumerate(manifest.samples):
        for head, names in sample.labels.items():
            for name in names:
                table[row, column[head, name]] = 1
    return table


def split_manifest(
    manifest: Manifest,
    *,
    fractions: tuple[float, float, float] = (0.7, 0.1, 0.2),
    seed: int = 0,
    near_duplicate_groups: Groups | None = None,
) -> Manifest:
    """The manifest with every sample on one side; the same arguments give the same splits.

    Splits that the data come with are kept: only what they leave undecided is placed, beside its unit where that is
    decided. Where val is not declared it is cut from train, and test too if that is not declared either. Data with
    train and val alone keep them, and have no test. Too few units for all sides leave val empty.

    fractions  of train, val and test, in clips; val and test may be 0
    Raises DataError where train or test would be empty, UsageError for impossible fractions.
    """
    if len(fractions) != 3 or min(fractions) < 0 or fractions[0] <= 0 or abs(sum(fractions) - 1) > 1e-6:
        raise UsageError(f"split fractions are {fractions}; give train, val and test, none negative, that add up to 1")
    units = unit_of(manifest.samples, near_duplicate_groups)
    sides = [sample.split for sample in manifest.samples]
    decided = {int(unit): side for unit, side in zip(units[::-1], sides[::-1], strict=True) if side}
    sides = [side or decided.get(int(unit)) for unit, side in zip(units, sides, strict=True)]
    if "val" not in sides:
        sides = [None if side == "train" else side for side in sides]
    pool = np.flatnonzero([side is None for side in sides])
    if not len(pool):
        return _with_splits(manifest, sides)
    wanted = ["train"]
    if "val" not in sides:
        wanted += [side for side in SIDES[1:] if side not in sides and fractions[SIDES.index(side)] > 0]
    total = len(set(units[pool].tolist()))
    if total < len(wanted) and "val" in wanted:
        wanted.remove("val")
    shares = np.array([fractions[SIDES.index(side)] for side in wanted])
    placed = _place(class_counts(manifest)[pool], units[pool], shares / shares.sum(), seed=seed)
    for index, side in zip(pool, placed, strict=True):
        sides[index] = wanted[side]
    lacking = [side for side in wanted if side != "val" and side not in sides]
    if lacking:
        raise DataError(
            f"{manifest.source} has {_units(total, manifest)} to place, too few for {' and '.join(wanted)}: "
            f"{' and '.join(lacking)} would be empty; add clips of other sources, or declare splits"
        )
    return _with_splits(manifest, sides)


def grouped_folds(
    manifest: Manifest, *, folds: int = 5, seed: int = 0, near_duplicate_groups: Groups | None = None
) -> list[tuple[np.ndarray, np.ndarray]]:
    """(train indices, test indices) of each fold; every sample is tested once, and no unit is on both sides.

    Stratified by scikit-learn's StratifiedGroupKFold, shuffled by `seed`; a sample of several classes counts as its
    rarest one. Declared splits are ignored. Raises DataError where a class has fewer units than there are folds.
    """
    units, counts = unit_of(manifest.samples, near_duplicate_groups), class_counts(manifest)
    total = len(set(units.tolist()))
    if not 2 <= folds <= total:
        cure = (
            f"ask for 2 to {total} folds" if total > 2 else "ask for 2 folds" if total == 2 else "add clips of others"
        )
        raise UsageError(f"{counted(folds, 'fold')} of {_units(total, manifest)} cannot be made; {cure}")
    names = [name for classes in manifest.heads.values() for name in classes]
    for column, name in enumerate(names, 1):
        having = len(set(units[counts[:, column] > 0].tolist()))
        if having < folds:
            raise DataError(
                f"class {name!r} has clips in {_units(having, manifest)}, fewer than the {folds} folds; "
                f"ask for fewer folds, add clips, or leave the class out"
            )
    rarity = np.where(counts > 0, counts.sum(axis=0, dtype=np.int64), len(counts) + 1)
    rarity[:, 0] = len(counts)  # samples without any class form a stratum of their own
    splitter = StratifiedGroupKFold(n_splits=folds, shuffle=True, random_state=seed)
    return [(train, test) for train, test in splitter.split(counts, rarity.argmin(axis=1), units)]


def leaks(manifest: Manifest, near_duplicate_groups: Groups | None = None) -> list[list[int]]:
    """The units with samples on more than one side, each as its sample indices."""
    units = unit_of(manifest.samples, near_duplicate_groups)
    order = np.argsort(units, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(units[order])) + 1)
    sides = [{manifest.samples[i].split for i in part} - {None} for part in parts]
    return [part.tolist() for part, on in zip(parts, sides, strict=True) if len(on) > 1]


def _units(number: int, manifest: Manifest) -> str:
    if manifest.grouped_by:
        return f"{counted(number, 'group')} ({manifest.grouped_by})"
    return counted(number, "separate video")


def _with_splits(manifest: Manifest, sides: Sequence[str | None]) -> Manifest:
    return replace(manifest, samples=tuple(replace(s, split=k) for s, k in zip(manifest.samples, sides, strict=True)))


def _place(counts: np.ndarray, units: np.ndarray, shares: np.ndarray, *, seed: int) -> np.ndarray:
    """int (samples,): the side of each sample, so that sides come near their share of every class.

    Greedy, units with much of a class first, best of several seeded orders. The cost of a placement is the sum over
    sides and classes of the squared deviation from the wanted share, in units of the class and of the share; a class
    absent from a side costs 1, from training 11. No side is empty where there are units enough.
    """
    _, units = np.unique(units, return_inverse=True)
    table = np.zeros((units.max() + 1, counts.shape[1]))
    np.add.at(table, units, counts)
    table = table[:, table.any(axis=0)] / table.sum(axis=0)[table.any(axis=0)]
    rng = np.random.default_rng(seed)
    best, best_cost = np.zeros(len(table), dtype=np.int64), np.inf
    for _ in range(max(1, min(32, 20_000 // len(table)))):
        shuffled = rng.permutation(len(table))
        order = shuffled[np.argsort(-table[shuffled].max(axis=1) * rng.uniform(0.5, 1.0, len(table)), kind="stable")]
        side_of = _fill(table, order, shares)
        filled = np.zeros((len(shares), table.shape[1]))
        np.add.at(filled, side_of, table)
        absent = filled < 1e-9
        cost = ((filled - shares[:, None]) ** 2 / shares[:, None]).sum() + absent.sum() + 10 * absent[0].sum()
        if cost < best_cost:
            best, best_cost = side_of, cost
    return best[units]


def _fill(table: np.ndarray, order: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """int (units,): each unit on the side where it costs least; then the smallest units on sides that stayed empty."""
    excess = np.repeat(-shares[:, None], table.shape[1], axis=1)
    side_of = np.empty(len(table), dtype=np.int64)
    for unit in order:
        row = table[unit]
        side_of[unit] = side = np.argmin(((2 * excess + row) @ row) / shares)
        excess[side] += row
    for side in range(len(shares)):
        held = np.bincount(side_of, minlength=len(shares))
        spare = np.flatnonzero(held[side_of] > 1)
        if not held[side] and len(spare):
            side_of[spare[table[spare, 0].argmin()]] = side
    return side_of
