"""Orders of samples."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marey.training import interleaved_order, sampled_order, shard, shuffled_order


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
    order = sampled_order(targets, q=0.0, seed=seed, epoch=epoch)
    assert len(order) == len(classes)
    assert np.array_equal(order, sampled_order(targets, q=0.0, seed=seed, epoch=epoch))
    drawn = Counter(classes[i] for i in order)
    assert max(drawn.values()) - min(drawn.get(c, 0) for c in set(classes)) <= 1


def test_balanced_goes_round_through_the_epochs() -> None:
    targets = np.eye(2)[[0] * 2 + [1] * 10]
    seen = Counter(int(i) for epoch in range(5) for i in sampled_order(targets, q=0.0, seed=1, epoch=epoch))
    assert {seen[i] for i in range(2)} == {15} and {seen[i] for i in range(2, 12)} == {3}


def test_balanced_with_several_classes_or_none() -> None:
    targets = np.array([[1.0, 1.0], [1.0, 0.0], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0]])
    order = sampled_order(targets, q=0.0, seed=0, epoch=0)
    assert Counter(int(i) for i in order)[0] >= 2 and len([i for i in order if i >= 2]) == 2
    assert len(sampled_order(np.zeros((0, 3)), q=0.0, seed=0, epoch=0)) == 0


@given(st.lists(st.integers(0, 4), min_size=1, max_size=60), st.integers(0, 5), st.integers(0, 5))
def test_instance_balanced_draws_every_sample_once(classes: list[int], seed: int, epoch: int) -> None:
    order = sampled_order(np.eye(5)[classes], q=1.0, seed=seed, epoch=epoch)
    assert sorted(order) == list(range(len(classes)))


@pytest.mark.parametrize("q, shares", [(1.0, (64, 16, 4)), (0.5, (48, 24, 12)), (0.0, (28, 28, 28))])
def test_shares_go_with_the_power_of_the_counts(q: float, shares: tuple[int, ...]) -> None:
    classes = np.repeat([0, 1, 2], (64, 16, 4))
    for epoch in range(3):
        drawn = np.bincount(classes[sampled_order(np.eye(3)[classes], q=q, seed=2, epoch=epoch)], minlength=3)
        assert drawn.sum() == 84 and np.abs(drawn - shares).max() <= 1


def test_progressive_goes_from_samples_to_classes() -> None:
    classes = np.repeat([0, 1], (90, 10))
    for epoch in range(11):
        drawn = np.bincount(classes[sampled_order(np.eye(2)[classes], q=1.0, seed=0, epoch=epoch, epochs=10)])
        assert np.abs(drawn - (90 - 4 * epoch, 10 + 4 * epoch)).max() <= 1


def test_fractions_of_draws_are_rounded_without_bias() -> None:
    classes = np.repeat([0, 1], (99, 1))  # by the root, the rare class is due 9.13 of 100 draws
    drawn = [np.sum(classes[sampled_order(np.eye(2)[classes], q=0.5, seed=0, epoch=e)]) for e in range(200)]
    assert set(drawn) == {9, 10} and np.mean(drawn) == pytest.approx(100 / (1 + 99**0.5), abs=0.1)


@given(st.integers(0, 50), st.integers(1, 7))
def test_shards_are_equally_long_and_miss_nothing(count: int, processes: int) -> None:
    parts = [shard(range(count), rank=rank, processes=processes) for rank in range(processes)]
    assert {len(part) for part in parts} == {-(-count // processes)}
    assert set(np.concatenate(parts)) == set(range(count))


def test_a_rank_out_of_range() -> None:
    with pytest.raises(ValueError, match="rank is 2 of 2 processes; it must be from 0 to 1"):
        shard([1, 2], rank=2, processes=2)


@given(st.lists(st.integers(1, 30), min_size=1, max_size=5), st.integers(0, 99))
def test_the_first_of_an_interleaved_order_have_the_classes_evenly_or_in_proportion(
    sizes: list[int], seed: int
) -> None:
    classes = np.repeat(np.arange(len(sizes)), sizes)
    for q, most_apart in ((0.0, 1.0), (1.0, 2 / min(sizes))):
        order = interleaved_order(classes, q=q, rng=np.random.default_rng(seed))
        assert sorted(order) == list(range(len(classes)))
        taken = np.cumsum(np.eye(len(sizes))[classes[order]], axis=0)  # of each class among the first 1, 2, ...
        rounds = taken / np.array(sizes) ** q
        lagging = np.where(taken < sizes, rounds, np.inf).min(1)[:-1]  # a class that has samples left
        assert (rounds[:-1].max(1) - lagging <= most_apart + 1e-9).all()


def test_names_are_interleaved_as_numbers_are_and_the_draws_differ() -> None:
    names = np.array(["a"] * 6 + ["b"] * 6)
    orders = [interleaved_order(names, q=0, rng=np.random.default_rng(seed)) for seed in range(3)]
    for order in orders:
        assert all(set(names[order[place : place + 2]]) == {"a", "b"} for place in range(0, 12, 2))
    assert len({tuple(order) for order in orders}) == 3
