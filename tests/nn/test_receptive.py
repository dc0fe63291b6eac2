"""Receptive fields against a measurement: which input pixels the gradient of one output value touches."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from marey.nn import Residual, fold_time, unfold_time
from marey.nn.fields import Span
from marey.nn.receptive import FieldTrace

SIZE = (14, 29, 27)  # frames, rows, columns
Network = Callable[[Tensor], Tensor]


def traced(network: Network) -> tuple[tuple[Span, Span, Span], Tensor]:
    """Spans of the output by rule, and the output, on the meta device."""
    video, trace = torch.empty(1, 3, *SIZE, device="meta"), FieldTrace()
    trace.watch(video)
    with torch.no_grad(), torch.device("meta"), trace:
        out = network(video)
    field = trace.field(out)
    assert field is not None
    return field.spans, out


def touched(network: Network, place: tuple[int, ...]) -> list[tuple[int, int]]:
    """First and last frame, row and column that the output at `place` depends on; all weights are positive."""
    video = torch.rand(1, 3, *SIZE, requires_grad=True)
    network(video)[place].backward()
    assert video.grad is not None
    seen = video.grad[0].abs().sum(0).numpy() > 0
    along = [np.flatnonzero(seen.any(axis=others)) for others in ((1, 2), (0, 2), (0, 1))]
    return [(int(a.min()), int(a.max())) for a in along]


def check(network: Network) -> None:
    """For an output (b, c, t, h, w): what the middle value sees, cut to the input, is what its gradient touches."""
    spans, out = traced(network)
    middle = [n // 2 for n in out.shape[2:]]
    for span, i, size, hull in zip(spans, middle, SIZE, touched(network, (0, 0, *middle)), strict=True):
        low, high = span.low + i * span.jump, span.high + i * span.jump
        assert hull[0] >= max(low, 0) and hull[1] <= min(high, size - 1)
        if low >= 0 and high < size:
            assert hull == (low, high)


def conv(x: Tensor, kernel: tuple[int, int, int], **where: int | tuple[int, int, int]) -> Tensor:
    return F.conv3d(x, torch.ones(3, 3, *kernel), **where)


@st.composite
def layers(draw: st.DrawFn) -> Network:
    three = lambda low, high: tuple(draw(st.integers(low, high)) for _ in range(3))  # noqa: E731
    kernel, stride = three(1, 4), three(1, 2)
    padding = tuple(draw(st.integers(0, k // 2)) for k in kernel)
    if draw(st.booleans()):
        return lambda x, dilation=three(1, 2): conv(x, kernel, stride=stride, padding=padding, dilation=dilation)
    return lambda x: F.avg_pool3d(x, kernel, stride, padding)


@settings(max_examples=40, deadline=None)
@given(st.lists(layers(), min_size=1, max_size=3))
def test_stacks_of_convolutions_and_poolings(stack: list[Network]) -> None:
    def network(x: Tensor) -> Tensor:
        for layer in stack:
            x = layer(x)
        return x

    try:
        traced(network)
    except RuntimeError:  # a kernel larger than what is left
        assume(False)
    check(network)


BRANCHES: dict[str, Network] = {
    "residual": lambda x: x + conv(conv(x, (3, 3, 3), padding=1), (1, 3, 3), padding=(0, 1, 1)),
    "concatenated branches": lambda x: torch.cat([conv(x, (1, 5, 1), padding=(0, 2, 0)), x], 1).sum(1, keepdim=True),
    "difference of neighbours": lambda x: x[:, :, 1:] - 2 * x[:, :, :-1],
    "every third frame from the second": lambda x: conv(x[:, :, 1::3], (2, 1, 1)),
    "last frames": lambda x: x[:, :, -5:] + x[:, :, :5],
    "padding on one side": lambda x: conv(F.pad(x, (2, 0, 0, 1, 3, 0)), (4, 2, 3)),
    "frames in the batch": lambda x: unfold_time(F.conv2d(fold_time(x), torch.ones(3, 3, 3, 3), padding=1), SIZE[0]),
    "frames in the channels": lambda x: F.conv2d(x.flatten(1, 2), torch.ones(2, 3 * SIZE[0], 3, 3)).unsqueeze(2),
    "space as tokens": lambda x: x.flatten(3).transpose(2, 3).transpose(2, 3).unflatten(3, SIZE[1:]),
    "one dimension": lambda x: F.conv1d(x.mean((3, 4)), torch.ones(3, 3, 3), padding=1)[..., None, None],
    "selected frame": lambda x: x.select(2, 4).unsqueeze(2),
    "halves": lambda x: x.split(7, dim=2)[1],
    "unequal parts": lambda x: x.split([3, 11], dim=2)[1],
    "one of all frames": lambda x: x.unbind(2)[6].unsqueeze(2),
    "stacked frames": lambda x: torch.stack([x[:, :, 3], x[:, :, 9]], 1).sum(1).unsqueeze(2),
    "layers normalized": lambda x: F.layer_norm(x.movedim(1, -1), (3,), torch.ones(3)).movedim(-1, 1) + x,
}


@pytest.mark.parametrize("network", BRANCHES.values(), ids=BRANCHES)
def test_graphs(network: Network) -> None:
    check(network)


WHOLE: dict[str, tuple[Network, str]] = {
    "mean over all": (lambda x: x.mean((2, 3, 4)), "thw"),
    "mean over space": (lambda x: x.mean((-1, -2)), "hw"),
    "adaptive mean": (lambda x: F.adaptive_avg_pool3d(x, 1), "thw"),
    "adaptive mean of space": (lambda x: F.adaptive_avg_pool2d(fold_time(x), 1), "hw"),
    "fully connected": (lambda x: F.linear(x.flatten(1), torch.ones(2, 3 * SIZE[0] * SIZE[1] * SIZE[2])), "thw"),
    "maximum over frames": (lambda x: x.amax(2), "t"),
    "attention over frames": (
        lambda x: torch.einsum("bts,bcshw->bcthw", torch.ones(1, SIZE[0], SIZE[0]).softmax(-1), x),
        "t",
    ),
    "softmax over rows": (lambda x: x.softmax(3), "h"),
    "sorted, for which there is no rule": (lambda x: x.sort(2).values[:, :, :2], "thw"),
}


@pytest.mark.parametrize("network, axes", WHOLE.values(), ids=WHOLE)
def test_what_mixes_an_axis_sees_all_of_it(network: Network, axes: str) -> None:
    spans, _ = traced(network)
    for axis, span, size in zip("thw", spans, SIZE, strict=True):
        assert (span.high - span.low + 1 == size) == (axis in axes)


def test_upsampling_shares_the_jump_out() -> None:
    """Every output of a pair is given what either sees, never less than the gradient touches."""
    network: Network = lambda x: F.interpolate(F.avg_pool3d(x, (1, 3, 2), (1, 4, 2)).flatten(1, 2), scale_factor=2)  # noqa: E731
    spans, _ = traced(network)
    assert spans == (Span(0, 0, 1), Span(-2, 2, 2), Span(-1, 1, 1))
    assert touched(lambda x: network(x)[:, :, None], (0, 0, 0, 3, 2))[1:] == [(4, 6), (2, 3)]


def test_upsampling_past_the_input_sees_everything() -> None:
    spans, _ = traced(lambda x: F.interpolate(fold_time(x), scale_factor=2))
    assert [span.high - span.low + 1 for span in spans] == [1, *SIZE[1:]]


def test_spans_of_a_temporal_pyramid_are_its_parts() -> None:
    spans, _ = traced(lambda x: F.adaptive_avg_pool3d(x, (2, 1, 1)))
    assert spans[0] == Span(0, 6, 7)


def test_a_recurrent_network_sees_all_frames() -> None:
    with torch.device("meta"):
        lstm, tokens, trace = nn.LSTM(3, 5, batch_first=True), torch.empty(1, 3, *SIZE), FieldTrace()
    trace.watch(tokens)
    with torch.no_grad(), trace:
        x = tokens.mean((3, 4)).transpose(1, 2)
        out = lstm(x)[0]
    trace.recur(x, out)
    field = trace.field(out)
    assert field is not None and field.extent == (5, 14, 1, 1) and field.sight[0] == SIZE


def test_a_residual_block_sees_what_its_longer_branch_sees() -> None:
    with torch.device("meta"):
        block = Residual(nn.Conv3d(3, 3, 3, padding=1)).eval()
    assert traced(block)[0][0] == Span(-1, 1, 1)


def test_macs_are_those_of_the_flop_counter() -> None:
    from torch.utils.flop_counter import FlopCounterMode

    def network(x: Tensor) -> Tensor:
        return F.linear(conv(x, (3, 3, 3), padding=1).mean((2, 3, 4)), torch.ones(7, 3))

    video, trace = torch.empty(2, 3, *SIZE, device="meta"), FieldTrace()
    with torch.device("meta"), trace:
        network(video)
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        network(video)
    assert 2 * trace.macs == counter.get_total_flops() > 0


def test_tensors_that_no_video_reaches_have_no_field() -> None:
    trace = FieldTrace()
    with trace:
        assert trace.field(torch.ones(3) + 1) is None
