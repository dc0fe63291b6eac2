"""Linear heads on features of real clips that were encoded once: what the scripts with grouped folds share.

Every block of numbers has a StandardLinear head of its own, trained by the recipe of the shipped preset; what is to
decide together adds its logits.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil

import numpy as np
import torch
from torch import Tensor, nn

from marey.data import Manifest, grouped_folds
from marey.jobs.choose import Wishes, choose_recipe
from marey.jobs.learn import one_thread
from marey.nn import StandardLinear
from marey.presets import find_preset
from marey.tasks import Recognition
from marey.training import class_weights, fit, shuffled_order

SHIPPED = "motion_appearance"


@dataclass(frozen=True)
class Choice:
    """Which blocks are classified, with what weight decay, and whether rare classes weigh more."""

    blocks: tuple[str, ...]
    weight_decay: float
    weighted: bool

    def __str__(self) -> str:
        return f"{'+'.join(self.blocks)}, decay {self.weight_decay:g}{', class weights' if self.weighted else ''}"


Logits = dict[str, Tensor]  # block -> (clips, classes)


@dataclass(frozen=True)
class Clips:
    """What the study is about: the readable clips, their classes (one-hot), and the numbers of every block."""

    manifest: Manifest
    duplicates: Sequence[Sequence[str]] | None
    targets: Tensor
    features: Mapping[str, Tensor]

    @property
    def truth(self) -> np.ndarray:
        return self.targets.argmax(1).numpy()

    @property
    def groups(self) -> list[str | None]:
        return [sample.group for sample in self.manifest.samples]

    def folds(self, clips: np.ndarray, *, folds: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
        """Grouped folds of some of the clips, as indices into all of them."""
        some = replace(self.manifest, samples=tuple(self.manifest.samples[i] for i in clips))
        parts = grouped_folds(some, folds=folds, seed=seed, near_duplicate_groups=self.duplicates)
        return [(clips[train], clips[test]) for train, test in parts]


def learn(clips: Clips, train: np.ndarray, test: np.ndarray, how: Choice, *, apart: bool = False) -> Logits:
    """What heads that learned from the clips `train` as `how` says, say of the clips `test`, by block.

    apart  gradients are not limited in common, as they are in a model: each block learns as if it were alone
    """
    recipe, batch_size, _ = choose_recipe(find_preset(SHIPPED), Wishes(weight_decay=how.weight_decay), clips=len(train))
    recipe = replace(recipe, clip_norm=None) if apart else recipe
    targets, task = clips.targets[train], Recognition.of(clips.manifest)
    inputs = {block: clips.features[block][train] for block in how.blocks}
    weights = class_weights(targets.sum(0)) if how.weighted else None
    heads = nn.ModuleDict({block: StandardLinear(x.shape[1], task.classes) for block, x in inputs.items()})
    for block, x in inputs.items():
        heads[block].measure(x)  # type: ignore[operator] - a StandardLinear

    def batches(epoch: int) -> list[Tensor]:
        return list(torch.as_tensor(shuffled_order(len(train), seed=recipe.seed, epoch=epoch)).split(batch_size))

    def step(part: Tensor) -> dict[str, Tensor]:
        losses = [task.loss(heads[block](x[part]), targets[part], class_weights=weights) for block, x in inputs.items()]
        return {"loss": torch.stack(losses).sum()}

    with one_thread():
        steps = ceil(len(train) / batch_size)
        fit(step, batches, model=heads, recipe=recipe, batches_per_epoch=steps, device="cpu")
    with torch.inference_mode():
        return {block: heads[block](clips.features[block][test]) for block in how.blocks}


def is_right(logits: Logits, blocks: Sequence[str], truth: np.ndarray) -> np.ndarray:
    """float (clips,): 1 where the blocks together name the class."""
    best = torch.stack([logits[block] for block in blocks]).sum(0).argmax(1).numpy()
    return (best == truth).astype(float)
