"""Pre-activation blocks: normalization and ReLU come before each convolution, and nothing after the sum.

He et al., ECCV 2016, arXiv:1603.05027. Kernels and strides are (time, rows, columns), or (rows, columns) for images.
"""

from torch import Tensor, nn

from .conv import Triple, named
from .dimensions import CONVS, NORMS


def preact(
    c_in: int,
    c_out: int,
    *,
    kernel: tuple[int, ...],
    stride: tuple[int, ...] | None = None,
    groups: int = 1,
    dilation: int = 1,
    eps: float = 1e-5,
) -> nn.Sequential:
    """Normalization, ReLU, then a convolution padded so that stride 1 keeps every size (for odd kernels)."""
    dims, padding = len(kernel), tuple(k // 2 * dilation for k in kernel)
    conv = CONVS[dims](c_in, c_out, kernel, stride or (1,) * dims, padding, dilation, groups, bias=False)
    return named(norm=NORMS[dims](c_in, eps=eps), act=nn.ReLU(inplace=True), conv=conv)


class PreActResidual(nn.Module):
    """body(x) + shortcut(x); the shortcut is the identity unless given."""

    def __init__(self, body: nn.Module, shortcut: nn.Module | None = None) -> None:
        super().__init__()
        self.body, self.shortcut = body, shortcut or nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x) + self.shortcut(x)


def preact_bottleneck_3d(
    c_in: int, width: int, *, time: int = 1, stride: Triple = (1, 1, 1), project: bool = False, eps: float = 1e-5
) -> PreActResidual:
    """`time` x 1 x 1, 1 x 3 x 3 with the stride, 1 x 1 x 1; 4 `width` channels out.

    `project` gives the shortcut a convolution; the first block of a stage has one.
    """
    body = named(
        conv1=preact(c_in, width, kernel=(time, 1, 1), eps=eps),
        conv2=preact(width, width, kernel=(1, 3, 3), stride=stride, eps=eps),
        conv3=preact(width, 4 * width, kernel=(1, 1, 1), eps=eps),
    )
    if not project:
        return PreActResidual(body)
    return PreActResidual(body, preact(c_in, 4 * width, kernel=(1, 1, 1), stride=stride, eps=eps))
