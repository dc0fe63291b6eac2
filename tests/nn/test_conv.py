import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from marey.nn import (
    Residual,
    SameConv2d,
    SpaceTimeConv,
    basic_block_2d,
    basic_block_3d,
    bottleneck_2d,
    check_clip,
    conv2d,
    conv3d,
    conv_norm,
    fold_time,
    named,
    same_cost_width,
    unfold_time,
)


@given(st.integers(8, 512), st.integers(8, 512))
def test_space_then_time_costs_no_more_than_the_convolution_it_replaces(c_in: int, c_out: int) -> None:
    full = 27 * c_in * c_out
    split = lambda mid: 9 * c_in * mid + 3 * mid * c_out  # noqa: E731
    mid = same_cost_width(c_in, c_out)
    assert split(mid) <= full < split(mid + 1)


def test_space_then_time_touches_space_in_one_half_and_time_in_the_other() -> None:
    conv = SpaceTimeConv(3, 5, mid=4, kernel=(3, 7), stride=(2, 4))
    assert conv.space.kernel_size == (1, 7, 7) and conv.space.stride == (1, 4, 4)
    assert conv.time.kernel_size == (3, 1, 1) and conv.time.stride == (2, 1, 1)
    assert conv(torch.randn(2, 3, 8, 16, 16)).shape == (2, 5, 4, 4, 4)


def test_convolutions_of_stride_one_keep_sizes() -> None:
    assert conv3d(3, 4, kernel=(3, 5, 7))(torch.randn(2, 3, 4, 9, 8)).shape == (2, 4, 4, 9, 8)
    assert conv2d(3, 4, kernel=5)(torch.randn(2, 3, 9, 8)).shape == (2, 4, 9, 8)
    assert conv3d(3, 4, kernel=(1, 1, 1), relu=False)(torch.randn(2, 3, 4, 9, 8)).min() < 0


def test_parts_have_their_names() -> None:
    assert list(dict(named(a=nn.ReLU(), b=nn.Tanh()).named_children())) == ["a", "b"]
    block = conv_norm(nn.Conv2d(3, 4, 1, bias=False), 4, dims=2)
    assert list(block.state_dict())[:2] == ["conv.weight", "norm.weight"]


@pytest.mark.parametrize(
    "side, kernel, stride, before, after", [(8, 3, 2, 0, 1), (7, 3, 2, 1, 1), (8, 5, 2, 1, 2), (8, 3, 1, 1, 1)]
)
def test_same_padding_puts_the_odd_pixel_after(side: int, kernel: int, stride: int, before: int, after: int) -> None:
    conv, image = SameConv2d(1, 1, kernel, stride), torch.randn(1, 1, side, side)
    expected = F.conv2d(F.pad(image, (before, after, before, after)), conv.weight, conv.bias, stride)
    assert torch.equal(conv(image), expected)
    assert expected.shape[-1] == -(-side // stride)


def test_a_residual_block_adds_its_input() -> None:
    block, x = Residual(nn.Conv2d(3, 3, 1)), torch.randn(2, 3, 4, 4)
    nn.init.zeros_(block.body.weight)
    nn.init.zeros_(block.body.bias)
    assert torch.equal(block(x), x.relu())


def test_blocks_project_their_shortcut_only_where_sizes_change() -> None:
    assert isinstance(basic_block_2d(8, 8).shortcut, nn.Identity)
    assert isinstance(bottleneck_2d(32, 8).shortcut, nn.Identity)
    assert isinstance(basic_block_3d(8, 8, kind="3d").shortcut, nn.Identity)
    image, clip = torch.randn(2, 8, 8, 8), torch.randn(2, 8, 4, 8, 8)
    assert basic_block_2d(8, 6, stride=2)(image).shape == (2, 6, 4, 4)
    assert bottleneck_2d(8, 6, stride=2)(image).shape == (2, 24, 4, 4)
    assert basic_block_3d(8, 6, kind="3d", stride=2)(clip).shape == (2, 6, 2, 4, 4)
    assert basic_block_3d(8, 6, kind="2+1d", stride=2)(clip).shape == (2, 6, 2, 4, 4)
    assert basic_block_3d(8, 6, kind="2d", stride=2)(clip).shape == (2, 6, 4, 4, 4)


def test_folding_frames_into_the_batch_is_undone() -> None:
    video = torch.randn(2, 3, 4, 5, 6)
    frames = fold_time(video)
    assert torch.equal(frames[4 + 1], video[1, :, 1])
    assert torch.equal(unfold_time(frames, 4), video)


@pytest.mark.parametrize(
    "shape, demand, sentence",
    [
        ((3, 4, 8, 8), {}, r"video has 4 axes \(3, 4, 8, 8\); it must have 5"),
        ((1, 4, 4, 8, 8), {}, "video has 4 channels; this network takes 3"),
        ((1, 3, 0, 8, 8), {}, "video has 0 frames; this network needs at least 1"),
        ((1, 3, 4, 8, 8), {"min_frames": 5}, "video has 4 frames; this network needs at least 5"),
        ((1, 3, 4, 8, 8), {"frames": 5}, "video has 4 frames; this network was built for exactly 5"),
        ((1, 3, 4, 8, 9), {"side": 8}, "video is 8 x 9 pixels; this network was built for exactly 8 x 8"),
        ((1, 3, 4, 9, 8), {"min_side": 9}, "video is 9 x 8 pixels; this network needs sides of at least 9"),
    ],
)
def test_clips_that_do_not_fit_are_refused_in_one_sentence(
    shape: tuple[int, ...], demand: dict[str, int], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        check_clip(torch.zeros(shape), **demand)


def test_frames_that_are_not_yet_input_are_refused_with_the_cure() -> None:
    with pytest.raises(
        ValueError, match=r"video is of uint8; it must be float .*: marey\.video\.to_input\(frames, pres"
    ):
        check_clip(torch.zeros(1, 3, 4, 8, 8, dtype=torch.uint8))
