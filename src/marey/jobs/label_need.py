"""How many labelled clips, and how many steps, a linear head on fixed features needs to reach a score."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, inf, log

import numpy as np
import torch
from jaxtyping import Float, Int

from ..metrics import fit_label_curve, linear_head
from ..nn import StandardLinear
from ..training import interleaved_order, shuffled_order
from .rules import LINEAR_BATCH, LINEAR_RECIPE

DRAWS = 3  # of the labelled clips
STEPS = sorted({2**power for power in range(11)} | {3 * 2**power for power in range(9)})
MOST_FORETOLD = 100_000  # clips; farther than that no curve through a few sizes can see
Parts = Sequence[tuple[np.ndarray, np.ndarray]]  # (clips to learn from, clips to ask about), a fold each


@dataclass(frozen=True)
class LabelNeed:
    """What it takes to reach an accuracy of `target` on clips of other groups.

    clips     the fewest labelled clips, of the numbers that were tried; None where even all are too few
    foretold  where all are too few: how many a label curve asks for; None where that is beyond MOST_FORETOLD, and where
              it is still starting
    steps     optimizer steps of a head that learns from all clips, at the rate of linear presets; None where it does
              not get there
    curve     (clips, accuracy) of every number that was tried
    starting  all are too few, and with the most of them learning has just begun: see `fit_label_curve`
    """

    target: float
    clips: int | None
    foretold: int | None
    steps: int | None
    curve: tuple[tuple[int, float], ...]
    starting: bool = False


def label_need(
    features: Float[np.ndarray, "n d"], classes: Int[np.ndarray, " n"], parts: Parts, *, target: float, seed: int
) -> LabelNeed:
    """Every clip is asked about once, by heads that learned from other groups.

    The head of `linear_head` learns from 1, 2, 4, ... clips a class, drawn DRAWS times.
    """
    count = len(np.unique(classes))
    fewest = min(len(learn) for learn, _ in parts)
    sizes = [size for power in range(20) if (size := count * 2**power) < fewest] + [fewest]
    right, rng = np.zeros((len(sizes), len(features))), np.random.default_rng(seed)
    for learn, ask in parts:
        centred = features - features[learn].mean(0)
        units = centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-12)
        for _ in range(DRAWS):
            order = learn[interleaved_order(classes[learn], q=0, rng=rng)]
            for row, size in enumerate(sizes):
                said = linear_head(units[order[:size]], classes[order[:size]], units[ask])
                right[row, ask] += (said == classes[ask]) / DRAWS
    scores = right.mean(1)
    reached = np.flatnonzero(scores >= target)
    foretold, starting = None, False
    if not len(reached):
        fit = fit_label_curve(sizes, np.minimum(right, 1))
        starting, above = fit.starting, 1 - target - fit.floor  # the error that is left to labels
        needed = log(fit.scale / above) / fit.exponent if fit.exponent > 0 and above > 0 else inf
        foretold = max(fewest, round(exp(needed))) if needed < log(MOST_FORETOLD) and not starting else None
    curve = tuple((size, float(score)) for size, score in zip(sizes, scores, strict=True))
    steps = _steps(features, classes, parts, target=target, seed=seed)
    return LabelNeed(target, sizes[int(reached[0])] if len(reached) else None, foretold, steps, curve, starting)


def _steps(features: np.ndarray, classes: np.ndarray, parts: Parts, *, target: float, seed: int) -> int | None:
    """The first of 1, 2, 3, 4, 6, 8, 12, ... steps after which the heads of all folds together reach the target."""
    right = np.zeros(len(STEPS))
    for learn, ask in parts:
        right += _right_after(features, classes, learn, ask, seed=seed)
    reached = np.flatnonzero(right / len(features) >= target)
    return STEPS[int(reached[0])] if len(reached) else None


def _right_after(
    features: np.ndarray,
    classes: np.ndarray,
    learn: np.ndarray,
    ask: np.ndarray,
    *,
    seed: int,
) -> np.ndarray:
    """How many clips of `ask` a head gets right after each of STEPS: the recipe of the linear presets, the
    rate held."""
    _, rate, decay = LINEAR_RECIPE
    x, truth = torch.from_numpy(np.asarray(features, np.float32)), torch.from_numpy(classes)
    head = StandardLinear(x.shape[1], int(classes.max()) + 1)
    head.measure(x[learn])
    optimizer = torch.optim.SGD(head.fc.parameters(), lr=rate, momentum=0.9, weight_decay=decay)
    found, step, epoch = [], 0, 0
    while step < STEPS[-1]:
        order = learn[shuffled_order(len(learn), seed=seed, epoch=epoch)]
        epoch += 1
        for start in range(0, len(order), LINEAR_BATCH):
            batch = order[start : start + LINEAR_BATCH]
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(head(x[batch]), truth[batch]).backward()
            optimizer.step()
            step += 1
            if step in STEPS:
                with torch.inference_mode():
                    found.append(int((head(x[ask]).argmax(1) == truth[ask]).sum()))
            if step == STEPS[-1]:
                break
    return np.array(found)
