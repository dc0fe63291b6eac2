import math

import pytest
import torch
from torch import nn

from marey.nn import (
    ClassToken,
    GridPositions,
    SelfAttention,
    TransformerBlock,
    check_patches,
    patch_grid,
    sinusoids,
    to_map,
    to_tokens,
)
from marey.nn.transformer import DropPath, KeylessLinear, deepening, last_tokens, mlp


def randomized(module: nn.Module, std: float = 0.4) -> nn.Module:
    for p in module.parameters():
        nn.init.normal_(p, std=std)
    return module.double().eval()


@pytest.mark.parametrize("key_bias", [True, False])
def test_every_token_hears_the_softmax_of_all(key_bias: bool) -> None:
    attention, x = randomized(SelfAttention(6, heads=2, key_bias=key_bias)), torch.randn(1, 5, 6).double()
    q, k, v = attention.qkv(x)[0].split(6, dim=1)
    heard = torch.empty(5, 6).double()
    for i in range(5):
        for head in (slice(0, 3), slice(3, 6)):
            weights = torch.stack([q[i, head] @ k[j, head] / math.sqrt(3) for j in range(5)]).exp()
            heard[i, head] = sum(w * v[j, head] for j, w in enumerate(weights)) / weights.sum()
    torch.testing.assert_close(attention(x)[0], attention.proj(heard))


def test_no_softmax_notices_a_bias_of_the_keys() -> None:
    with_bias, without = randomized(SelfAttention(6, heads=2)), SelfAttention(6, heads=2, key_bias=False).double()
    without.proj.load_state_dict(with_bias.proj.state_dict())
    q_bias, _, v_bias = with_bias.qkv.bias.detach().chunk(3)
    without.qkv.load_state_dict({"weight": with_bias.qkv.weight, "q_bias": q_bias, "v_bias": v_bias})
    x = torch.randn(2, 5, 6).double()
    torch.testing.assert_close(with_bias(x), without(x))


def test_keys_without_a_bias_save_it() -> None:
    assert sum(p.numel() for p in KeylessLinear(8).parameters()) == 3 * 64 + 16


def test_a_block_adds_attention_and_then_the_layers() -> None:
    block = randomized(TransformerBlock(6, attention=SelfAttention(6, heads=2)))
    x = torch.randn(1, 5, 6).double()
    y = x + block.attention(block.norm1(x))
    torch.testing.assert_close(block(x), y + block.mlp(block.norm2(y)))
    assert mlp(6, 2.5).get_submodule("fc1").weight.shape == (15, 6)


def test_a_skipped_path_is_0_and_the_others_make_up_for_it() -> None:
    x = torch.ones(4000, 2, 3)
    out = DropPath(0.25).train()(x)
    assert torch.equal(out[:, :1, :1].expand_as(out), out)
    assert out.unique().tolist() == pytest.approx([0, 4 / 3])
    assert out.mean().item() == pytest.approx(1, abs=0.03)
    assert torch.equal(DropPath(0.25).eval()(x), x)
    assert torch.equal(DropPath(0.0).train()(x), x)


@pytest.mark.parametrize("rate", [-0.1, 1.0])
def test_an_impossible_rate_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match=f"drop_path is {rate}; it is the chance .* from 0 to below 1"):
        DropPath(rate)


@pytest.mark.parametrize("dim, heads", [(10, 4), (8, 0)])
def test_features_must_divide_among_the_heads(dim: int, heads: int) -> None:
    with pytest.raises(ValueError, match=f"attention has {dim} features and {heads} heads; .* must divide"):
        SelfAttention(dim, heads=heads)


def test_maps_and_tokens_are_the_same_values() -> None:
    x = torch.randn(2, 5, 3, 2, 4)
    tokens = to_tokens(x)
    assert tokens.shape == (2, 24, 5)
    assert torch.equal(tokens[1, 1 * 8 + 1 * 4 + 2], x[1, :, 1, 1, 2])
    assert torch.equal(to_map(tokens, (3, 2, 4)), x)
    assert torch.equal(to_map(torch.cat([torch.randn(2, 1, 5), tokens], 1), (3, 2, 4)), x)


def test_the_class_token_comes_first_with_its_position() -> None:
    first, x = randomized(ClassToken(4)).float(), torch.randn(2, 3, 4)
    out = first(x)
    assert torch.equal(out[:, 1:], x)
    assert torch.equal(out[:, 0], (first.token + first.position)[0].expand(2, -1))


def test_positions_are_those_of_the_place_plus_those_of_the_frame() -> None:
    positions = randomized(GridPositions(4, side=3, frames=2)).float()
    out = positions(torch.zeros(1, 4, 2, 3, 3))
    assert torch.equal(out[0, :, 1, 2, 0], positions.space[0, 6] + positions.time[0, 1])
    assert GridPositions(4, side=3).time is None


@pytest.mark.parametrize("resample", ["smooth", "nearest"])
def test_positions_of_another_grid_are_resampled(resample: str) -> None:
    positions = GridPositions(1, side=4, frames=2, resample=resample)  # type: ignore[arg-type]
    nn.init.zeros_(positions.time)
    positions.space.data = torch.arange(4.0).repeat_interleave(4).view(1, 16, 1)  # the row
    rows = positions(torch.zeros(1, 1, 2, 8, 6))[0, 0, 0]
    torch.testing.assert_close(rows[:, :1].expand(-1, 6), rows)
    if resample == "nearest":
        assert rows[:, 0].tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    else:
        assert rows[3:5, 0].tolist() == pytest.approx([1.25, 1.75], abs=0.1)
    positions.time.data = torch.tensor([0.0, 1.0]).view(1, 2, 1)
    times = positions(torch.zeros(1, 1, 4, 4, 4))[0, 0, :, 0, 0]
    assert times.tolist() == ([0, 0, 1, 1] if resample == "nearest" else [0, 0.25, 0.75, 1])


def test_fixed_positions_are_sines_and_cosines() -> None:
    table = sinusoids(7, 6)[0]
    assert table[0].tolist() == [0, 1, 0, 1, 0, 1]
    assert table[5, 2].item() == pytest.approx(math.sin(5 / 10000 ** (2 / 6)))
    assert table[5, 5].item() == pytest.approx(math.cos(5 / 10000 ** (4 / 6)))


def test_quarters_of_the_depth_are_named() -> None:
    blocks = nn.ModuleList(TransformerBlock(4, attention=SelfAttention(4, heads=1)) for _ in range(9))
    x = torch.randn(1, 3, 4)
    quarters = dict(deepening(blocks, x))
    assert list(quarters) == ["block2", "block4", "block6", "block8", "block9"]
    assert torch.equal(quarters["block9"], last_tokens(blocks, x))
    assert torch.equal(quarters["block2"], blocks[1](blocks[0](x)))


def test_clips_that_do_not_divide_into_patches_are_refused_with_both_numbers() -> None:
    with pytest.raises(ValueError, match="video has 5 frames; they must divide by the 2 frames of a patch"):
        check_patches(torch.zeros(1, 3, 5, 16, 16), frames=2, side=16)
    with pytest.raises(ValueError, match="video is 32 x 40 pixels; both sides must divide by the 16 pixels of a patch"):
        check_patches(torch.zeros(1, 3, 4, 32, 40), frames=2, side=16)
    with pytest.raises(ValueError, match="of 16 frames and sides of 100 pixels; patches of 2 frames and 16"):
        patch_grid(16, 100, (2, 16))
    assert patch_grid(16, 96, (2, 16)) == (8, 6)
