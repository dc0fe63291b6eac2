"""What is said of a comparison in sentences: why one model is recommended, and whether the data need motion.

What is beyond chance, `report.beyond_chance` decides by the corrected p; intervals are told beside it. What is
not shown is never said not to be.
"""

from collections.abc import Collection, Sequence
from math import comb

from ..errors import listed
from ..metrics import too_few_to_tell
from ..report import beats_guessing, beyond_chance, counted, difference_text, estimate_text, p_text, percent
from ..results import Candidate, Estimate, Guess, OrderTest

WITH = {"frozen": "with one frame standing still", "shuffled": "with shuffled frames", "reversed": "reversed"}
TESTED = {"frozen": "movement", "shuffled": "the order of frames", "reversed": "the direction of time"}


def reason_for(candidates: Sequence[Candidate], guess: Guess) -> str:
    """Why the first of them is recommended, or that none is, in a few sentences."""
    best, *rest = candidates
    rivals = [c for c in rest if not c.stopped]
    equal = [c for c in rivals if c.behind is not None and c.behind.value == 0]
    said = f"{best.preset} is right most often of those that were tried in all folds"
    if equal:
        said += f", as often as {_names(equal)}"
    said += f": {estimate_text(best.score)}"
    if best.epochs < best.usual_epochs:
        said += f", after {best.epochs} of the {best.usual_epochs} epochs that training takes"
    if ahead := [c for c in rest if c.stopped and _leads(c)]:
        said += f"; but {_names(ahead)} led it beyond chance in fewer folds: give a larger --budget to be sure"
    if not beats_guessing(best.score, guess):
        return (
            f"{said}. Beyond chance, that is no better than always answering “{guess.label}” ({percent(guess.share)}): "
            "look at the labels, or give more clips or a larger --budget."
        )
    if not ahead:
        said += _on_leads(best, [c for c in rivals if c not in equal])
    return f"{said}. Always answering “{guess.label}” is right on {percent(guess.share)}."


def _on_leads(best: Candidate, behind: Sequence[Candidate]) -> str:
    """Whether its lead over those behind it is beyond chance, and who is as good for less; it goes on a sentence."""
    close = [c for c in behind if not beyond_chance(c.p_value)]
    if not close:
        return f"; its lead over {_names(behind)} is beyond chance" if behind else ""
    cheap = min(close, key=lambda c: c.efficiency.get("ms_per_clip", float("inf")))
    mine, theirs = (c.efficiency.get("ms_per_clip", float("inf")) for c in (best, cheap))
    hint = f"; {cheap.preset} takes {theirs:.0f} ms a clip instead of {mine:.0f}" if theirs < 0.8 * mine else ""
    return f". Its lead over {_names(close)} is not beyond chance{hint}"


def caution_on_chance(candidates: Sequence[Candidate], *, grouped: bool) -> list[str]:
    """A sentence on clips, or groups of them, that are too few to tell so many candidates apart."""
    units, models = candidates[0].score.n, sum(c.folds > 1 for c in candidates)
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
    if beyond_chance(frame.p_value):
        said = f"Your data need motion: {gain}."
    else:
        said = f"Whether your data need motion cannot be told from so few clips: {gain}, which chance may explain."
    return said if test is None else f"{said} {_on_orders(test)}"


def _on_orders(test: OrderTest) -> str:
    """What it loses with frames in other orders, and which of that is beyond chance."""
    filmed = test.overall["as filmed"].value
    right = ", ".join(f"{WITH[order]} on {test.overall[order].value:.0%}" for order in test.p_values)
    lost = {order: beyond_chance(p) and test.overall[order].value < filmed for order, p in test.p_values.items()}
    counts, open_ = ([TESTED[order] for order in lost if lost[order] == sure] for sure in (True, False))
    told = [f"{listed(counts)} {_count(counts)}"] if counts else []
    told += [f"whether {listed(open_)} {_count(open_)} could not be told"] if open_ else []
    return f"As filmed it is right on {filmed:.0%}, {right}: {'; '.join(told)}."


def _count(things: Sequence[str]) -> str:
    return "counts" if len(things) == 1 else "count"


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
    return candidate.behind is not None and candidate.behind.value > 0 and beyond_chance(candidate.p_value)


def _lead(candidate: Candidate) -> str:
    """What it is behind by, as what the best leads it by."""
    behind = candidate.behind
    assert behind is not None, "it is not the best itself"
    return _apart(Estimate(-behind.value, -behind.high, -behind.low, behind.n), candidate)


def _apart(difference: Estimate, candidate: Candidate) -> str:
    """A difference from the best with its interval and p; who was tried in one fold alone has none."""
    p = ", in one fold alone" if candidate.p_value is None else f", p {p_text(candidate.p_value)}"
    return f"{difference_text(difference)}{p}"


def _names(candidates: Sequence[Candidate]) -> str:
    return listed([c.preset for c in candidates])
