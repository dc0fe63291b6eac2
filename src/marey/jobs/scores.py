"""A trained model and the probabilities it gives: the one place that evaluate and predict share, so that they agree."""

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..data import Quarantine, Sample, view_batches
from ..errors import UsageError, VideoError
from ..models import VideoModel
from ..presets import LABEL_LISTS, Preset, create_model, label_list, preset_in
from ..report import counted
from ..tasks import Recognition
from ..training import file_hash, load_checkpoint, pick_device, save_checkpoint
from ..video import ClipSpec, DecoderName, described, probe, to_input
from .choose import that_takes_clips
from .features import encode_samples
from .lesson import Lesson
from .narrate import Narrator, progress_of
from .prepare import pick_decoder
from .run import decoder_version, is_whole, read_run


@dataclass(frozen=True)
class Trained:
    """A model with what it must be fed and what its outputs mean.

    window_s  length of the spans it was trained on: what a window of a longer video shows it
    decoder   what reads the videos that it is asked about
    path      of its file; None while it is only in memory
    """

    model: VideoModel
    spec: ClipSpec
    task: Recognition
    window_s: float
    header: dict[str, Any]
    path: Path | None
    device: torch.device
    decoder: DecoderName = "pyav"


def model_file(path: Path) -> Path:
    """The weights behind a run folder or a file; UsageError for a run that has none, or a damaged one."""
    if not path.is_dir():
        return path
    run = read_run(path)
    command = run.info.get("command", "the command that began it")
    command = re.sub(r"--out ('[^']*'|\S+)", f"--out {shlex.quote(str(path))}", command)  # it may have been moved here
    if run.of_folds:
        raise UsageError(
            f"{path} was made with --folds: it holds what the models of its folds said, and no single model; "
            "train without --folds to have one"
        )
    if not run.model.exists():
        raise UsageError(f"{path} has no model; to finish the run give its command again: {command}")
    if not is_whole(run.model):
        raise UsageError(f"{run.model} is truncated or damaged; to make it anew give its command again: {command}")
    return run.model


def open_model(path: Path, *, device: str = "auto", decoder: str = "pyav") -> Trained:
    """Load a run folder or a .safetensors file; CheckpointError where it is damaged or of another kind."""
    reader = pick_decoder(decoder)
    file = model_file(path)
    header, _ = load_checkpoint(file)
    that_takes_clips(preset_in(header))
    task = Recognition(heads={h: tuple(v) for h, v in header["labels"].items()}, multi_label=header["multi_label"])
    place = pick_device(device)
    model = create_model(header["preset"], num_classes=task.classes, weights=file).to(place).eval()
    spec = ClipSpec.from_dict(header["clip"])
    return Trained(model, spec, task, float(header["window_s"]), header, file, place, reader)


def keep_model(path: Path, lesson: Lesson, preset: Preset, samples: Sequence[Sample]) -> Trained:
    """Write what a lesson taught, with everything that is needed to use it."""
    window_s = typical_span_s(samples)
    arguments = {"num_classes": lesson.task.classes, **preset.arguments}
    header = {
        "preset": preset.name,
        "arguments": arguments | ({"variant": lesson.variant} if lesson.variant else {}),
        "clip": lesson.spec.to_dict(),
        "labels": {head: list(labels) for head, labels in lesson.task.heads.items()},
        "multi_label": lesson.task.multi_label,
        "window_s": window_s,
        "metrics": {},
    }
    save_checkpoint(path, lesson.model, header)
    return Trained(lesson.model.eval(), lesson.spec, lesson.task, window_s, header, path, lesson.device, lesson.decoder)


def typical_span_s(samples: Sequence[Sample]) -> float:
    """Median length of (up to 200 of) the samples, in seconds; unreadable ones do not count."""
    lengths = []
    for sample in samples[:: max(1, len(samples) // 200)]:
        end_s = sample.end_s
        try:
            end_s = probe(sample.path).duration_s if end_s is None else end_s
        except VideoError:
            continue
        lengths.append(end_s - (sample.start_s or 0.0))
    return round(median(lengths), 6) if lengths else 1.0


def with_labels(trained: Trained, labels: str) -> Trained:
    """The same model with class names from a file (one a line) or of a public data set; their number must fit."""
    names = read_labels(labels)
    if len(trained.task.heads) != 1 or len(names) != trained.task.classes:
        raise UsageError(
            f"{labels} has {counted(len(names), 'name')} and the model has {counted(trained.task.classes, 'class')}; "
            "give as many names"
        )
    return replace(trained, task=Recognition(heads={"label": names}, multi_label=trained.task.multi_label))


def read_labels(labels: str) -> tuple[str, ...]:
    """Names of a public list ("kinetics400") or of a file with one a line; UsageError where neither is there."""
    if labels in LABEL_LISTS:
        return label_list(labels)
    path = Path(labels)
    if not path.is_file():
        raise UsageError(
            f"--labels is {labels!r}, neither a file nor one of {', '.join(LABEL_LISTS)}; "
            "name a file with a class name a line"
        )
    names = tuple(line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip())
    if len(set(names)) < len(names):
        raise UsageError(f"{labels} names a class twice; give every class a name of its own")
    return names


def parse_views(views: str) -> tuple[int, int]:
    """ "10x3" -> (10 clips in time, 3 crops in space)."""
    in_time, _, in_space = views.lower().partition("x")
    if not (in_time.isdecimal() and in_space.isdecimal() and 1 <= int(in_time) <= 1000 and int(in_space) in (1, 3)):
        raise UsageError(f"--views is {views!r}; write clips x crops such as 10x3: 1 to 1000 clips, 1 or 3 crops")
    return int(in_time), int(in_space)


def clip_probabilities(trained: Trained, clips: Tensor) -> Tensor:
    """uint8 (n, t, side, side, 3) -> (n, classes) probabilities, on the CPU."""
    with torch.inference_mode():
        logits = trained.model(to_input(clips.to(trained.device), trained.spec))
        return trained.task.probabilities(logits.float()).cpu()


def sample_probabilities(
    trained: Trained,
    samples: Sequence[Sample],
    quarantine: Quarantine,
    *,
    views: str,
    workers: int,
    narrator: Narrator,
    use_cache: bool = True,
    what: str = "evaluate",
) -> dict[int, np.ndarray]:
    """Index of the sample -> (classes,) probabilities, the mean over its views; unreadable samples are absent."""
    in_time, in_space = parse_views(views)
    if trained.model.frozen:
        encoded = encode_samples(
            trained.model,
            samples,
            trained.spec,
            quarantine,
            views=in_time,
            crop_count=in_space,
            device=trained.device,
            decoder=trained.decoder,
            workers=workers,
            narrator=narrator,
            use_cache=use_cache,
            what=what,
        )
        with torch.inference_mode():
            return {
                index: trained.task.probabilities(trained.model.classify(rows.to(trained.device)).float())
                .mean(0)
                .cpu()
                .numpy()
                for index, rows in encoded.items()
            }
    tell, found = progress_of(narrator, what), {}
    batches = view_batches(
        samples,
        trained.spec,
        quarantine,
        views=in_time,
        crop_count=in_space,
        clips_per_batch=16,
        workers=workers,
        decoder=trained.decoder,
    )
    for batch in batches:
        rows = torch.cat([clip_probabilities(trained, part) for part in batch["video"].flatten(0, 1).split(16)])
        for index, mean in zip(
            batch["index"].tolist(), rows.unflatten(0, batch["video"].shape[:2]).mean(1), strict=True
        ):
            found[index] = mean.numpy()
        tell(int(batch["index"][-1]) + 1, len(samples))
    return found


def spec_stamp(spec: ClipSpec, preset: str, *, views: str, decoder: DecoderName) -> dict[str, Any]:
    """How clips are sampled, sized and decoded."""
    spread = f"{spec.frames} spread over the clip"
    rate = f" at {spec.fps:g} fps" if spec.fps else ""
    return {
        "views": views,
        "frames": spread if spec.sampling == "uniform" else f"{spec.frames}x{spec.stride}{rate}",
        "side_px": spec.side_px,
        "resize": f"{'both sides' if spec.squash else 'short side'} {spec.short_px} px, {spec.resample}",
        "decoder": decoder_version(decoder),
        "preset": preset,
        **({} if spec.modality == "rgb" else {"input": described(spec.modality)}),
    }


def stamp(trained: Trained, quarantine: Quarantine, *, views: str, clips: int, **more: Any) -> dict[str, Any]:
    """What a figure must carry to be reproduced."""
    return {
        **spec_stamp(trained.spec, trained.header["preset"], views=views, decoder=trained.decoder),
        "clips": clips,
        "missing_videos": len(quarantine.reasons),
        "checkpoint": file_hash(trained.path) if trained.path else "not kept",
        **more,
    }
