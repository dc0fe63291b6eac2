import math

import pytest
import torch
from torch import Tensor, nn

from marey.nn.pooling_attention import HeadPool, PoolingAttention, PoolingBlock, RelativePositions, distances

GRID = (2, 3, 4)
TOKENS = 1 + math.prod(GRID)


def randomized(module: nn.Module) -> nn.Module:
    for p in module.parameters():
        nn.init.normal_(p, std=0.4)
    return module.double().eval()


def block(out: int = 8, *, improved: bool = False, query_stride: int = 1) -> PoolingBlock:
    made = PoolingBlock(
        8, out, heads=2, grid=GRID, query_stride=query_stride, key_stride=2, improved=improved, drop_path=0.0
    )
    randomized(made)
    return made


def tokens(dim: int = 8) -> Tensor:
    return torch.randn(2, TOKENS, dim).double()


def test_heads_are_convolved_alike_and_the_class_token_is_only_normalized() -> None:
    pool, x = randomized(HeadPool(5, grid=GRID, stride=2)), torch.randn(2, 3, TOKENS, 5).double()
    out = pool(x)
    assert out.shape == (2, 3, 1 + 2 * 2 * 2, 5)
    torch.testing.assert_close(out[:, :, 0], pool.norm(x[:, :, 0]))
    for head in range(3):
        patches = x[1:, head, 1:].reshape(1, *GRID, 5).permute(0, 4, 1, 2, 3)
        alone = pool.norm(pool.conv(patches).flatten(2).transpose(1, 2))
        torch.testing.assert_close(out[1:, head, 1:], alone)


@pytest.mark.parametrize(
    "queries, keys, table",
    [
        (3, 3, [[2, 1, 0], [3, 2, 1], [4, 3, 2]]),
        (4, 2, [[2, 0], [3, 1], [4, 2], [5, 3]]),
        (2, 4, [[3, 2, 1, 0], [5, 4, 3, 2]]),
    ],
)
def test_distances_are_counted_on_the_finer_grid(queries: int, keys: int, table: list[list[int]]) -> None:
    found = distances(queries, keys, torch.device("cpu"))
    assert found.tolist() == table
    assert found.max() <= 2 * max(queries, keys) - 2


def test_every_query_asks_a_vector_a_distance_along_each_axis() -> None:
    keys = (2, 2, 2)
    relative, q = randomized(RelativePositions(5, queries=GRID, keys=keys)), torch.randn(1, 2, TOKENS, 5).double()
    bias = relative(q)
    assert bias.shape == (1, 2, TOKENS, 1 + 8)
    assert not bias[:, :, 0].any() and not bias[:, :, :, 0].any()
    tables = (relative.frames, relative.rows, relative.columns)
    query, key = (1, 2, 3), (0, 1, 1)
    at, to = 1 + (1 * 3 + 2) * 4 + 3, 1 + (0 * 2 + 1) * 2 + 1
    expected = sum(
        q[0, 1, at] @ table[distances(n, m, torch.device("cpu"))[i, j]]
        for table, n, m, i, j in zip(tables, GRID, keys, query, key, strict=True)
    )
    torch.testing.assert_close(bias[0, 1, at, to], expected)


@pytest.mark.parametrize("improved", [False, True])
def test_pooled_queries_hear_the_softmax_of_pooled_keys(improved: bool) -> None:
    attention = PoolingAttention(8, 8, heads=2, grid=GRID, query_stride=2, key_stride=2, improved=improved)
    randomized(attention)
    x = tokens()
    q, k, v = (part.unflatten(2, (2, 4)).transpose(1, 2) for part in attention.qkv(x).chunk(3, -1))
    q, k, v = attention.pool_q(q), attention.pool_k(k), attention.pool_v(v)
    logits = q @ k.mT / math.sqrt(4)
    if attention.relative is not None:
        logits = logits + attention.relative(q)
    out = logits.softmax(-1) @ v
    if improved:
        out[:, :, 1:] += q[:, :, 1:]
    torch.testing.assert_close(attention(x), attention.proj(out.transpose(1, 2).flatten(2)))


@pytest.mark.parametrize("improved", [False, True])
def test_queries_that_keep_their_grid_are_convolved_in_the_second_version_only(improved: bool) -> None:
    assert isinstance(block(improved=improved).attention.pool_q, HeadPool if improved else nn.Identity)


def test_the_multilayer_perceptron_widens_in_the_first_version() -> None:
    made, x = block(16, query_stride=2), tokens()
    assert made.out_grid == (2, 2, 2)
    patches = x[:, 1:].mT.unflatten(2, GRID)
    pooled = nn.functional.max_pool3d(patches, (1, 3, 3), (1, 2, 2), (0, 1, 1)).flatten(2).mT
    y = torch.cat([x[:, :1], pooled], 1) + made.attention(made.norm1(x))
    normed = made.norm2(y)
    torch.testing.assert_close(made(x), made.project(normed) + made.mlp(normed))


def test_attention_widens_in_the_second_version() -> None:
    made, x = block(16, improved=True), tokens()
    normed = made.norm1(x)
    y = made.project(normed) + made.attention(normed)
    torch.testing.assert_close(made(x), y + made.mlp(made.norm2(y)))


def test_a_block_that_neither_pools_nor_widens_adds_to_what_comes_in() -> None:
    made, x = block(), tokens()
    y = x + made.attention(made.norm1(x))
    torch.testing.assert_close(made(x), y + made.mlp(made.norm2(y)))
    assert made.out_grid == GRID


def test_features_must_divide_among_the_heads() -> None:
    with pytest.raises(ValueError, match="attention has 8 features and 3 heads; the features must divide by the heads"):
        PoolingBlock(8, 8, heads=3, grid=GRID)
