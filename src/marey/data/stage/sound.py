"""Sound: footsteps, claps, knocks and doors where the picture has them, over the hum of the place. 16 kHz mono."""

from functools import lru_cache

import numpy as np

from .gait import STRIDE, contacts
from .moves import CYCLES, GRASP_AT, PUSH_LENGTH
from .play import Beat
from .take import Take

RATE = 16_000
# kind -> (length in seconds, resonances in Hz, share of noise, decay in 1/s)
_KINDS: dict[str, tuple[float, tuple[float, ...], float, float]] = {
    "footstep": (0.12, (95, 170, 420), 0.35, 42.0),
    "clap": (0.11, (950, 1700, 2600), 0.9, 55.0),
    "thud": (0.25, (60, 110, 180), 0.25, 20.0),
    "knock": (0.14, (320, 540, 1250), 0.15, 38.0),
    "door latch": (0.08, (1450, 2900, 4200), 0.3, 70.0),
    "door slam": (0.40, (75, 140, 310), 0.5, 14.0),
    "creak": (0.30, (610, 655, 1240), 0.1, 9.0),
    "swish": (0.22, (), 1.0, 14.0),
}
_SOUNDS: dict[str, tuple[tuple[float, str], ...]] = {  # move -> when in its phase what is heard
    "sit": ((0.72, "creak"),),
    "pick": ((GRASP_AT, "knock"),),
    "push": tuple((phase, "footstep") for phase in contacts(round(PUSH_LENGTH / STRIDE))),
    "climb": ((0.42, "knock"), (0.92, "knock")),
    "sidestep": tuple(((k + lag) / 3, "footstep") for k in range(3) for lag in (0.5, 1.0)),
    "loop": tuple((phase, "footstep") for phase in contacts(4)),
    "umbrella": tuple((phase, "footstep") for phase in contacts(4)),
    "clap": ((0.5, "clap"),),
    "jump": ((0.62, "thud"),),
    "kick": ((0.38, "swish"),),
    "reach": ((0.30, "swish"),),
}


@lru_cache
def _burst(kind: str) -> np.ndarray:
    length, tones, share, decay = _KINDS[kind]
    t = np.arange(round(length * RATE)) / RATE
    noise = np.random.default_rng(len(kind)).normal(0, 0.5, len(t))
    tone = sum((np.sin(2 * np.pi * f * t) for f in tones), np.zeros_like(t)) / max(1, len(tones))
    attack = np.minimum(1, t / 0.002)
    return ((share * noise + (1 - share) * tone) * attack * np.exp(-decay * t)).astype(np.float32)


@lru_cache
def _hum(level: str) -> np.ndarray:
    """Eight seconds of a quiet room or of distant traffic, without a seam."""
    rng = np.random.default_rng(5)
    frequency = np.fft.rfftfreq(8 * RATE, 1 / RATE)
    shape = 1 / np.maximum(frequency, 40.0) ** (0.8 if level == "studio" else 1.1)
    shape[frequency < 30] = 0
    spectrum = shape * np.exp(2j * np.pi * rng.random(len(frequency)))
    wave = np.fft.irfft(spectrum)
    return (wave / np.abs(wave).max()).astype(np.float32)


def _heard(beat: Beat) -> list[tuple[float, str]]:
    if beat.move == "door":
        return [(beat.when(0.27), "door latch")] if beat.last > beat.first else [(beat.when(0.27), "door slam")]
    wanted = _SOUNDS.get(beat.move, ())
    if beat.move not in CYCLES:
        return [(beat.when(phase), kind) for phase, kind in wanted]
    rounds = range(int(np.floor(beat.first)), int(np.ceil(beat.last)) + 1)
    phases = [(k + phase, kind) for k in rounds for phase, kind in wanted]
    return [(beat.when(phase), kind) for phase, kind in phases if beat.first <= phase < beat.last]


def events(take: Take) -> list[tuple[float, float, str]]:
    """(onset_s, offset_s, kind) of every sound that begins in the clip, in order."""
    found = [pair for beat in take.performance.beats for pair in _heard(beat)]
    end = take.shot.duration_s
    return [(at, min(end, at + _KINDS[kind][0]), kind) for at, kind in sorted(found) if 0 <= at < end - 0.02]


def soundtrack(take: Take) -> np.ndarray:
    """Samples float32 (n,) in -1..1 for the length of the clip."""
    rng = np.random.default_rng([take.shot.seed, 9, take.shot.key])
    count = round(len(take.seconds) / take.shot.fps * RATE)
    hum = _hum(take.shot.level)
    quiet = rng.uniform(0.01, 0.03) if take.shot.level == "studio" else rng.uniform(0.05, 0.14)
    track = quiet * np.resize(np.roll(hum, int(rng.integers(len(hum)))), count)
    for onset, _, kind in events(take):
        start = round(onset * RATE)
        piece = _burst(kind)[: count - start]
        track[start : start + len(piece)] += rng.uniform(0.45, 0.8) * piece
    return np.clip(track, -1, 1)
