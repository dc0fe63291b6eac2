import pytest
import torch
from torch import nn
from torch.nn import functional as F

from marey.nn import DividedAttention, DividedBlock, SelfAttention, TimeThenSpaceBlock, TransformerBlock
from marey.nn.transformer import merge_heads, split_heads

FRAMES, PLACES = 3, 4


def randomized(module: nn.Module) -> nn.Module:
    for p in module.parameters():
        nn.init.normal_(p, std=0.4)
    return module.double().eval()


@pytest.mark.parametrize("over", ["space", "time"])
def test_divided_attention_is_joint_attention_with_most_pairs_masked(over: str) -> None:
    attention = randomized(DividedAttention(8, heads=2, over=over))  # type: ignore[arg-type]
    x = torch.randn(2, 1 + FRAMES * PLACES, 8).double()
    of = torch.arange(FRAMES * PLACES) // PLACES if over == "space" else torch.arange(FRAMES * PLACES) % PLACES
    mask = torch.ones(len(of) + 1, len(of) + 1, dtype=torch.bool)
    mask[1:, 1:] = of[:, None] == of
    want = F.scaled_dot_product_attention(*split_heads(attention.qkv(x), 2), attn_mask=mask)
    torch.testing.assert_close(attention(x, FRAMES), attention.proj(merge_heads(want)))


def test_the_divided_block_is_time_then_space_then_layers() -> None:
    block, x = randomized(DividedBlock(8, heads=2)), torch.randn(2, 13, 8).double()
    y = x + block.time(block.time_norm(x), FRAMES)
    y = y + block.attention(block.norm1(y), FRAMES)
    torch.testing.assert_close(block(x, FRAMES), y + block.mlp(block.norm2(y)))


def test_without_time_timesformers_block_is_one_of_images() -> None:
    """Every frame by itself, but for the class token, which is the frames' mean before the layers."""
    block, image = (
        randomized(TimeThenSpaceBlock(8, heads=2)),
        randomized(TransformerBlock(8, attention=SelfAttention(8, heads=2))),
    )
    nn.init.zeros_(block.time_fc.weight)
    nn.init.zeros_(block.time_fc.bias)
    image.load_state_dict({name: p for name, p in block.state_dict().items() if not name.startswith("time")})
    x = torch.randn(2, 1 + FRAMES * PLACES, 8).double()
    out = block(x, FRAMES)
    frames = [torch.cat([x[:, :1], part], 1) for part in x[:, 1:].split(PLACES, 1)]
    torch.testing.assert_close(out[:, 1:], torch.cat([image(frame)[:, 1:] for frame in frames], 1))
    first = torch.stack([(f + image.attention(image.norm1(f)))[:, 0] for f in frames]).mean(0)
    torch.testing.assert_close(out[:, 0], first + image.mlp(image.norm2(first)))


def test_over_time_a_place_sees_itself_in_every_frame_and_not_the_class_token() -> None:
    block, x = randomized(TimeThenSpaceBlock(8, heads=2)), torch.randn(1, 13, 8).double()
    nn.init.zeros_(block.attention.proj.weight)
    nn.init.zeros_(block.mlp.get_submodule("fc2").weight)
    before = block(x, FRAMES)
    place = [1 + t * PLACES + 2 for t in range(FRAMES)]
    moved = x.clone()
    moved[0, 0] += 1
    moved[0, place[1]] += torch.randn(8).double()
    changed = (block(moved, FRAMES) - before).abs().amax(-1)[0] > 1e-9
    assert changed.nonzero().flatten().tolist() == [0, *place]
