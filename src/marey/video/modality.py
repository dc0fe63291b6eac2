"""What a network is fed at given times of a video: frames, motion between them, or sound, as bytes.

Axes: t times, h rows, w columns, c channels of the modality.
"""

import numpy as np
from jaxtyping import Float, UInt8

from .audio import read_audio
from .clip import MOTION, ClipSpec, Modality
from .container import Source
from .decode import DecoderName, Video, open_video
from .flow import FLOW_CLAMP_PX, bytes_to_flow, flow_to_bytes
from .flow_fed import fed_frames, read_with_flow
from .flow_source import Speed
from .log_mel import HOP, RATE, WINDOW, log_mel, log_mel_bytes
from .residual import compressed_clip, residual_to_bytes
from .vectors import VectorVideo, sorted_times

FLOW_SPEED: Speed = "fast"
SOUND_STEPS = 128  # of 10 ms, heard around each time

Footage = Video | VectorVideo  # a video that is open for what a network is fed


def open_input(path: Source, spec: ClipSpec, *, decoder: DecoderName = "pyav") -> Footage:
    """A video opened for `read_input`, for its frames or for the vectors of its bitstream; errors are theirs."""
    if (wanted := _vectors_for(spec)) is None:
        return open_video(path, decoder=decoder)
    accumulate, pixels = wanted
    return VectorVideo(path, accumulate=accumulate, pixels=pixels)


def read_input(video: Footage, seconds: np.ndarray, spec: ClipSpec) -> UInt8[np.ndarray, "t h w c"]:
    """What `spec` wants of a video at sorted times; each frame is decoded once.

    The video is one that `open_input` has opened for `spec`, or any that `open_video` has: vectors then need a second
    look at the file.

    flow     leads from the frame on screen to that of one frame later, as `spec.flow` says, in pixels of the resized
             frames; at the last frame, from the one before; where both times show one frame, it is zero
    vectors  the bitstream's motion since the keyframe before, in pixels of the resized frames
    residual what motion leaves over of the colours, halved, 128 where nothing is left; the vectors before it are those
             of one frame, and flow behind it is the motion between the very pictures that they lead from and to
    sound    64 bands of pitch by SOUND_STEPS steps of 10 ms around each time, whatever sizes `spec` has; before the
             start and after the end of the sound it is silent

    Motion is in bytes as `flow_to_bytes` makes them, sound as `log_mel_bytes` does. VideoError where the video does not
    have what is asked for: motion where there is one frame only, or where pictures of another size are met.
    """
    if isinstance(video, VectorVideo):
        if (video.accumulate, video.pixels) != _vectors_for(spec):
            raise ValueError(
                f"{video.path} is open for other vectors than {spec.modality} is fed; open it by open_input"
            )
        return _compressed(video, seconds, spec)
    if _vectors_for(spec):
        with open_input(video.info.path, spec) as opened:
            return read_input(opened, seconds, spec)
    if spec.modality == "rgb":
        return fed_frames(video, seconds, spec).frames
    if spec.fed_flow:
        return read_with_flow(video, seconds, spec)
    return _sound(video, seconds)


def described(spec: ClipSpec) -> str:
    """What a figure must say of its input to be reproduced: "rgb+flow (DIS fast, within 20 px)"."""
    modality = spec.modality
    if "residual" in modality:
        return f"{modality} (of one frame, within {FLOW_CLAMP_PX:g} px)"
    if "flow" in modality:
        return f"{modality} ({spec.flow}, within {FLOW_CLAMP_PX:g} px)"
    if "vectors" in modality:
        return f"{modality} (since the keyframe, within {FLOW_CLAMP_PX:g} px)"
    return modality


def motion_in(data: UInt8[np.ndarray, "*n c"], modality: Modality) -> Float[np.ndarray, "*n 2"]:
    """Motion right and down, in pixels, of what was read of a modality. ValueError for one without motion."""
    if modality not in MOTION:
        raise ValueError(f"{modality} has no motion; {', '.join(MOTION)} have")
    first = MOTION[modality][0]
    return bytes_to_flow(data[..., first : first + 2])


def _vectors_for(spec: ClipSpec) -> tuple[bool, bool] | None:
    """Whether vectors are accumulated, and pixels are wanted with them; None where none are fed."""
    alone = spec.modality == "vectors"
    return (alone, not alone) if "vectors" in spec.modality else None


def _compressed(video: VectorVideo, seconds: np.ndarray, spec: ClipSpec) -> np.ndarray:
    size = (spec.short_px, spec.short_px) if spec.squash else video.shown_size(spec.short_px)
    if spec.modality == "vectors":
        found = [video.at(second).motion for second in sorted_times(seconds)]
        return np.stack([motion.bytes(size) for motion in found if motion is not None])
    taught = FLOW_SPEED if spec.modality == "vectors+residual+flow" else None
    clip = compressed_clip(video, seconds, size=size, flow=taught, resample=spec.resample)
    parts = [flow_to_bytes(clip.vectors), residual_to_bytes(clip.residual)]
    return np.concatenate(parts if clip.flow is None else [*parts, flow_to_bytes(clip.flow)], axis=-1)


def _sound(video: Video, seconds: np.ndarray) -> np.ndarray:
    length = (SOUND_STEPS - 1) * HOP + WINDOW
    begin_s = max(0.0, float(seconds[0]) - length / 2 / RATE)
    samples = read_audio(video.info.path, start_s=begin_s, end_s=float(seconds[-1]) + length / 2 / RATE, rate=RATE)
    heard = np.empty((len(seconds), 64, SOUND_STEPS, 1), np.uint8)
    for picture, second in zip(heard, seconds, strict=True):
        start = max(0, round((float(second) - begin_s) * RATE) - length // 2)
        part = samples[start : start + length]
        picture[:] = log_mel_bytes(log_mel(np.pad(part, (0, length - len(part)))))[0]
    return heard
