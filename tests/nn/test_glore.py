import pytest
import torch
from torch import Tensor, nn

from marey.models import inflate
from marey.nn import GloRe
from marey.nn.dimensions import check_widths

SHAPES = {1: (9,), 2: (4, 5), 3: (3, 4, 2)}


def busy(unit: GloRe) -> GloRe:
    """The unit in evaluation mode, no longer fresh: its branch adds something."""
    for p in unit.parameters():
        nn.init.normal_(p, std=0.3)
    return unit.eval()


@pytest.mark.parametrize("width, params", [(512, 411_136), (1024, 1_641_472)])
def test_parameters_are_those_of_the_release(width: int, params: int) -> None:
    with torch.device("meta"):
        assert sum(p.numel() for p in GloRe(width).parameters()) == params


@pytest.mark.parametrize("dims", SHAPES)
@pytest.mark.parametrize("training", [True, False])
def test_fresh_is_the_identity_bit_for_bit(dims: int, training: bool) -> None:
    x = torch.randn(2, 8, *SHAPES[dims])
    assert torch.equal(GloRe(8, dims=dims).train(training)(x), x)
    assert not torch.equal(GloRe(8, dims=dims, zero_init=False).train(training)(x), x)


@pytest.mark.parametrize("dims", SHAPES)
@pytest.mark.parametrize("relu", [True, False])
@pytest.mark.parametrize("normalize", [True, False])
def test_it_is_the_formula_of_the_paper_with_or_without_a_relu(dims: int, relu: bool, normalize: bool) -> None:
    unit = busy(GloRe(8, nodes=3, state=5, dims=dims, relu=relu, normalize=normalize))
    x = torch.randn(2, 8, *SHAPES[dims])

    def matrix(conv: nn.Module) -> Tensor:
        return conv.get_parameter("weight").flatten(1)

    for one, out in zip(x.flatten(2), unit(x).flatten(2), strict=True):
        theta = matrix(unit.to_nodes) @ one + unit.to_nodes.bias[:, None]
        v = (matrix(unit.to_state) @ one + unit.to_state.bias[:, None]) @ theta.T
        if normalize:
            v = v / one.shape[1]
        graph = torch.eye(3) + matrix(unit.reason).T  # I - A, with A of any sign
        z = v @ graph + unit.reason.bias
        z = matrix(unit.update) @ (z.clamp(min=0) if relu else z)
        extended = matrix(unit.extend) @ z @ theta
        norm = unit.norm
        expected = one + extended / (1 + 1e-4) ** 0.5 * norm.weight[:, None] + norm.bias[:, None]
        torch.testing.assert_close(out, expected, atol=1e-4, rtol=1e-4)


def test_the_order_of_nodes_does_not_matter() -> None:
    unit, x = busy(GloRe(8, nodes=5, state=6)), torch.randn(2, 8, 3, 4, 2)
    before, order = unit(x), torch.randperm(5, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        for p in (unit.to_nodes.weight, unit.to_nodes.bias, unit.reason.weight, unit.reason.bias):
            p.copy_(p[order])
        unit.reason.weight.copy_(unit.reason.weight[:, order])
    torch.testing.assert_close(unit(x), before, atol=1e-5, rtol=1e-5)


def test_it_commutes_with_any_permutation_of_positions() -> None:
    unit, x = busy(GloRe(8, dims=1)), torch.randn(2, 8, 9)
    order = torch.randperm(9, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(unit(x[:, :, order]), unit(x)[:, :, order], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    "width, sizes, what",
    [(8, {"nodes": 0}, "nodes"), (3, {}, "nodes"), (8, {"state": 0}, "state"), (0, {}, "channels")],
)
def test_none_of_a_thing_is_refused(width: int, sizes: dict[str, int], what: str) -> None:
    with pytest.raises(ValueError, match=f"GloRe has 0 {what}; it needs at least 1, so give it more or a wider input"):
        GloRe(width, **sizes)


def test_other_axes_and_channels_are_refused_with_both_numbers() -> None:
    with pytest.raises(ValueError, match="dims is 4; a GloRe unit has 1, 2 or 3"):
        GloRe(8, dims=4)
    with pytest.raises(ValueError, match=r"GloRe has 2\.5 nodes; their number must be a whole one"):
        check_widths("GloRe", nodes=2.5)
    with pytest.raises(ValueError, match=r"x has 4 axes \(2, 8, 3, 4\); a GloRe unit of 3 dims takes 5"):
        GloRe(8)(torch.randn(2, 8, 3, 4))
    with pytest.raises(ValueError, match="x has 6 channels; a GloRe unit of 8 channels takes 8"):
        GloRe(8)(torch.randn(2, 6, 3, 4, 4))


def test_an_inflated_unit_takes_clips_and_no_more_images() -> None:
    net = nn.Sequential(nn.Conv2d(3, 8, 3), busy(GloRe(8, dims=2, normalize=True))).eval()
    clips = inflate(net, frames=3)
    assert clips[1](torch.randn(1, 8, 2, 4, 4)).shape == (1, 8, 2, 4, 4)
    with pytest.raises(ValueError, match=r"x has 4 axes \(1, 8, 4, 4\); a GloRe unit of 3 dims takes 5"):
        clips[1](torch.randn(1, 8, 4, 4))
