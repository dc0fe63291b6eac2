"""Low-rank adapters: nothing changes at first, only they learn, and merging changes nothing either."""

import pytest
import torch
from torch import nn

from marey.nn.lora import LoRALinear, adapt_linears, merge_adapters
from marey.nn.transformer import KeylessLinear


def layer(kind: type[nn.Module]) -> nn.Linear | KeylessLinear:
    if kind is nn.Linear:
        return nn.Linear(12, 36)
    made = KeylessLinear(12)
    nn.init.normal_(made.weight)
    return made


@pytest.mark.parametrize("kind", [nn.Linear, KeylessLinear])
def test_an_adapter_starts_as_nothing_learns_alone_and_merges_exactly(kind: type[nn.Module]) -> None:
    plain, x = layer(kind), torch.randn(5, 2, 12)
    before = plain(x).detach()
    adapted = LoRALinear(plain, rank=4)
    assert torch.equal(adapted(x), before)
    assert {name for name, p in adapted.named_parameters() if p.requires_grad} == {"down", "up"}
    assert adapted.down.shape == (4, 12) and adapted.up.shape == (36, 4)
    matrix = plain.weight.detach().clone()
    optimizer = torch.optim.SGD([p for p in adapted.parameters() if p.requires_grad], lr=0.01)
    for _ in range(3):
        optimizer.zero_grad()
        adapted(x).square().mean().backward()
        optimizer.step()
    learned = adapted(x).detach()
    assert torch.equal(plain.weight, matrix) and (learned - before).abs().max() > 1e-3
    torch.testing.assert_close(nn.functional.linear(x, adapted.weight), learned - adapted(0 * x), atol=1e-5, rtol=1e-5)
    merged = adapted.merged()
    assert merged is plain and all(p.requires_grad for p in merged.parameters())
    torch.testing.assert_close(merged(x), learned, atol=1e-6, rtol=1e-6)
    assert torch.linalg.matrix_rank((merged.weight - matrix).detach(), atol=1e-5) <= 4


def test_every_linear_layer_is_adapted_and_the_state_dict_comes_back() -> None:
    first, norm, keyless = nn.Linear(6, 3), nn.LayerNorm(3), KeylessLinear(3)
    nn.init.normal_(keyless.weight)
    net = nn.Sequential(first, norm, nn.Sequential(keyless, nn.GELU(), nn.Linear(9, 20)))
    before, x = {name: tensor.clone() for name, tensor in net.state_dict().items()}, torch.randn(4, 2, 6)
    answer = net(x)
    assert adapt_linears(net, rank=8) == 3
    adapted = [m for m in net.modules() if isinstance(m, LoRALinear)]
    assert [m.down.shape[0] for m in adapted] == [3, 3, 8] and torch.equal(net(x), answer)
    for m in adapted:
        nn.init.normal_(m.up, std=0.1)
    learned = net(x)
    merge_adapters(net)
    assert list(net.state_dict()) == list(before)
    torch.testing.assert_close(net(x), learned, atol=1e-6, rtol=1e-6)
    assert not torch.equal(first.weight, before["0.weight"]) and torch.equal(norm.weight, before["1.weight"])


def test_alpha_scales_the_correction() -> None:
    one, two = (LoRALinear(nn.Linear(4, 4, bias=False), rank=2, alpha=alpha) for alpha in (2.0, 6.0))
    two.linear.weight.data.copy_(one.linear.weight)
    two.down.data.copy_(one.down)
    for each in (one, two):
        nn.init.ones_(each.up)
    x = torch.randn(3, 4)
    torch.testing.assert_close(two(x) - two.linear(x), 3 * (one(x) - one.linear(x)))


@pytest.mark.parametrize("rank", [0, 5])
def test_an_impossible_rank_is_refused(rank: int) -> None:
    with pytest.raises(ValueError, match=f"rank is {rank}; a matrix of 4 x 9 takes from 1 to 4"):
        LoRALinear(nn.Linear(9, 4), rank=rank)
