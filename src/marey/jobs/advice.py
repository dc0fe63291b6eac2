"""What is said of a comparison in sentences: why one model is recommended, and whether the data need motion.

What is beyond chance, `report.beyond_chance` decides by the corrected p; intervals are told beside it.
"""

from collections.abc import Collection, Sequence
from math import comb

from ..metrics import too_few_to_tell
from ..report import beyond_chance, counted, difference_text, estimate_text, p_text
from ..results import Candidate, Estimate, OrderTest
from ..video import FRAME_ORDERS


def reason_for(candidates: Sequence[Candidate]) -> str:
    """Why the first of them is recommended, in a sentence or two."""
    best, *rest = candidates
    rivals = [c for c in rest if not c.stopped]
    said = f"{best.preset} is right most often of those that were tried in all folds: {estimate_text(best.score)}"
    if best.epochs < best.usual_epochs:
        said += f", after {best.epochs} of the {best.usual_epochs} epochs that training takes"
    ahead = [c for c in rest if c.stopped and _leads(c)]
    if ahead:
        return f"{said}; but {_names(ahead)} led it beyond chance in fewer folds: give a larger --budget to be sure."
    if not rivals:
        return f"{said}."
    close = [c for c in rivals if not beyond_chance(c)]
    if not close:
        return f"{said}; its lead over {_names(rivals)} is beyond chance."
    cheap = min(close, key=lambda c: c.efficiency.get("ms_per_clip", float("inf")))
    mine, theirs = (c.efficiency.get("ms_per_clip", float("inf")) for c in (best, cheap))
    hint = f" {cheap.preset} takes {theirs:.0f} ms a clip instead of {mine:.0f}." if theirs < 0.8 * mine else ""
    return f"{said}. Its lead over {_names(close)} is not beyond chance.{hint}"


def caution_on_chance(candidates: Sequence[Candidate], *, grouped: bool) -> list[str]:
    """A sentence on clips, or groups of them, that are too few to tell so many candidates apart."""
    units, models = candidates[0].score.n, len(candidates)
    if models < 2 or not too_few_to_tell(units, min(models - 1, max(1, comb(models - 1, 2)))):
        return []
    where = f"clips of {counted(units, 'group')}" if grouped else counted(units, "clip")
    return [f"No difference between {models} models can be beyond chance on {where}: read the table as a hint."]


def advice_on_motion(
    candidates: Sequence[Candidate], single: str, moving: Collection[str], test: OrderTest | None
) -> str:
    """Whether the data need motion.

    candidates  the best first
    single      the one that sees a single frame; `moving` are those that see motion
    test        of the best, with frames in other orders
    """
    best, *rest = candidates
    frame = next((c for c in rest if c.preset == single), None)
    if best.preset not in moving:
        return _without_motion(best, rest, frame, moving)
    assert frame is not None, "the single-frame model is tried in all folds"
    gain = f"against a single frame, {best.preset} gains {_lead(frame)}"
    if beyond_chance(frame):
        said = f"Your data need motion: {gain}."
    else:
        said = f"Whether your data need motion cannot be told from so few clips: {gain}, which chance may explain."
    if test is None:
        return said
    filmed, frozen, mixed, back = (test.overall[order] for order in FRAME_ORDERS)
    said += (
        f" When one frame stands still it is right on {frozen.value:.0%} instead of {filmed.value:.0%}, "
        f"with shuffled frames on {mixed.value:.0%}, reversed on {back.value:.0%}"
    )
    if back.value < filmed.low:
        return f"{said}: the direction of time counts."
    return f"{said}: " + (
        "movement counts, its direction does not." if frozen.value < filmed.low else "it looks at what frames show."
    )


def _without_motion(
    best: Candidate, rest: Sequence[Candidate], frame: Candidate | None, moving: Collection[str]
) -> str:
    """What can be said of motion where the best sees single frames."""
    said = ""
    if frame is not None:
        said = (
            f"What {best.preset} gains over {frame.preset}, {_lead(frame)}, is not motion: it too looks at frames one "
            "by one. "
        )
    asked = [(c, c.behind) for c in rest if c.preset in moving and c.behind is not None]
    if not asked:
        return f"{said}No model that sees motion was tried, so nothing is known of what it is worth."
    near, gap = max(asked, key=lambda pair: pair[1].value)
    if _leads(near):
        return (
            f"{said}Whether your data need motion is open: on the clips that both answered, {near.preset} differs from "
            f"{best.preset} by {_apart(gap, near)}, but it was not tried in all folds; give a larger --budget."
        )
    return (
        f"{said}No model of motion that was tried is better than {best.preset} beyond chance: the nearest, "
        f"{near.preset}, differs by {_apart(gap, near)}, on the clips that both answered."
    )


def _leads(candidate: Candidate) -> bool:
    """Whether it was right more often than the recommended one, beyond chance, on the clips that both answered."""
    return candidate.behind is not None and candidate.behind.value > 0 and beyond_chance(candidate)


def _lead(candidate: Candidate) -> str:
    """What it is behind by, as what the best leads it by."""
    behind = candidate.behind
    assert behind is not None, "it is not the best itself"
    return _apart(Estimate(-behind.value, -behind.high, -behind.low, behind.n), candidate)


def _apart(difference: Estimate, candidate: Candidate) -> str:
    """A difference from the best with its interval and p."""
    p = "" if candidate.p_value is None else f", p {p_text(candidate.p_value)}"
    return f"{difference_text(difference)}{p}"


def _names(candidates: Sequence[Candidate]) -> str:
    return " and ".join(filter(None, (", ".join(c.preset for c in candidates[:-1]), candidates[-1].preset)))
