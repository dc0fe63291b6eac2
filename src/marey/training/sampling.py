"""In which order an epoch visits the samples: a function of seed and epoch alone."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int, Real


def shuffled_order(count: int, *, seed: int, epoch: int) -> Int[np.ndarray, " count"]:
    """Every sample once."""
    return np.random.default_rng((seed, epoch)).permutation(count)


def balanced_order(targets: Real[np.ndarray, "n classes"], *, seed: int, epoch: int) -> Int[np.ndarray, " n"]:
    """As many draws as samples, from every class that occurs equally often (to within one).

    `targets` are above 0 where a sample has the class; samples of no class count as one more. Draws go round within a
    class, and on through the epochs: no sample comes again before all others of its class have been.
    """
    members = [np.flatnonzero(column) for column in (targets > 0).T] + [np.flatnonzero(~(targets > 0).any(1))]
    members = [found for found in members if len(found)]
    share = -(-len(targets) // max(1, len(members)))
    drawn = [_round(found, epoch * share, share, (seed, number)) for number, found in enumerate(members)]
    turns = np.stack(drawn, axis=1) if drawn else np.empty((0, 0), np.int64)  # one of each class a row
    rng = np.random.default_rng((seed, epoch))
    order = rng.permuted(turns, axis=1).ravel()[: len(targets)]  # the cut falls on random classes
    return rng.permutation(order)


def shard(order: Sequence[int] | Int[np.ndarray, " n"], *, rank: int, processes: int) -> Int[np.ndarray, " share"]:
    """One process's share, as long as everyone's: the first samples come again where the order does not divide."""
    order = np.asarray(order, np.int64)
    if not 0 <= rank < processes:
        raise ValueError(f"rank is {rank} of {processes} processes; it must be from 0 to {processes - 1}")
    return np.resize(order, -(-len(order) // processes) * processes)[rank::processes]


def _round(members: np.ndarray, start: int, count: int, seed: tuple[int, int]) -> np.ndarray:
    """`count` draws from place `start` of an endless row of permutations."""
    first, last = start // len(members), (start + count - 1) // len(members)
    rounds = [np.random.default_rng((*seed, number)).permutation(members) for number in range(first, last + 1)]
    place = start - first * len(members)
    return np.concatenate(rounds)[place : place + count]
