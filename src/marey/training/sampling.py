"""In which order an epoch visits the samples, by seed and epoch alone; and in which order few of them are taken."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int, Real, Shaped


def shuffled_order(count: int, *, seed: int, epoch: int) -> Int[np.ndarray, " count"]:
    """Every sample once."""
    return np.random.default_rng((seed, epoch)).permutation(count)


def sampled_order(
    targets: Real[np.ndarray, "n classes"], *, q: float, seed: int, epoch: int, epochs: int | None = None
) -> Int[np.ndarray, " n"]:
    """As many draws as samples, of class j in proportion to n_j^q, where n_j samples have it.

    q        1 draws every sample equally often (every one once where each has one class), 0 every class, 1/2 lies
             between: instance-balanced, class-balanced and square-root sampling of Kang et al., ICLR 2020
    epochs   of an order that moves from these shares to equal ones, by epoch / epochs: with q = 1 their
             progressively-balanced sampling; None stays

    `targets` are above 0 where a sample has the class; samples of no class count as one more. Every epoch draws each
    class as often as its share says, to within one, and chance rounds without bias. Draws go round within a class, and
    on through the epochs: no sample comes again before all others of its class have been.
    """
    members = [np.flatnonzero(column) for column in (targets > 0).T] + [np.flatnonzero(~(targets > 0).any(1))]
    members = [found for found in members if len(found)]
    if not members:
        return np.empty(0, np.int64)
    sizes = np.array([len(found) for found in members], np.float64) ** q
    moved = np.arange(epoch + 1)[:, None] / epochs if epochs else np.zeros((epoch + 1, 1))
    counts = _counts(sizes / sizes.sum() * (1 - moved) + moved / len(members), len(targets), seed)
    drawn = [
        _round(found, int(start), int(count), (seed, number))
        for number, (found, start, count) in enumerate(zip(members, counts[:-1].sum(0), counts[-1], strict=True))
    ]
    return np.random.default_rng((seed, epoch)).permutation(np.concatenate(drawn))


def interleaved_order(
    classes: Shaped[np.ndarray, " n"], *, q: float, rng: np.random.Generator
) -> Int[np.ndarray, " n"]:
    """Every sample once. The first m hold, for every m, class j about in proportion to n_j^q while it has samples.

    q  0 is as many of each class, 1 each in proportion to its samples, as in `sampled_order`
    """
    order = rng.permutation(len(classes))
    turn = np.empty(len(classes))
    for label in np.unique(classes):
        own = np.flatnonzero(classes[order] == label)
        turn[own] = (np.arange(len(own)) + rng.random(len(own))) / len(own) ** q
    return order[np.argsort(turn)]


def shard(order: Sequence[int] | Int[np.ndarray, " n"], *, rank: int, processes: int) -> Int[np.ndarray, " share"]:
    """One process's share, as long as everyone's: the first samples come again where the order does not divide."""
    order = np.asarray(order, np.int64)
    if not 0 <= rank < processes:
        raise ValueError(f"rank is {rank} of {processes} processes; it must be from 0 to {processes - 1}")
    return np.resize(order, -(-len(order) // processes) * processes)[rank::processes]


def _counts(shares: np.ndarray, draws: int, seed: int) -> np.ndarray:
    """(epochs, classes): how many of an epoch's draws each class gets, by systematic sampling of its shares."""
    ends = (shares.cumsum(1) * draws).round(6)  # shares that make whole numbers stay so
    ends[:, -1] = draws
    starts = np.random.default_rng(seed).random((len(shares), 1))  # the same for an epoch, however many come after it
    return np.diff(np.floor(ends + starts).astype(np.int64), prepend=0)


def _round(members: np.ndarray, start: int, count: int, seed: tuple[int, int]) -> np.ndarray:
    """`count` draws from place `start` of an endless row of permutations."""
    if not count:
        return members[:0]
    first, last = start // len(members), (start + count - 1) // len(members)
    rounds = [np.random.default_rng((*seed, number)).permutation(members) for number in range(first, last + 1)]
    place = start - first * len(members)
    return np.concatenate(rounds)[place : place + count]
