"""Motionformer (Patrick et al., NeurIPS 2021, arXiv:2106.05392): a video transformer that follows trajectories.

        video -> patches of 2 frames -> + positions -> class token first -> blocks -> norm -> class token
              -> linear, tanh -> linear

Axes: b clips, c channels, t frames, h rows, w columns, n tokens, d features. Input: RGB, normalized for its preset.
`project_values` is where the released weights and the paper part: see `nn/trajectory.py`.
"""

from typing import Protocol, runtime_checkable

from torch import Tensor, linspace, nn

from ..nn import (
    ClassToken,
    DividedBlock,
    GridPositions,
    SelfAttention,
    TrajectoryAttention,
    TransformerBlock,
    check_patches,
    draw_weights,
    named,
    patch_grid,
    to_map,
    to_tokens,
)
from ..nn.transformer import deepening, last_tokens, layer_norm
from .interface import Clips, Logits, VideoModel

ATTENTIONS = ("trajectory", "joint", "divided")


@runtime_checkable
class BuildLandmarks(Protocol):
    """`nn.Orthoformer`, `nn.Nystrom` or a partial of them."""

    def __call__(self) -> nn.Module: ...


class Motionformer(VideoModel):
    """`dim` features, `depth` blocks of `heads` heads, patches of `patch` = (frames, pixels).

    attention       "trajectory", or the paper's baselines: "joint" (every token looks at all), "divided" (time, then
                    space)
    landmarks       attention goes through landmarks, of 128 tokens unless the partial has another number:
                    `landmarks=Orthoformer`; not for "divided"
    project_values  the values of trajectories as in the paper; the released weights want the default
    frames, side    of the clips that it is made for; for others, positions are resampled
    drop_path       the last block's chance to be skipped by a clip in training; those before have less

    A verb and a noun head are one head here: their logits side by side, verbs first.
    The released weights have a convolution for images besides that for clips; `image_patches` holds it, unused.
    """

    def __init__(
        self,
        *,
        num_classes: int,
        attention: str = "trajectory",
        landmarks: BuildLandmarks | None = None,
        project_values: bool = False,
        dim: int = 768,
        depth: int = 12,
        heads: int = 12,
        patch: tuple[int, int] = (2, 16),
        frames: int = 16,
        side: int = 224,
        dropout: float = 0.0,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__()
        if attention not in ATTENTIONS:
            raise ValueError(f"attention is {attention!r}; Motionformer knows {', '.join(ATTENTIONS)}")
        if landmarks is not None and attention == "divided":
            raise ValueError("divided attention goes through no landmarks; take attention='trajectory' or 'joint'")
        if project_values and attention != "trajectory":
            raise ValueError(f"project_values is of trajectories; with attention={attention!r} leave it out")
        self.patch, self.min_frames, self.min_side = patch, *patch
        (t, p), grid = patch, patch_grid(frames, side, patch)
        self.patches = nn.Conv3d(3, dim, (t, p, p), (t, p, p))
        self.image_patches = nn.Conv2d(3, dim, p, p)
        self.positions = GridPositions(dim, side=grid[1], frames=grid[0])
        self.first = ClassToken(dim)

        def block(rate: float) -> nn.Module:
            if attention == "divided":
                return DividedBlock(dim, heads=heads, drop_path=rate)
            through = None if landmarks is None else landmarks()
            if attention == "joint":
                inner: nn.Module = SelfAttention(dim, heads=heads, landmarks=through)
            else:
                inner = TrajectoryAttention(dim, heads=heads, project_values=project_values, landmarks=through)
            return TransformerBlock(dim, attention=inner, drop_path=rate)

        self.blocks = nn.ModuleList(block(rate) for rate in linspace(0, drop_path, depth, device="cpu").tolist())
        self.norm = layer_norm(dim)
        self.pre_logits = named(fc=nn.Linear(dim, dim), act=nn.Tanh())
        self.drop, self.fc = nn.Dropout(dropout), nn.Linear(dim, num_classes)
        draw_weights(self)

    def features(self, video: Clips) -> dict[str, Tensor]:
        """patches, then one map after every quarter of the blocks: block3, block6, ..."""
        patches = self._patches(video)
        maps, grid = {"patches": patches}, (patches.shape[2], patches.shape[3], patches.shape[4])
        for name, tokens in deepening(self.blocks, self.first(to_tokens(patches)), grid[0]):
            maps[name] = to_map(tokens, grid)
        return maps

    def _patches(self, video: Clips) -> Tensor:
        check_patches(video, frames=self.patch[0], side=self.patch[1])
        return self.positions(self.patches(video))

    def encode(self, video: Clips) -> Tensor:
        """The class token (b, d) after the last normalization."""
        patches = self._patches(video)
        tokens = last_tokens(self.blocks, self.first(to_tokens(patches)), patches.shape[2])
        return self.norm(tokens)[:, 0]

    def classify(self, encoded: Tensor) -> Logits:
        return self.fc(self.drop(self.pre_logits(encoded)))

    def forward(self, video: Clips) -> Logits:
        return self.classify(self.encode(video))
