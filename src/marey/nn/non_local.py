"""Non-local block (Wang, Girshick, Gupta, He, CVPR 2018, arXiv:1711.07971): every position looks at all the others.

        y_i = sum_j f(x_i, x_j) g(x_j) / C(x),        z = x + norm(W y)

Axes: b clips, c channels, t frames, h rows, w columns; n positions that ask, m positions that answer, d inner channels.
"""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from .dimensions import CONVS, NORMS, check_dims, check_map, check_widths

AFFINITIES = ("embedded_gaussian", "gaussian", "dot_product", "concatenation")
OVER = ("spacetime", "space", "time")

POOLS = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
WEIGHT_STD = 0.01  # of fresh convolutions, as the official code draws them


class NonLocal(nn.Module):
    """A residual block on maps of `width` channels and `dims` axes after them: (t), (h, w) or (t, h, w).

    inner       channels of theta, phi and g; half of `width` unless given
    affinity    f: softmax of theta . phi ("embedded_gaussian"), softmax of x . x ("gaussian"), theta . phi
                ("dot_product") or ReLU of w . [theta, phi] ("concatenation"); the last two are divided by m
    over        what a position looks at: everything, its own frame ("space"), or its own place in every frame ("time")
    pool        positions that answer are the maxima of 2 x 2 pixels (of 2 steps, for one axis). Never "time": there
                each place has no others than its own
    pool_after  the maxima are of phi and of g, as in mmaction2, instead of the x that they read, as in PySlowFast
    scaled      the softmax is of f / sqrt(d), as in the official code and its checkpoints; the paper's is of f
    out_bias    W has a bias, which the normalization takes away again in training; mmaction2's has none
    zero_init   the last normalization begins with a weight of 0, so that the fresh block is the identity, bit for bit

    The paper has the normalization after W only, and so have we. ValueError for other names, for an `over` of less
    than 3 `dims` that is not "spacetime", and for maps of other numbers of axes or channels.
    """

    def __init__(
        self,
        width: int,
        *,
        inner: int | None = None,
        dims: int = 3,
        affinity: str = "embedded_gaussian",
        over: str = "spacetime",
        pool: bool = True,
        pool_after: bool = False,
        scaled: bool = True,
        out_bias: bool = True,
        zero_init: bool = True,
    ) -> None:
        super().__init__()
        check_dims("a non-local block", dims)
        check_widths("NonLocal", channels=width)
        if affinity not in AFFINITIES:
            raise ValueError(f"affinity is {affinity!r}; a non-local block knows {', '.join(AFFINITIES)}")
        if over not in (OVER if dims == 3 else ("spacetime",)):
            known = "spacetime, space and time of 3 dims" if dims == 3 else "only spacetime of 1 or 2 dims"
            raise ValueError(f"over is {over!r} of {dims} dims; a non-local block looks over {known}")
        inner = max(width // 2, 1) if inner is None else inner
        if inner < 1:
            raise ValueError(f"inner is {inner}; a non-local block needs 1 channel or more inside")
        self.width, self.affinity, self.over = width, affinity, over
        self.pool, self.pool_after, self.scaled = pool and over != "time", pool_after, scaled
        embeds = affinity != "gaussian"
        self.theta = CONVS[dims](width, inner, 1) if embeds else nn.Identity()
        self.phi = CONVS[dims](width, inner, 1) if embeds else nn.Identity()
        self.g = CONVS[dims](width, inner, 1)
        if affinity == "concatenation":
            self.ask, self.answer = nn.Linear(inner, 1, bias=False), nn.Linear(inner, 1, bias=False)
        self.out = CONVS[dims](inner, width, 1, bias=out_bias)
        self.norm = NORMS[dims](width)
        for name, parameter in self.named_parameters():
            if name.startswith(("theta", "phi", "g", "out")):
                nn.init.normal_(parameter, std=WEIGHT_STD if name.endswith("weight") else 0.0)
        if zero_init:
            nn.init.zeros_(self.norm.weight)

    @property
    def dims(self) -> int:
        """Axes of positions; one more once the block is inflated with its network."""
        return self.g.weight.ndim - 2

    def forward(self, x: Float[Tensor, "b c *thw"]) -> Float[Tensor, "b c *thw"]:
        check_map("a non-local block", x, width=self.width, kernel=self.g.weight)
        if self.pool_after:
            k, v = self._pooled(self.phi(x)), self._pooled(self.g(x))
        else:
            answers = self._pooled(x)
            k, v = self.phi(answers), self.g(answers)
        heard = self._gathered(self._positions(self.theta(x)), self._positions(k), self._positions(v))
        return x + self.norm(self.out(self._maps(heard, x)))

    def _pooled(self, x: Tensor) -> Tensor:
        """Maxima of windows of 2 along rows and columns (or the one axis); a side of 1 stays."""
        if not self.pool:
            return x
        window = [min(2, side) for side in x.shape[max(-2, -self.dims) :]]
        return POOLS[self.dims](x, [1] * (self.dims - len(window)) + window)

    def _positions(self, x: Tensor) -> Float[Tensor, "g p d"]:
        """Positions that may look at each other, as rows; g is clips, frames of clips, or places of clips."""
        if self.over == "space":
            return x.permute(0, 2, 3, 4, 1).flatten(2, 3).flatten(0, 1)
        if self.over == "time":
            return x.permute(0, 3, 4, 2, 1).flatten(0, 2)
        return x.flatten(2).transpose(1, 2)

    def _maps(self, y: Float[Tensor, "g p d"], like: Tensor) -> Tensor:
        """The inverse of `_positions` for a map as large as `like`."""
        if self.over == "spacetime":
            return y.transpose(1, 2).unflatten(2, like.shape[2:])
        b, _, t, h, w = like.shape
        if self.over == "space":
            return y.unflatten(0, (b, t)).unflatten(2, (h, w)).permute(0, 4, 1, 2, 3)
        return y.unflatten(0, (b, h, w)).permute(0, 4, 3, 1, 2)

    def _gathered(
        self, q: Float[Tensor, "g n e"], k: Float[Tensor, "g m e"], v: Float[Tensor, "g m d"]
    ) -> Float[Tensor, "g n d"]:
        """What every asking position hears. Where torch has a kernel, the n x m softmax is never held."""
        if self.affinity in ("embedded_gaussian", "gaussian"):
            q, k, v = (x.unsqueeze(1).contiguous() for x in (q, k, v))  # a single head; kernels want rows in one piece
            scale = q.shape[-1] ** -0.5 if self.scaled else 1.0
            return F.scaled_dot_product_attention(q, k, v, scale=scale).squeeze(1)
        if self.affinity == "dot_product":
            return q @ k.transpose(1, 2) / k.shape[1] @ v
        # w . [theta, phi] is a sum of two numbers, so pairs of vectors are never laid out.
        return F.relu(self.ask(q) + self.answer(k).transpose(1, 2)) / k.shape[1] @ v
