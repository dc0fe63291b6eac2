"""GRU-RCN: recurrence over the maps of several depths of an image network (Ballas et al., ICLR 2016, arXiv:1511.06432).

        frames -> image encoder -> map of level 1 -> ConvGRU -> last state -> mean over space -> linear -> softmax
                                -> map of level 2 -> ConvGRU -> ...                 the mean of all softmaxes

        stacked:        the ConvGRU of a level also reads the state of the level before, max-pooled to its own size
        bidirectional:  a second ConvGRU reads the frames backwards; its last state stands beside the other's

There is no official code. What follows the paper as remembered, not as checked against it: the levels pool2 to pool5
and fc7 of VGG-16, states of 64, 128, 256, 256 and 512 channels, 3 x 3 kernels (1 x 1 on fc7, a map of one pixel), the
classifiers' mean, and pooling before the 3 x 3 convolution between levels. The gates are PyTorch's way round, see
`nn.ConvGRU`; any other recurrence of `nn.conv_recurrent` fits in its place.
Axes: b clips, c channels, t frames, h rows, w columns, d features, k classes. Input: RGB, normalized for its preset.
"""

from collections.abc import Callable
from math import log
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from ..nn import BuildRecurrence, ConvGRU, ConvRecurrence, check_clip, fold_time, unfold_time
from .frames import as_clip
from .interface import Clips, ImageEncoder, Logits, VideoModel

States = tuple[Any, ...]  # of a recurrence a level


class RCN(VideoModel):
    """Logits are the log of the mean of the levels' softmaxes.

    encoder  builds the network of images; `levels` names the maps of it that are read, shallow to deep
    hidden   channels of each level's state
    kernels  of each level; 3 unless given
    cell     builds a recurrence, `nn.ConvGRU` or another
    channels of the video, as the encoder takes them
    """

    def __init__(
        self,
        *,
        num_classes: int,
        encoder: Callable[[], ImageEncoder],
        levels: tuple[str, ...],
        hidden: tuple[int, ...],
        kernels: tuple[int, ...] | None = None,
        cell: BuildRecurrence = ConvGRU,
        bidirectional: bool = False,
        stacked: bool = False,
        dropout: float = 0.0,
        channels: int = 3,
    ) -> None:
        super().__init__()
        self.encoder, self.levels, self.stacked, self.channels = encoder(), levels, stacked, channels
        self.min_side = self.encoder.min_side
        self.cells, self.back, self.fcs = nn.ModuleDict(), nn.ModuleDict(), nn.ModuleDict()
        widths, below = _widths(encoder, channels, self.min_side), 0
        kernels = (3,) * len(levels) if kernels is None else kernels
        directions = (self.cells, self.back) if bidirectional else (self.cells,)
        for level, width, kernel in zip(levels, hidden, kernels, strict=True):
            if level not in widths:
                raise ValueError(f"the encoder has no map {level!r}; it has {', '.join(widths)}")
            for cells in directions:
                cells[level] = cell(widths[level] + below, width, kernel=kernel)
            self.fcs[level] = nn.Linear(width * len(directions), num_classes)
            below = width if stacked else 0
        self.drop, self.sizes = nn.Dropout(dropout), [width * len(directions) for width in hidden]

    def features(self, video: Clips) -> dict[str, Tensor]:
        """The states of each level after each frame (b, d, t, h, w), named as the level; the backward ones are last."""
        maps = self._maps(video)
        forward = self._over(self.cells, maps)
        if not self.back:
            return forward
        backward = self._over(self.back, {level: x.flip(2) for level, x in maps.items()})
        return {level: torch.cat([forward[level], backward[level].flip(2)], 1) for level in self.levels}

    def encode(self, video: Clips) -> Tensor:
        """Means over space of the last states, (b, sum of d); backwards, the last is that of the first frame."""
        last = []
        for states in self.features(video).values():
            width = states.shape[1] // 2 if self.back else states.shape[1]
            last.append(states[:, :width, -1].mean((2, 3)))
            if self.back:
                last.append(states[:, width:, 0].mean((2, 3)))
        return torch.cat(last, 1)

    def classify(self, encoded: Tensor) -> Logits:
        parts = encoded.split(self.sizes, 1)
        levels = [self.fcs[level](self.drop(x)) for level, x in zip(self.levels, parts, strict=True)]
        return torch.stack(levels).log_softmax(-1).logsumexp(0) - log(len(levels))

    def forward(self, video: Clips) -> Logits:
        return self.classify(self.encode(video))

    def steps(self, video: Clips) -> Float[Tensor, "b t k"]:
        """Logits after each frame, which know no later one; ValueError for a bidirectional network."""
        self._check_forward_only()
        tokens = torch.cat([states.mean((3, 4)) for states in self.features(video).values()], 1).transpose(1, 2)
        return self.classify(tokens.flatten(0, 1)).unflatten(0, tokens.shape[:2])

    def step(self, image: Float[Tensor, "b c h w"], state: States | None = None) -> tuple[Logits, States]:
        """The same for one frame more, and the state after it, which does not grow; None is the state before all."""
        self._check_forward_only()
        before = (None,) * len(self.levels) if state is None else state
        after, tokens, below = [], [], None
        for (level, x), held in zip(self._maps(image).items(), before, strict=True):
            output, held = self._cell(self.cells, level).step(self._beside(x[:, :, 0], below), held)
            below = output if self.stacked else None
            after.append(held)
            tokens.append(output.mean((2, 3)))
        return self.classify(torch.cat(tokens, 1)), tuple(after)

    def _maps(self, video: Clips) -> dict[str, Tensor]:
        video = as_clip(video)
        check_clip(video, channels=self.channels, min_frames=self.min_frames, min_side=self.min_side)
        maps = self.encoder(fold_time(video))
        return {level: unfold_time(maps[level], video.shape[2]) for level in self.levels}

    def _over(self, cells: nn.ModuleDict, maps: dict[str, Tensor]) -> dict[str, Tensor]:
        """The states of all levels after each frame, level by level."""
        states: dict[str, Tensor] = {}
        below = None
        for level, x in maps.items():
            both = self._beside(fold_time(x), None if below is None else fold_time(below))
            states[level] = self._cell(cells, level)(unfold_time(both, x.shape[2]))
            below = states[level] if self.stacked else None
        return states

    @staticmethod
    def _beside(x: Float[Tensor, "n _ h w"], below: Tensor | None) -> Float[Tensor, "n _ h w"]:
        """A map and the state of the level before: one convolution of both is the sum of one of each."""
        return x if below is None else torch.cat([x, F.adaptive_max_pool2d(below, x.shape[2:])], 1)

    @staticmethod
    def _cell(cells: nn.ModuleDict, level: str) -> ConvRecurrence:
        cell = cells[level]
        assert isinstance(cell, ConvRecurrence)
        return cell

    def _check_forward_only(self) -> None:
        if self.back:
            raise ValueError(
                "a bidirectional network reads the whole clip before it answers; it cannot go step by step"
            )


def _widths(encoder: Callable[[], ImageEncoder], channels: int, side: int) -> dict[str, int]:
    """Channels of each of the encoder's maps, found on the meta device."""
    with torch.device("meta"), torch.no_grad():
        maps = encoder().eval()(torch.empty(1, channels, side, side))
    return {name: x.shape[1] for name, x in maps.items()}
