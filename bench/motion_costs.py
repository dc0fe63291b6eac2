"""What a clip costs each network: decoding and motion extraction, and the network itself, on one thread."""

import time
from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
import torch

from marey.data import Sample
from marey.data.reading import read_views
from marey.metrics import bootstrap
from marey.presets import create_model, find_preset
from marey.results import Estimate
from marey.video import to_input

ROUNDS = 5

Costs = dict[str, dict[str, list[float]]]


def measure(presets: Sequence[str], samples: Sequence[Sample], *, short_px: int | None = None) -> Costs:
    """preset -> {"input", "network"} -> milliseconds of each clip: the least of some rounds in which they take turns.

    Time is of the process, not of the clock on the wall. The file is opened anew each time; the network gets one clip
    at a time, and its weights are fresh, for they do not matter here.

    short_px  frames are of this size instead, and networks, which were not made for it, are not run: they cost 0
    """
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    models = {name: None if short_px else create_model(name).eval() for name in presets}
    specs = {name: find_preset(name).clip for name in presets}
    if short_px:
        specs = {name: replace(spec, short_px=short_px, side_px=short_px) for name, spec in specs.items()}
    best = {name: np.full((2, len(samples)), np.inf) for name in models}
    for _ in range(ROUNDS):
        for i, sample in enumerate(samples):
            for name, model in models.items():
                begun = time.process_time()
                clip = to_input(torch.from_numpy(read_views(sample, specs[name])), specs[name])
                read = time.process_time()
                if model is not None:
                    with torch.inference_mode():
                        model(clip)
                taken = np.array([read - begun, time.process_time() - read])
                best[name][:, i] = np.minimum(best[name][:, i], 1000 * taken)
    return {name: {"input": ms[0].tolist(), "network": ms[1].tolist()} for name, ms in best.items()}


def total_ms(costs: Costs, preset: str) -> np.ndarray:
    """(clips,) milliseconds, input and network."""
    return np.sum([costs[preset]["input"], costs[preset]["network"]], axis=0)


def share(a: np.ndarray, b: np.ndarray) -> Estimate:
    """How much of the time of `b` the time of `a` is, over the same clips, which are resampled."""
    ratios = a / b  # the ratio of two sums lies between the least and the largest of them
    return bootstrap(lambda w: (a @ w) / (b @ w), len(a), bounds=(float(ratios.min()), float(ratios.max())))
