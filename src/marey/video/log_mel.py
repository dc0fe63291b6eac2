"""Sound as a picture: how loud each band of pitch is at each time."""

from functools import cache

import numpy as np
from jaxtyping import Float, Float32, UInt8

RATE = 16_000  # samples a second
BANDS, LOWEST_HZ, HIGHEST_HZ = 64, 125.0, 7_500.0
WINDOW, HOP, FFT = 400, 160, 512  # samples: 25 ms, 10 ms, and the window padded to a power of two
FLOOR_DB, QUIET_DB, RANGE_DB = -140.0, -60.0, 80.0
_BLOCK = 4096  # windows at once


def log_mel(samples: Float32[np.ndarray, " n"]) -> Float32[np.ndarray, "64 steps"]:
    """Decibels of 64 mel bands, low ones first, in windows of 25 ms every 10 ms, of mono samples at 16 kHz in -1..1.

    0 dB is the power of a full-scale tone; nothing is under -140. Step i is of samples 160 i to 160 i + 399;
    what is left at the end, under a window, is dropped, and a sound shorter than one is padded with silence. Bands are
    those of VGGish (Hershey et al., ICASSP 2017, arXiv:1609.09430), triangles from 125 to 7500 Hz on the mel scale of
    HTK; VGGish has log(magnitude + 0.01), we power in decibels.
    """
    if len(samples) < WINDOW:
        samples = np.pad(samples, (0, WINDOW - len(samples)))
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)
    windows = np.lib.stride_tricks.sliding_window_view(samples, WINDOW)[::HOP]
    out = np.empty((BANDS, len(windows)), np.float32)
    for start in range(0, len(windows), _BLOCK):
        spectrum = np.fft.rfft(windows[start : start + _BLOCK] * hann, FFT)
        power = np.abs(spectrum) ** 2 / (FFT / 4 * (hann**2).sum())  # of a full-scale tone all bins together have 1
        out[:, start : start + _BLOCK] = 10 * np.log10(np.maximum(mel_filters() @ power.T, 10 ** (FLOOR_DB / 10)))
    return out


def log_mel_bytes(loudness: Float32[np.ndarray, "bands steps"]) -> UInt8[np.ndarray, "1 bands steps 1"]:
    """As the frame of a clip with one channel: 255 is the loudest, 0 is 80 dB under it.

    Where nothing is louder than -60 dB, that counts as the loudest, so that silence stays dark.
    """
    peak = max(float(loudness.max()), QUIET_DB)
    scaled = np.round((loudness - peak + RANGE_DB) * (255 / RANGE_DB)).clip(0, 255)
    return scaled.astype(np.uint8)[None, :, :, None]


@cache
def mel_filters() -> Float[np.ndarray, "64 257"]:
    """How much each bin of the spectrum counts in each band: triangles in mel, 1 in their middle."""
    ends = _mel(np.array([LOWEST_HZ, HIGHEST_HZ]))
    corners = np.linspace(ends[0], ends[1], BANDS + 2)
    low, middle, high = (corners[i : i + BANDS, None] for i in range(3))
    bins = _mel(np.arange(FFT // 2 + 1) * (RATE / FFT))
    return np.maximum(np.minimum((bins - low) / (middle - low), (high - bins) / (high - middle)), 0.0)


def _mel(hertz: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    return 2595 * np.log10(1 + hertz / 700)
