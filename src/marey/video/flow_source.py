"""How the flow that a network is fed comes about: computed by one method, or read from files that hold the same."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from jaxtyping import Float, UInt8
from numpy import ndarray

FlowMethod = Literal["dis", "farneback", "tvl1"]
Speed = Literal["ultrafast", "fast", "medium"]
FlowNetwork = Callable[[UInt8[ndarray, "h w 3"], UInt8[ndarray, "h w 3"]], Float[ndarray, "h w 2"]]

FLOW_METHODS: tuple[FlowMethod, ...] = ("dis", "farneback", "tvl1")
FLOW_SPEEDS: tuple[Speed, ...] = ("ultrafast", "fast", "medium")
SPYNET = "spynet"
_NAMES = {"dis": "DIS", "farneback": "Farneback", "tvl1": "TV-L1", SPYNET: "SPyNet"}


@dataclass(frozen=True)
class FlowSource:
    """Part of a `ClipSpec`, and so of every model that is fed flow. Two are equal that give the same flow.

    method        one of FLOW_METHODS, or "spynet"
    speed         of "dis"; None for others
    short_px      short side of the frames between which flow is computed, before it is resized to what is fed, vectors
                  and all; None: between the very frames that are fed
    resample      filter that makes frames of `short_px`; "area" without it
    weights_hash  of the file of a network's weights, which `weights` says where it was
    network       what computes in place of OpenCV: from RGB frames
    files         hash of a video (`source_hash`) -> file of its flow, which is read in place of computing it
    """

    method: str = "dis"
    speed: Speed | None = "fast"
    short_px: int | None = None
    resample: Literal["area", "bilinear", "bicubic"] = "area"
    weights_hash: str | None = None
    weights: str | None = field(default=None, compare=False)
    network: FlowNetwork | None = field(default=None, compare=False, repr=False)
    files: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.method not in _NAMES:
            raise ValueError(f"flow is by {self.method!r}; it can be by {', '.join(_NAMES)}")
        if (self.speed in FLOW_SPEEDS) != (self.method == "dis"):
            raise ValueError(
                f"the speed of {self.method} is {self.speed!r}; DIS has {', '.join(FLOW_SPEEDS)}, others None"
            )
        if self.short_px is None:
            object.__setattr__(self, "resample", "area")  # it is that of the frames that are fed

    def __str__(self) -> str:
        """As figures are stamped: "DIS fast", "TV-L1 at 256 px", "SPyNet 0123456789ab"."""
        size = self.short_px and f"at {self.short_px} px" + ("" if self.resample == "area" else f", {self.resample}")
        parts = [_NAMES[self.method], self.speed, self.weights_hash, size]
        return " ".join(part for part in parts if part)

    def to_dict(self) -> dict[str, Any]:
        """What tells it from others, and where its weights were."""
        names = ("method", "speed", "short_px", "resample", "weights_hash", "weights")
        return {name: value for name in names if (value := getattr(self, name)) is not None}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "FlowSource":
        return cls(**{"speed": None, **data})


DIS_FAST = FlowSource()  # what networks are fed unless another source is named
