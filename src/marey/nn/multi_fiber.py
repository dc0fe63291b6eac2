"""Multi-Fiber unit (Chen et al., ECCV 2018, arXiv:1807.11195): slim paths side by side, and a multiplexer between them.

        x -> multiplexer: + 1 x 1 -> a quarter of the channels -> 1 x 1 -> 3 x 3 x 3 in `fibres` groups
          -> 1 x 3 x 3 in `fibres` groups -> + shortcut(x)

Pre-activation: normalization and ReLU before each convolution. Where width or size change, the shortcut has a
convolution, and the second of the body is 1 x 1 and not in groups: the release builds it so, the paper's text does not.
Axes: b clips, c channels, t frames, h rows, w columns; no t for images.
"""

from jaxtyping import Float
from torch import Tensor, nn

from .dimensions import check_map, check_widths
from .preact import preact


class MultiFiber(nn.Module):
    """`width` channels out.

    c_in, width  must divide by `fibres`
    stride       of the first convolution of the body, (time, rows, columns), or (rows, columns) for images
    project      gives the shortcut a convolution; it must have one where width or size change
    zero_init    starts the last convolution at 0: a fresh unit without `project` is then the bit-exact identity

    ValueError for widths that do not divide and for maps of other numbers of axes or channels.
    """

    def __init__(
        self,
        c_in: int,
        width: int,
        *,
        fibres: int = 16,
        stride: tuple[int, int, int] | tuple[int, int] = (1, 1, 1),
        project: bool = False,
        zero_init: bool = True,
    ) -> None:
        super().__init__()
        check_widths("MultiFiber", fibres=fibres, **{"channels to take": c_in, "channels to give": width})
        if c_in % fibres or width % fibres:
            raise ValueError(
                f"MultiFiber goes from {c_in} to {width} channels; both must divide by its {fibres} fibres"
            )
        if not project and (c_in != width or set(stride) != {1}):
            raise ValueError(
                f"MultiFiber goes from {c_in} to {width} channels in strides {stride}; it needs project=True"
            )
        self.c_in, dims = c_in, len(stride)
        one, full = (1,) * dims, (3,) * dims
        space = (1, 3, 3) if dims == 3 else full
        self.squeeze = preact(c_in, width // 4, kernel=one)
        self.mix = preact(width // 4, c_in, kernel=one)
        self.conv1 = preact(c_in, width, kernel=full, stride=stride, groups=fibres)
        self.conv2 = preact(width, width, kernel=one if project else space, groups=1 if project else fibres)
        self.shortcut = preact(c_in, width, kernel=one, stride=stride) if project else nn.Identity()
        if zero_init:
            nn.init.zeros_(self.conv2.get_parameter("conv.weight"))

    def forward(self, x: Float[Tensor, "b _ *place"]) -> Float[Tensor, "b _ *_place"]:
        kernel = getattr(self.squeeze.get_submodule("conv"), "weight", None)  # an octave convolution has several
        check_map("a Multi-Fiber unit", x, width=self.c_in, kernel=kernel)
        mixed = x + self.mix(self.squeeze(x))
        return self.conv2(self.conv1(mixed)) + self.shortcut(x)
