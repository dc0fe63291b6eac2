"""VGG-16 (Simonyan and Zisserman, ICLR 2015, arXiv:1409.1556), up to the layer before its classifier.

        image -> 5 stages: 3 x 3 convolutions, then 2 x 2 max pooling -> mean to 7 x 7 -> fc6 -> fc7

Axes: n images, c channels, h rows, w columns. Input: RGB, normalized for its preset.
The mean to 7 x 7 is torchvision's, for images of other sizes than 224 pixels; at 224 it changes nothing.
"""

from torch import Tensor, nn

from ..nn import named
from .interface import ImageEncoder, Images


class VGG(ImageEncoder):
    """`depths` counts the convolutions of each stage; `hidden` is the width of the fully connected layers.

    `side` is the height and width of the map that they read.
    """

    def __init__(
        self,
        *,
        widths: tuple[int, ...] = (64, 128, 256, 512, 512),
        depths: tuple[int, ...] = (2, 2, 3, 3, 3),
        hidden: int = 4096,
        side: int = 7,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.stages, c_in = nn.Sequential(), 3
        for i, (width, depth) in enumerate(zip(widths, depths, strict=True), start=1):
            stage = nn.Sequential()
            for j in range(depth):
                stage.add_module(f"conv{j + 1}", nn.Conv2d(c_in, width, 3, padding=1))
                stage.add_module(f"act{j + 1}", nn.ReLU(inplace=True))
                c_in = width
            stage.add_module("pool", nn.MaxPool2d(2))
            self.stages.add_module(f"pool{i}", stage)
        self.pool, self.connected = nn.AdaptiveAvgPool2d(side), nn.Sequential()
        for name, width in (("fc6", c_in * side * side), ("fc7", hidden)):
            layer = named(fc=nn.Linear(width, hidden), act=nn.ReLU(inplace=True), drop=nn.Dropout(dropout))
            self.connected.add_module(name, layer)
        self.dim, self.min_side = hidden, 2 ** len(widths)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=0.01)
            if isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
                nn.init.zeros_(module.bias)

    def forward(self, images: Images) -> dict[str, Tensor]:
        """pool1, ..., pool5, and fc6, fc7 as maps of one pixel."""
        x, maps = images, {}
        for name, stage in self.stages.named_children():
            x = maps[name] = stage(x)
        x = self.pool(x).flatten(1)
        for name, layer in self.connected.named_children():
            x = layer(x)
            maps[name] = x[:, :, None, None]
        return maps
