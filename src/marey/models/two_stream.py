"""Two streams: one network looks at pictures, the other at how they move (Simonyan and Zisserman, NIPS 2014).

        flow and RGB of a clip, side by side
            rgb   -> the middle frame of each snippet          -> image network -> linear -+
                                                                                           +-> mean of the logits
            flow  -> the fields of each snippet, as channels   -> image network -> linear -+

        3D-Fused:   both maps -> 3 x 3 x 3 convolution -> 3 x 3 x 3 max pooling -> mean -> linear
        Two-Stream I3D:   a network of clips on each, and the sum of the logits

arXiv:1406.2199. The two latter, and the sizes, are those that Carreira and Zisserman compare (CVPR 2017,
arXiv:1705.07750). Axes: b clips, c channels, t frames, h rows, w columns. Input: RGB in channels 0 to 2, then flow to
the right and down. Simonyan and Zisserman subtract the mean of every field of flow, against a moving camera; we, as
the other paper, do not. They average probabilities, we logits.
"""

from collections.abc import Callable, Mapping
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..nn import check_clip, conv3d, middle_frames, stacked_frames, unfold_time
from .frames import BuildModel
from .interface import Clips, ImageEncoder, Logits, VideoModel

RGB, FLOW = 3, 2  # channels


class SnippetNet(VideoModel):
    """A network of images on snippets of `frames` frames; the mean over positions and snippets is classified.

    channels  of the video: 3 of RGB, 2 of flow or motion vectors
    stacked   the encoder sees all frames of a snippet as `channels * frames` channels, x and y of the first field, x
              and y of the second, ...; otherwise it sees the snippet's middle frame
    """

    def __init__(
        self,
        *,
        num_classes: int,
        encoder: Callable[[], ImageEncoder],
        channels: int = RGB,
        frames: int = 1,
        stacked: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.channels, self.frames, self.stacked = channels, frames, stacked
        self.encoder = encoder()
        self.pool, self.drop = nn.AdaptiveAvgPool3d(1), nn.Dropout(dropout)
        self.fc = nn.Linear(self.encoder.dim, num_classes)
        self.min_frames, self.min_side = frames, self.encoder.min_side

    def features(self, video: Clips) -> dict[str, Tensor]:
        """The encoder's maps, snippets on the axis of time."""
        check_clip(video, channels=self.channels, min_frames=self.min_frames, min_side=self.min_side)
        images = (stacked_frames if self.stacked else middle_frames)(video, self.frames)
        return {name: unfold_time(x, video.shape[2] // self.frames) for name, x in self.encoder(images).items()}

    def encode(self, video: Clips) -> Tensor:
        *_, last = self.features(video).values()
        return self.pool(last).flatten(1)

    def classify(self, encoded: Tensor) -> Logits:
        return self.fc(self.drop(encoded))

    def forward(self, video: Clips) -> Logits:
        return self.classify(self.encode(video))


class TwoStream(VideoModel):
    """`spatial` sees RGB, `temporal` flow; each ends in one linear layer `fc`. `fuse` merges their logits.

    Networks that were trained apart go in by `load_state_dict` of `spatial` and of `temporal`.
    """

    def __init__(
        self, *, num_classes: int, spatial: BuildModel, temporal: BuildModel, fuse: Literal["mean", "add"] = "mean"
    ) -> None:
        super().__init__()
        self.spatial, self.temporal = spatial(num_classes=num_classes), temporal(num_classes=num_classes)
        self.scale = 0.5 if fuse == "mean" else 1.0
        self.dims = [width_read(stream) for stream in (self.spatial, self.temporal)]
        self.min_frames = max(self.spatial.min_frames, self.temporal.min_frames)
        self.min_side = max(self.spatial.min_side, self.temporal.min_side)

    def features(self, video: Clips) -> dict[str, Tensor]:
        """spatial.stem, temporal.stem, ...: the maps of both, large ones first."""
        return by_size(self.spatial.features(self._rgb(video)), self.temporal.features(video[:, RGB:]))

    def encode(self, video: Clips) -> Tensor:
        """(b, d): what the classifier of each stream reads, side by side."""
        return torch.cat([self.spatial.encode(self._rgb(video)), self.temporal.encode(video[:, RGB:])], 1)

    def branches(self, encoded: Tensor) -> list[Tensor]:
        """Logits of the two streams, halved where they are averaged."""
        spatial, temporal = encoded.split(self.dims, dim=1)
        return [self.spatial.classify(spatial) * self.scale, self.temporal.classify(temporal) * self.scale]

    def classify(self, encoded: Tensor) -> Logits:
        spatial, temporal = self.branches(encoded)
        return spatial + temporal

    def forward(self, video: Clips) -> Logits:
        return self.classify(self.encode(video))

    def _rgb(self, video: Clips) -> Float[Tensor, "b 3 t h w"]:
        check_clip(video, channels=RGB + FLOW, min_frames=self.min_frames, min_side=self.min_side)
        return video[:, :RGB]


class Fused3D(VideoModel):
    """3D-Fused: the last maps of both streams, a step of time for each snippet of `frames` frames, meet in 3D.

    How far the max pooling steps is not told in the paper; ours is padded and halves every axis, and what is left is
    averaged. Normalization and ReLU follow the convolution, as everywhere in that paper.
    """

    def __init__(
        self,
        *,
        num_classes: int,
        spatial: Callable[[], ImageEncoder],
        temporal: Callable[[], ImageEncoder],
        frames: int = 10,
        width: int = 512,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.frames, self.spatial, self.temporal = frames, spatial(), temporal()
        self.fusion = conv3d(self.spatial.dim + self.temporal.dim, width, kernel=(3, 3, 3))
        self.pool, self.mean = nn.MaxPool3d(3, 2, 1), nn.AdaptiveAvgPool3d(1)
        self.drop, self.fc = nn.Dropout(dropout), nn.Linear(width, num_classes)
        self.min_frames, self.min_side = frames, max(self.spatial.min_side, self.temporal.min_side)

    def features(self, video: Clips) -> dict[str, Tensor]:
        """spatial.stem, temporal.stem, ..., fusion."""
        check_clip(video, channels=RGB + FLOW, min_frames=self.min_frames, min_side=self.min_side)
        images = (middle_frames(video[:, :RGB], self.frames), stacked_frames(video[:, RGB:], self.frames))
        snippets = video.shape[2] // self.frames
        pairs = ((self.spatial, images[0]), (self.temporal, images[1]))
        spatial, temporal = ({name: unfold_time(x, snippets) for name, x in net(x).items()} for net, x in pairs)
        last = torch.cat([list(maps.values())[-1] for maps in (spatial, temporal)], 1)
        return by_size(spatial, temporal) | {"fusion": self.fusion(last)}

    def encode(self, video: Clips) -> Tensor:
        return self.mean(self.pool(self.features(video)["fusion"])).flatten(1)

    def classify(self, encoded: Tensor) -> Logits:
        return self.fc(self.drop(encoded))

    def forward(self, video: Clips) -> Logits:
        return self.classify(self.encode(video))


def width_read(stream: VideoModel) -> int:
    """How many numbers the classifier of a stream reads."""
    fc = stream.get_submodule("fc")
    assert isinstance(fc, nn.Linear)
    return fc.in_features


def by_size(spatial: Mapping[str, Tensor], temporal: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The maps of two streams under the stream's name, large ones first."""
    maps = {f"spatial.{name}": x for name, x in spatial.items()} | {
        f"temporal.{name}": x for name, x in temporal.items()
    }
    return dict(sorted(maps.items(), key=lambda item: item[1].shape[2:], reverse=True))


def flow_kernel(kernel: Float[Tensor, "out _ *sizes"], *, channels: int) -> Float[Tensor, "out channels *sizes"]:
    """A first convolution of RGB as one of `channels` channels of flow: the mean over RGB, repeated.

    The cross-modality initialization of TSN (Wang et al., ECCV 2016, arXiv:1608.00859). ValueError for a kernel of
    other than 3 channels.
    """
    if kernel.shape[1] != RGB:
        raise ValueError(
            f"the first kernel has {kernel.shape[1]} channels; a network of RGB has {RGB}, so start of one"
        )
    return kernel.mean(1, keepdim=True).expand(-1, channels, *kernel.shape[2:]).contiguous()


def flow_start(state: Mapping[str, Tensor], *, channels: int) -> dict[str, Tensor]:
    """The state dict of a network of RGB as a start for the same network on `channels` channels of flow.

    Only its first convolution changes, by `flow_kernel`. ValueError where there is none.
    """
    first = next((name for name, x in state.items() if x.ndim in (4, 5)), None)
    if first is None:
        raise ValueError(f"the state has no convolution among its {len(state)} tensors; give that of a network of RGB")
    return {**state, first: flow_kernel(state[first], channels=channels)}
