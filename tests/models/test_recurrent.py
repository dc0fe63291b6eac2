from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from marey.models import RCN, VGG, FrameModel, ResNet, ResNet3D, VideoLstm
from marey.nn import BatchNormLstmHead, ConvGRU, ConvLSTM, ConvRNN, LstmHead, MeanHead, TcnHead
from marey.presets import count, find_preset

VIDEO = torch.randn(2, 3, 8, 16, 16)
tiny = partial(ResNet, widths=(4, 6), depths=(1, 1))
rcn = partial(RCN, num_classes=5, encoder=tiny, levels=("stage1", "stage2"), hidden=(3, 4))
pieces = partial(
    VideoLstm,
    num_classes=5,
    net=partial(ResNet3D, kinds=("3d", "3d"), widths=(4, 6), depths=(1, 1)),
    head=partial(LstmHead, hidden=6),
    frames=4,
    dim=6,
)
STREAMS: dict[str, Callable[[], FrameModel | RCN | VideoLstm]] = {
    "lstm": partial(FrameModel, num_classes=5, encoder=tiny, head=partial(LstmHead, hidden=6)),
    "lstm per frame": partial(
        FrameModel, num_classes=5, encoder=tiny, head=partial(LstmHead, hidden=6, per_frame=True)
    ),
    "batch-normalized lstm": partial(FrameModel, num_classes=5, encoder=tiny, head=partial(BatchNormLstmHead, steps=3)),
    "gru": rcn,
    "gru stacked": partial(rcn, stacked=True),
    "lstm maps": partial(rcn, cell=ConvLSTM),
    "rnn maps": partial(rcn, cell=ConvRNN, stacked=True),
    "gru vgg": partial(
        rcn,
        encoder=partial(VGG, widths=(4, 5), depths=(1, 1), hidden=6, side=2),
        levels=("pool1", "fc7"),
        kernels=(3, 1),
        stacked=True,
    ),
    "3d": pieces,
}
LAST = [name for name in STREAMS if name != "lstm per frame"]


def streamed(model: FrameModel | RCN | VideoLstm, video: Tensor) -> tuple[Tensor, list[int]]:
    """Logits frame by frame, and how many numbers were kept after each."""
    state: Any = None
    logits, kept = [], []
    for image in video.unbind(2):
        answer, state = model.step(image, state)
        logits.append(answer)
        kept.append(sum(x.numel() for x in tree_leaves(state) if isinstance(x, Tensor)))
    return torch.stack(logits, 1), kept


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_answers_as_the_whole_clip_and_keeps_no_more_as_it_goes(name: str) -> None:
    model = STREAMS[name]().eval()
    steps = model.steps(VIDEO)
    logits, kept = streamed(model, VIDEO)
    assert steps.shape == (2, 8, 5)
    torch.testing.assert_close(logits, steps, atol=1e-6, rtol=1e-5)
    longer = streamed(model, torch.cat([VIDEO] * 3, 2))[1]
    assert max(longer) == max(kept) and longer[-1] == kept[-1]


@pytest.mark.parametrize("name", LAST)
def test_a_clip_is_answered_as_after_its_last_frame(name: str) -> None:
    model = STREAMS[name]().eval()
    torch.testing.assert_close(model(VIDEO), model.steps(VIDEO)[:, -1], atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("name", STREAMS)
def test_no_frame_knows_a_later_one(name: str) -> None:
    model, changed = STREAMS[name]().eval(), VIDEO.clone()
    changed[:, :, 5:] += 1
    before, after = model.steps(VIDEO), model.steps(changed)
    torch.testing.assert_close(before[:, :5], after[:, :5])
    assert (before - after)[:, -1].abs().max() > 1e-6


def test_logits_are_the_log_of_the_mean_of_the_softmaxes() -> None:
    model = rcn().eval()
    states = model.features(VIDEO)
    each = [model.fcs[name](x[:, :, -1].mean((2, 3))).softmax(1) for name, x in states.items()]
    torch.testing.assert_close(model(VIDEO).exp(), (each[0] + each[1]) / 2)
    torch.testing.assert_close(model(VIDEO).exp().sum(1), torch.ones(2))


def test_the_backward_recurrence_is_one_over_the_frames_in_reverse() -> None:
    both = rcn(bidirectional=True).eval()
    forward, backward = both.features(VIDEO), both.features(VIDEO.flip(2))
    both.cells, both.back = both.back, both.cells
    turned = both.features(VIDEO.flip(2))
    for name, width in (("stage1", 3), ("stage2", 4)):
        torch.testing.assert_close(forward[name][:, width:], turned[name][:, :width].flip(2))
        assert not torch.allclose(forward[name][:, width:], backward[name][:, width:].flip(2))
    for call in (lambda: both.steps(VIDEO), lambda: both.step(VIDEO[:, :, 0])):
        with pytest.raises(ValueError, match="a bidirectional network reads the whole clip before it answers"):
            call()


def test_stacking_feeds_a_level_with_the_one_before_and_only_so() -> None:
    alone, stacked = rcn().eval(), rcn(stacked=True).eval()
    for model, moves in ((alone, False), (stacked, True)):
        before = model.features(VIDEO)["stage2"]
        model.cells["stage1"].get_parameter("bias_ih").data += 0.5
        assert torch.equal(model.features(VIDEO)["stage2"], before) != moves
    with torch.no_grad():  # without weights from below it is the network that is not stacked
        weight = alone.cells["stage2"].get_parameter("weight_ih")
        padded = torch.cat([weight, torch.zeros(len(weight), 3, 3, 3)], 1)
        stacked.load_state_dict({**alone.state_dict(), "cells.stage2.weight_ih": padded})
    torch.testing.assert_close(stacked(VIDEO), alone(VIDEO))


GRU = {  # width of the map, of the state, of the kernel
    "pool2": (128, 64, 3),
    "pool3": (256, 128, 3),
    "pool4": (512, 256, 3),
    "pool5": (512, 256, 3),
    "fc7": (4096, 512, 1),
}
VGG16 = 138_357_544 - 4_097_000  # torchvision's, less its classifier of 1000


def test_parameters_of_the_full_networks() -> None:
    cells = sum(3 * (k * k * (c + d) * d + d) for c, d, k in GRU.values())
    heads = sum(d * 101 + 101 for _, d, _ in GRU.values())
    assert count(find_preset("gru_rcn_vgg16")).params == VGG16 + cells + heads
    assert count(find_preset("gru_rcn_bi")).params == VGG16 + 2 * cells + 2 * heads - 5 * 101
    below = sum(
        3 * k * k * lower * d
        for (_, d, k), (_, lower, _) in zip(list(GRU.values())[1:], list(GRU.values())[:-1], strict=True)
    )
    assert count(find_preset("gru_rcn_stacked")).params == VGG16 + cells + heads + below


def test_the_cnn_and_lstm_of_the_i3d_paper_has_nine_million_parameters() -> None:
    trunk, hidden = 6_624_904 - 1_025_000, 512  # torchvision's GoogLeNet, less its classifier of 1000
    lstm = 4 * hidden * (1024 + hidden + 3) + 2 * hidden
    cost = count(find_preset("lstm_inception"))
    assert cost.params == trunk + lstm + hidden * 400 + 400 == 8_958_000
    assert round(cost.params / 1e6) == 9


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match=r"the encoder has no map 'stage9'; it has stem, stage1, stage2"):
        rcn(levels=("stage1", "stage9"))
    with pytest.raises(ValueError, match="video has 7 frames; this network reads pieces of 4, so give whole ones"):
        pieces()(VIDEO[:, :, :7])
    with pytest.raises(ValueError, match="pieces have 1 frames; the network of clips needs at least 2"):
        pieces(frames=1)
    for model in (
        FrameModel(num_classes=5, encoder=tiny, head=MeanHead),
        pieces(head=TcnHead),
    ):
        with pytest.raises(ValueError, match="Head needs the whole clip; `LstmHead` answers after each frame"):
            model.step(VIDEO[:, :, 0])
    assert isinstance(rcn().cells["stage1"], ConvGRU)
