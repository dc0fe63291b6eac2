"""Clip: decoded frames with their times; ClipSpec: what a network wants to be fed."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

import numpy as np

from .flow_source import DIS_FAST, FlowSource

Modality = Literal["rgb", "flow", "rgb+flow", "vectors", "vectors+residual", "vectors+residual+flow", "sound"]
CHANNELS: dict[Modality, int] = {
    "rgb": 3,
    "flow": 2,  # optical flow to the right and down
    "rgb+flow": 5,
    "vectors": 2,  # motion vectors of the bitstream, likewise, since the keyframe
    "vectors+residual": 5,  # of one frame, and the residual, RGB
    "vectors+residual+flow": 7,  # and the flow of that very motion, from which networks of the two before it learn
    "sound": 1,  # log-mel energies: rows are bands, columns are time
}
MOTION: dict[Modality, tuple[int, ...]] = {  # channels of motion to the right; motion down is in those behind them
    "flow": (0,),
    "rgb+flow": (3,),
    "vectors": (0,),
    "vectors+residual": (0,),
    "vectors+residual+flow": (0, 5),
}


@dataclass(frozen=True)
class Clip:
    """Frames of a video, channels last, as decoded.

    frames   uint8 (t, h, w, 3), RGB
    seconds  float64 (t,), non-decreasing: when each frame is shown, from the start of the video
    fps      nominal frame rate of the video that they come from
    source   its path
    """

    frames: np.ndarray
    seconds: np.ndarray
    fps: Fraction
    source: str

    def __post_init__(self) -> None:
        shape, kind = self.frames.shape, self.frames.dtype
        if kind != np.uint8 or len(shape) != 4 or shape[3] != 3 or 0 in shape:
            raise ValueError(
                f"clip frames are {kind} of shape {shape}; they must be uint8 (t, h, w, 3) with t, h, w of at least 1"
            )
        if self.seconds.shape != shape[:1] or not np.isfinite(self.seconds).all() or (np.diff(self.seconds) < 0).any():
            raise ValueError(f"clip has {shape[0]} frames; its seconds must be as many finite, non-decreasing numbers")
        if self.fps <= 0:
            raise ValueError(f"clip fps is {self.fps}; it must be positive")

    def __len__(self) -> int:
        return len(self.frames)


@dataclass(frozen=True)
class ClipSpec:
    """What a network is fed: part of every preset and checkpoint.

    frames    number of frames
    stride    every how many frames of the video one is taken ("dense"); unused when uniform
    side_px   height and width of the input
    short_px  the short side is resized to this before the side_px crop
    mean, std of the RGB values in 0..1
    fps       frame rate at which stride counts; None counts at the video's own rate
    sampling  "dense": frames * stride consecutive frames; "uniform": spread over the whole clip
    resample  resize filter
    whole     feed the whole frame, whatever its shape, with short side short_px, instead of a square crop of it
    squash    resize to short_px x short_px, whatever the shape was, before the side_px crop
    modality  what the channels are; see `CHANNELS`
    flow      how its flow comes about, if it is fed flow
    """

    frames: int
    stride: int
    side_px: int
    short_px: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    fps: float | None = None
    sampling: Literal["dense", "uniform"] = "dense"
    resample: Literal["area", "bilinear", "bicubic"] = "area"
    whole: bool = False
    squash: bool = False
    modality: Modality = "rgb"
    flow: FlowSource = DIS_FAST

    def __post_init__(self) -> None:
        for name in ("frames", "stride", "side_px", "short_px"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be 1 or more")
        if self.short_px < self.side_px:
            raise ValueError(
                f"short_px is {self.short_px}, smaller than the crop of side_px {self.side_px}; make it as large"
            )
        if self.fps is not None and self.fps <= 0:
            raise ValueError(f"fps is {self.fps}; it must be positive")
        if self.whole and self.squash:
            raise ValueError("whole and squash are both set; a frame either keeps its shape or does not")
        if not len(self.mean) == len(self.std) == self.channels:
            raise ValueError(
                f"mean and std have {len(self.mean)} and {len(self.std)} values; {self.modality} has {self.channels}"
            )

    @property
    def channels(self) -> int:
        """Of the input: 3 of RGB, 2 of flow, ..."""
        return CHANNELS[self.modality]

    @property
    def fed_flow(self) -> bool:
        """Whether optical flow from frame to frame is among what is fed."""
        return self.modality in ("flow", "rgb+flow")

    def to_dict(self) -> dict[str, Any]:
        """For JSON; flow that comes about as ever is not named."""
        data = dict(self.__dict__, mean=list(self.mean), std=list(self.std), flow=self.flow.to_dict())
        return data if self.flow != DIS_FAST else {name: data[name] for name in data if name != "flow"}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "ClipSpec":
        flow = FlowSource.from_dict(data["flow"]) if "flow" in data else DIS_FAST
        return cls(**{**data, "mean": tuple(data["mean"]), "std": tuple(data["std"]), "flow": flow})
