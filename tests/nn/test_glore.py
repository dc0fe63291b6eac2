import pytest
import torch
from torch import Tensor, nn

from marey.nn import GloRe

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
    "width, sizes, what", [(8, {"nodes": 0}, "nodes"), (3, {}, "nodes"), (8, {"state": 0}, "state")]
)
def test_none_of_a_thing_is_refused(width: int, sizes: dict[str, int], what: str) -> None:
    with pytest.raises(ValueError, match=f"GloRe has 0 {what}; it needs at least 1, so give it more or a wider input"):
        GloRe(width, **sizes)
