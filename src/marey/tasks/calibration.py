"""What a model's scores are worth, fitted on validation clips: the temperature of its logits, the score from which each
class is on, what is unknown to it, and which class means that nothing happens.
"""

import base64
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ..errors import UsageError
from ..metrics import ClassMeans, accepted, energy
from .recognize import Recognition

FORMAT = 1
UNKNOWN = "unknown"  # label of the events for what is unlike anything that the model was taught
ROUNDING = 1e-4  # by which novelty may differ from one batch to another, as a part of its range
WAYS = ("energy", "distance")
RATE = re.compile(r"([0-9]+(?:\.[0-9]+)?)/(minute|hour|day|week)")
_HOURS = {"minute": 1 / 60, "hour": 1, "day": 24, "week": 168}


@dataclass(frozen=True)
class UnknownRule:
    """A clip more novel than a share `accept` of the known clips is unknown.

    by      "energy" of its logits, or "distance" of its features from the nearest class of the training clips, `means`
    known   novelty of the validation clips, rising
    """

    by: str
    accept: float
    known: tuple[float, ...]
    means: ClassMeans | None = None

    @property
    def level(self) -> float:
        """The strangeness from which a clip is unknown."""
        count = accepted(len(self.known), self.accept)
        if count is None:
            raise ValueError(f"{len(self.known)} known clips are too few to accept {self.accept} of the next")
        return count / len(self.known)

    def strangeness(self, novelty: np.ndarray) -> np.ndarray:
        """(n,): the share of the known clips that are less novel, 0..1; what differs by rounding is equally novel."""
        hair = ROUNDING * (self.known[-1] - self.known[0])
        return np.searchsorted(np.array(self.known), novelty - hair, side="left") / len(self.known)


@dataclass(frozen=True)
class Outputs:
    """What a network says of n clips, on the CPU: logits and, for those that ask for them, what its classifier read."""

    logits: Float[Tensor, "n classes"]
    features: Float[Tensor, "n d"] | None = None


@dataclass(frozen=True)
class Calibration:
    """How the scores of one model are to be read.

    checkpoint   hash of the model's file
    temperature  head -> what its logits are divided by
    thresholds   head -> class -> the score from which it is on; empty where only the event rule says
    unknown      what is unlike anything the model was taught; None where everything is taken for a known class
    background   the class that means that nothing happens, of which no events are made
    protocol     on what and how it was fitted, and what came of it
    fitted_on    (path, start_s, end_s) of every clip that it was fitted on; None where they were not kept
    """

    checkpoint: str
    temperature: Mapping[str, float]
    thresholds: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    unknown: UnknownRule | None = None
    background: str | None = None
    protocol: Mapping[str, Any] = field(default_factory=dict)
    fitted_on: tuple[tuple[str, float | None, float | None], ...] | None = None

    @property
    def reads_features(self) -> bool:
        """Whether `novelty` needs what the classifier read."""
        return self.unknown is not None and self.unknown.means is not None

    def probabilities(self, task: Recognition, logits: Float[Tensor, "n classes"]) -> Float[Tensor, "n classes"]:
        """As `Recognition.probabilities`, each head at its temperature."""
        scaled = [logits[:, part] / self.temperature[head] for head, part in task.parts().items()]
        return task.probabilities(torch.cat(scaled, dim=1))

    def novelty(self, task: Recognition, outputs: Outputs) -> np.ndarray | None:
        """(n,), larger for stranger clips; None where nothing is taken for unknown."""
        if self.unknown is None:
            return None
        if self.unknown.means is None:
            return energy(outputs.logits.numpy(), task.parts().values(), multi_label=task.multi_label)
        assert outputs.features is not None
        return self.unknown.means.distance(outputs.features.numpy())

    def summary(self) -> str:
        """What a protocol stamp says of it."""
        several = len(self.temperature) > 1
        warm = ", ".join(f"{head} {t:.3g}" if several else f"{t:.3g}" for head, t in self.temperature.items())
        split = self.protocol.get("split")
        some = f"{split} clips" if split != "all" else "clips of other data"
        parts = [f"temperature {warm} on {self.protocol.get('clips')} {some}"]
        if self.thresholds:
            parts.append(f"thresholds for {self.protocol.get('wanted')}")
        if self.unknown:
            parts.append(f"unknown by {self.unknown.by}, {100 * self.unknown.accept:g} % of known clips accepted")
        if self.background is not None:
            parts.append(f"background {self.background}")
        return "; ".join(parts)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types; arrays are base64 of little-endian float32 or float64."""
        rule, means = self.unknown, self.unknown.means if self.unknown else None
        return {
            "format": FORMAT,
            "checkpoint": self.checkpoint,
            "temperature": dict(self.temperature),
            "thresholds": {head: dict(values) for head, values in self.thresholds.items()},
            "background": self.background,
            "protocol": dict(self.protocol),
            "fitted_on": self.fitted_on,
            "unknown": rule
            and {
                "by": rule.by,
                "accept": rule.accept,
                "known": _packed(np.array(rule.known)),
                "means": means and {name: _packed(array) for name, array in asdict(means).items()},
            },
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Calibration":
        """The inverse of `to_dict`; ValueError, KeyError or TypeError for what is none."""
        if data["format"] != FORMAT:
            raise ValueError(f"its format is {data['format']} and this version reads {FORMAT}")
        rule, fitted_on = data["unknown"], data.get("fitted_on")  # files of before kept none
        if rule is not None:
            means = rule["means"] and ClassMeans(**{name: _unpacked(array) for name, array in rule["means"].items()})
            known = tuple(_unpacked(rule["known"]).tolist())
            rule = UnknownRule(by=rule["by"], accept=rule["accept"], known=known, means=means)
        return cls(
            checkpoint=data["checkpoint"],
            temperature={head: float(value) for head, value in data["temperature"].items()},
            thresholds={h: {label: float(t) for label, t in v.items()} for h, v in data["thresholds"].items()},
            unknown=rule,
            background=data["background"],
            protocol=data["protocol"],
            fitted_on=fitted_on and tuple((path, start_s, end_s) for path, start_s, end_s in fitted_on),
        )


def parse_rate(text: str) -> float:
    """ "1/hour" -> 1.0 an hour; also of a minute, day or week. UsageError for what is no rate."""
    found = RATE.fullmatch(text)
    rate = float(found[1]) / _HOURS[found[2]] if found else 0.0
    if rate <= 0:
        raise UsageError(f"--false-alarms is {text!r}; write a number above 0 and a time, such as 1/hour or 2/day")
    return rate


def _packed(array: np.ndarray) -> dict[str, Any]:
    little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    return {
        "type": little.dtype.name,
        "shape": list(little.shape),
        "base64": base64.b64encode(little.tobytes()).decode(),
    }


def _unpacked(data: Mapping[str, Any]) -> np.ndarray:
    flat = np.frombuffer(base64.b64decode(data["base64"]), np.dtype(data["type"]).newbyteorder("<"))
    return flat.reshape(data["shape"]).astype(data["type"])
