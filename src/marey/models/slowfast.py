"""Residual networks of clips with one pathway or two: C2D, I3D and Slow; SlowFast.

C2D and I3D of Wang et al., CVPR 2018, arXiv:1711.07971; Slow and SlowFast of Feichtenhofer et al., ICCV 2019,
arXiv:1812.03982; as PySlowFast builds them.

        video -> conv1 -> pool1 -> res2 -> (pool2) -> res3 -> res4 -> res5 -> mean over space and time -> linear

        slow   every alpha-th frame ---+-> res2 ---+-> res3 ---+-> res4 ---+-> res5 -> mean -+
                          lateral conv |           |           |           |                 +-> linear
        fast   all frames, few channels+-> res2 ---+-> res3 ---+-> res4 ---+-> res5 -> mean -+

Axes: b clips, c channels, t frames, h rows, w columns. Input: RGB, normalized for its preset; one clip, of which the
slow pathway takes its frames itself. Space is halved by conv1, pool1 and the first 3 x 3 convolution of res3, res4 and
res5; time only where `stem_stride`, `pool1` and `pool2` say so.
"""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..nn import NonLocal, check_clip, conv3d, named
from .interface import Clips, Logits, VideoModel
from .pathway import Block, Pathway, Times

FrameChoice = Literal["spread", "every"]


class VideoResNet(VideoModel):
    """One pathway. `times` has, for each stage, the frames that each block's first kernel reaches over.

    channels      of the video: 3 of RGB, 2 of flow or motion vectors
    width         channels of conv1 and, inside the bottlenecks, of res2; each stage has twice as many as the one before
    times         (3, 1, 3, 1) of a stage is four blocks, of which every second is 3 x 1 x 1; or 1 x 1 x 1 everywhere
    inflate       which kernel of a block reaches over time: the first "1x1", or the "3x3"
    stem          frames that conv1 reaches over
    stem_stride   of conv1 over time
    pool1, pool2  (frames, stride over time) of the pooling after conv1 and the one after res2; None has no second.
                  Poolings of an odd number of frames are padded
    non_local     for each stage, after which of its blocks `attend` stands
    attend        builds that block for so many channels
    pool_side     None classifies the mean of the last map; a number, the mean of what windows of so many pixels (all
                  frames, stride 1) average: pytorchvideo's head, which weighs the middle of larger images more
    zero_init     residual branches begin at zero, as in the official training

    pytorchvideo classifies each window and averages; that is the same but for its dropout.
    """

    def __init__(
        self,
        *,
        num_classes: int,
        channels: int = 3,
        width: int = 64,
        times: Times,
        inflate: Literal["1x1", "3x3"] = "1x1",
        stem: int = 1,
        stem_stride: int = 1,
        pool1: tuple[int, int] = (1, 1),
        pool2: tuple[int, int] | None = None,
        non_local: Times = (),
        attend: Block = NonLocal,
        pool_side: int | None = None,
        dropout: float = 0.5,
        zero_init: bool = True,
    ) -> None:
        super().__init__()
        self.net = Pathway(
            channels=channels,
            width=width,
            times=times,
            inflate=inflate,
            stem=stem,
            stem_stride=stem_stride,
            pool1=pool1,
            pool2=pool2,
            non_local=non_local,
            attend=attend,
            zero_init=zero_init,
        )
        self.channels, self.pool_side = channels, pool_side
        self.drop, self.fc = nn.Dropout(dropout), fresh_linear(self.net.dim, num_classes)
        self.min_frames, self.min_side = self.net.min_frames, self.net.min_side

    def features(self, video: Clips) -> dict[str, Tensor]:
        """conv1, res2, ..., one map a stage."""
        check_clip(video, channels=self.channels, min_frames=self.min_frames, min_side=self.min_side)
        maps = {"conv1": self.net.conv1(video)}
        x = self.net.pool1(maps["conv1"])
        for name in self.net.stages:
            x = maps[name] = self.net.stage(name, x)
        return maps

    def encode(self, video: Clips) -> Tensor:
        *_, last = self.features(video).values()
        return self.net.pooled(last, self.pool_side)

    def classify(self, encoded: Tensor) -> Logits:
        return self.fc(self.drop(encoded))

    def forward(self, video: Clips) -> Logits:
        return self.classify(self.encode(video))


class SlowFast(VideoModel):
    """Two pathways, `slow` and `fast`, which has 1 / `fast_ratio` of the channels and `alpha` times the frames.

    slow_times, fast_times  as `times` of `VideoResNet`
    lateral_frames          that the convolutions from fast to slow reach over; they have stride `alpha` over time and
                            give twice the channels of the fast pathway, which the slow one takes beside its own
    lateral_norm            normalization and ReLU after them; mmaction2 has none
    slow_frames             which frames the slow pathway takes: "spread" evenly, the first and the last among them, as
                            PySlowFast does, or "every" alpha-th from the first, as the paper and mmaction2 do
    non_local, attend       blocks in the slow pathway, as in `VideoResNet`; `pool_side` and `zero_init` too

    A ValueError has both numbers where frames do not divide by `alpha`.
    """

    def __init__(
        self,
        *,
        num_classes: int,
        alpha: int,
        slow_times: Times,
        fast_times: Times,
        width: int = 64,
        fast_ratio: int = 8,
        lateral_frames: int = 5,
        lateral_norm: bool = True,
        slow_frames: FrameChoice = "spread",
        non_local: Times = (),
        attend: Block = NonLocal,
        pool_side: int | None = None,
        dropout: float = 0.5,
        zero_init: bool = True,
    ) -> None:
        super().__init__()
        thin = width // fast_ratio
        self.slow = Pathway(
            width=width,
            times=slow_times,
            beside=tuple(2 * c for c in Pathway.widths(thin, len(slow_times))),
            non_local=non_local,
            attend=attend,
            zero_init=zero_init,
        )
        self.fast = Pathway(width=thin, times=fast_times, stem=5, zero_init=zero_init)
        self.lateral = nn.ModuleDict()
        for name, c in zip(("pool1", *self.slow.stages[:-1]), Pathway.widths(thin, len(slow_times)), strict=True):
            conv = conv3d(c, 2 * c, kernel=(lateral_frames, 1, 1), stride=(alpha, 1, 1))
            nn.init.kaiming_normal_(conv.get_submodule("conv").get_parameter("weight"), mode="fan_out")
            self.lateral[name] = conv if lateral_norm else named(conv=conv.get_submodule("conv"))
        self.alpha, self.slow_frames, self.pool_side = alpha, slow_frames, pool_side
        self.drop, self.fc = nn.Dropout(dropout), fresh_linear(self.slow.dim + self.fast.dim, num_classes)
        self.min_frames, self.min_side = alpha, self.slow.min_side

    def features(self, video: Clips) -> dict[str, Tensor]:
        """fast.conv1, fast.res2, ..., then slow.conv1, slow.res2, ..., one map a stage and pathway."""
        check_clip(video, min_frames=self.min_frames, min_side=self.min_side)
        slow, fast = {"slow.conv1": self.slow.conv1(self.slow_input(video))}, {"fast.conv1": self.fast.conv1(video)}
        x, y, before = self.slow.pool1(slow["slow.conv1"]), self.fast.pool1(fast["fast.conv1"]), "pool1"
        for name in self.slow.stages:
            x = slow[f"slow.{name}"] = self.slow.stage(name, torch.cat([x, self.lateral[before](y)], 1))
            y = fast[f"fast.{name}"] = self.fast.stage(name, y)
            before = name
        return fast | slow

    def slow_input(self, video: Float[Tensor, "b c t h w"]) -> Float[Tensor, "b c _ h w"]:
        """The t / alpha frames of the slow pathway."""
        t = video.shape[2]
        if t % self.alpha:
            raise ValueError(
                f"video has {t} frames; the slow pathway takes one of every {self.alpha}, so give a multiple of that"
            )
        if self.slow_frames == "every":
            return video[:, :, :: self.alpha]
        # The official frames, whose places are rounded towards zero after single-precision arithmetic on the CPU.
        places = torch.linspace(0, t - 1, t // self.alpha, device="cpu").long()
        return video.index_select(2, places.to(video.device))

    def encode(self, video: Clips) -> Tensor:
        maps, last, side = self.features(video), self.slow.stages[-1], self.pool_side
        return torch.cat(
            [self.slow.pooled(maps[f"slow.{last}"], side), self.fast.pooled(maps[f"fast.{last}"], side)], 1
        )

    def classify(self, encoded: Tensor) -> Logits:
        return self.fc(self.drop(encoded))

    def forward(self, video: Clips) -> Logits:
        return self.classify(self.encode(video))


def fresh_linear(c_in: int, c_out: int) -> nn.Linear:
    """A linear layer as the official code draws it: weights of standard deviation 0.01, no bias yet."""
    fc = nn.Linear(c_in, c_out)
    nn.init.normal_(fc.weight, std=0.01)
    nn.init.zeros_(fc.bias)
    return fc
