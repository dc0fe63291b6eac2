"""Attention over time at every place, then over space in every frame: as Motionformer's peers and TimeSformer do it.

Axes: b clips, t frames, s tokens of a frame, n = t s tokens, d features, m heads, e features of a head.
"""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from .transformer import DropPath, SelfAttention, check_heads, layer_norm, merge_heads, mlp, split_heads

Tokens = Float[Tensor, "b n1 d"]  # a class token first


class DividedAttention(nn.Module):
    """Tokens of one frame ("space") or of one place ("time") look at each other and at the class token, which looks at
    all (Bain et al., ICCV 2021, arXiv:2104.00650)."""

    def __init__(self, dim: int, *, heads: int, over: Literal["space", "time"]) -> None:
        super().__init__()
        check_heads(dim, heads)
        self.heads, self.over = heads, over
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tokens, frames: int) -> Tokens:
        q, k, v = split_heads(self.qkv(x), self.heads)
        first = merge_heads(F.scaled_dot_product_attention(q[:, :, :1], k, v))
        q, k, v = (self._grouped(y, frames) for y in (q, k, v))
        out = F.scaled_dot_product_attention(q[:, :, 1:], k, v)
        out = out.unflatten(1, (self.heads, -1))
        if self.over == "time":
            out = out.transpose(2, 3)
        return self.proj(torch.cat([first, merge_heads(out.flatten(2, 3))], 1))

    def _grouped(self, x: Float[Tensor, "b m n1 e"], frames: int) -> Float[Tensor, "b mg l1 e"]:
        """Heads and groups on one axis; the class token before the tokens of each group."""
        groups = x[:, :, 1:].unflatten(2, (frames, -1))
        if self.over == "time":
            groups = groups.transpose(2, 3)
        first = x[:, :, None, :1].expand(-1, -1, groups.shape[2], -1, -1)
        return torch.cat([first, groups], 3).flatten(1, 2)


class DividedBlock(nn.Module):
    """x + time(norm(x)), x + space(norm(x)), x + mlp(norm(x)), one after the other: Motionformer's divided baseline."""

    def __init__(self, dim: int, *, heads: int, mlp_ratio: float = 4.0, drop_path: float = 0.0) -> None:
        super().__init__()
        self.time_norm, self.time = layer_norm(dim), DividedAttention(dim, heads=heads, over="time")
        self.norm1, self.attention = layer_norm(dim), DividedAttention(dim, heads=heads, over="space")
        self.norm2, self.mlp = layer_norm(dim), mlp(dim, mlp_ratio)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tokens, frames: int) -> Tokens:
        x = x + self.time(self.time_norm(x), frames)
        x = x + self.drop_path(self.attention(self.norm1(x), frames))
        return x + self.drop_path(self.mlp(self.norm2(x)))


class TimeThenSpaceBlock(nn.Module):
    """TimeSformer's divided block (Bertasius et al., ICML 2021, arXiv:2102.05095).

    Over time the class token takes no part; over space every frame has a copy of it, and the copies are averaged.
    What time adds goes through one more linear layer: 0 there makes it a block of single images.
    """

    def __init__(self, dim: int, *, heads: int, mlp_ratio: float = 4.0, drop_path: float = 0.0) -> None:
        super().__init__()
        self.time_norm, self.time = layer_norm(dim), SelfAttention(dim, heads=heads)
        self.time_fc = nn.Linear(dim, dim)
        self.norm1, self.attention = layer_norm(dim), SelfAttention(dim, heads=heads)
        self.norm2, self.mlp = layer_norm(dim), mlp(dim, mlp_ratio)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tokens, frames: int) -> Tokens:
        first, rest = x[:, :1], x[:, 1:]
        b = len(x)
        places = rest.unflatten(1, (frames, -1)).transpose(1, 2)  # b s t d
        moved = self.time_fc(self.drop_path(self.time(self.time_norm(places.flatten(0, 1)))))
        rest = rest + moved.unflatten(0, (b, -1)).transpose(1, 2).flatten(1, 2)
        copies = first.expand(-1, frames, -1).flatten(0, 1)[:, None]
        images = torch.cat([copies, rest.unflatten(1, (frames, -1)).flatten(0, 1)], 1)  # b·t 1+s d
        seen = self.drop_path(self.attention(self.norm1(images))).unflatten(0, (b, frames))
        x = torch.cat([first + seen[:, :, :1].mean(1), rest + seen[:, :, 1:].flatten(1, 2)], 1)
        return x + self.drop_path(self.mlp(self.norm2(x)))
