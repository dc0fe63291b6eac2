"""Where should a plain convolutional network merge time? The study of Karpathy et al., CVPR 2014.

        single frame   every frame by itself, logits averaged           PerFrame(FusionNet, kernels 1 x k x k)
        late fusion    frames side by side up to the classifier, then   kernels 1 x k x k
                       fully connected layers, or the mean over time    `fixed`, or not
        early fusion   frames stacked into channels before layer 1      `early_frames`
        slow fusion    a little in every layer                          kernels k_t x k x k

Axes: b clips, c channels, t frames, h rows, w columns. Input: RGB, normalized for its preset.
We differ from the paper: batch normalization instead of local response normalization, so that the networks train
from scratch at ordinary learning rates.
"""

from itertools import pairwise
from math import prod

from torch import Tensor, nn

from ..nn import check_clip, conv_norm, named
from .interface import Clips, Logits, VideoModel

Pair = tuple[int, int]  # (time, space)


class FusionNet(VideoModel):
    """A stack of convolution, normalization, ReLU and max pooling, then a classifier.

    widths        channels of each layer
    kernels       (time, space) of each layer; odd ones are padded, even ones are not
    strides       (time, space)
    pools         (time, space), kernel and stride alike; (1, 1) is no pooling
    early_frames  exactly so many frames become channels of one image
    fixed         (frames, side) of the only input: everything is flattened into fully connected layers of the widths
                  `hidden`. None: the mean over time and space is classified, at any size.
    """

    def __init__(
        self,
        *,
        num_classes: int,
        widths: tuple[int, ...],
        kernels: tuple[Pair, ...],
        strides: tuple[Pair, ...],
        pools: tuple[Pair, ...],
        early_frames: int | None = None,
        fixed: Pair | None = None,
        hidden: tuple[int, ...] = (),
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.early_frames, self.fixed = early_frames, fixed
        self.layers, c_in = nn.Sequential(), 3 * (early_frames or 1)
        for i, (width, kernel, stride, pool) in enumerate(zip(widths, kernels, strides, pools, strict=True)):
            (k_t, k), (s_t, s) = kernel, stride
            conv = nn.Conv3d(c_in, width, (k_t, k, k), (s_t, s, s), (k_t // 2 * (k_t % 2), k // 2, k // 2), bias=False)
            layer = conv_norm(conv, width, dims=3, act=nn.ReLU(inplace=True))
            if pool != (1, 1):
                layer.add_module("pool", nn.MaxPool3d((pool[0], pool[1], pool[1])))
            self.layers.add_module(f"layer{i + 1}", layer)
            c_in = width
        t, side = ((1 if early_frames else fixed[0]), fixed[1]) if fixed else (1, 1)
        if fixed:
            for (k_t, k), (s_t, s), (p_t, p) in zip(kernels, strides, pools, strict=True):
                t = ((t + 2 * (k_t // 2 * (k_t % 2)) - k_t) // s_t + 1) // p_t
                side = ((side + 2 * (k // 2) - k) // s + 1) // p
        sizes = (c_in * t * side * side, *hidden)
        self.pool = nn.Identity() if fixed else nn.AdaptiveAvgPool3d(1)
        self.hidden = nn.Sequential(
            *(
                named(fc=nn.Linear(n, m), act=nn.ReLU(inplace=True), drop=nn.Dropout(dropout))
                for n, m in pairwise(sizes)
            )
        )
        self.drop, self.fc = nn.Dropout(0.0 if hidden else dropout), nn.Linear(sizes[-1], num_classes)
        space = prod(s for _, s in strides) * prod(p for _, p in pools)
        time = prod(s for s, _ in strides) * prod(p for p, _ in pools)
        self.min_side = fixed[1] if fixed else space
        self.min_frames = fixed[0] if fixed else early_frames or time

    def features(self, video: Clips) -> dict[str, Tensor]:
        """layer1, layer2, ...; after early fusion each has one frame."""
        exact = self.fixed[0] if self.fixed else self.early_frames
        side = self.fixed[1] if self.fixed else None
        check_clip(video, min_frames=self.min_frames, min_side=self.min_side, frames=exact, side=side)
        x, maps = video.flatten(1, 2).unsqueeze(2) if self.early_frames else video, {}
        for name, layer in self.layers.named_children():
            x = maps[name] = layer(x)
        return maps

    def encode(self, video: Clips) -> Tensor:
        *_, last = self.features(video).values()
        return self.pool(last).flatten(1)

    def classify(self, encoded: Tensor) -> Logits:
        return self.fc(self.drop(self.hidden(encoded)))

    def forward(self, video: Clips) -> Logits:
        return self.classify(self.encode(video))
