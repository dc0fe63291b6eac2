"""Orders of samples."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marey.training import balanced_order, shard, shuffled_order


@given(st.integers(0, 200), st.integers(0, 9), st.integers(0, 9))
def test_shuffled_visits_all_once(count: int, seed: int, epoch: int) -> None:
    order = shuffled_order(count, seed=seed, epoch=epoch)
    assert sorted(order) == list(range(count))
    assert np.array_equal(order, shuffled_order(count, seed=seed, epoch=epoch))


def test_epochs_and_seeds_differ() -> None:
    orders = [tuple(shuffled_order(20, seed=s, epoch=e)) for s in range(3) for e in range(3)]
    assert len(set(orders)) == 9


@given(st.lists(st.integers(0, 4), min_size=1, max_size=60), st.integers(0, 5), st.integers(0, 5))
def test_balanced_draws_every_class_alike(classes: list[int], seed: int, epoch: int) -> None:
    targets = np.eye(5)[classes]
    order = balanced_order(targets, seed=seed, epoch=epoch)
    assert len(order) == len(classes)
    assert np.array_equal(order, balanced_order(targets, seed=seed, epoch=epoch))
    drawn = Counter(classes[i] for i in order)
    assert max(drawn.values()) - min(drawn.get(c, 0) for c in set(classes)) <= 1


def test_balanced_goes_round_through_the_epochs() -> None:
    targets = np.eye(2)[[0] * 2 + [1] * 10]
    seen = Counter(int(i) for epoch in range(5) for i in balanced_order(targets, seed=1, epoch=epoch))
    assert {seen[i] for i in range(2)} == {15} and {seen[i] for i in range(2, 12)} == {3}


def test_balanced_with_several_classes_or_none() -> None:
    targets = np.array([[1.0, 1.0], [1.0, 0.0], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0]])
    order = balanced_order(targets, seed=0, epoch=0)
    assert Counter(int(i) for i in order)[0] >= 2 and len([i for i in order if i >= 2]) == 2
    assert len(balanced_order(np.zeros((0, 3)), seed=0, epoch=0)) == 0


@given(st.integers(0, 50), st.integers(1, 7))
def test_shards_are_equally_long_and_miss_nothing(count: int, processes: int) -> None:
    parts = [shard(range(count), rank=rank, processes=processes) for rank in range(processes)]
    assert {len(part) for part in parts} == {-(-count // processes)}
    assert set(np.concatenate(parts)) == set(range(count))


def test_a_rank_out_of_range() -> None:
    with pytest.raises(ValueError, match="rank is 2 of 2 processes; it must be from 0 to 1"):
        shard([1, 2], rank=2, processes=2)
