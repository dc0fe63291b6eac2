"""Trajectory attention (Patrick et al., NeurIPS 2021, arXiv:2106.05392): attention along the paths that things take.

        q, k, v  = x                                             of every token of t frames of s tokens
        y[n, t]  = sum_s softmax_s(q[n] . k[t, s]) v[t, s]       where token n is in frame t: its trajectory
        q', k', v' = W_q y[n, own frame], W_k y, W_v y
        out[n]   = sum_t softmax_t(q'[n] . k'[n, t]) v'[n, t]

The class token looks at all tokens as usual. In the official code, with which all released checkpoints were trained,
the trajectory itself is the last value, v' = y; the paper's W_v is there, its result unused.

Axes: b clips, n = t s tokens, t frames, s tokens of a frame (r landmarks instead, if any), d features, m heads, e
features of a head, c = m e.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from .transformer import check_heads, merge_heads, split_heads

Framed = Float[Tensor, "b m t s e"]
FramedKeys = Float[Tensor, "b m t r e"]


class TrajectoryAttention(nn.Module):
    """On tokens (b, 1 + t s, dim), a class token first.

    project_values  the values of the second step are W_v y, as in the paper, instead of the trajectories y
    landmarks       `Orthoformer` or `Nystrom`, through which the first step then looks at each frame

    The equations are evaluated a frame of queries at a time, so that no attention map is ever whole, and with
    q' . W_k y = (W_k^T q') . y, so that W_k (whose bias no softmax over t would notice) meets the n queries and not the
    n t points of trajectories; W_v meets their means for the same reason. In training the frames are evaluated anew in
    the backward pass. The result is that of the equations up to rounding; `_as_written` has them, and is what costs
    are counted from.
    """

    def __init__(
        self, dim: int, *, heads: int, project_values: bool = False, landmarks: nn.Module | None = None
    ) -> None:
        super().__init__()
        check_heads(dim, heads)
        self.heads, self.project_values, self.landmarks = heads, project_values, landmarks
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj_q = nn.Linear(dim, dim)
        self.proj_kv = nn.Linear(dim, 2 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Float[Tensor, "b n1 d"], frames: int) -> Float[Tensor, "b n1 d"]:
        if (x.shape[1] - 1) % frames:
            raise ValueError(
                f"there are {x.shape[1] - 1} tokens besides the class token; {frames} frames must divide them"
            )
        q, k, v = split_heads(self.qkv(x), self.heads)
        first = merge_heads(F.scaled_dot_product_attention(q[:, :, :1], k, v))
        q, k, v = (y[:, :, 1:].unflatten(2, (frames, -1)) for y in (q, k, v))
        if self.landmarks is not None:
            k, v = self.landmarks(q.flatten(2, 3), k, v)
        if x.device.type == "meta":
            return self.proj(torch.cat([first, self._as_written(q, k, v)], 1))
        again = torch.is_grad_enabled() and q.requires_grad
        k, v = (y.transpose(1, 2).flatten(0, 1).contiguous() for y in (k, v))
        parts = [first]
        for own, q_own in enumerate(q.unbind(2)):
            if again:
                part = checkpoint(self._of_frame, q_own, k, v, own, use_reentrant=False, preserve_rng_state=False)
                assert isinstance(part, Tensor)
                parts.append(part)
            else:
                parts.append(self._of_frame(q_own, k, v, own))
        return self.proj(torch.cat(parts, 1))

    def _of_frame(
        self, q: Float[Tensor, "b m s e"], k: Float[Tensor, "bt m r e"], v: Float[Tensor, "bt m r e"], own: int
    ) -> Float[Tensor, "b s d"]:
        """The answers to the queries of frame `own`."""
        b, m, _, e = q.shape
        asks = (
            q.contiguous()[:, None].expand(-1, len(k) // b, -1, -1, -1).flatten(0, 1)
        )  # b·t m s e, of one clip without a copy
        path = F.scaled_dot_product_attention(asks, k, v).transpose(1, 2).flatten(2).unflatten(0, (b, -1))  # b t s c
        w_k, w_v = self.proj_kv.weight.unflatten(0, (2, m, e))
        q2 = self.proj_q(path[:, own]).unflatten(2, (m, e)) * e**-0.5
        path = path.transpose(1, 2)  # b s t c
        q2 = torch.einsum("bsme,mec->bsmc", q2, w_k)
        weights = (q2 @ path.transpose(2, 3)).softmax(-1)  # b s m t
        if not self.project_values:
            return torch.einsum("bsmt,bstme->bsme", weights, path.unflatten(3, (m, e))).flatten(2)
        bias = self.proj_kv.bias[m * e :]
        return torch.einsum("bsmc,mec->bsme", weights @ path, w_v).flatten(2) + bias

    def _as_written(self, q: Framed, k: FramedKeys, v: FramedKeys) -> Float[Tensor, "b n d"]:
        """The answers to all queries by the equations as they stand: every trajectory through W_k and W_v."""
        t, heads = q.shape[2], (self.heads, -1)
        asks = q.flatten(2, 3)[:, :, None].expand(-1, -1, t, -1, -1)
        paths = F.scaled_dot_product_attention(asks, k, v).permute(0, 3, 2, 1, 4).flatten(3)  # b n t c
        own = paths.unflatten(1, (t, -1)).diagonal(dim1=1, dim2=3).permute(0, 3, 1, 2).flatten(1, 2)
        q2 = self.proj_q(own).unflatten(2, heads).unsqueeze(3)  # b n m 1 e
        pairs = self.proj_kv(paths.flatten(1, 2)).unflatten(1, (-1, t)).chunk(2, -1)
        k2, v2 = (y.unflatten(3, heads).transpose(2, 3) for y in pairs)  # b n m t e
        values = v2 if self.project_values else paths.unflatten(3, heads).transpose(2, 3)
        return F.scaled_dot_product_attention(q2, k2, values).flatten(2)
