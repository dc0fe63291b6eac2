"""Global reasoning on a graph of a few nodes (GloRe; Chen et al., CVPR 2019, arXiv:1811.12814).

        x ---- state phi(x) ---.
        |                      V = phi(x) theta(x)^T -> graph step -> relu -> state update W -> Z
        |---- nodes theta(x) --'                                                               |
        |         '------------------- back to positions, Z theta(x) <------------------------'
        + <------ norm (gain 0 when fresh) <------ extend ------'

The released unit has a ReLU before the state update; the paper's Z = ((I - A) V) W has none, which is `relu=False`.
Its normalization has an epsilon of 1e-4. Axes: b clips, c channels, then 1, 2 or 3 axes of positions.
"""

from jaxtyping import Float
from torch import Tensor, nn

from .dimensions import check_dims, check_map, check_widths, last_norm, pointwise


class GloRe(nn.Module):
    """Adds to `x` what its positions, gathered into `nodes` of `state` features each, learn from one another.

    width      channels in and out
    nodes      a quarter of the width unless given
    state      features of a node; half of the width unless given
    dims       1 for time, 2 for space, 3 for both
    normalize  divides the gathered state by the number of positions, for inputs of many sizes
    relu       the released unit; False is the paper's formula
    zero_init  starts as the bit-exact identity

    ValueError for other numbers of axes or channels, in the constructor and in forward.
    """

    def __init__(
        self,
        width: int,
        *,
        nodes: int | None = None,
        state: int | None = None,
        dims: int = 3,
        normalize: bool = False,
        relu: bool = True,
        zero_init: bool = True,
    ) -> None:
        super().__init__()
        check_dims("a GloRe unit", dims)
        check_widths("GloRe", channels=width)
        nodes = width // 4 if nodes is None else nodes
        state = width // 2 if state is None else state
        check_widths("GloRe", nodes=nodes, state=state)
        self.to_state, self.to_nodes = pointwise(width, state, dims=dims), pointwise(width, nodes, dims=dims)
        self.reason = nn.Conv1d(nodes, nodes, 1)
        self.act = nn.ReLU() if relu else nn.Identity()
        self.update = nn.Conv1d(state, state, 1, bias=False)
        self.extend = pointwise(state, width, dims=dims, bias=False)
        self.norm = last_norm(width, dims=dims, zero_init=zero_init, eps=1e-4)
        self.width, self.normalize = width, normalize

    def forward(self, x: Float[Tensor, "b c *positions"]) -> Float[Tensor, "b c *positions"]:
        check_map("a GloRe unit", x, width=self.width, kernel=self.to_nodes.weight)
        belongs = self.to_nodes(x).flatten(2)  # (b, nodes, positions): to there and, the same, back again
        graph = self.to_state(x).flatten(2) @ belongs.transpose(1, 2)
        if self.normalize:
            graph = graph / belongs.shape[2]
        graph = self.reason(graph.transpose(1, 2)).transpose(1, 2) + graph
        learned = self.update(self.act(graph)) @ belongs
        return x + self.norm(self.extend(learned.unflatten(2, x.shape[2:])))
