"""MViT (Fan et al., ICCV 2021, arXiv:2104.11227) and MViTv2 (Li et al., CVPR 2022, arXiv:2112.01526): transformers of
patches that, stage by stage, halve the resolution and double the features.

        video -> overlapping patches -> [+ positions] -> class token first -> blocks -> norm -> class token -> linear

Axes: b clips, c channels, t frames, h rows, w columns, n tokens, d features. Input: RGB, normalized for its preset.
"""

from collections.abc import Iterator

from torch import Tensor, linspace, nn

from ..nn import ClassToken, GridPositions, check_clip, draw_weights, to_map, to_tokens
from ..nn.pooling_attention import Grid, PoolingBlock
from ..nn.transformer import layer_norm
from .interface import Clips, Logits, VideoModel


class MViT(VideoModel):
    """`stages` blocks of `dim` features, twice and twice again as many; patches of 3 x 7 x 7, every 2 x 4 x 4.

    head_dim      features of an attention head; every stage has as many heads as these divide its features
    frames, side  of its clips, exactly: positions count the patches of such a clip
    key_stride    by how much the first stage pools keys and values in space, half of it the second, ...
    improved      MViTv2: relative positions instead of absolute ones, features double in the attention that pools
                  (not one block earlier, behind it), and pooled queries are added to the attention's answers
    drop_path     the last block's chance to be skipped by a clip in training; those before have less
    """

    def __init__(
        self,
        *,
        num_classes: int,
        stages: tuple[int, ...] = (1, 2, 11, 2),
        dim: int = 96,
        head_dim: int = 96,
        frames: int = 16,
        side: int = 224,
        key_stride: int = 8,
        improved: bool = False,
        dropout: float = 0.0,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__()
        if head_dim < 1 or dim % head_dim:
            raise ValueError(f"dim is {dim} and head_dim {head_dim}; the features must divide by those of a head")
        self.stages, self.min_frames, self.min_side = stages, frames, side
        self.patches = nn.Conv3d(3, dim, (3, 7, 7), (2, 4, 4), (1, 3, 3))
        grid: Grid = (-(-frames // 2), -(-side // 4), -(-side // 4))
        self.positions = nn.Identity() if improved else GridPositions(dim, side=grid[1], frames=grid[0])
        self.first = ClassToken(dim, placed=not improved)
        self.blocks = nn.ModuleList()
        rates = iter(linspace(0, drop_path, sum(stages), device="cpu").tolist())
        for stage, place in self._places():
            opens, closes = stage > 0 and place == 0, stage < len(stages) - 1 and place == stages[stage] - 1
            here = dim * 2**stage
            block = PoolingBlock(
                here // 2 if improved and opens else here,
                here * 2 if closes and not improved else here,
                heads=here // head_dim,
                grid=grid,
                query_stride=2 if opens else 1,
                key_stride=max(key_stride // 2**stage, 1),
                improved=improved,
                drop_path=next(rates),
            )
            self.blocks.append(block)
            grid = block.out_grid
        last = dim * 2 ** (len(stages) - 1)
        self.norm = layer_norm(last)
        self.drop, self.fc = nn.Dropout(dropout), nn.Linear(last, num_classes)
        draw_weights(self)

    def _places(self) -> Iterator[tuple[int, int]]:
        """(stage, block of it) of all blocks in order."""
        for stage, count in enumerate(self.stages):
            for place in range(count):
                yield stage, place

    def features(self, video: Clips) -> dict[str, Tensor]:
        """patches, then one map after every stage: scale1, scale2, ..."""
        patches = self._patches(video)
        maps, x = {"patches": patches}, self.first(to_tokens(patches))
        for (stage, place), block in zip(self._places(), self.blocks, strict=True):
            assert isinstance(block, PoolingBlock)
            x = block(x)
            if place == self.stages[stage] - 1:
                maps[f"scale{stage + 1}"] = to_map(x, block.out_grid)
        return maps

    def _patches(self, video: Clips) -> Tensor:
        check_clip(video, frames=self.min_frames, side=self.min_side)
        return self.positions(self.patches(video))

    def encode(self, video: Clips) -> Tensor:
        """The class token (b, d) after the last normalization."""
        x = self.first(to_tokens(self._patches(video)))
        for block in self.blocks:
            x = block(x)
        return self.norm(x[:, 0])

    def classify(self, encoded: Tensor) -> Logits:
        return self.fc(self.drop(encoded))

    def forward(self, video: Clips) -> Logits:
        return self.classify(self.encode(video))
