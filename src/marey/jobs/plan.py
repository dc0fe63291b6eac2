"""Before training: how long each candidate takes on this machine and how much memory, measured on a few batches."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any

import torch

from ..data import Quarantine, Sample, view_batches
from ..errors import DataError, MissingExtra, UsageError
from ..models import VideoModel
from ..presets import Preset, count, create_model, find_preset
from ..tasks import Recognition
from ..training import free_bytes, measure_memory, pick_device
from ..video import ClipSpec, DecoderName, to_input
from .choose import Choice, Wishes, choose_preset, choose_recipe, preset_of_clips
from .memory import most_at_once
from .narrate import Narrator, Silent, timed
from .prepare import ClassEdits, load_data, pick_decoder, pick_workers, refuse_hopeless, split_data
from .run import command_line

MEASURED_STEPS, PROBE_CLIPS, ENCODED_AT_ONCE = 2, 2, 8
A_NIGHT_MIN = 480.0
CANDIDATES = ("motion_appearance", "motion", "efficientnet_lite0_difference", "r2plus1d_stage", "r3d_18", "r2plus1d_18")


@dataclass(frozen=True)
class Plan:
    """What training one preset on this data and machine costs.

    decode_s     seconds to decode every training clip once
    clip_s       seconds to step over one clip, or to encode it with a frozen encoder
    minutes      decoding, encoding and all steps together
    memory_mb    peak of a batch above the idle process, from the peaks with one clip and with two
    free_mb      what the device had to give before; None where that cannot be known
    by_rule      `train` takes it where no preset is named
    taken        the plan takes it; why says for what reason, and of the others what speaks against them, if anything
    command      that trains it
    """

    preset: str
    params: int
    gmacs: float
    epochs: int
    batch_size: int
    decode_s: float
    clip_s: float
    minutes: float
    memory_mb: float
    free_mb: float | None
    by_rule: bool = False
    command: str = ""
    taken: bool = False
    why: str = ""

    @property
    def fits(self) -> bool:
        return self.free_mb is None or self.memory_mb < self.free_mb

    def obstacle(self, within_min: float) -> str:
        """What speaks against it, as the end of a sentence about it; empty where nothing does."""
        if self.free_mb is not None and not self.fits:
            return f"does not fit in memory (it needs {self.memory_mb:.0f} MB and {self.free_mb:.0f} MB are free)"
        if self.minutes > within_min:
            return f"takes {self.minutes:.1f} minutes, more than the {within_min:g} allowed"
        return ""

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "fits": self.fits}


def plan(
    data: str | Path,
    *,
    presets: Sequence[str] = (),
    kind: str | None = None,
    root: str | Path | None = None,
    group_by: str | None = None,
    edits: ClassEdits | None = None,
    within_min: float = A_NIGHT_MIN,
    device: str = "auto",
    decoder: str = "pyav",
    workers: int | None = None,
    seed: int = 0,
    narrator: Narrator | None = None,
) -> list[Plan]:
    """One row a candidate; the first that fits in memory and trains within `within_min` minutes is marked as taken.

    The order is that of preference: what `train` takes by rule, then the named ones, or CANDIDATES where none is named.

    presets  candidates; by default the one that the rule takes and a ladder of others
    """
    narrator, edits = narrator or Silent(), edits or ClassEdits()
    if not 0 < within_min < float("inf"):
        raise UsageError(f"--within is {within_min:g} minutes; it must be more than 0")
    place, processes, reader = pick_device(device), pick_workers(workers), pick_decoder(decoder)
    named = [preset_of_clips(name) for name in presets]
    manifest = load_data(data, kind=kind, root=root, group_by=group_by, edits=edits)
    refuse_hopeless(manifest)
    manifest = split_data(manifest, seed=seed, workers=processes, narrator=narrator)
    rule = choose_preset(manifest, name=None, device=place)
    candidates = named or [find_preset(name) for name in dict.fromkeys((rule.preset.name, *CANDIDATES))]
    candidates.sort(key=lambda preset: preset.name != rule.preset.name)
    asked = {"data": str(data), "kind": kind, "root": root, "group_by": group_by, "edits": asdict(edits)}
    asked |= {"device": None if device == "auto" else device, "seed": seed or None}
    asked |= {"decoder": None if decoder == "pyav" else decoder}
    task, rows, left_out = Recognition.of(manifest), [], dict[str, str]()
    for number, preset in enumerate(candidates):
        narrator.progress("measure", number, len(candidates))
        by_rule = preset.name == rule.preset.name
        command = command_line("train", asked | {"preset": None if by_rule else preset.name})
        try:
            with timed(narrator, f"measuring {preset.name}"):
                row = measure(preset, manifest.part("train"), task, place, workers=processes, decoder=reader, seed=seed)
            rows.append(replace(row, by_rule=by_rule, command=command))
            narrator.detail(f"{preset.name}: {rows[-1].decode_s:.1f} s to decode all, {rows[-1].clip_s:.4f} s a clip")
        except (MissingExtra, DataError) as error:
            left_out[preset.name] = str(error)
            narrator.say(f"{preset.name} is left out: {error}")
    narrator.progress("measure", len(candidates), len(candidates))
    if not rows:
        raise DataError("; ".join(f"{name} cannot be tried: {why}" for name, why in left_out.items()))
    return mark(rows, rule, within_min=within_min)


def mark(rows: Sequence[Plan], rule: Choice, *, within_min: float) -> list[Plan]:
    """The rows, the first that nothing speaks against marked as taken, and why each is or cannot be."""
    against = {row.preset: row.obstacle(within_min) for row in rows}
    taken = next((row for row in rows if not against[row.preset]), None)
    if taken is not None:
        bounds = f"fits in memory and takes at most {within_min:g} minutes"
        if taken.by_rule:
            why = f"{rule.why}; it {bounds}"
        elif rule.preset.name in against:
            why = (
                f"{rule.preset.name}, which the rule takes, {against[rule.preset.name]}; this is the next that {bounds}"
            )
        else:
            why = f"it is the first of the named candidates that {bounds}"
        against[taken.preset] = why
    return [replace(row, taken=row is taken, why=against[row.preset]) for row in rows]


def measure(
    preset: Preset,
    train: Sequence[Sample],
    task: Recognition,
    device: torch.device,
    *,
    workers: int,
    decoder: DecoderName,
    seed: int,
) -> Plan:
    """What training the preset on these clips costs, from a few of them."""
    model = create_model(preset.name, num_classes=task.classes).to(device)
    most = None if preset.frozen else most_at_once(model, preset.clip, device)
    recipe, batch_size, _ = choose_recipe(preset, Wishes(seed=seed), clips=len(train), most=most)
    size = count(model, preset.clip)
    studied = model.studied(preset.clip)
    clips, decode_s = _decode_some(train, studied, PROBE_CLIPS, decoder)
    clips, idle = clips.to(device), free_bytes(device)
    peaks, clip_s = [], 0.0
    for few in (clips[:1], clips):  # memory grows in a straight line with the batch: two points give it
        with measure_memory(device) as memory:
            clip_s = _time_steps(model, studied, task, few, train[: len(few)]) / len(few)
        peaks.append(memory.peak_bytes)
    slope = max(0.0, (peaks[1] - peaks[0]) / max(1, len(clips) - 1))
    peak = peaks[0] + slope * ((ENCODED_AT_ONCE if preset.frozen else batch_size) - 1)
    clips_total = len(train)
    decode_total = decode_s * clips_total / max(1, workers)
    passes = 1 if preset.frozen else recipe.epochs  # a frozen encoder sees each clip once; its head learns in seconds
    compute = clip_s * clips_total * passes
    return Plan(
        preset=preset.name,
        params=size.params,
        gmacs=size.gmacs,
        epochs=recipe.epochs,
        batch_size=batch_size,
        decode_s=decode_total,
        clip_s=clip_s,
        minutes=(decode_total + compute) / 60,
        memory_mb=peak / 2**20,
        free_mb=None if idle is None else idle / 2**20,
    )


def _decode_some(
    samples: Sequence[Sample], spec: ClipSpec, wanted: int, decoder: DecoderName
) -> tuple[torch.Tensor, float]:
    """(clips uint8 (n, t, h, w, c), seconds to decode one)."""
    quarantine, begun = Quarantine(total=len(samples), limit=len(samples)), perf_counter()
    for batch in view_batches(
        samples[: wanted + 8],
        spec,
        quarantine,
        views=1,
        crop_count=1,
        clips_per_batch=wanted,
        workers=0,
        decoder=decoder,
    ):
        clips = batch["video"][:, 0]
        return clips, (perf_counter() - begun) / len(clips)
    first, reason = next(iter(quarantine.reasons.items()))
    raise DataError(f"none of the first clips can be read, such as {first}: {reason}")


def _time_steps(
    model: VideoModel, spec: ClipSpec, task: Recognition, clips: torch.Tensor, samples: Sequence[Sample]
) -> float:
    """The fastest of a few steps (a training step, or one encoding by a frozen model), in seconds."""
    targets, times = task.targets(samples).to(clips.device), []
    for _ in range(MEASURED_STEPS):
        begun = perf_counter()
        if model.frozen:
            with torch.inference_mode():
                model.eval().encode(to_input(clips, spec))
        else:
            logits, taught = model.train().study(to_input(clips, spec))
            (task.loss(logits, targets) + sum(taught.values())).backward()
        if clips.device.type == "cuda":
            torch.cuda.synchronize(clips.device)
        times.append(perf_counter() - begun)
    return min(times)
