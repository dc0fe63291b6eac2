"""What is said of a comparison is what was tried and what chance does not explain."""

from dataclasses import replace

import numpy as np
import pytest

from marey.data import Manifest, Sample, unit_of
from marey.jobs.advice import advice_on_motion, caution_on_chance, reason_for
from marey.jobs.contender import Part
from marey.jobs.verdict import Answers, Pooled
from marey.metrics import sign_flip_test
from marey.results import Candidate, Estimate, OrderTest

BEST = (0.0, 0.0, 0.0, None)
BEHIND, CLOSE = (-0.3, -0.4, -0.2, 0.004), (-0.1, -0.3, 0.1, 0.4)
FEW_GROUPS = (-0.3, -0.4, -0.2, 0.12)  # the interval leaves out 0, and p does not say so
AHEAD = (0.3, 0.1, 0.5, 0.02)
OVER = "the budget was over after 2 folds"


def candidate(
    preset: str,
    apart: tuple[float, float, float, float | None],
    stopped: str = "",
    ms: float = 90.0,
    epochs: int = 100,
) -> Candidate:
    score, p_value = Estimate(0.6, 0.5, 0.7, 20), apart[-1]
    return Candidate(
        preset=preset,
        folds=1 if stopped else 4,
        score=score,
        balanced=score,
        known=None,
        behind=None if p_value is None else Estimate(*apart[:3], 20),
        stopped=stopped,
        efficiency={"ms_per_clip": ms},
        epochs=epochs,
        usual_epochs=100,
        p_value=p_value,
    )


@pytest.mark.parametrize(
    "candidates, said",
    [
        (
            [candidate("motion", BEST), candidate("frame", BEHIND)],
            "Your data need motion: against a single frame, motion gains +30.0 points (+20.0 to +40.0), p 0.004.",
        ),
        (
            [candidate("motion", BEST), candidate("frame", CLOSE)],
            "told from so few clips: against a single frame, motion gains +10.0 points (−10.0 to +30.0), p 0.4,",
        ),
        (
            [candidate("motion", BEST), candidate("frame", FEW_GROUPS)],
            "gains +30.0 points (+20.0 to +40.0), p 0.12, which chance may explain.",
        ),
        ([candidate("frame", BEST)], "No model that sees motion was tried, so nothing is known"),
        (
            [candidate("better frame", BEST), candidate("frame", BEHIND)],
            "gains over frame, +30.0 points (+20.0 to +40.0), p 0.004, is not motion: it too looks at frames",
        ),
        (
            [candidate("frame", BEST), candidate("motion", AHEAD, OVER)],
            "on the clips that both answered, motion differs from frame by +30.0 points (+10.0 to +50.0), p 0.02, but",
        ),
        (
            [candidate("frame", BEST), candidate("motion", CLOSE)],
            "model of motion that was tried is better than frame beyond chance: the nearest, motion, differs by −10.0",
        ),
    ],
)
def test_what_is_said_of_motion_is_what_was_tried(candidates: list[Candidate], said: str) -> None:
    assert said in advice_on_motion(candidates, "frame", {"motion"}, None)


def test_orders_of_frames_say_what_of_motion_counts() -> None:
    pair = [candidate("motion", BEST), candidate("frame", BEHIND)]

    def said(**right: float) -> str:
        overall = {order: Estimate(value, value - 0.1, value + 0.1, 9) for order, value in right.items()}
        overall["as filmed"] = Estimate(0.8, 0.7, 0.9, 9)
        return advice_on_motion(pair, "frame", {"motion"}, OrderTest("motion", overall, {}))

    assert said(frozen=0.5, shuffled=0.5, reversed=0.5).endswith("reversed on 50%: the direction of time counts.")
    assert said(frozen=0.5, shuffled=0.6, reversed=0.8).endswith("movement counts, its direction does not.")
    assert said(frozen=0.8, shuffled=0.8, reversed=0.8).endswith("it looks at what frames show.")


def test_a_lead_is_beyond_chance_where_p_says_so() -> None:
    assert reason_for([candidate("a", BEST), candidate("b", BEHIND), candidate("c", BEHIND)]).endswith(
        "60.0 % (50.0 to 70.0); its lead over b and c is beyond chance."
    )
    unsure = reason_for([candidate("a", BEST), candidate("b", BEHIND), candidate("c", FEW_GROUPS, ms=30)])
    assert unsure.endswith("Its lead over c is not beyond chance. c takes 30 ms a clip instead of 90.")
    assert reason_for([candidate("a", BEST)]).endswith("60.0 % (50.0 to 70.0).")


def test_a_best_one_that_was_cut_short_is_told() -> None:
    said = reason_for([candidate("a", BEST, epochs=30)])
    assert said.endswith("60.0 % (50.0 to 70.0), after 30 of the 100 epochs that training takes.")


def test_a_lead_in_few_folds_is_not_passed_over() -> None:
    pair = [candidate("frame", BEST), candidate("motion", AHEAD, OVER)]
    assert "but motion led it beyond chance in fewer folds: give a larger --budget" in reason_for(pair)
    unsure = [candidate("frame", BEST), candidate("motion", (0.3, 0.1, 0.5, 0.2), OVER)]
    assert "led it" not in reason_for(unsure)


def test_too_few_groups_to_tell_anything_are_named() -> None:
    pair = [candidate("a", BEST), candidate("b", CLOSE)]
    few = [replace(c, score=replace(c.score, n=5)) for c in pair]
    assert not caution_on_chance(pair, grouped=True) and not caution_on_chance(few[:1], grouped=True)
    (said,) = caution_on_chance(few, grouped=True)
    assert said == "No difference between 2 models can be beyond chance on clips of 5 groups: read the table as a hint."
    assert "can be beyond chance on 5 clips:" in caution_on_chance(few, grouped=False)[0]


def test_p_is_of_groups_and_corrected_for_all_pairs() -> None:
    samples = tuple(Sample(f"v{i}.mp4", {"label": ("ab"[i % 2],)}, group=f"g{i // 2}") for i in range(40))
    manifest = Manifest(samples, {"label": ("a", "b")}, multi_label=False, source="films", kind="CSV")
    nowhere = np.arange(0)
    data = Pooled(manifest, [Part(nowhere, nowhere, np.arange(40))], unit_of(samples), seed=0)
    truth = np.eye(2)[np.arange(40) % 2]
    wrong = truth.copy()
    wrong[:20] = wrong[:20, ::-1]
    few = np.arange(10)
    answers = {"a": Answers(np.arange(40), truth), "b": Answers(np.arange(40), wrong), "c": Answers(few, wrong[:10])}
    answers |= {"d": answers["c"]}
    found = data.p_values(answers, "d")
    assert found[frozenset("ab")] == 3 * 2 / 2**10, "of ten groups whose two clips both differ; three pairs"
    assert found[frozenset("ac")] == 2 * 2 / 2**5 and found[frozenset("bc")] == 1
    assert found[frozenset("ad")] == 3 * 2 / 2**5, "three are compared with the single frame, whatever the others are"
    assert sign_flip_test(np.ones(20), np.zeros(20)) < 1e-5, "which clips that are told to be independent would claim"
