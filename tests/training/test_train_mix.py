"""Mixing clips, losses, and class weights."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from marey.training import (
    binary_cross_entropy,
    class_weights,
    effective_beta,
    log_priors,
    mix_clips,
    one_hot,
    smooth,
    soft_cross_entropy,
)
from marey.training.mix import cut_boxes

STRENGTHS = [{"mixup": 0.4}, {"cutmix": 1.0}, {"mixup": 0.2, "cutmix": 1.0}]


def numbered_clips(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Clip i is i everywhere and has class i."""
    video = torch.arange(float(count)).view(-1, 1, 1, 1, 1).expand(count, 3, 2, 20, 30).contiguous()
    return video, torch.eye(count)


@pytest.mark.parametrize("strengths", STRENGTHS)
def test_targets_match_what_is_seen(strengths: dict[str, float]) -> None:
    video, targets = numbered_clips(6)
    mixed, soft = mix_clips(video, targets, **strengths, generator=torch.Generator().manual_seed(1))
    assert mixed.shape == video.shape and not torch.equal(mixed, video)
    torch.testing.assert_close(soft.sum(1), torch.ones(6))
    assert ((soft > 0).sum(1) <= 2).all()
    torch.testing.assert_close(mixed.mean((1, 2, 3, 4)), soft @ torch.arange(6.0))  # the mean is the mix of the numbers
    for clip in mixed:  # the same in every frame and channel
        assert torch.equal(clip, clip[:1, :1].expand_as(clip))


def test_cutmix_pastes_a_box() -> None:
    video, targets = numbered_clips(6)
    mixed, _ = mix_clips(video, targets, cutmix=1.0)
    for number, clip in enumerate(mixed):
        pasted = (clip[0, 0] != number).nonzero()
        if len(pasted):
            height, width = (pasted.max(0).values - pasted.min(0).values + 1).tolist()
            assert height * width == len(pasted)


def test_off_one_clip_and_seeds() -> None:
    video, targets = numbered_clips(4)
    assert mix_clips(video, targets)[0] is video
    assert mix_clips(video[:1], targets[:1], mixup=1.0)[0].shape[0] == 1
    torch.manual_seed(5)
    first, _ = mix_clips(video, targets, mixup=1.0)
    second, _ = mix_clips(video, targets, mixup=1.0)
    torch.manual_seed(5)
    again, _ = mix_clips(video, targets, mixup=1.0)
    assert torch.equal(first, again) and not torch.equal(first, second)
    with pytest.raises(ValueError, match=r"cutmix is -1\.0; it must be 0"):
        mix_clips(video, targets, cutmix=-1.0)


@given(st.floats(0, 1), st.integers(4, 40), st.integers(4, 40))
def test_boxes_cover_their_share(share: float, height: int, width: int) -> None:
    box = cut_boxes(torch.tensor([share]), (height, width), torch.tensor([[0.5, 0.5]]))
    edge = 2 / height + 2 / width  # a row or column more or less on each side
    assert abs(float(box.float().mean()) - (1 - share)) <= edge


def test_losses_are_the_usual_ones_on_hard_targets() -> None:
    logits, classes = torch.randn(8, 5), torch.randint(5, (8,))
    hard = one_hot(classes, 5)
    torch.testing.assert_close(soft_cross_entropy(logits, hard), functional.cross_entropy(logits, classes))
    torch.testing.assert_close(
        soft_cross_entropy(logits, one_hot(classes, 5, smoothing=0.1)),
        functional.cross_entropy(logits, classes, label_smoothing=0.1),
    )
    weights = torch.rand(5)
    torch.testing.assert_close(
        soft_cross_entropy(logits, hard, class_weights=weights),
        (functional.cross_entropy(logits, classes, reduction="none") * weights[classes]).mean(),
    )
    torch.testing.assert_close(
        binary_cross_entropy(logits, hard), functional.binary_cross_entropy_with_logits(logits, hard)
    )


@pytest.mark.parametrize("loss", [soft_cross_entropy, binary_cross_entropy])
def test_parts_of_a_batch_average_to_the_batch(loss) -> None:
    logits, targets, weights = torch.randn(6, 3), torch.rand(6, 3), torch.rand(3)
    parts = [loss(logits[p], targets[p], class_weights=weights) for p in (slice(0, 2), slice(2, 6))]
    torch.testing.assert_close(loss(logits, targets, class_weights=weights), parts[0] / 3 + parts[1] * 2 / 3)


def test_smoothing() -> None:
    torch.testing.assert_close(smooth(torch.tensor([[1.0, 0.0]]), 0.2), torch.tensor([[0.9, 0.1]]))
    with pytest.raises(ValueError, match=r"smoothing is 1\.0; it must be at least 0 and below 1"):
        smooth(torch.ones(1, 2), 1.0)


def test_class_weights() -> None:
    torch.testing.assert_close(class_weights(torch.tensor([1, 3, 0])), torch.tensor([2.0, 2 / 3, 0.0]))
    counts = torch.tensor([10.0, 90.0])
    for beta in (None, 0.0, 0.9, 0.9999):
        weights = class_weights(counts, beta=beta)
        assert float((weights * counts).sum() / counts.sum()) == pytest.approx(1.0)
    mild, harsh = class_weights(counts, beta=0.9), class_weights(counts)
    assert 1 < mild[0] / mild[1] < harsh[0] / harsh[1]
    assert float(mild[0] / mild[1]) == pytest.approx((1 - 0.9**90) / (1 - 0.9**10), rel=1e-4)
    with pytest.raises(ValueError, match=r"beta is 1\.0; it must be"):
        class_weights(counts, beta=1.0)


def test_focal_loss_forgets_what_is_told_apart_already() -> None:
    logits = torch.tensor([[2.0, 0.0, -1.0], [0.0, 0.0, 0.0]])
    targets = one_hot(torch.tensor([0, 2]), 3)
    p = logits.softmax(1)[[0, 1], [0, 2]]
    torch.testing.assert_close(soft_cross_entropy(logits, targets, gamma=2.0), (-((1 - p) ** 2) * p.log()).mean())
    q = torch.where(targets > 0, logits.sigmoid(), 1 - logits.sigmoid())  # of what is true
    torch.testing.assert_close(binary_cross_entropy(logits, targets, gamma=2.0), (-((1 - q) ** 2) * q.log()).mean())
    sure = torch.tensor([[80.0, -80.0]], requires_grad=True)
    loss = soft_cross_entropy(sure, one_hot(torch.tensor([0]), 2), gamma=2.0)
    loss.backward()
    assert loss == 0 and sure.grad is not None and not sure.grad.any()


def test_logit_adjustment_makes_the_prior_no_news() -> None:
    """Where the features say nothing, adjusted logits learn nothing: the gradient at equal logits is 0."""
    counts = torch.tensor([8, 2])
    targets = one_hot(torch.tensor([0] * 8 + [1] * 2), 2)
    logits = torch.zeros(10, 2, requires_grad=True)
    (gradient,) = torch.autograd.grad(soft_cross_entropy(logits + log_priors(counts), targets), logits)
    torch.testing.assert_close(gradient.sum(0), torch.zeros(2), atol=1e-6, rtol=0)
    torch.testing.assert_close(log_priors(counts, tau=2.0), 2 * torch.tensor([0.8, 0.2]).log())
    assert log_priors(torch.tensor([4, 0])).isfinite().all()


def test_the_effective_number_follows_the_largest_class() -> None:
    assert effective_beta(torch.tensor([100, 3])) == pytest.approx(0.99) and effective_beta(torch.tensor([1, 0])) == 0
