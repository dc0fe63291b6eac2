"""The residual stages that C2D, I3D, Slow and both halves of SlowFast are made of.

        video -> conv1 -> pool1 -> res2 -> (pool2) -> res3 -> res4 -> res5

Names of stages are those of the papers' tables (Wang et al., CVPR 2018, arXiv:1711.07971; Feichtenhofer et al., ICCV
2019, arXiv:1812.03982).
"""

from typing import Literal, Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from ..nn import NonLocal, bottleneck_3d, conv3d

Times = tuple[tuple[int, ...], ...]


@runtime_checkable
class Block(Protocol):
    """Builds a block for maps of so many channels, whose shape it keeps."""

    def __call__(self, width: int, /) -> nn.Module: ...


class Pathway(nn.Module):
    """Stages as attributes: conv1, pool1, res2, ...; `stages` names those from res2 on, `dim` is the last channels.

    `channels` is 3 of RGB, 2 of flow or motion vectors. `beside` is how many channels of another pathway come to each
    stage beside its own; the rest is told by `slowfast.VideoResNet`.
    """

    def __init__(
        self,
        *,
        width: int,
        times: Times,
        channels: int = 3,
        inflate: Literal["1x1", "3x3"] = "1x1",
        stem: int = 1,
        stem_stride: int = 1,
        pool1: tuple[int, int] = (1, 1),
        pool2: tuple[int, int] | None = None,
        beside: tuple[int, ...] = (),
        non_local: Times = (),
        attend: Block = NonLocal,
        zero_init: bool = True,
    ) -> None:
        super().__init__()
        self.stages = [f"res{i + 2}" for i in range(len(times))]
        self.conv1 = conv3d(channels, width, kernel=(stem, 7, 7), stride=(stem_stride, 2, 2))
        self.pool1 = nn.MaxPool3d((pool1[0], 3, 3), (pool1[1], 2, 2), (pool1[0] // 2, 1, 1))
        given = self.widths(width, len(times))
        beside, non_local = beside or (0,) * len(times), non_local or ((),) * len(times)
        for i, (c_in, more, reaches, after) in enumerate(zip(given, beside, times, non_local, strict=True)):
            blocks, inner, c_in = nn.Sequential(), width * 2**i, c_in + more
            for j, frames in enumerate(reaches):
                reach = (frames, 1) if inflate == "1x1" else (1, frames)
                stride = 2 if i and not j else 1
                block = bottleneck_3d(c_in, inner, times=reach, stride=stride, zero_init=zero_init)
                blocks.add_module(f"block{j}", block)
                c_in = 4 * inner
                if j in after:
                    blocks.add_module(f"non_local{j}", attend(c_in))
            self.add_module(self.stages[i], blocks)
            if not i and pool2 is not None:
                frames, stride = pool2
                self.pool2 = nn.MaxPool3d((frames, 1, 1), (stride, 1, 1), (frames // 2 if frames % 2 else 0, 0, 0))
        for module in self.modules():
            if isinstance(module, nn.Conv3d) and module.bias is None:  # those with a bias are the attending blocks' own
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        self.mean = nn.AdaptiveAvgPool3d(1)
        self.dim = width * 2 ** (len(times) + 1)
        self.min_frames = 2 if pool2 is not None and pool2[0] % 2 == 0 else 1
        self.min_side = 2 ** (len(times) + 1)

    @staticmethod
    def widths(width: int, stages: int) -> list[int]:
        """Channels that each stage is given by the one before it."""
        return [width, *(4 * width * 2**i for i in range(stages - 1))]

    def stage(self, name: str, x: Float[Tensor, "b c t h w"]) -> Float[Tensor, "b _ _ _ _"]:
        """One of `stages`, with the pooling before it if it has one."""
        if name == "res3" and hasattr(self, "pool2"):
            x = self.pool2(x)
        return self.get_submodule(name)(x)

    def pooled(self, x: Float[Tensor, "b c t h w"], side: int | None) -> Float[Tensor, "b c"]:
        """The mean of the last map, or of the means of its windows: `side` x `side` pixels and all frames, stride 1."""
        if side is not None:
            t, h, w = x.shape[2:]
            x = F.avg_pool3d(x, (t, min(side, h), min(side, w)), stride=1)
        return self.mean(x).flatten(1)
