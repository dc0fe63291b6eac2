import pytest
import torch
from torch import Tensor, nn

from marey.nn import FlowFeature, FlowFeatureBranch, SpaceGradient

A, B = 0.7, -1.9


def ramp() -> Tensor:
    """a x + b y on two channels, y down."""
    y, x = torch.meshgrid(torch.arange(6.0), torch.arange(7.0), indexing="ij")
    return (A * x + B * y).expand(1, 2, 6, 7)


def inside(x: Tensor) -> Tensor:
    return x[..., 1:-1, 1:-1]


@pytest.mark.parametrize("gradient, values", [("official", [2 * A - 2 * B]), ("sobel", [8 * A, 8 * B])])
def test_the_gradient_of_a_ramp_and_of_a_constant_are_the_closed_forms(gradient: str, values: list[float]) -> None:
    slope = inside(SpaceGradient(gradient)(ramp()))
    torch.testing.assert_close(slope, torch.tensor(values * 2)[None, :, None, None].expand_as(slope))
    flat = SpaceGradient(gradient)(torch.full((1, 3, 5, 5), 4.0))
    assert flat.shape[1] == 3 * len(values) and not inside(flat).any() and flat.any()


def test_the_kernels_are_fixed_and_not_of_the_state() -> None:
    official = SpaceGradient()
    assert official.kernels.tolist() == [[[[0, 1, 0], [-1, 0, 1], [0, -1, 0]]]]
    assert not list(official.parameters()) and not official.state_dict()
    with pytest.raises(ValueError, match="gradient is 'scharr'; there are official and sobel"):
        SpaceGradient("scharr")


def test_a_unit_has_160_channels_of_which_the_first_32_are_over_space() -> None:
    unit, maps = FlowFeature(6), torch.randn(2, 6, 4, 5, 5)
    out = unit(maps)
    assert out.shape == (2, 160, 3, 5, 5)
    assert FlowFeature(6, gradient="sobel").width == 192
    static = unit(maps[:, :, :1].expand(-1, -1, 4, -1, -1))
    assert not static[:, 32:].any() and static[:, :32].any()
    flat = unit(maps.mean((3, 4), keepdim=True).expand_as(maps))
    torch.testing.assert_close(inside(flat)[:, :32], torch.zeros(2, 32, 3, 3, 3), atol=1e-5, rtol=0)
    assert flat[:, 32:].any()


def test_a_unit_is_the_difference_to_the_next_frame_and_the_gradient_of_the_earlier_one() -> None:
    unit, maps = FlowFeature(6), torch.randn(2, 6, 3, 5, 5)
    out = unit(maps)
    frames = [unit.to_time(x).relu() for x in maps.unbind(2)]
    torch.testing.assert_close(out[:, 32:, 1], frames[2] - frames[1])
    torch.testing.assert_close(out[:, :32, 1], unit.gradient(unit.to_space(maps[:, :, 1])))


def test_the_branch_is_laid_out_as_the_official_one() -> None:
    """Of the groups of the released network: 2, 5 and 2 maps of 28, 14 and 7 pixels."""
    branch = FlowFeatureBranch(num_classes=101, groups=((256, 320), (576,) * 5, (1024,) * 2), strides=(2, 2, 1))
    entries = [m.weight.shape for m in branch.modules() if isinstance(m, nn.Conv2d) and m.kernel_size[0] > 3]
    assert entries == [(64, 320, 7, 7), (128, 5 * 160 + 256, 5, 5)]
    assert branch.get_parameter("groups.2.entry.conv.weight").shape == (256, 2 * 160 + 512, 3, 3)
    assert branch.sizes == [256, 512, 1024] and branch.dim == 1792


def test_groups_of_any_sizes_and_lengths_come_together_and_begin_at_zero() -> None:
    branch = FlowFeatureBranch(
        num_classes=3, groups=((4, 5), (6,)), strides=(2, 1), spatial=2, temporal=3, width=2, blocks=2
    )
    for frames, side in (((4, 4), (8, 4)), ((4, 2), (9, 4)), ((3, 3), (7, 3))):
        maps = [
            [torch.randn(2, c, frames[i], side[i], side[i]) for c in group] for i, group in enumerate(((4, 5), (6,)))
        ]
        encoded = branch.encode(maps)
        assert encoded.shape == (2, 24) and encoded.any()
        assert torch.equal(branch.classify(encoded), torch.zeros(2, 3))
    for fc in branch.fcs:
        nn.init.normal_(fc.get_parameter("weight"))
    first, second = encoded.split([8, 16], 1)
    torch.testing.assert_close(branch.classify(encoded), branch.fcs[0](first) + branch.fcs[1](second))
