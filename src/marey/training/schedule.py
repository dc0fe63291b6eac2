"""Learning rate as a pure function of the step, so that nothing about it needs saving."""

from math import cos, pi

from .recipe import Recipe


def warmup_cosine(step: int, total: int, *, warmup_fraction: float, final_fraction: float = 0.0) -> float:
    """Factor on the peak rate for optimizer step `step` of `total` (from 0): a straight rise, then half a cosine.

    After Loshchilov & Hutter, SGDR (ICLR 2017, arXiv:1608.03983), without restarts. The rise takes
    `warmup_fraction` of all steps and starts above zero, so that the first step counts; the fall ends at
    `final_fraction`.
    """
    warmup = round(warmup_fraction * total)
    if step < warmup:
        return (step + 1) / warmup
    fallen = min(1.0, (step - warmup) / max(1, total - warmup))
    return final_fraction + (1 - final_fraction) * (1 + cos(pi * fallen)) / 2


def rate_at(recipe: Recipe, place: int, total: int, *, depth: int = 0) -> float:
    """Learning rate of the optimizer step at `place` of `total` for what lies `depth` blocks below the classifier.

    Each block learns `recipe.layer_decay` times as fast as the next (as BEiT is fine-tuned, Bao et al., ICLR 2022,
    arXiv:2106.08254). What is not the classifier waits for the first `recipe.head_first` of all steps, and has its own
    warm-up then: a fresh classifier would bend good features (Kumar et al., ICLR 2022, arXiv:2202.10054, who train it
    to the end before; here it is a part of the same run).
    """
    waits = round(recipe.head_first * total) if depth else 0
    if place < waits:
        return 0.0
    factor = warmup_cosine(
        place - waits,
        total - waits,
        warmup_fraction=recipe.warmup_fraction,
        final_fraction=recipe.final_lr_fraction,
    )
    return recipe.lr * recipe.layer_decay**depth * factor
