"""Attention over pooled tokens: the blocks of MViT (Fan et al., ICCV 2021, arXiv:2104.11227) and of MViTv2
(Li et al., CVPR 2022, arXiv:2112.01526).

        tokens -> queries, keys, values -> each pooled in space by a strided convolution -> attention -> fewer tokens

Axes: b clips, n tokens (a class token first, then patches: frames, rows, columns), d features, m attention heads,
e features of a head, q queries, k keys. A grid is the frames, rows and columns of the patches.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from .transformer import DropPath, Heads, Tokens, check_heads, layer_norm, merge_heads, mlp, split_heads, to_map

Grid = tuple[int, int, int]


def pooled_grid(grid: Grid, stride: int) -> Grid:
    """What a kernel of 3 x 3 x 3 with `stride` in space leaves of a grid."""
    return (grid[0], -(-grid[1] // stride), -(-grid[2] // stride))


class HeadPool(nn.Module):
    """A depthwise convolution of 3 x 3 x 3 with `stride` in space over the patches of each head, then a normalization.

    All heads share it; the class token is only normalized.
    """

    def __init__(self, head_dim: int, *, grid: Grid, stride: int) -> None:
        super().__init__()
        self.grid = grid
        self.conv = nn.Conv3d(head_dim, head_dim, 3, (1, stride, stride), 1, groups=head_dim, bias=False)
        self.norm = layer_norm(head_dim)

    def forward(self, x: Heads) -> Float[Tensor, "b m q e"]:
        patches = x[:, :, 1:].flatten(0, 1).transpose(1, 2).unflatten(2, self.grid)
        pooled = self.conv(patches).flatten(2).transpose(1, 2).unflatten(0, x.shape[:2])
        return self.norm(torch.cat([x[:, :, :1], pooled], 2))


class RelativePositions(nn.Module):
    """What a query adds to its attention for how far away a key is: a learned vector a distance in frames, one in rows
    and one in columns, each multiplied with the query.

    Distances are in patches of the finer of the two grids, `queries` or `keys`. The class token has none.
    """

    def __init__(self, head_dim: int, *, queries: Grid, keys: Grid) -> None:
        super().__init__()
        self.queries, self.keys = queries, keys
        lengths = [2 * max(q, k) - 1 for q, k in zip(queries, keys, strict=True)]
        self.frames, self.rows, self.columns = (nn.Parameter(torch.zeros(n, head_dim)) for n in lengths)
        for table in self.parameters():
            nn.init.trunc_normal_(table, std=0.02)

    def forward(self, q: Heads) -> Float[Tensor, "b m q k"]:
        tables = (self.frames, self.rows, self.columns)
        sizes = zip(tables, self.queries, self.keys, strict=True)
        frames, rows, columns = (table[distances(n, k, table.device)] for table, n, k in sizes)
        x = q[:, :, 1:].unflatten(2, self.queries)
        by_frame = torch.einsum("bmthwe,tke->bmthwk", x, frames)[..., :, None, None]
        by_row = torch.einsum("bmthwe,hke->bmthwk", x, rows)[..., None, :, None]
        by_column = torch.einsum("bmthwe,wke->bmthwk", x, columns)[..., None, None, :]
        return F.pad((by_frame + by_row + by_column).flatten(5, 7).flatten(2, 4), (1, 0, 1, 0))


def distances(queries: int, keys: int, device: torch.device) -> Tensor:
    """(queries, keys): the row of a table of distances for every pair of places along one axis, 0 the furthest ahead
    of the query."""
    fine_q, fine_k = max(keys / queries, 1.0), max(queries / keys, 1.0)
    q, k = torch.arange(queries, device=device)[:, None] * fine_q, torch.arange(keys, device=device) * fine_k
    return (q - k + (keys - 1) * fine_k).long()


class PoolingAttention(nn.Module):
    """Attention whose queries are pooled by `query_stride` and whose keys and values by `key_stride`.

    improved  as in MViTv2: relative positions, queries pooled even at stride 1, and added to what they ask for
    """

    def __init__(
        self, dim: int, width: int, *, heads: int, grid: Grid, query_stride: int, key_stride: int, improved: bool
    ) -> None:
        super().__init__()
        check_heads(width, heads)
        self.heads, self.improved, head_dim = heads, improved, width // heads
        self.qkv, self.proj = nn.Linear(dim, 3 * width), nn.Linear(width, width)
        pools_queries = improved or query_stride > 1
        self.pool_q = HeadPool(head_dim, grid=grid, stride=query_stride) if pools_queries else nn.Identity()
        self.pool_k = HeadPool(head_dim, grid=grid, stride=key_stride)
        self.pool_v = HeadPool(head_dim, grid=grid, stride=key_stride)
        queries, keys = pooled_grid(grid, query_stride), pooled_grid(grid, key_stride)
        self.relative = RelativePositions(head_dim, queries=queries, keys=keys) if improved else None

    def forward(self, x: Tokens) -> Float[Tensor, "b q d_out"]:
        q, k, v = split_heads(self.qkv(x), self.heads)
        q, k, v = self.pool_q(q), self.pool_k(k), self.pool_v(v)
        bias = None if self.relative is None else self.relative(q)
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
        if self.improved:
            out = torch.cat([out[:, :, :1], out[:, :, 1:] + q[:, :, 1:]], 2)
        return self.proj(merge_heads(out))


class PoolingBlock(nn.Module):
    """x pooled + attention(norm(x)), then x + mlp(norm(x)); either may widen `dim` features to `out`.

    grid          of the patches that come in; `out_grid` those that leave, fewer by `query_stride`
    improved      as in MViTv2: see `PoolingAttention`; the attention widens, in MViT the multilayer perceptron does
    """

    def __init__(
        self,
        dim: int,
        out: int,
        *,
        heads: int,
        grid: Grid,
        query_stride: int = 1,
        key_stride: int = 1,
        improved: bool = False,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__()
        width = out if improved else dim
        self.grid, self.out_grid, self.improved = grid, pooled_grid(grid, query_stride), improved
        self.norm1, self.norm2 = layer_norm(dim), layer_norm(width)
        self.attention = PoolingAttention(
            dim, width, heads=heads, grid=grid, query_stride=query_stride, key_stride=key_stride, improved=improved
        )
        self.mlp = mlp(width, out=out)
        self.project = nn.Linear(dim, out) if dim != out else nn.Identity()
        self.skip = nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)) if query_stride > 1 else nn.Identity()
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tokens) -> Float[Tensor, "b q d_out"]:
        normed = self.norm1(x)
        wide = self.project(normed) if self._widens and self.improved else x
        x = self._pooled(wide) + self.drop_path(self.attention(normed))
        normed = self.norm2(x)
        wide = self.project(normed) if self._widens and not self.improved else x
        return wide + self.drop_path(self.mlp(normed))

    @property
    def _widens(self) -> bool:
        return not isinstance(self.project, nn.Identity)

    def _pooled(self, x: Tokens) -> Float[Tensor, "b q d"]:
        if isinstance(self.skip, nn.Identity):
            return x
        return torch.cat([x[:, :1], self.skip(to_map(x, self.grid)).flatten(2).transpose(1, 2)], 1)
