import pytest
import torch
from torch import Tensor, nn

from marey.models import inflate, octavize
from marey.nn import MultiFiber


def params(unit: nn.Module) -> int:
    return sum(p.numel() for p in unit.parameters())


@pytest.mark.parametrize("stride, shape", [((1, 1, 1), (3, 4, 5)), ((1, 1), (4, 5))])
@pytest.mark.parametrize("training", [True, False])
def test_fresh_is_the_identity_bit_for_bit(stride: tuple[int, ...], shape: tuple[int, ...], training: bool) -> None:
    x = torch.randn(2, 8, *shape)
    assert torch.equal(MultiFiber(8, 8, fibres=2, stride=stride).train(training)(x), x)
    assert not torch.equal(MultiFiber(8, 8, fibres=2, stride=stride, zero_init=False).train(training)(x), x)


def test_fibres_divide_the_cost_of_the_body() -> None:
    """Parameters of the two convolutions fall with the number of fibres; the multiplexer's stay."""
    unit = MultiFiber(96, 96)
    body = unit.conv1.get_submodule("conv"), unit.conv2.get_submodule("conv")
    assert [params(conv) for conv in body] == [96 * 96 * 27 // 16, 96 * 96 * 9 // 16]
    assert params(unit.squeeze) + params(unit.mix) == 2 * 96 * 24 + 2 * (96 + 24)


def changed_channels(unit: MultiFiber) -> Tensor:
    """Which outputs change if the first input channel does."""
    x = torch.randn(1, 8, 4, 4)
    y = x.clone()
    y[:, 0] += 1
    return (unit(x) != unit(y)).flatten(2).any(2)[0]


def test_only_the_multiplexer_leads_from_fibre_to_fibre() -> None:
    unit = MultiFiber(8, 8, fibres=2, stride=(1, 1), zero_init=False).eval()
    assert changed_channels(unit).all()
    nn.init.zeros_(unit.mix.get_parameter("conv.weight"))
    assert changed_channels(unit).tolist() == [True] * 4 + [False] * 4


def test_the_first_of_a_stage_shrinks_and_widens() -> None:
    unit = MultiFiber(4, 8, fibres=2, stride=(1, 2, 2), project=True)
    assert unit(torch.randn(2, 4, 3, 6, 8)).shape == (2, 8, 3, 3, 4)
    assert unit.conv2.get_submodule("conv").get_parameter("weight").shape == (8, 8, 1, 1, 1)


def test_channels_that_do_not_divide_are_refused() -> None:
    with pytest.raises(ValueError, match="goes from 8 to 12 channels; both must divide by its 8 fibres"):
        MultiFiber(8, 12, fibres=8)


@pytest.mark.parametrize("width, stride", [(8, (1, 2, 2)), (16, (1, 1, 1))])
def test_a_change_of_size_without_a_projection_is_refused(width: int, stride: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match=rf"goes from 8 to {width} channels in strides \(1, .*it needs project=True"):
        MultiFiber(8, width, fibres=2, stride=stride)


def test_no_fibres_are_refused() -> None:
    with pytest.raises(ValueError, match="MultiFiber has 0 fibres; it needs at least 1"):
        MultiFiber(8, 8, fibres=0)


def test_other_axes_and_channels_are_refused_with_both_numbers() -> None:
    with pytest.raises(ValueError, match="MultiFiber has 0 channels to give; it needs at least 1"):
        MultiFiber(8, 0, fibres=2, project=True)
    unit = MultiFiber(8, 8, fibres=2)
    with pytest.raises(ValueError, match=r"x has 4 axes \(1, 8, 4, 4\); a Multi-Fiber unit of 3 dims takes 5"):
        unit(torch.randn(1, 8, 4, 4))
    with pytest.raises(ValueError, match="x has 4 channels; a Multi-Fiber unit of 8 channels takes 8"):
        unit(torch.randn(1, 4, 2, 4, 4))


def test_an_inflated_or_octave_unit_takes_its_maps() -> None:
    net = nn.Sequential(nn.Conv2d(3, 8, 3), MultiFiber(8, 8, fibres=2, stride=(1, 1), zero_init=False)).eval()
    assert inflate(net, frames=3)[1](torch.randn(1, 8, 2, 4, 4)).shape == (1, 8, 2, 4, 4)
    octaves = octavize(net, alpha=0.5, last_plain=False)
    assert octaves(torch.randn(1, 3, 18, 18)).shape == (1, 8, 16, 16)
