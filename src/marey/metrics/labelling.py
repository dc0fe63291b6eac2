"""Which clips to label next: uncertain ones that stand for many other uncertain ones, none of which is covered yet.

Uncertainty and facility location together, after Wei, Iyer and Bilmes, Submodularity in Data Subset Selection and
Active Learning, ICML 2015. The value of a set of labelled clips is the sum over all unlabelled ones of

    uncertainty ** 3 * cosine to the most similar labelled clip (at least 0)

and each next clip is the one with the greatest product of its own uncertainty ** 3 and of what it adds to that. The
paper keeps the most uncertain clips, some times as many as are wanted, and locates among these; the power does the same
without an edge, so that the order does not depend on how many are wanted. What has labels already covers what is like
it. This rule and its power were chosen among others on the stage.

Axes: n unlabelled clips, m labelled ones, d features, classes of all heads.
"""

import heapq
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

HELD = 8192  # clips up to which all similarities are kept: 256 MB
_BLOCK = 1024
_HAIR = 1e-6  # of similarity, which may be rounding
SHARPNESS = 3  # power of uncertainty


def uncertainty(
    probabilities: Float[np.ndarray, "n classes"], parts: Sequence[slice], *, multi_label: bool
) -> Float[np.ndarray, " n"]:
    """0 (sure) to 1: one less the margin between the two best classes, the mean over the heads.

    parts        the columns of each head
    multi_label  a clip may have several classes: of the class whose probability is nearest to 1/2 instead

    A head of one class has no margin and counts for nothing.
    """
    if multi_label:
        return 1 - 2 * np.abs(probabilities - 0.5).min(1)
    told = [np.sort(probabilities[:, part], 1)[:, -2:] for part in parts if part.stop - part.start > 1]
    return np.mean([1 - (best[:, 1] - best[:, 0]) for best in told], axis=0) if told else np.zeros(len(probabilities))


def label_next(
    features: Float[np.ndarray, "n d"],
    weights: Float[np.ndarray, " n"],
    labelled: Float[np.ndarray, "m d"],
    *,
    count: int | None = None,
) -> tuple[Int[np.ndarray, " _"], Float[np.ndarray, " _"], Int[np.ndarray, " _"]]:
    """(clips in the order in which to label them, what each adds, how many clips it is the most similar one to so far).

    weights  uncertainty of every clip, 0 or more
    count    how many are wanted; None is all

    What a clip adds has no unit; it never rises along the order, which a lazy greedy search (Minoux 1978) finds.
    Ties go to the more uncertain, then to the earlier clip.
    """
    total = len(features)
    wanted = total if count is None else min(count, total)
    both = np.concatenate([features, labelled]).astype(np.float32)
    both = both - both.mean(0)
    both /= np.maximum(np.linalg.norm(both, axis=1, keepdims=True), 1e-12)
    units, known = both[:total], both[total:]
    covered, doubt = np.zeros(total, np.float32), weights**SHARPNESS
    for start in range(0, len(known), _BLOCK):
        covered = np.maximum(covered, (units @ known[start : start + _BLOCK].T).max(1))
    alike = np.maximum(units @ units.T, 0) if total <= HELD else None

    def to_all(clip: int) -> np.ndarray:
        return np.maximum(units @ units[clip], 0) if alike is None else alike[clip]

    def gain(clip: int) -> float:
        return float(doubt[clip] * (doubt * np.maximum(to_all(clip) - covered - _HAIR, 0)).sum())

    heap = [(-gain(clip), -float(weights[clip]), clip) for clip in range(total)]
    heapq.heapify(heap)
    order, gains, stands_for = [], [], []
    while len(order) < wanted:
        _, sure, clip = heapq.heappop(heap)
        now = gain(clip)  # it can only have fallen since it was computed
        if heap and (-now, sure, clip) > heap[0]:
            heapq.heappush(heap, (-now, sure, clip))
            continue
        order.append(clip)
        gains.append(now)
        stands_for.append(int((to_all(clip) > covered + _HAIR).sum()))
        covered = np.maximum(covered, to_all(clip))
    return np.array(order, np.int64), np.array(gains), np.array(stands_for, np.int64)
