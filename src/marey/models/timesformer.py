"""TimeSformer (Bertasius, Wang and Torresani, ICML 2021, arXiv:2102.05095): a ViT that also looks along time.

        video -> patches of single frames -> + positions -> class token first -> blocks -> norm -> class token -> linear

Axes: b clips, c channels, t frames, h rows, w columns, n tokens, d features. Input: RGB, normalized for its preset.
"""

from torch import Tensor, linspace, nn

from ..nn import (
    ClassToken,
    GridPositions,
    SelfAttention,
    TimeThenSpaceBlock,
    TransformerBlock,
    check_patches,
    draw_weights,
    fold_time,
    patch_grid,
    to_map,
    to_tokens,
    unfold_time,
)
from ..nn.transformer import deepening, last_tokens, layer_norm
from .interface import Clips, Logits, VideoModel

ATTENTIONS = ("divided", "joint", "space")


class TimeSformer(VideoModel):
    """`dim` features, `depth` blocks of `heads` heads, patches of `patch` pixels.

    attention     "divided" (time, then space), "joint" (every token looks at all) or "space" (frames by themselves,
                  whose class tokens are averaged)
    frames, side  of the clips that it is made for; for others, positions are resampled
    zero_init     divided blocks after the first add nothing from time at first, as officially
    drop_path     the last block's chance to be skipped in training; those before have less
    """

    def __init__(
        self,
        *,
        num_classes: int,
        attention: str = "divided",
        dim: int = 768,
        depth: int = 12,
        heads: int = 12,
        patch: int = 16,
        frames: int = 8,
        side: int = 224,
        dropout: float = 0.0,
        drop_path: float = 0.0,
        zero_init: bool = True,
    ) -> None:
        super().__init__()
        if attention not in ATTENTIONS:
            raise ValueError(f"attention is {attention!r}; TimeSformer knows {', '.join(ATTENTIONS)}")
        self.by_frame, self.patch, self.min_side = attention == "space", patch, patch
        self.patches = nn.Conv3d(3, dim, (1, patch, patch), (1, patch, patch))
        times, places = patch_grid(frames, side, (1, patch))
        self.positions = GridPositions(dim, side=places, frames=0 if self.by_frame else times, resample="nearest")
        self.first = ClassToken(dim)

        def block(rate: float) -> nn.Module:
            if attention == "divided":
                return TimeThenSpaceBlock(dim, heads=heads, drop_path=rate)
            return TransformerBlock(dim, attention=SelfAttention(dim, heads=heads), drop_path=rate)

        self.blocks = nn.ModuleList(block(rate) for rate in linspace(0, drop_path, depth, device="cpu").tolist())
        self.norm = layer_norm(dim)
        self.drop, self.fc = nn.Dropout(dropout), nn.Linear(dim, num_classes)
        draw_weights(self)
        for later in self.blocks[1:]:
            if zero_init and isinstance(later, TimeThenSpaceBlock):
                nn.init.zeros_(later.time_fc.weight)

    def features(self, video: Clips) -> dict[str, Tensor]:
        """patches, then one map after every quarter of the blocks: block3, block6, ..."""
        patches = self._patches(video)
        t, h, w = patches.shape[2:]
        maps = {"patches": patches}
        for name, tokens in deepening(self.blocks, self._tokens(patches), t):
            maps[name] = (
                unfold_time(to_map(tokens, (1, h, w)).squeeze(2), t) if self.by_frame else to_map(tokens, (t, h, w))
            )
        return maps

    def _patches(self, video: Clips) -> Tensor:
        check_patches(video, frames=1, side=self.patch)
        return self.positions(self.patches(video))

    def _tokens(self, patches: Tensor) -> Tensor:
        """Of a clip, or of every frame, with a class token first."""
        return self.first(to_tokens(fold_time(patches).unsqueeze(2) if self.by_frame else patches))

    def encode(self, video: Clips) -> Tensor:
        """The class token (b, d) after the last normalization."""
        patches = self._patches(video)
        first = last_tokens(self.blocks, self._tokens(patches), patches.shape[2])[:, 0]
        return self.norm(first.unflatten(0, (len(video), -1)).mean(1) if self.by_frame else first)

    def classify(self, encoded: Tensor) -> Logits:
        return self.fc(self.drop(encoded))

    def forward(self, video: Clips) -> Logits:
        return self.classify(self.encode(video))
