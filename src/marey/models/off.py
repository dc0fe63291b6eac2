"""A network and, beside it, a branch that classifies the gradients of its maps: OFF (Sun et al., CVPR 2018).

        clip -> network -> its logits                                                  -+-> sum
                        -> maps of several depths -> flow features, size by size -> linear -+

`add_off` makes them of any network, and `nn/flow_feature.py` says what the branch is.
Axes: b clips, c channels, t frames, h rows, w columns, k classes.
"""

from collections.abc import Callable, Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..nn import FlowFeatureBranch, fold_time
from .frames import BuildModel, as_clip
from .interface import Clips, Logits, VideoModel
from .map_reader import MapReader


class OffModel(VideoModel):
    """Of a model of clips. One frame alone has no motion: that the model answers as it did.

    token_dim  d where `model.encode` gives tokens (b, t, d), None where it gives (b, d)
    """

    def __init__(
        self, *, model: VideoModel, branch: FlowFeatureBranch, reader: MapReader, token_dim: int | None
    ) -> None:
        super().__init__()
        self.model, self.branch, self.reader, self.token_dim = model, branch, reader, token_dim
        self.min_frames, self.min_side = model.min_frames, model.min_side

    def features(self, video: Clips) -> dict[str, Tensor]:
        """Those of the model."""
        return self.model.features(video)

    def encode(self, video: Clips) -> Tensor:
        """What the model's own classifier reads, flat, then what the branch's does: (b, d)."""
        own, flow = self._read(video)
        return torch.cat([own.flatten(1), flow], 1)

    def classify(self, encoded: Tensor) -> Logits:
        own, flow = self._parts(encoded)
        return self.model.classify(own) + self.branch.classify(flow)

    def measure(self, encoded: Tensor) -> None:
        self.model.measure(self._parts(encoded)[0])

    def branches(self, encoded: Tensor) -> list[Tensor]:
        """The model's own logits, and those of the branch."""
        own, flow = self._parts(encoded)
        return [self.model.classify(own), self.branch.classify(flow)]

    def forward(self, video: Clips) -> Logits:
        own, flow = self._read(video)  # as the model gave it: in another order in memory, sums are rounded otherwise
        return self.model.classify(own) + self.branch.classify(flow)

    def _read(self, video: Clips) -> tuple[Tensor, Float[Tensor, "b d"]]:
        clips, frames = len(video), as_clip(video).shape[2]
        with self.reader.heard(self.model) as found:
            own = self.model.encode(video)
        if frames < 2:
            return own, own.new_zeros(clips, self.branch.dim)
        return own, self.branch.encode(self.reader.maps(self.model, found, clips=clips, frames=frames))

    def _parts(self, encoded: Tensor) -> tuple[Tensor, Tensor]:
        own, flow = encoded.split([encoded.shape[1] - self.branch.dim, self.branch.dim], 1)
        own = own.contiguous()
        return own if self.token_dim is None else own.unflatten(1, (-1, self.token_dim)), flow.contiguous()


class OffNet(nn.Module):
    """Of any other network. One of images takes clips (b, c, t, h, w) too, and averages the logits of their frames.

    Images (n, c, h, w) and clips of one frame are answered as they were.
    """

    def __init__(self, *, model: nn.Module, branch: FlowFeatureBranch, reader: MapReader, of_images: bool) -> None:
        super().__init__()
        self.model, self.branch, self.reader, self.of_images = model, branch, reader, of_images

    def forward(self, video: Float[Tensor, "b c *thw"]) -> Logits:
        if video.ndim != 5:
            return self.model(video)
        clips, frames = len(video), video.shape[2]
        with self.reader.heard(self.model) as found:
            if self.of_images:
                own = self.model(fold_time(video)).unflatten(0, (clips, frames)).mean(1)
            else:
                own = self.model(video)
        if frames < 2:
            return own
        maps = self.reader.maps(self.model, found, clips=clips, frames=frames)
        return own + self.branch.classify(self.branch.encode(maps))


def off_network(
    *,
    num_classes: int,
    net: BuildModel,
    at: Sequence[Mapping[str, int]],
    strides: Sequence[int],
    token_dim: int | None = None,
    branch: Callable[..., FlowFeatureBranch] = FlowFeatureBranch,
) -> OffModel:
    """What `add_off` makes of the model that `net` builds, for those who know its maps: nothing is tried.

    `at` has the modules of each group, largest maps first, with the channels of their maps; `strides` those of
    `FlowFeatureBranch`, of which `branch` may be a partial; `token_dim` is that of `OffModel`.
    """
    return OffModel(
        model=net(num_classes=num_classes),
        branch=branch(num_classes=num_classes, groups=[list(group.values()) for group in at], strides=strides),
        reader=MapReader(groups=tuple(map(tuple, at))),
        token_dim=token_dim,
    )
