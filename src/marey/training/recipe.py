"""Recipe: the numbers that decide how a model is trained. Same recipe, data and seed: same model."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any, Literal, get_args

from ..errors import UsageError

Optimizer = Literal["adamw", "sgd"]
Precision = Literal["fp32", "bf16"]
RANGES: dict[str, tuple[float, float]] = {  # the lowest and highest value that makes sense
    "epochs": (1, 100_000),
    "lr": (1e-10, 100),
    "weight_decay": (0, 10),
    "momentum": (0, 0.9999),
    "warmup_fraction": (0, 0.9),
    "final_lr_fraction": (0, 1),
    "layer_decay": (0.01, 1),
    "head_first": (0, 0.9),
    "clip_norm": (1e-6, 1e6),
    "accumulate": (1, 100_000),
    "ema_decay": (0.5, 0.999999),
    "patience": (1, 100_000),
    "within_s": (0, 1e9),
    "seed": (0, 2**63 - 1),
}


@dataclass(frozen=True)
class Recipe:
    """How `fit` trains. Batches, augmentation and the loss are the caller's.

    epochs             passes over the data
    lr                 peak learning rate
    optimizer          "adamw" (Loshchilov & Hutter, arXiv:1711.05101) or "sgd" with Nesterov momentum
    weight_decay       on weights of two or more dimensions, never on biases and norms; "sgd" adds it to the gradient
    momentum           of "sgd"
    warmup_fraction    of all steps, in which the rate rises; then it falls along a cosine to lr * final_lr_fraction
    layer_decay        how much slower each block learns than the next, where `fit` is told their depths; 1 is alike
    head_first         of all steps, in which only the classifier learns, where `fit` is told what lies below it
    frozen_statistics  batch normalization keeps its running mean and variance, and uses them in training too
    clip_norm          longest gradient allowed; None lets any pass
    accumulate         batches whose gradients make one optimizer step
    ema_decay          moving average of the parameters, used for validation and as the result; None has none
    precision          "fp32", or "bf16" autocast
    monitor            figure of the epoch's row that picks the best epoch ("val_top1"); lower is better if it ends in
                       "loss". None keeps the last epoch
    patience           epochs without a better `monitor` after which training stops; None never stops early
    within_s           seconds of training after which it stops at the end of an epoch; None has no limit
    seed               of everything random
    """

    epochs: int
    lr: float = 1e-3
    optimizer: Optimizer = "adamw"
    weight_decay: float = 0.02
    momentum: float = 0.9
    warmup_fraction: float = 0.1
    final_lr_fraction: float = 0.0
    layer_decay: float = 1.0
    head_first: float = 0.0
    frozen_statistics: bool = False
    clip_norm: float | None = 1.0
    accumulate: int = 1
    ema_decay: float | None = None
    precision: Precision = "fp32"
    monitor: str | None = None
    patience: int | None = None
    within_s: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for name, (low, high) in RANGES.items():
            value = getattr(self, name)
            if value is not None and not (isfinite(value) and low <= value <= high):
                raise UsageError(f"{name} is {value}; give a number from {low:g} to {high:g}")
        for name, kinds in (("optimizer", Optimizer), ("precision", Precision)):
            if (value := getattr(self, name)) not in get_args(kinds):
                raise UsageError(f"{name} is {value!r}; it can be {' or '.join(get_args(kinds))}")
        if self.patience is not None and self.monitor is None:
            raise UsageError(f"patience is {self.patience}, but no figure is monitored; validation data is needed")

    def better(self, value: float, than: float | None) -> bool:
        """Whether `value` of the monitored figure beats the best so far; NaN never does."""
        if than is None:
            return value == value
        return value < than if (self.monitor or "").endswith("loss") else value > than

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Recipe":
        return cls(**data)
