"""Parts of a transformer of patches (Dosovitskiy et al., ICLR 2021, arXiv:2010.11929).

        video -> patches -> + positions -> [class token] -> blocks -> norm

Axes: b clips, n tokens (a class token first where there is one, then patches: frames, rows, columns), d features,
m attention heads, e features of a head.
"""

from collections.abc import Iterator
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from .conv import named
from .shapes import check_clip

EPSILON = 1e-6  # of all layer normalizations, as the official checkpoints of ViT and its video relatives want
Tokens = Float[Tensor, "b n d"]
Heads = Float[Tensor, "b m n e"]


def split_heads(x: Float[Tensor, "b n three_d"], heads: int) -> tuple[Heads, Heads, Heads]:
    """Queries, keys and values, side by side in the last dimension, a head at a time."""
    q, k, v = x.unflatten(-1, (3, heads, -1)).permute(2, 0, 3, 1, 4)
    return q, k, v


def merge_heads(x: Heads) -> Tokens:
    return x.transpose(1, 2).flatten(2)


def check_heads(dim: int, heads: int) -> None:
    """Raise a ValueError unless `dim` features divide among the heads."""
    if heads < 1 or dim % heads:
        raise ValueError(f"attention has {dim} features and {heads} heads; the features must divide by the heads")


class KeylessLinear(nn.Module):
    """Queries, keys and values in one product, without a bias of the keys: no softmax over the keys would notice it."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(3 * dim, dim))
        self.q_bias, self.v_bias = nn.Parameter(torch.zeros(dim)), nn.Parameter(torch.zeros(dim))

    def forward(self, x: Tokens) -> Float[Tensor, "b n three_d"]:
        return F.linear(x, self.weight, torch.cat([self.q_bias, torch.zeros_like(self.q_bias), self.v_bias]))


class SelfAttention(nn.Module):
    """Every token looks at all tokens; `landmarks` (`Orthoformer` or `Nystrom`) makes the cost linear in their number.

    `frames` of a call, of how many the tokens are, is for attention that tells frames apart; here all tokens are alike.
    """

    def __init__(self, dim: int, *, heads: int, key_bias: bool = True, landmarks: nn.Module | None = None) -> None:
        super().__init__()
        check_heads(dim, heads)
        self.heads, self.landmarks = heads, landmarks
        self.qkv = nn.Linear(dim, 3 * dim) if key_bias else KeylessLinear(dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tokens, frames: int = 1) -> Tokens:
        q, k, v = split_heads(self.qkv(x), self.heads)
        if self.landmarks is not None:
            k, v = self.landmarks(q, k, v)
        return self.proj(merge_heads(F.scaled_dot_product_attention(q, k, v)))


class DropPath(nn.Module):
    """Stochastic depth (Huang et al., ECCV 2016, arXiv:1603.09382): in training a clip skips the branch at `rate`."""

    def __init__(self, rate: float = 0.0) -> None:
        super().__init__()
        if not 0 <= rate < 1:
            raise ValueError(f"drop_path is {rate}; it is the chance that a branch is skipped, from 0 to below 1")
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or not self.rate:
            return x
        kept = torch.empty(x.shape[0], *[1] * (x.ndim - 1), device=x.device).bernoulli_(1 - self.rate)
        return x * (kept / (1 - self.rate)).to(x.dtype)


def layer_norm(dim: int) -> nn.LayerNorm:
    return nn.LayerNorm(dim, EPSILON)


def mlp(dim: int, ratio: float = 4.0, out: int | None = None) -> nn.Sequential:
    """Two layers with GELU between them, `ratio` times as wide inside, `out` (by default `dim`) features in the end."""
    hidden = int(dim * ratio)
    return named(fc1=nn.Linear(dim, hidden), act=nn.GELU(), fc2=nn.Linear(hidden, dim if out is None else out))


class TransformerBlock(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x))."""

    def __init__(self, dim: int, *, attention: nn.Module, mlp_ratio: float = 4.0, drop_path: float = 0.0) -> None:
        super().__init__()
        self.norm1, self.attention = layer_norm(dim), attention
        self.norm2, self.mlp = layer_norm(dim), mlp(dim, mlp_ratio)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tokens, frames: int = 1) -> Tokens:
        x = x + self.drop_path(self.attention(self.norm1(x), frames))
        return x + self.drop_path(self.mlp(self.norm2(x)))


class ClassToken(nn.Module):
    """Puts a learned token before the others, with a position of its own unless `placed` is false."""

    def __init__(self, dim: int, *, placed: bool = True) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.zeros(1, 1, dim))
        self.position = nn.Parameter(torch.zeros(1, 1, dim)) if placed else None

    def forward(self, x: Tokens) -> Float[Tensor, "b n1 d"]:
        first = self.token if self.position is None else self.token + self.position
        return torch.cat([first.expand(len(x), -1, -1), x], 1)


class GridPositions(nn.Module):
    """Adds a learned vector a place and (unless `frames` is 0) one a frame to a map of patches.

    Made for `frames` and `side` x `side` patches; for others the vectors are resampled: "smooth" (bicubic in space, as
    Motionformer does, linear in time) or "nearest" (as TimeSformer does).
    """

    def __init__(
        self, dim: int, *, side: int, frames: int = 0, resample: Literal["smooth", "nearest"] = "smooth"
    ) -> None:
        super().__init__()
        self.side, self.resample = side, resample
        self.space = nn.Parameter(torch.zeros(1, side * side, dim))
        self.time = nn.Parameter(torch.zeros(1, frames, dim)) if frames else None

    def forward(self, x: Float[Tensor, "b d t h w"]) -> Float[Tensor, "b d t h w"]:
        (t, h, w), smooth = x.shape[2:], self.resample == "smooth"
        space = self.space.unflatten(1, (self.side, self.side)).permute(0, 3, 1, 2)
        if (h, w) != (self.side, self.side):
            space = F.interpolate(space, size=(h, w), mode="bicubic" if smooth else "nearest")
        x = x + space.unsqueeze(2)
        if self.time is None:
            return x
        time = self.time.transpose(1, 2)
        if t != time.shape[2]:
            time = F.interpolate(time, size=t, mode="linear" if smooth else "nearest")
        return x + time[..., None, None]


def sinusoids(count: int, dim: int) -> Float[Tensor, "1 count dim"]:
    """Fixed positions (Vaswani et al., NeurIPS 2017, arXiv:1706.03762): sines at even features, cosines at odd ones."""
    rates = 10000.0 ** -(torch.arange(dim, dtype=torch.float64) // 2 * 2 / dim)
    angles = torch.arange(count, dtype=torch.float64)[:, None] * rates
    even = torch.arange(dim) % 2 == 0
    return torch.where(even, angles.sin(), angles.cos()).float()[None]


def patch_grid(frames: int, side: int, patch: tuple[int, int]) -> tuple[int, int]:
    """Patches along time and along a side of a clip of `frames` x `side` x `side`; ValueError unless they divide it."""
    if frames < 1 or side < 1 or frames % patch[0] or side % patch[1]:
        raise ValueError(
            f"clips are of {frames} frames and sides of {side} pixels; patches of {patch[0]} frames and {patch[1]} "
            "pixels must divide them"
        )
    return frames // patch[0], side // patch[1]


def check_patches(video: Tensor, *, frames: int, side: int) -> None:
    """Raise a ValueError unless a clip (b, 3, t, h, w) divides into patches of `frames` x `side` x `side`."""
    check_clip(video, min_frames=frames, min_side=side)
    t, h, w = video.shape[2:]
    if t % frames:
        raise ValueError(f"video has {t} frames; they must divide by the {frames} frames of a patch")
    if h % side or w % side:
        raise ValueError(f"video is {h} x {w} pixels; both sides must divide by the {side} pixels of a patch")


def to_tokens(x: Float[Tensor, "b d t h w"]) -> Tokens:
    return x.flatten(2).transpose(1, 2)


def to_map(x: Tokens, grid: tuple[int, int, int]) -> Float[Tensor, "b d t h w"]:
    """The inverse of `to_tokens`; tokens before the patches are left out."""
    t, h, w = grid
    return x[:, x.shape[1] - t * h * w :].transpose(1, 2).unflatten(2, grid)


def deepening(blocks: nn.ModuleList, x: Tokens, frames: int = 1) -> Iterator[tuple[str, Tokens]]:
    """("block3", tokens), ... after every quarter of the blocks and after the last."""
    quarter = max(len(blocks) // 4, 1)
    for depth, block in enumerate(blocks, 1):
        x = block(x, frames)
        if depth % quarter == 0 or depth == len(blocks):
            yield f"block{depth}", x


def last_tokens(blocks: nn.ModuleList, x: Tokens, frames: int = 1) -> Tokens:
    """Tokens after all blocks."""
    for block in blocks:
        x = block(x, frames)
    return x


def draw_weights(model: nn.Module) -> None:
    """Normal values of standard deviation 0.02, cut at two units, for all products and tokens, as ViT starts."""
    for module in model.modules():
        if isinstance(module, nn.Linear | KeylessLinear):
            nn.init.trunc_normal_(module.weight, std=0.02)
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)
        if isinstance(module, ClassToken | GridPositions):
            for parameter in module.parameters():
                nn.init.trunc_normal_(parameter, std=0.02)
