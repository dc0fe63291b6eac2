"""Learning rate as a pure function of the step, so that nothing about it needs saving."""

from math import cos, pi


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
