"""Double attention (Chen et al., A2-Nets, NeurIPS 2018, arXiv:1810.11579): gather features, then distribute them.

        x -- features A (m) -------------------.
        |                                       G = A B^T: n descriptors of the whole input, m features each
        |--- gather B (n), softmax over positions
        |--- distribute V (n), softmax over descriptors -- Z = G V: each position its own mixture of descriptors
        + <------ norm (gain 0 when fresh) <------ extend ------'

There is no official code. The paper says that extended features are added to the input; the normalization between,
whose gain of zero makes a fresh block the identity, is that of other residual blocks.
(A B^T) V is computed in this order: A (B^T V) is the same and costs the square of the number of positions.
Axes: b clips, c channels, then 1, 2 or 3 axes of positions.
"""

from jaxtyping import Float
from torch import Tensor, nn

from .dimensions import check_dims, check_map, check_widths, last_norm, pointwise


class DoubleAttention(nn.Module):
    """Adds to `x`, at every position, what it asks for of the descriptors gathered over all positions.

    width       channels in and out
    gather      m, features that are gathered; a quarter of the width unless given
    distribute  n, descriptors that they are gathered into and distributed from; a quarter of the width unless given
    dims        1 for time, 2 for space, 3 for both
    zero_init   starts as the bit-exact identity

    ValueError for other numbers of axes or channels, in the constructor and in forward.
    """

    def __init__(
        self,
        width: int,
        *,
        gather: int | None = None,
        distribute: int | None = None,
        dims: int = 3,
        zero_init: bool = True,
    ) -> None:
        super().__init__()
        check_dims("double attention", dims)
        check_widths("DoubleAttention", channels=width)
        self.width = width
        m = width // 4 if gather is None else gather
        n = width // 4 if distribute is None else distribute
        check_widths("DoubleAttention", features=m, descriptors=n)
        self.to_features = pointwise(width, m, dims=dims)
        self.to_gather, self.to_distribute = pointwise(width, n, dims=dims), pointwise(width, n, dims=dims)
        self.extend = pointwise(m, width, dims=dims, bias=False)
        self.norm = last_norm(width, dims=dims, zero_init=zero_init)

    def forward(self, x: Float[Tensor, "b c *positions"]) -> Float[Tensor, "b c *positions"]:
        check_map("double attention", x, width=self.width, kernel=self.to_gather.weight)
        gather = self.to_gather(x).flatten(2).softmax(dim=2)
        distribute = self.to_distribute(x).flatten(2).softmax(dim=1)
        descriptors = self.to_features(x).flatten(2) @ gather.transpose(1, 2)  # (b, m, n)
        return x + self.norm(self.extend((descriptors @ distribute).unflatten(2, x.shape[2:])))
