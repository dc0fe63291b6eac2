"""The video ViT of VideoMAE (Tong et al., NeurIPS 2022, arXiv:2203.12602) with a classifier.

        video -> patches of 2 frames -> + fixed positions -> blocks of joint attention -> mean -> norm -> linear

Axes: b clips, c channels, t frames, h rows, w columns, n tokens, d features. Input: RGB, normalized for its preset.
Keys have no bias. There is no class token.
"""

from torch import Tensor, linspace, nn

from ..nn import SelfAttention, TransformerBlock, check_clip, draw_weights, patch_grid, sinusoids, to_map, to_tokens
from ..nn.transformer import deepening, last_tokens, layer_norm
from .interface import Clips, Logits, VideoModel


class VideoMAE(VideoModel):
    """`dim` features, `depth` blocks of `heads` heads, patches of `patch` = (frames, pixels).

    frames, side  of its clips, exactly: the fixed positions count the patches of such a clip from first to last
    drop_path     the last block's chance to be skipped by a clip in training; those before have less
    """

    table: Tensor

    def __init__(
        self,
        *,
        num_classes: int,
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
        (t, p), grid = patch, patch_grid(frames, side, patch)
        self.min_frames, self.min_side = frames, side
        self.patches = nn.Conv3d(3, dim, (t, p, p), (t, p, p))
        self.register_buffer("table", sinusoids(grid[0] * grid[1] ** 2, dim), persistent=False)
        self.blocks = nn.ModuleList(
            TransformerBlock(dim, attention=SelfAttention(dim, heads=heads, key_bias=False), drop_path=rate)
            for rate in linspace(0, drop_path, depth, device="cpu").tolist()
        )
        self.norm = layer_norm(dim)
        self.drop, self.fc = nn.Dropout(dropout), nn.Linear(dim, num_classes)
        draw_weights(self)

    def features(self, video: Clips) -> dict[str, Tensor]:
        """patches, then one map after every quarter of the blocks: block3, block6, ..."""
        patches = self._patches(video)
        maps, grid = {"patches": patches}, (patches.shape[2], patches.shape[3], patches.shape[4])
        for name, tokens in deepening(self.blocks, to_tokens(patches) + self.table):
            maps[name] = to_map(tokens, grid)
        return maps

    def _patches(self, video: Clips) -> Tensor:
        check_clip(video, frames=self.min_frames, side=self.min_side)
        return self.patches(video)

    def encode(self, video: Clips) -> Tensor:
        """The mean token (b, d), normalized."""
        return self.norm(last_tokens(self.blocks, to_tokens(self._patches(video)) + self.table).mean(1))

    def classify(self, encoded: Tensor) -> Logits:
        return self.fc(self.drop(encoded))

    def forward(self, video: Clips) -> Logits:
        return self.classify(self.encode(video))
