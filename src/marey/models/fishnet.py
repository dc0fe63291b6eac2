"""FishNet: features of every depth keep a way to every resolution (Sun et al., NeurIPS 2018, arXiv:1901.03495).

        image -> stem -> tail 1/8 .. 1/32 -> bridge -> body back up to 1/4 -> head down again to 1/32 -> top
                         |   |   |_________________ transfer ________|   |            |
                         |   |______________________ transfer ___________|            |
                         ...                             body ______ transfer ________|

Axes: n images, c channels, h rows, w columns; all blocks also take (n, c, t, h, w). Input: RGB, normalized for its
preset. Nothing between the shallow features and the top changes channels by a convolution without a way around it:
the body narrows by adding neighbouring channels up, up- and downsampling have no weights, the rest is concatenated.
The widths, the dilation of the body and the bridge are those of the official checkpoints; the paper fixes none of them.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..nn import conv2d, named
from ..nn.preact import PreActResidual, preact
from .interface import ImageEncoder, Images

Maps = Float[Tensor, "n _ ..."]


class AddChannels(nn.Module):
    """Every `factor` neighbouring channels become their sum; nothing is learned."""

    def __init__(self, factor: int) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Maps) -> Maps:
        return x.unflatten(1, (-1, self.factor)).sum(2)


def fish_block(c_in: int, c_out: int, *, dilation: int = 1, add: bool = False) -> PreActResidual:
    """1 x 1, 3 x 3, 1 x 1, a quarter as wide inside, each after its normalization and ReLU.

    Where channels change, the shortcut is the sum of neighbouring ones if `add`, else a pre-activated 1 x 1.
    """
    inner = c_out // 4
    body = named(
        conv1=preact(c_in, inner, kernel=(1, 1)),
        conv2=preact(inner, inner, kernel=(3, 3), dilation=dilation),
        conv3=preact(inner, c_out, kernel=(1, 1)),
    )
    if c_in == c_out:
        return PreActResidual(body)
    return PreActResidual(body, AddChannels(c_in // c_out) if add else preact(c_in, c_out, kernel=(1, 1)))


class Bridge(nn.Module):
    """From tail to body: features y and, from the same maps, one attention a per channel; y a + a.

    The attention is that of squeeze and excitation (Hu et al., CVPR 2018, arXiv:1709.01507), but for the `+ a`.
    """

    def __init__(self, width: int, *, depth: int) -> None:
        super().__init__()
        self.narrow = _narrow(width)
        self.widen = nn.Conv2d(width // 2, 2 * width, 1)
        self.blocks = _blocks(2 * width, width, depth=depth)
        self.attention = named(
            norm=nn.BatchNorm2d(2 * width),
            act=nn.ReLU(inplace=True),
            pool=nn.AdaptiveAvgPool2d(1),
            squeeze=nn.Conv2d(2 * width, width // 16, 1),
            relu=nn.ReLU(inplace=True),
            excite=nn.Conv2d(width // 16, width, 1),
            gate=nn.Sigmoid(),
        )

    def forward(self, x: Maps) -> Maps:
        x = self.widen(self.narrow(x))
        attention = self.attention(x)
        return self.blocks(x) * attention + attention


class Merge(nn.Module):
    """A stage of body or head: blocks and a change of size on what comes in, a transfer on what was kept for it."""

    def __init__(self, blocks: nn.Sequential, resize: nn.Module, transfer: nn.Sequential) -> None:
        super().__init__()
        self.blocks, self.resize, self.transfer = blocks, resize, transfer

    def forward(self, x: Maps, kept: Maps) -> Maps:
        return torch.cat([self.resize(self.blocks(x)), self.transfer(kept)], 1)


class FishNet(ImageEncoder):
    """`depths` counts the blocks of 3 tail stages, bridge, 3 body and 3 head stages, `transfers` those kept beside.

    `width` is the stem's; sides must be multiples of 32.
    """

    def __init__(
        self,
        *,
        depths: tuple[int, int, int, int, int, int, int, int, int, int],
        transfers: tuple[int, int, int, int, int, int],
        width: int = 64,
    ) -> None:
        super().__init__()
        self.stem = named(
            conv1=conv2d(3, width // 2, kernel=3, stride=2),
            conv2=conv2d(width // 2, width // 2, kernel=3),
            conv3=conv2d(width // 2, width, kernel=3),
        )
        self.pool = nn.MaxPool2d(3, 2, 1)
        self.tail, self.body, self.head = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        kept = [width]
        for depth in depths[:3]:
            down = _blocks(kept[-1], 2 * kept[-1], depth=depth)
            self.tail.append(named(blocks=down, pool=nn.MaxPool2d(2, 2)))
            kept.append(2 * kept[-1])
        self.bridge = Bridge(c := kept.pop(), depth=depths[3])
        kept_for_head = [c]
        for i in range(3):
            c_in, c = c, c // (2 if i else 1)
            up = _blocks(c_in, c, depth=depths[4 + i], dilation=2**i, add=True)
            transfer = _blocks(kept[-1], kept[-1], depth=transfers[i])
            self.body.append(Merge(up, nn.Upsample(scale_factor=2, mode="nearest"), transfer))
            c += kept.pop()
            kept_for_head.append(c)
        kept_for_head.pop()
        for i in range(3):
            transfer = _blocks(kept_for_head[-1], kept_for_head[-1], depth=transfers[3 + i])
            self.head.append(Merge(_blocks(c, c, depth=depths[7 + i]), nn.MaxPool2d(2, 2), transfer))
            c += kept_for_head.pop()
        self.top = _narrow(c)
        self.dim, self.min_side = c // 2, 32
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def stages(self, images: Images) -> dict[str, Tensor]:
        """The map of every stage in the order in which they come about: down, up, and down again."""
        h, w = images.shape[-2:]
        if h % 32 or w % 32:
            raise ValueError(f"image is {h} x {w} pixels; sides must be multiples of 32")
        maps = {"stem": self.stem(images)}
        x = self.pool(maps["stem"])
        kept: list[Tensor] = []
        for i, stage in enumerate(self.tail):
            kept.append(x)
            x = maps[f"tail{i + 1}"] = stage(x)
        x = maps["bridge"] = self.bridge(x)
        for part, stages in (("body", self.body), ("head", self.head)):
            beside, kept = kept[::-1], []
            for i, stage in enumerate(stages):
                kept.append(x)
                x = maps[f"{part}{i + 1}"] = stage(x, beside[i])
        maps["top"] = self.top(x)
        return maps

    def forward(self, images: Images) -> dict[str, Tensor]:
        """stem, body3, head1, head2, head3, top: at each size the map that holds most, as the paper's detectors use."""
        maps = self.stages(images)
        return {name: maps[name] for name in ("stem", "body3", "head1", "head2", "head3", "top")}


def _blocks(c_in: int, c_out: int, *, depth: int, dilation: int = 1, add: bool = False) -> nn.Sequential:
    first, rest = fish_block(c_in, c_out, dilation=dilation, add=add), range(depth - 1)
    return nn.Sequential(first, *(fish_block(c_out, c_out, dilation=dilation) for _ in rest))


def _narrow(c_in: int) -> nn.Sequential:
    half = c_in // 2
    conv = preact(c_in, half, kernel=(1, 1))
    return named(**dict(conv.named_children()), norm2=nn.BatchNorm2d(half), act2=nn.ReLU(inplace=True))
