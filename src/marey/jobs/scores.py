"""A trained model and the probabilities it gives: the one place that evaluate and predict share, so that they agree."""

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..data import Quarantine, Sample, view_batches
from ..errors import UsageError, VideoError
from ..models import VideoModel
from ..presets import LABEL_LISTS, Preset, create_model, label_list, preset_in
from ..report import counted
from ..tasks import Calibration, Outputs, Recognition
from ..training import file_hash, load_checkpoint, pick_device, save_checkpoint
from ..video import ClipSpec, DecoderName, FrameOrder, described, probe, reorder, to_input
from .calibration_file import read_calibration
from .choose import that_takes_clips
from .features import encode_samples
from .flow_source import with_same_flow
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
    calibration  how its scores are to be read, where `marey calibrate` has said so
    """

    model: VideoModel
    spec: ClipSpec
    task: Recognition
    window_s: float
    header: dict[str, Any]
    path: Path | None
    device: torch.device
    decoder: DecoderName = "pyav"
    calibration: Calibration | None = None

    @property
    def reads_features(self) -> bool:
        """Whether its answers need what its classifier reads."""
        return self.calibration is not None and self.calibration.reads_features

    def answers(self, outputs: Outputs) -> "Answers":
        """What its network says as probabilities, and how novel that is; obeys the calibration, if there is one."""
        if self.calibration is None:
            return Answers(self.task.probabilities(outputs.logits))
        return Answers(
            self.calibration.probabilities(self.task, outputs.logits), self.calibration.novelty(self.task, outputs)
        )


class Answers(NamedTuple):
    """Of n clips: probabilities (n, classes) and, where the model tells the unknown, novelty (n,)."""

    probabilities: Tensor
    novelty: np.ndarray | None = None


class Answer(NamedTuple):
    """Of one clip: probabilities (classes,) and, where the model tells the unknown, its novelty."""

    probabilities: np.ndarray
    novelty: float | None = None


def model_file(path: Path) -> Path:
    """The weights behind a run folder or a file; UsageError for a run that has none, or a damaged one."""
    if not path.is_dir():
        return path
    run = read_run(path)
    command = run.info.get("command", "the command that began it")
    command = re.sub(r"--out ('[^']*'|\S+)", f"--out {shlex.quote(str(path))}", command)  # it may have been moved here
    if run.of_comparison:
        raise UsageError(
            f"{path} was made by compare: it holds what several models said, and none of them; its report names the "
            "command that trains the best"
        )
    if run.of_transfer:
        ways = run.info["arguments"]["ways"].split(",")
        raise UsageError(
            f"{path} was made by transfer: it holds a run for each way and is none itself; name one, such as "
            f"{path / ways[-1]}"
        )
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


def open_model(
    path: Path, *, device: str = "auto", decoder: str = "pyav", flow: str | Path | None = None, calibrated: bool = True
) -> Trained:
    """Load a run folder or a .safetensors file; CheckpointError where it is damaged or of another kind.

    flow        as `with_same_flow` takes it
    calibrated  whether to obey what `marey calibrate` left in its run
    """
    reader = pick_decoder(decoder)
    file = model_file(path)
    header, _ = load_checkpoint(file)
    that_takes_clips(preset_in(header))
    task = Recognition(heads={h: tuple(v) for h, v in header["labels"].items()}, multi_label=header["multi_label"])
    place = pick_device(device)
    model = create_model(header["preset"], num_classes=task.classes, weights=file).to(place).eval()
    spec = with_same_flow(ClipSpec.from_dict(header["clip"]), flow, who=str(path))
    said = read_calibration(file, task) if calibrated else None
    return Trained(model, spec, task, float(header["window_s"]), header, file, place, reader, said)


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
    if trained.calibration is not None:
        raise UsageError(f"{trained.path} is calibrated for its own class names; drop --labels")
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


def clip_outputs(trained: Trained, clips: Tensor, *, features: bool = False) -> Outputs:
    """What the network says of uint8 clips (n, t, side, side, c); its features too where they are asked for."""
    with torch.inference_mode():
        video = to_input(clips.to(trained.device), trained.spec)
        return _classified(trained, trained.model.encode(video)) if features else _plain(trained.model(video))


def clip_answers(trained: Trained, clips: Tensor) -> Answers:
    """What a model answers about uint8 clips (n, t, side, side, c): calibrated where it is."""
    return trained.answers(clip_outputs(trained, clips, features=trained.reads_features))


def clip_probabilities(trained: Trained, clips: Tensor) -> Tensor:
    """uint8 (n, t, side, side, 3) -> (n, classes) probabilities, on the CPU."""
    return clip_answers(trained, clips).probabilities


def sample_outputs(
    trained: Trained,
    samples: Sequence[Sample],
    quarantine: Quarantine,
    *,
    views: str,
    workers: int,
    narrator: Narrator,
    use_cache: bool = True,
    what: str = "evaluate",
    order: FrameOrder = "as filmed",
    features: bool = False,
) -> dict[int, Outputs]:
    """Index of the sample -> what the network says of each of its views; unreadable samples are absent."""
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
            order=order,
        )
        with torch.inference_mode():
            return {
                index: _classified(trained, rows.to(trained.device), features=features)
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
        clips = reorder(batch["video"].flatten(0, 1), order, trained.spec.modality)
        parts = [clip_outputs(trained, part, features=features) for part in clips.split(16)]
        shape = batch["video"].shape[:2]
        logits = torch.cat([part.logits for part in parts]).unflatten(0, shape)
        read = [part.features for part in parts if part.features is not None]
        rows = torch.cat(read).unflatten(0, shape) if read else [None] * len(logits)
        for index, of_views, row in zip(batch["index"].tolist(), logits, rows, strict=True):
            found[index] = Outputs(of_views, row)
        tell(int(batch["index"][-1]) + 1, len(samples))
    return found


def sample_answers(
    trained: Trained,
    samples: Sequence[Sample],
    quarantine: Quarantine,
    *,
    views: str,
    workers: int,
    narrator: Narrator,
    use_cache: bool = True,
    what: str = "evaluate",
    order: FrameOrder = "as filmed",
) -> dict[int, Answer]:
    """Index of the sample -> what a model answers about it, the mean over its views; unreadable samples are absent."""
    outputs = sample_outputs(
        trained,
        samples,
        quarantine,
        views=views,
        workers=workers,
        narrator=narrator,
        use_cache=use_cache,
        what=what,
        order=order,
        features=trained.reads_features,
    )
    found = {}
    for index, of_views in outputs.items():
        answers = trained.answers(of_views)
        novelty = None if answers.novelty is None else float(answers.novelty.mean())
        found[index] = Answer(answers.probabilities.mean(0).numpy(), novelty)
    return found


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
    order: FrameOrder = "as filmed",
) -> dict[int, np.ndarray]:
    """Index of the sample -> (classes,) probabilities, the mean over its views; unreadable samples are absent."""
    answers = sample_answers(
        trained,
        samples,
        quarantine,
        views=views,
        workers=workers,
        narrator=narrator,
        use_cache=use_cache,
        what=what,
        order=order,
    )
    return {index: answer.probabilities for index, answer in answers.items()}


def _classified(trained: Trained, encoded: Tensor, *, features: bool = True) -> Outputs:
    """Outputs of what `encode` gave; tokens of a clip are averaged into its features."""
    said = _plain(trained.model.classify(encoded))
    if not features:
        return said
    if encoded.ndim > 3:
        raise UsageError(
            f"{trained.header['preset']} keeps maps of a clip, which have no distance; take --unknown energy"
        )
    return Outputs(said.logits, (encoded if encoded.ndim == 2 else encoded.mean(1)).float().cpu())


def _plain(logits: Tensor) -> Outputs:
    return Outputs(logits.float().cpu())


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
        **({} if spec.modality == "rgb" else {"input": described(spec)}),
    }


def stamp(trained: Trained, quarantine: Quarantine, *, views: str, clips: int, **more: Any) -> dict[str, Any]:
    """What a figure must carry to be reproduced."""
    return {
        **spec_stamp(trained.spec, trained.header["preset"], views=views, decoder=trained.decoder),
        "clips": clips,
        "missing_videos": len(quarantine.reasons),
        "checkpoint": file_hash(trained.path) if trained.path else "not kept",
        **({} if trained.calibration is None else {"calibration": trained.calibration.summary()}),
        **more,
    }
