"""Targets, loss, probabilities, and windows turned into events."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from marey.data import Sample
from marey.errors import UsageError
from marey.tasks import EventRule, Recognition, cell_scores, events

SINGLE = Recognition(heads={"label": ("fall", "walk", "sit")})
VERB_NOUN = Recognition(heads={"verb": ("cut", "wash"), "noun": ("onion", "pan", "knife")})


def sample(**heads: str) -> Sample:
    return Sample("a.mp4", {head: (label,) for head, label in heads.items()})


def test_targets_put_each_head_in_its_own_columns() -> None:
    rows = VERB_NOUN.targets([sample(verb="wash", noun="knife"), sample(verb="cut", noun="onion")])
    assert rows.tolist() == [[0, 1, 0, 0, 1], [1, 0, 1, 0, 0]]


def test_a_label_that_the_model_does_not_know_is_named() -> None:
    sentence = r"a\.mp4 has the label 'jump', which the model does not know \(fall, walk, sit\)"
    with pytest.raises(UsageError, match=sentence):
        SINGLE.targets([sample(label="jump")])


def test_loss_is_the_sum_of_the_heads() -> None:
    logits = torch.randn(4, 5)
    samples = [sample(verb="wash", noun="knife"), sample(verb="cut", noun="pan")] * 2
    verbs, nouns = torch.tensor([1, 0, 1, 0]), torch.tensor([2, 1, 2, 1])
    cross_entropy = torch.nn.functional.cross_entropy
    expected = cross_entropy(logits[:, :2], verbs) + cross_entropy(logits[:, 2:], nouns)
    torch.testing.assert_close(VERB_NOUN.loss(logits, VERB_NOUN.targets(samples)), expected)


def test_smoothed_loss_is_pytorchs() -> None:
    logits, truth = torch.randn(6, 3), torch.tensor([0, 1, 2, 0, 1, 2])
    expected = torch.nn.functional.cross_entropy(logits, truth, label_smoothing=0.1)
    targets = torch.nn.functional.one_hot(truth, 3).float()
    torch.testing.assert_close(SINGLE.loss(logits, targets, smoothing=0.1), expected)


def test_probabilities_sum_to_one_in_every_head_and_stand_alone_for_several_classes() -> None:
    logits = torch.randn(3, 5)
    found = VERB_NOUN.probabilities(logits)
    torch.testing.assert_close(found[:, :2].sum(1), torch.ones(3))
    torch.testing.assert_close(found[:, 2:].sum(1), torch.ones(3))
    several = Recognition(heads=VERB_NOUN.heads, multi_label=True)
    torch.testing.assert_close(several.probabilities(logits), logits.sigmoid())


def test_events_follow_the_stated_rule() -> None:
    edges = np.arange(9.0)
    scores = np.array([[0.9, 0.1], [0.8, 0.2], [0.2, 0.8], [0.7, 0.3], [0.1, 0.2], [0.1, 0.9], [0.1, 0.9], [0.1, 0.3]])
    rule = EventRule(threshold=0.5, merge_gap_s=1.0, min_duration_s=2.0)
    found = events(edges, scores, ("a", "b"), rule, leading_only=True)
    assert [(e.start_s, e.end_s, e.label) for e in found] == [(0, 4, "a"), (5, 7, "b")]
    assert found[0].score == pytest.approx((0.9 + 0.8 + 0.2 + 0.7) / 4)
    apart = events(edges, scores, ("a", "b"), EventRule(merge_gap_s=0.0), leading_only=True)
    assert [(e.start_s, e.end_s, e.label) for e in apart] == [(0, 2, "a"), (2, 3, "b"), (3, 4, "a"), (5, 7, "b")]


def test_several_classes_may_be_on_at_once_unless_only_the_leader_counts() -> None:
    edges, scores = np.array([0.0, 1.0]), np.array([[0.7, 0.9]])
    rule = EventRule()
    assert [e.label for e in events(edges, scores, ("a", "b"), rule, leading_only=False)] == ["a", "b"]
    assert [e.label for e in events(edges, scores, ("a", "b"), rule, leading_only=True)] == ["b"]


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        ({"threshold": 1.5}, "--threshold is 1.5; it is a score and must lie in 0..1"),
        ({"threshold": float("nan")}, "--threshold is nan"),
        ({"merge_gap_s": -1.0}, "--merge-gap is -1.0 s; it must be 0 or more"),
        ({"min_duration_s": float("inf")}, "--min-duration is inf s; it must be 0 or more"),
    ],
)
def test_rules_that_make_no_sense_are_refused(arguments: dict[str, float], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        EventRule(**arguments)


@given(
    count=st.integers(1, 30),
    window_s=st.floats(0.2, 5.0),
    overlap=st.floats(0.1, 1.0),
    cut_s=st.floats(0.0, 0.1),
)
def test_cells_cover_the_video_and_keep_constant_scores(
    count: int, window_s: float, overlap: float, cut_s: float
) -> None:
    hop_s = window_s * overlap
    starts = np.arange(count) * hop_s
    duration_s = starts[-1] + window_s - cut_s
    edges, cells = cell_scores(starts, window_s, np.full((count, 2), [0.25, 0.75]), duration_s)
    assert edges[0] == 0 and edges[-1] == pytest.approx(duration_s, abs=1e-5)
    assert (np.diff(edges) > 0).all()
    np.testing.assert_allclose(cells, np.full((len(edges) - 1, 2), [0.25, 0.75]), atol=1e-9)


def test_cells_average_the_windows_that_cover_them() -> None:
    edges, cells = cell_scores(np.array([0.0, 1.0]), 2.0, np.array([[0.0], [1.0]]), 3.0)
    assert edges.tolist() == [0, 1, 2, 3]
    assert cells[:, 0].tolist() == [0, 0.5, 1]
