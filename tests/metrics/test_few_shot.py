"""Episodes keep groups apart and classes even; the classifiers against their definitions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marey.metrics import (
    CLASSIFIERS,
    classify,
    draw_episode,
    draw_episodes,
    estimate_over_episodes,
    few_shot_accuracies,
    linear_head,
)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), shots=st.integers(1, 4), groups=st.integers(4, 40))
def test_no_group_and_no_clip_is_on_both_sides(seed: int, shots: int, groups: int) -> None:
    rng = np.random.default_rng(seed)
    classes, group = np.arange(120) % 6, rng.integers(groups, size=120)
    episode = draw_episode(rng, classes, group, ways=4, shots=shots, queries=5)
    assert episode.support.shape == (4, shots) and len(np.unique(episode.support)) == 4 * shots
    assert len(np.unique(episode.queries)) == len(episode.queries)
    assert not set(group[episode.support.ravel()]) & set(group[episode.queries])
    rows = classes[episode.support]
    assert (rows == rows[:, :1]).all() and len(np.unique(rows[:, 0])) == 4
    assert (rows[episode.truth, 0] == classes[episode.queries]).all()
    assert set(np.bincount(episode.truth, minlength=4).tolist()) <= {1, 2, 3, 4, 5}


def test_without_groups_every_clip_is_drawn_and_all_queries_are_there() -> None:
    rng, seen = np.random.default_rng(0), set()
    for _ in range(60):
        episode = draw_episode(rng, np.arange(18) % 3, np.arange(18), ways=3, shots=2, queries=4)
        assert np.bincount(episode.truth).tolist() == [4, 4, 4]  # all that two of six clips leave
        seen |= set(episode.support.ravel().tolist())
    assert seen == set(range(18))


def test_episodes_that_cannot_be() -> None:
    rng, classes = np.random.default_rng(0), np.arange(6) % 3
    with pytest.raises(ValueError, match="4 ways of 3 classes; give 2 to 3"):
        draw_episode(rng, classes, np.arange(6), ways=4, shots=1, queries=1)
    with pytest.raises(ValueError, match="no episode of 3 classes has 2 clips of each to learn from and one in other"):
        draw_episode(rng, classes, np.arange(6), ways=3, shots=2, queries=1)
    with pytest.raises(ValueError, match="no episode of 2 classes has 1 clips"):
        draw_episode(rng, classes, classes, ways=2, shots=1, queries=1)  # a class is one group
    with pytest.raises(ValueError, match="1 episodes have no spread; draw 2 or more"):
        estimate_over_episodes(np.ones(1))


def test_the_classifiers_by_hand() -> None:
    support = np.array([[[1.0, 0.0], [3.0, 0.0]], [[0.0, 8.0], [0.0, 12.0]]])
    said = classify(support, np.array([[2.0, 3.0], [1.0, 0.1], [4.0, 5.0]]))
    assert list(said) == list(CLASSIFIERS)
    assert said["prototypes"].tolist() == [0, 0, 0]  # (2, 0) is nearer than (0, 10)
    assert said["nearest mean, length 1"].tolist() == [1, 0, 1]  # the second number is the larger one
    centred = said["nearest mean, centred, length 1"]  # the centre is (1, 5): (1, -2) leans to (1, -5), (3, 0) to none
    assert centred.tolist()[:2] == [0, 0]


def test_chance_without_information_and_all_right_with_it() -> None:
    rng = np.random.default_rng(1)
    classes = np.arange(160) % 8
    episodes = list(draw_episodes(classes, np.arange(160), ways=4, shots=2, queries=6, episodes=60))
    noise = few_shot_accuracies(rng.normal(size=(160, 5)), episodes)
    telling = np.eye(8)[classes] + 0.01 * rng.normal(size=(160, 8))
    for name, accuracies in few_shot_accuracies(telling, episodes).items():
        assert accuracies.shape == (60,) and accuracies.min() == 1.0
        estimate = estimate_over_episodes(noise[name])
        assert estimate.low < 0.27 and estimate.high > 0.23 and estimate.n == 60
    again = few_shot_accuracies(telling[:, ::-1], episodes)
    assert all((values == 1).all() for values in again.values())


def test_the_interval_is_1_96_standard_errors() -> None:
    estimate = estimate_over_episodes(np.array([0.4, 0.6] * 50))
    reach = 1.959964 * np.std([0.4, 0.6] * 50, ddof=1) / 10
    assert estimate.value == pytest.approx(0.5) and estimate.n == 100
    assert (estimate.low, estimate.high) == pytest.approx((0.5 - reach, 0.5 + reach))


def test_a_head_of_one_clip_a_class_warns_of_nothing() -> None:
    shown = np.eye(3)
    assert linear_head(shown, np.array([4, 7, 9]), 2 * shown[::-1]).tolist() == [9, 7, 4]
