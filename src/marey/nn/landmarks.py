"""Attention through landmarks: two small products stand in for the one over all pairs of tokens.

        attention(q, k, v) ~ attention(q, landmarks, what the landmarks hear)

Both blocks return those two, as keys and values for the queries to look at; there are `count` of them whatever the
number of tokens, so cost and memory grow linearly with it.

Axes: b clips, m heads, n queries, g groups of keys (frames, say; any number of axes, none for plain attention),
s keys of a group, r landmarks, e features of a head.
"""

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional as F

CACHED = 2**20  # values that the cache of a core surely holds
Queries = Float[Tensor, "b m n e"]
Keys = Float[Tensor, "b m *g s e"]
Landmarks = Float[Tensor, "b m *g r e"]


class Orthoformer(nn.Module):
    """Landmarks are queries that are as orthogonal to each other as can be (Patrick et al., NeurIPS 2021, 2106.05392).

        softmax(q P) (softmax(P k) v),        P the landmarks

    From a first one on, the next landmark is the query whose largest |cosine| with those chosen is smallest. The first
    is the first token, so that equal clips get equal answers; `random_start` draws it, as the official code does.
    Both products are scaled by e^-1/2 (e^-1/4 on either side, officially). Landmarks come from the queries, as in the
    official code; the paper draws them from queries and keys. They are selected without a gradient, and pass it on.
    """

    def __init__(self, count: int = 128, *, random_start: bool = False) -> None:
        super().__init__()
        self.count, self.random_start = count, random_start

    def forward(self, q: Queries, k: Keys, v: Keys) -> tuple[Landmarks, Landmarks]:
        check_count("Orthoformer", self.count, q.shape[2])
        chosen = most_orthogonal(q.detach(), self.count, random_start=self.random_start)
        landmarks = q.gather(2, chosen[..., None].expand(-1, -1, -1, q.shape[3]))
        shape = (*k.shape[:-2], *landmarks.shape[2:])
        landmarks = landmarks.view(*landmarks.shape[:2], *[1] * (k.ndim - 4), *landmarks.shape[2:]).expand(shape)
        return landmarks, heard(landmarks, k, v)


class Nystrom(nn.Module):
    """Landmarks are means of consecutive tokens (Nystromformer; Xiong et al., AAAI 2021, arXiv:2102.03902).

        softmax(q K) pinv(softmax(Q K)) (softmax(Q k) v),        Q, K the landmarks of queries and keys

    The inverse comes from `iterations` steps of third order (6 in the paper). Where tokens do not divide by `count`,
    neighbouring means share some; the paper pads.
    """

    def __init__(self, count: int = 128, *, iterations: int = 6) -> None:
        super().__init__()
        self.count, self.iterations = count, iterations

    def forward(self, q: Queries, k: Keys, v: Keys) -> tuple[Landmarks, Landmarks]:
        check_count("Nystrom", self.count, min(q.shape[2], k.shape[-2]))
        asks, answers = segment_means(q, self.count), segment_means(k, self.count)
        asks = asks.view(*asks.shape[:2], *[1] * (k.ndim - 4), *asks.shape[2:]).expand_as(answers)
        kernel = (asks @ answers.transpose(-1, -2) * q.shape[-1] ** -0.5).softmax(-1)
        return answers, pseudo_inverse(kernel, self.iterations) @ heard(asks, k, v)


def check_count(block: str, count: int, tokens: int) -> None:
    """Raise a ValueError unless there are 1 to `tokens` landmarks."""
    if not 1 <= count <= tokens:
        raise ValueError(f"{block} has {count} landmarks for {tokens} tokens; give it 1 at least and {tokens} at most")


def heard(asks: Landmarks, k: Keys, v: Keys) -> Landmarks:
    """What landmarks hear from all keys. The fused kernels want exactly one axis beside heads, so groups join them."""
    q, k, v = (x.flatten(1, -3) for x in (asks, k, v))
    return F.scaled_dot_product_attention(q, k, v).view(asks.shape)


@torch.no_grad()
def most_orthogonal(
    x: Float[Tensor, "b m n e"], count: int, *, random_start: bool = False
) -> Int64[Tensor, "b m count"]:
    """Indices of `count` rows, each the one whose largest |cosine| with those before it is smallest.

    Every step reads all rows, so a CPU takes as many heads at once as its cache holds.
    """
    units = F.normalize(x, dim=-1).flatten(0, 1)
    rows, together = units[0].numel(), len(units)
    if x.device.type == "cpu":
        together = max(CACHED // rows, 1)
    starts = torch.randint(x.shape[2], units.shape[:1]) if random_start else torch.zeros(len(units), dtype=torch.int64)
    parts = zip(units.split(together), starts.to(x.device).split(together), strict=True)
    return torch.cat([spread_out(part, count, first) for part, first in parts]).unflatten(0, x.shape[:2])


def spread_out(units: Float[Tensor, "g n e"], count: int, first: Int64[Tensor, " g"]) -> Int64[Tensor, "g count"]:
    """`most_orthogonal` of rows of length 1, from `first` on."""
    last, chosen, nearest = first, [first], units.new_zeros(units.shape[:2])
    for _ in range(count - 1):
        row = units.gather(1, last[:, None, None].expand(-1, 1, units.shape[2]))
        nearest = torch.maximum(nearest, (units @ row.transpose(1, 2)).squeeze(2).abs())
        nearest = nearest.scatter(1, last[:, None], torch.inf)
        last = nearest.argmin(1)
        chosen.append(last)
    return torch.stack(chosen, 1)


def segment_means(x: Keys, count: int) -> Landmarks:
    """Means of `count` stretches of tokens that are as equal as can be."""
    if x.shape[-2] % count == 0:
        return x.unflatten(-2, (count, -1)).mean(-2)
    rows = x.flatten(0, -3).transpose(1, 2)
    return F.adaptive_avg_pool1d(rows, count).transpose(1, 2).view(*x.shape[:-2], count, x.shape[-1])


def pseudo_inverse(a: Float[Tensor, "*g r r"], iterations: int) -> Float[Tensor, "*g r r"]:
    """Z <- Z (13 - AZ (15 - AZ (7 - AZ))) / 4 from A^T / (|A|_1 |A|_inf) on (Razavi et al. 2014)."""
    size = a.abs().sum(-2).amax(-1) * a.abs().sum(-1).amax(-1)
    z, one = a.transpose(-1, -2) / size[..., None, None], torch.eye(a.shape[-1], device=a.device, dtype=a.dtype)
    for _ in range(iterations):
        az = a @ z
        z = z @ (13 * one - az @ (15 * one - az @ (7 * one - az))) / 4
    return z
