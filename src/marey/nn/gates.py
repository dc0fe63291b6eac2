"""Channel gates: what a whole map shows decides how much of each of its channels passes.

Axes: n images or clips, c channels, then one to three axes of place and time.
"""

from jaxtyping import Float
from torch import Tensor, nn

from .conv import named

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


class SqueezeExcite(nn.Module):
    """x * sigmoid(W2 relu(W1 mean(x))), `inner` channels between (Hu et al., CVPR 2018, arXiv:1709.01507)."""

    def __init__(self, width: int, *, inner: int, dims: int = 3) -> None:
        super().__init__()
        conv = CONVOLUTIONS[dims - 1]
        self.weigh = named(squeeze=conv(width, inner, 1), act=nn.ReLU(inplace=True), excite=conv(inner, width, 1))

    def forward(self, x: Float[Tensor, "n c *place"]) -> Float[Tensor, "n c *place"]:
        mean = x.mean(tuple(range(2, x.ndim)), keepdim=True)
        return x * self.weigh(mean).sigmoid()


class SelfGate(nn.Module):
    """x * sigmoid(W mean(x) + b): the feature gating of S3D-G (Xie et al., ECCV 2018, arXiv:1712.04851)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc = nn.Linear(width, width)

    def forward(self, x: Float[Tensor, "n c *place"]) -> Float[Tensor, "n c *place"]:
        mean = x.mean(tuple(range(2, x.ndim)))
        return x * self.fc(mean).sigmoid().reshape(*mean.shape, *[1] * (x.ndim - 2))
