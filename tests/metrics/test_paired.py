"""The test of paired answers: exact, honest about groups and about many candidates, and able to find a difference."""

from itertools import combinations, product
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marey.metrics import SIGNIFICANT, holm, sign_flip_test, too_few_to_tell


def mcnemar(a: np.ndarray, b: np.ndarray) -> float:
    """The exact test as it is written in textbooks: twice the smaller tail of the binomial of the clips that differ."""
    for_a, for_b = int(((a == 1) & (b == 0)).sum()), int(((a == 0) & (b == 1)).sum())
    n = for_a + for_b
    return min(1.0, 2 * sum(comb(n, k) for k in range(min(for_a, for_b) + 1)) / 2**n)


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=1, max_size=60))
def test_where_every_clip_is_its_own_group_it_is_mcnemars_exact_test(answers: list[tuple[int, int]]) -> None:
    a, b = np.array(answers).T
    assert sign_flip_test(a, b) == pytest.approx(mcnemar(a, b))


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1), st.integers(0, 6)), min_size=1, max_size=40))
def test_groups_change_sides_together_in_every_way(answers: list[tuple[int, int, int]]) -> None:
    a, b, group = np.array(answers).T
    sums = [int((a - b)[group == g].sum()) for g in set(group.tolist())]
    ways = [
        abs(sum(s * sign for s, sign in zip(sums, signs, strict=True))) for signs in product((1, -1), repeat=len(sums))
    ]
    expected = np.mean([way >= abs(sum(sums)) for way in ways])
    assert sign_flip_test(a, b, groups=[str(g) for g in group]) == pytest.approx(expected)
    assert sign_flip_test(b, a, groups=[str(g) for g in group]) == pytest.approx(expected)


def test_by_hand() -> None:
    six = np.ones(6)
    assert sign_flip_test(six, 0 * six) == 2 / 2**6
    assert sign_flip_test(six, 0 * six, groups=["a", "a", "a", "b", "b", None]) == 2 / 2**3
    assert sign_flip_test(six, six) == 1, "who agree everywhere are told apart by nothing"


def test_many_clips_are_counted_in_a_moment_and_without_loss() -> None:
    a = np.repeat([1, 0], [2600, 2400])
    assert sign_flip_test(a, 1 - a) == pytest.approx(mcnemar(a, 1 - a), rel=1e-9)


def grouped(rng: np.random.Generator, models: int, *, lead: float = 0.0) -> np.ndarray:
    """(models, 120) right or wrong: 20 groups of 6 clips, in each of which a model fares alike; the first may lead."""
    easy, luck = rng.normal(0.5, 1, 120), np.repeat(rng.normal(0, 0.8, (models, 20)), 6, axis=1)
    skill = np.array([lead, *[0.0] * (models - 1)])[:, None]
    return (easy + luck + skill + rng.normal(0, 1, (models, 120)) > 0).astype(float)


GROUPS = [f"source {i // 6}" for i in range(120)]


def test_equal_models_are_called_unequal_as_seldom_as_it_says_if_groups_are_told() -> None:
    rng, found, blind = np.random.default_rng(0), [], []
    for _ in range(1500):
        a, b = grouped(rng, 2)
        found.append(sign_flip_test(a, b, groups=GROUPS) < 0.05)
        blind.append(sign_flip_test(a, b) < 0.05)
    assert 0.025 < np.mean(found) < 0.06
    assert np.mean(blind) > 0.1, "clips of one source taken for independent claim too much"


def test_a_model_that_is_better_is_found() -> None:
    rng = np.random.default_rng(0)
    found = [sign_flip_test(*grouped(rng, 2, lead=1.2), groups=GROUPS) < 0.05 for _ in range(200)]
    assert np.mean(found) > 0.9


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]).tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.4, 0.9]).tolist() == [0.8, 0.9] and holm([0.7, 0.6]).tolist() == [1, 1] and not len(holm([]))


def test_too_few_is_said_where_even_a_clean_sweep_tells_nothing() -> None:
    assert [too_few_to_tell(units, 1) for units in (1, 5, 6)] == [True, True, False]
    for tests in (1, 3, 28):
        least = next(units for units in range(99) if not too_few_to_tell(units, tests))
        for units, told in ((least - 1, False), (least, True)):
            others = [1.0] * (tests - 1)
            assert bool(holm([sign_flip_test(np.ones(units), np.zeros(units)), *others])[0] < SIGNIFICANT) == told


def test_the_best_of_equal_models_seldom_leads_beyond_chance_if_all_pairs_are_counted() -> None:
    """Which is best was not known before, so that counting only the pairs of the best claims more than 5 % allow."""
    rng, trials, wrong = np.random.default_rng(0), 400, {"all pairs": 0, "its own pairs": 0}
    for _ in range(trials):
        right = grouped(rng, 8)
        best = int(right.mean(1).argmax())
        pairs = list(combinations(range(8), 2))
        values = [sign_flip_test(right[a], right[b], groups=GROUPS) for a, b in pairs]
        mine = [best in pair for pair in pairs]
        wrong["all pairs"] += bool((holm(values)[mine] < SIGNIFICANT).any())
        wrong["its own pairs"] += bool(
            (holm([p for p, of in zip(values, mine, strict=True) if of]) < SIGNIFICANT).any()
        )
    assert wrong["all pairs"] / trials < 0.05 < wrong["its own pairs"] / trials


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: sign_flip_test(np.ones(3), np.ones(2)), r"a is of shape \(3,\), b of shape \(2,\)"),
        (lambda: sign_flip_test(np.ones(2), np.array([0.5, 1])), "takes right \\(1\\) or wrong \\(0\\) for every clip"),
        (lambda: sign_flip_test(np.ones(2), np.ones(2), groups=["a"]), "1 groups for 2 clips"),
    ],
)
def test_misuse_is_refused(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
