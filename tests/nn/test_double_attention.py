import pytest
import torch
from torch import Tensor, nn

from marey.models import inflate
from marey.nn import DoubleAttention

SHAPES = {1: (9,), 2: (4, 5), 3: (3, 4, 2)}


def busy(block: DoubleAttention) -> DoubleAttention:
    """The block in evaluation mode, no longer fresh: its branch adds something."""
    for p in block.parameters():
        nn.init.normal_(p, std=0.5)
    return block.eval()


def projected(conv: nn.Module, x: Tensor) -> Tensor:
    return conv.get_parameter("weight").flatten(1) @ x + conv.get_parameter("bias")[:, None]


@pytest.mark.parametrize("dims", SHAPES)
@pytest.mark.parametrize("training", [True, False])
def test_fresh_is_the_identity_bit_for_bit(dims: int, training: bool) -> None:
    x = torch.randn(2, 8, *SHAPES[dims])
    assert torch.equal(DoubleAttention(8, dims=dims).train(training)(x), x)
    assert not torch.equal(DoubleAttention(8, dims=dims, zero_init=False).train(training)(x), x)


@pytest.mark.parametrize("dims", SHAPES)
def test_gathering_first_is_attending_between_all_positions(dims: int) -> None:
    """(A B^T) V, which the block computes, and A (B^T V), a matrix over pairs of positions, are the same."""
    block, x = busy(DoubleAttention(8, gather=3, distribute=5, dims=dims)), torch.randn(2, 8, *SHAPES[dims])
    for one, out in zip(x.flatten(2), block(x).flatten(2), strict=True):
        b = projected(block.to_gather, one).softmax(1)
        v = projected(block.to_distribute, one).softmax(0)
        torch.testing.assert_close(v.sum(0), torch.ones(one.shape[1]))
        z = projected(block.to_features, one) @ (b.T @ v)
        extended = block.extend.weight.flatten(1) @ z
        norm = block.norm
        expected = one + extended / (1 + 1e-5) ** 0.5 * norm.weight[:, None] + norm.bias[:, None]
        torch.testing.assert_close(out, expected, atol=1e-5, rtol=1e-5)


def test_gathering_evenly_makes_every_descriptor_the_mean() -> None:
    """Then all positions are given the same, as by squeeze and excitation, and it is the mean of the features."""
    block, x = busy(DoubleAttention(8)), torch.randn(2, 8, 3, 4, 2)
    nn.init.zeros_(block.to_gather.weight)
    mean = block.to_features(x).mean((2, 3, 4), keepdim=True)
    torch.testing.assert_close(block(x) - x, block.norm(block.extend(mean)).expand_as(x), atol=1e-5, rtol=1e-5)


def test_it_commutes_with_any_permutation_of_positions() -> None:
    block, x = busy(DoubleAttention(8, dims=1)), torch.randn(2, 8, 9)
    order = torch.randperm(9, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(block(x[:, :, order]), block(x)[:, :, order], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    "width, sizes, what",
    [(8, {"gather": 0}, "features"), (8, {"distribute": 0}, "descriptors"), (3, {}, "features"), (0, {}, "channels")],
)
def test_none_of_a_thing_is_refused(width: int, sizes: dict[str, int], what: str) -> None:
    with pytest.raises(ValueError, match=f"DoubleAttention has 0 {what}; it needs at least 1"):
        DoubleAttention(width, **sizes)


def test_other_axes_and_channels_are_refused_with_both_numbers() -> None:
    with pytest.raises(ValueError, match="dims is 0; double attention has 1, 2 or 3"):
        DoubleAttention(8, dims=0)
    with pytest.raises(ValueError, match=r"x has 5 axes \(2, 8, 3, 4, 4\); double attention of 2 dims takes 4"):
        DoubleAttention(8, dims=2)(torch.randn(2, 8, 3, 4, 4))
    with pytest.raises(ValueError, match="x has 6 channels; double attention of 8 channels takes 8"):
        DoubleAttention(8)(torch.randn(2, 6, 3, 4, 4))


def test_an_inflated_block_takes_clips() -> None:
    net = nn.Sequential(nn.Conv2d(3, 8, 3), busy(DoubleAttention(8, dims=2))).eval()
    assert inflate(net, frames=3)[1](torch.randn(1, 8, 2, 4, 4)).shape == (1, 8, 2, 4, 4)
