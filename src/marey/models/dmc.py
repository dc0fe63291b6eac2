"""Discriminative motion cues from compressed video: DMC-Net (Shou et al., CVPR 2019, arXiv:1901.03460).

        vectors, residual -> generator, frame by frame -> cues (like flow) -> classifier of 2 channels -> logits
                                                           |
                                    in training:  close to optical flow, and not to be told from it

Axes: b clips, c channels, t frames, h rows, w columns. Input: motion vectors in channels 0 and 1, the residual's RGB in
2 to 4, normalized for the preset. No flow is needed once the network is trained.
The paper's classifier trains the generator too; the released code cuts the gradient between them (`detach`, as our
presets do), so that there only flow teaches the generator. As there, vectors are those of one frame. Its flow leads to
the frame after, in means of 16 x 16 pixels; ours leads to this frame as the vectors do, pixel by pixel.
"""

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from ..nn import MotionCues, check_clip, fold_time, named, unfold_time
from ..nn.motion_cues import RESIDUAL, TINY, VECTORS, Widths
from ..video import ClipSpec
from .frames import BuildModel
from .interface import Clips, Logits, VideoModel

DISTIL = 50.0  # the release's 10, whose values of motion are 2.2 where ours are 1
MADE, TRUE = 0, 1  # what the discriminator tells apart


class DMCNet(VideoModel):
    """`classifier` builds a model of clips of 2 channels; `widths` and `reduce` are those of `MotionCues`.

    distil  how much it counts in training that cues are not optical flow; 0 reads no flow
    detach  the loss of the classifier does not reach the generator, as in the released code
    """

    def __init__(
        self,
        *,
        num_classes: int,
        classifier: BuildModel,
        widths: Widths = TINY,
        reduce: int = 1,
        distil: float = DISTIL,
        detach: bool = False,
    ) -> None:
        super().__init__()
        if distil < 0:
            raise ValueError(f"distil is {distil}; it must be 0 or more")
        self.generator = MotionCues(widths=widths, reduce=reduce)
        self.classifier, self.distil, self.detach = classifier(num_classes=num_classes), distil, detach
        self.min_frames, self.min_side = self.classifier.min_frames, self.classifier.min_side

    def cues(self, video: Clips) -> Float[Tensor, "b 2 t h w"]:
        """The motion that the generator makes of a clip, in the units of its motion vectors."""
        check_clip(video, channels=VECTORS + RESIDUAL, min_frames=self.min_frames, min_side=self.min_side)
        return unfold_time(self.generator(fold_time(video)), video.shape[2])

    def features(self, video: Clips) -> dict[str, Tensor]:
        """cues, and the classifier's maps."""
        cues = self.cues(video)
        return {"cues": cues} | self.classifier.features(cues)

    def encode(self, video: Clips) -> Tensor:
        return self.encode_cues(self.cues(video))

    def encode_cues(self, cues: Float[Tensor, "b 2 t h w"]) -> Tensor:
        """What the head reads of cues that are at hand, as a training step has them for its other losses."""
        return self.classifier.encode(cues.detach() if self.detach else cues)

    def classify(self, encoded: Tensor) -> Logits:
        return self.classifier.classify(encoded)

    def studied(self, spec: ClipSpec) -> ClipSpec:
        """Vectors, residual, and flow in the units of the vectors."""
        if not self.distil:
            return spec
        more = {"mean": spec.mean + spec.mean[:VECTORS], "std": spec.std + spec.std[:VECTORS]}
        return replace(spec, modality="vectors+residual+flow", **more)

    def study(self, clips: Clips) -> tuple[Logits, dict[str, Tensor]]:
        if not self.distil:
            return self(clips), {}
        cues, flow = self.cues(clips[:, : VECTORS + RESIDUAL]), clips[:, VECTORS + RESIDUAL :]
        logits = self.classify(self.encode_cues(cues))
        return logits, {"distillation": distillation_loss(cues, flow, weight=self.distil)}

    def forward(self, video: Clips) -> Logits:
        return self.classify(self.encode(video))


class Discriminator(nn.Module):
    """Tells flow from cues: (n, 2, side, side) to logits (n, 2), of being made and of being true.

    As many stages as `widths`, each of `depth` 3 x 3 convolutions with LeakyReLU of which the first halves the sides,
    then a linear layer, whose size and the widths are those of the released network; the rest is ours.
    """

    def __init__(self, *, side: int = 224, widths: Widths = (16, 32, 64, 128), depth: int = 3) -> None:
        super().__init__()
        self.stages, self.side, c_in = nn.Sequential(), side, VECTORS
        for i, width in enumerate(widths):
            stage = nn.Sequential()
            for j in range(depth):
                conv = nn.Conv2d(c_in, width, 3, 1 if j else 2, 1)
                stage.append(named(conv=conv, act=nn.LeakyReLU(0.1)))
                c_in = width
            self.stages.add_module(f"stage{i}", stage)
            side = -(-side // 2)
        self.fc = nn.Linear(c_in * side * side, 2)

    def forward(self, motion: Float[Tensor, "n 2 h w"]) -> Float[Tensor, "n 2"]:
        h, w = motion.shape[2:]
        if (h, w) != (self.side, self.side):
            raise ValueError(f"motion is {h} x {w} pixels; this discriminator was built for {self.side} x {self.side}")
        return self.fc(self.stages(motion).flatten(1))


def distillation_loss(
    cues: Float[Tensor, "b 2 t h w"], flow: Float[Tensor, "b 2 t h w"], *, weight: float = 10.0
) -> Float[Tensor, ""]:
    """How far cues are from optical flow in the same units: `weight` times the mean square."""
    return weight * F.mse_loss(cues, flow)


def fooling_loss(
    discriminator: Discriminator, cues: Float[Tensor, "b 2 t h w"], *, weight: float = 1.0
) -> Float[Tensor, ""]:
    """How well the discriminator knows that cues are made; its gradient reaches the cues, not the discriminator."""
    fixed = {name: p.detach() for name, p in discriminator.named_parameters()}
    logits = functional_call(discriminator, fixed, (fold_time(cues),))
    return weight * F.cross_entropy(logits, _all(TRUE, logits))


def discriminator_loss(
    discriminator: Discriminator,
    cues: Float[Tensor, "b 2 t h w"],
    flow: Float[Tensor, "b 2 t h w"],
    *,
    weight: float = 0.01,
) -> Float[Tensor, ""]:
    """How badly the discriminator tells cues from flow; its gradient reaches the discriminator, not the cues."""
    made, true = discriminator(fold_time(cues.detach())), discriminator(fold_time(flow))
    return weight * (F.cross_entropy(made, _all(MADE, made)) + F.cross_entropy(true, _all(TRUE, true))) / 2


def _all(kind: int, logits: Tensor) -> Tensor:
    return torch.full((len(logits),), kind, device=logits.device)
