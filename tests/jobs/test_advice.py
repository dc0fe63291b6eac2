"""What is said of a comparison is what was tried and what chance does not explain."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from marey.data import Manifest, Sample, unit_of
from marey.jobs.advice import advice_on_motion, caution_on_chance, reason_for
from marey.jobs.contender import Contender, Part
from marey.jobs.fold_answers import FoldAnswers
from marey.jobs.halving import Share
from marey.jobs.verdict import Answers, Pooled, _order_test
from marey.metrics import sign_flip_test
from marey.presets import find_preset
from marey.results import Candidate, Estimate, Guess, OrderTest
from marey.video import FRAME_ORDERS

BEST = (0.0, 0.0, 0.0, None)
BEHIND, CLOSE = (-0.3, -0.4, -0.2, 0.004), (-0.1, -0.3, 0.1, 0.4)
FEW_GROUPS = (-0.3, -0.4, -0.2, 0.12)  # the interval leaves out 0, and p does not say so
AHEAD = (0.3, 0.1, 0.5, 0.02)
BEATEN, UNBEATEN = Guess("kick", 0.25, 0.001), Guess("kick", 0.5, 0.06)
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
        (
            [candidate("frame", BEST), replace(candidate("motion", CLOSE, OVER), p_value=None)],
            "the nearest, motion, differs by −10.0 points (−30.0 to +10.0), in one fold alone, on the clips that both",
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


def test_orders_of_frames_say_what_was_shown_to_count_and_never_that_something_does_not() -> None:
    pair = [candidate("motion", BEST), candidate("frame", BEHIND)]
    right = {"as filmed": 0.8, "frozen": 0.5, "shuffled": 0.6, "reversed": 0.7}
    overall = {order: Estimate(value, value - 0.05, value + 0.05, 9) for order, value in right.items()}

    def said(**p_values: float) -> str:
        return advice_on_motion(pair, "frame", {"motion"}, OrderTest("motion", overall, {}, p_values))

    assert said(frozen=0.01, shuffled=0.06, reversed=0.2).endswith(
        "As filmed it is right on 80%, with one frame standing still on 50%, with shuffled frames on 60%, reversed on "
        "70%: movement counts; whether the order of frames and the direction of time count could not be told."
    )
    assert said(frozen=0.01, shuffled=0.01, reversed=0.01).endswith(
        ": movement, the order of frames and the direction of time count."
    )
    alone = said(shuffled=0.3, reversed=0.01)  # sees motion alone: a frame that stands still is no evidence
    assert "standing still" not in alone and "movement" not in alone
    assert alone.endswith("the direction of time counts; whether the order of frames counts could not be told.")


def test_who_gains_from_another_order_is_not_said_to_need_the_right_one() -> None:
    overall = {order: Estimate(value, 0, 1, 9) for order, value in (("as filmed", 0.6), ("reversed", 0.8))}
    pair = [candidate("motion", BEST), candidate("frame", BEHIND)]
    said = advice_on_motion(pair, "frame", {"motion"}, OrderTest("motion", overall, {}, {"reversed": 0.01}))
    assert said.endswith("whether the direction of time counts could not be told.")


def test_a_lead_is_beyond_chance_where_p_says_so() -> None:
    always = " Always answering “kick” is right on 25.0 %."
    assert reason_for([candidate("a", BEST), candidate("b", BEHIND), candidate("c", BEHIND)], BEATEN).endswith(
        f"60.0 % (50.0 to 70.0); its lead over b and c is beyond chance.{always}"
    )
    unsure = reason_for([candidate("a", BEST), candidate("b", BEHIND), candidate("c", FEW_GROUPS, ms=30)], BEATEN)
    assert unsure.endswith(f"Its lead over c is not beyond chance; c takes 30 ms a clip instead of 90.{always}")
    assert reason_for([candidate("a", BEST)], BEATEN).endswith(f"60.0 % (50.0 to 70.0).{always}")


def test_a_tie_is_no_lead() -> None:
    tie = (0.0, -0.1, 0.1, 1.0)
    said = reason_for([candidate("a", BEST), candidate("b", tie), candidate("c", BEHIND)], BEATEN)
    assert "all folds, as often as b: 60.0 % (50.0 to 70.0); its lead over c is beyond chance." in said
    assert "lead" not in reason_for([candidate("a", BEST), candidate("b", tie)], BEATEN)


def test_the_best_of_guesses_is_called_that() -> None:
    pair = [candidate("a", BEST), candidate("b", BEHIND)]
    assert reason_for(pair, UNBEATEN) == (
        "a is right most often of those that were tried in all folds: 60.0 % (50.0 to 70.0). Beyond chance, that is no "
        "better than always answering “kick” (50.0 %): look at the labels, or give more clips or a larger --budget."
    )
    assert "no better than" in reason_for(pair, Guess("kick", 0.7, 0.01)), "beyond chance, and worse"


def test_a_best_one_that_was_cut_short_is_told() -> None:
    said = reason_for([candidate("a", BEST, epochs=30)], BEATEN)
    assert "60.0 % (50.0 to 70.0), after 30 of the 100 epochs that training takes." in said


def test_a_lead_in_few_folds_is_not_passed_over() -> None:
    pair = [candidate("frame", BEST), candidate("motion", AHEAD, OVER)]
    assert "but motion led it beyond chance in fewer folds: give a larger --budget" in reason_for(pair, BEATEN)
    unsure = [candidate("frame", BEST), candidate("motion", (0.3, 0.1, 0.5, 0.2), OVER)]
    assert "led it" not in reason_for(unsure, BEATEN)


def test_too_few_groups_to_tell_anything_are_named() -> None:
    pair = [candidate("a", BEST), candidate("b", CLOSE)]
    few = [replace(c, score=replace(c.score, n=5)) for c in pair]
    assert not caution_on_chance([*few[:1], *(replace(c, folds=1) for c in few[1:])], grouped=True), "no p is told"
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


def test_guessing_is_always_answering_the_most_frequent_class() -> None:
    truth = np.array([0] * 24 + [1] * 16)
    samples = tuple(Sample(f"v{i}.mp4", {"label": ("ab"[truth[i]],)}, group=f"g{i}") for i in range(40))
    manifest = Manifest(samples, {"label": ("a", "b")}, multi_label=False, source="films", kind="CSV")
    nowhere, everywhere = np.arange(0), np.arange(40)
    data = Pooled(manifest, [Part(nowhere, nowhere, everywhere)], unit_of(samples), seed=0)
    guessing = Answers(everywhere, np.tile([0.6, 0.4], (40, 1)))
    answers = {"knows": Answers(everywhere, np.eye(2)[truth]), "guesses": guessing}
    assert data.guess(answers, "guesses") == Guess("a", 0.6, 1.0)
    assert data.guess(answers, "knows") == Guess("a", 0.6, 2 * 2 / 2**16), "16 clips speak for it; two models"


def test_what_answers_all_frozen_clips_alike_sees_motion_alone(tmp_path: Path) -> None:
    samples = tuple(Sample(f"v{i}.mp4", {"label": ("ab"[i % 2],)}) for i in range(20))
    manifest = Manifest(samples, {"label": ("a", "b")}, multi_label=False, source="films", kind="CSV")
    nowhere, everywhere = np.arange(0), np.arange(20)
    data = Pooled(manifest, [Part(nowhere, nowhere, everywhere)], unit_of(samples), seed=0)
    who, right = object.__new__(Contender), np.eye(2)[everywhere % 2]
    who.preset, who.share, who.kept = find_preset("motion"), Share(1, 1.0), tmp_path

    def asked(frozen: np.ndarray) -> dict[str, float]:
        for order, scores in zip(FRAME_ORDERS, (right, frozen, right, right[:, ::-1]), strict=True):
            FoldAnswers(everywhere, scores, {}).write(who.file(0, order))
        found = _order_test(data, who)
        assert found is not None
        return dict(found.p_values)

    alike = np.tile([0.7, 0.3], (20, 1))
    assert asked(alike) == {"shuffled": 1.0, "reversed": 2 * 2 / 2**20}, "two are asked"
    some = np.where(everywhere[:, None] < 10, alike, [0.8, 0.2])
    assert asked(some) == {"frozen": 2 * 2 / 2**10, "shuffled": 1.0, "reversed": 3 * 2 / 2**20}
