import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marey.metrics import fit_score_svm, merge_scores, stacked_scores


def halves(n: int, seed: int) -> tuple[list[np.ndarray], np.ndarray]:
    """Two streams of four classes: the first tells 0 and 1 from the rest and each other, the second 2 and 3."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 4, n)
    streams = [rng.normal(0, 1.0, (n, 4)) for _ in range(2)]
    for stream, mine in zip(streams, ((0, 1), (2, 3)), strict=True):
        rows = np.flatnonzero(np.isin(truth, mine))
        stream[rows, truth[rows]] += 6
    return streams, truth


def test_the_mean_and_the_sum() -> None:
    a, b = np.array([[1.0, 3.0]]), np.array([[5.0, 1.0]])
    assert merge_scores([a, b]).tolist() == [[3.0, 2.0]]
    assert merge_scores([a, b], how="add").tolist() == [[6.0, 4.0]]
    assert merge_scores([a, b], weights=[3, 1]).tolist() == [[2.0, 2.5]]
    assert merge_scores([a, b], how="add", weights=[1, 0]).tolist() == [[1.0, 3.0]]


def test_scores_are_normalized_stream_by_stream() -> None:
    stacked = stacked_scores([np.array([[3.0, 4.0], [0.0, 0.0]]), np.array([[0.0, -2.0], [1.0, 0.0]])])
    np.testing.assert_allclose(stacked, [[0.6, 0.8, 0, -1], [0, 0, 1, 0]])


def test_an_svm_takes_from_each_stream_what_it_is_good_at() -> None:
    svm = fit_score_svm(*halves(400, seed=0))
    streams, truth = halves(400, seed=1)
    right = {
        name: np.mean(scores.argmax(1) == truth)
        for name, scores in (("first", streams[0]), ("second", streams[1]), ("svm", svm.scores(streams)))
    }
    assert right["svm"] > 0.85 > 0.7 > max(right["first"], right["second"])


def test_the_same_seed_gives_the_same_svm() -> None:
    streams, truth = halves(60, seed=2)
    one, two = (fit_score_svm(streams, truth, seed=5) for _ in range(2))
    np.testing.assert_array_equal(one.weights, two.weights)
    np.testing.assert_array_equal(one.bias, two.bias)


@given(st.floats(0.01, 100))
def test_a_streams_scale_does_not_matter_to_the_svm(scale: float) -> None:
    streams, truth = halves(20, seed=3)
    svm = fit_score_svm(streams, truth)
    scaled = [streams[0] * scale, streams[1]]
    np.testing.assert_allclose(svm.scores(scaled), svm.scores(streams), atol=1e-9)


def test_a_class_without_clips_is_told_apart_from_none() -> None:
    streams, truth = halves(80, seed=4)
    svm = fit_score_svm([np.pad(scores, ((0, 0), (0, 1))) for scores in streams], truth)
    scores = svm.scores([np.pad(scores, ((0, 0), (0, 1))) for scores in streams])
    assert (scores[:, 4] == -1).all()


def test_clips_of_several_classes() -> None:
    streams, truth = halves(200, seed=5)
    has = np.equal.outer(truth, np.arange(4))
    has[:, 3] = True
    svm = fit_score_svm(streams, has)
    one_class = fit_score_svm(streams, truth)
    np.testing.assert_allclose(svm.weights[:3], one_class.weights[:3])
    assert (svm.scores(streams)[:, 3] == 1).all()


def test_streams_that_do_not_know_every_clip() -> None:
    a, b = np.array([[1.0, 3.0], [2.0, 6.0]]), np.array([[5.0, 1.0], [np.nan, np.nan]])
    assert merge_scores([a, b]).tolist() == [[3.0, 2.0], [2.0, 6.0]]
    assert merge_scores([a, b], how="add").tolist() == [[6.0, 4.0], [2.0, 6.0]]
    assert merge_scores([a, b], weights=[1, 3]).tolist() == [[4.0, 1.5], [2.0, 6.0]]


def test_a_stream_that_does_not_know_a_clip_is_neutral_to_the_svm() -> None:
    """It says what it says on average of the clips that it knew when the SVM was fitted."""
    streams, truth = halves(80, seed=7)
    streams[1][:20] = np.nan
    svm = fit_score_svm(streams, truth)
    mean = stacked_scores([streams[1][20:]]).mean(0)
    np.testing.assert_allclose(svm.neutral[4:], mean)
    said = stacked_scores([streams[0]]) @ svm.weights[:, :4].T + mean @ svm.weights[:, 4:].T + svm.bias
    np.testing.assert_allclose(svm.scores(streams)[:20], said[:20])
    assert np.mean(svm.scores(streams).argmax(1) == truth) > 0.8


def test_what_does_not_fit_is_refused() -> None:
    streams, truth = halves(10, seed=6)
    with pytest.raises(ValueError, match="there are no scores to fuse"):
        merge_scores([])
    with pytest.raises(ValueError, match=r"stream 2 has scores \(9, 4\) and stream 1 \(10, 4\); fuse networks of the"):
        merge_scores([streams[0], streams[1][:9]])
    with pytest.raises(ValueError, match="stream 2 has scores that are not finite numbers"):
        merge_scores([streams[0], np.where(np.eye(10, 4) == 1, np.nan, streams[1])])
    none = np.full((10, 4), np.nan)
    with pytest.raises(ValueError, match="some clips are known to no stream; leave them out"):
        merge_scores([none, none])
    with pytest.raises(ValueError, match="some clips are known to streams of weight 0 alone; leave them out"):
        merge_scores([streams[0], none], weights=[0, 1])
    with pytest.raises(ValueError, match="a stream knows none of the clips to fit on; leave it out, or fit on others"):
        fit_score_svm([streams[0], none], truth)
    for weights in ([1.0], [0.0, 0.0], [1.0, -1.0]):
        with pytest.raises(ValueError, match=r"weights are \[.*\] for 2 streams; give one number of 0 or more"):
            merge_scores(streams, weights=weights)
    with pytest.raises(ValueError, match="truth has 9 clips and the streams 10"):
        fit_score_svm(streams, truth[:9])
    with pytest.raises(ValueError, match="truth reaches from 4 to 4; classes count from 0 to 3"):
        fit_score_svm(streams, np.full(10, 4))
    with pytest.raises(ValueError, match="streams have 4 scores a clip and the SVM was fitted on 8; give the same"):
        fit_score_svm(streams, truth).scores(streams[:1])
