"""Which of many unlabelled clips to label next, so that a model learns the most from them."""

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..data import Quarantine, Sample
from ..errors import UsageError, VideoError
from ..metrics import label_next, uncertainty
from ..models.last_layers import CHUNK
from ..report import counted, write_text
from ..tasks import Outputs, Recognition, named
from ..video import probe
from .clip_features import encode_middle_by, mean_tokens, read_vectors
from .learned import learned_by
from .narrate import Narrator, Silent, tell_left_out
from .prepare import check_range, pick_workers, videos_of
from .scores import Trained, open_model

COLUMNS = ("rank", "path", "start_s", "end_s", "score", "why")


@dataclass(frozen=True)
class RankedClip:
    """A clip to label. `score` is what that adds, as a share of what the first clip adds; `start_s` and `end_s` are
    None for a whole video."""

    rank: int
    path: str
    start_s: float | None
    end_s: float | None
    score: float
    why: str


@dataclass(frozen=True)
class Ranked:
    """The clips in the order in which to label them, and why others could not be read."""

    clips: tuple[RankedClip, ...]
    quarantined: dict[str, str]
    labelled: int

    def to_dict(self) -> dict[str, Any]:
        return {
            "clips": [asdict(clip) for clip in self.clips],
            "labelled_clips": self.labelled,
            "quarantined": self.quarantined,
        }

    def write(self, path: str | Path) -> None:
        """As CSV; seconds to the millisecond."""
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        writer.writerow(COLUMNS)
        for clip in self.clips:
            span = ["" if time is None else f"{time:.3f}" for time in (clip.start_s, clip.end_s)]
            writer.writerow([clip.rank, clip.path, *span, f"{clip.score:.5f}", clip.why])
        write_text(buffer.getvalue(), path)


def rank(
    unlabelled: str | Path | Sequence[str | Path],
    *,
    run: str | Path | Trained,
    count: int | None = None,
    out: str | Path | None = None,
    kind: str | None = None,
    root: str | Path | None = None,
    max_bad: int = 3,
    use_cache: bool = True,
    device: str = "auto",
    decoder: str = "pyav",
    workers: int | None = None,
    narrator: Narrator | None = None,
) -> Ranked:
    """Order clips by how much labelling them should help the model of a run, see `marey.metrics.label_next`.

    unlabelled  files, folders (searched for videos) or globs, or one annotation file, whose labels are not looked at
    run         a run folder, a .safetensors file, or what `open_model` returned; its calibration is obeyed
    count       how many are wanted; None is all
    out         CSV to write; None writes nothing

    What the model was trained on counts as labelled, as far as its videos are still there. Clips are alike
    where what the model's last layers read is; of a model that ends otherwise, what it encodes. Raises DataError where
    too many videos cannot be read, and VideoError where none can.
    """
    narrator = narrator or Silent()
    check_range("--count", count, 1, 10**9)
    check_range("--max-bad", max_bad, 0, 10**9)
    processes = pick_workers(workers)
    if out is not None and Path(out).is_dir():
        raise UsageError(f"--out is {out}, which is a folder; name a file to write")
    samples = _samples(unlabelled, kind=kind, root=root)
    trained = run if isinstance(run, Trained) else open_model(Path(run), device=device, decoder=decoder)

    def encoded(some: Sequence[Sample], quarantine: Quarantine, what: str) -> tuple[list[int], Tensor]:
        return encode_middle_by(
            trained, some, quarantine, workers=processes, narrator=narrator, use_cache=use_cache, what=what
        )

    quarantine = Quarantine(total=len(samples), limit=max_bad)
    kept, shown = encoded(samples, quarantine, "encode")
    tell_left_out(narrator, quarantine.reasons)
    if not kept:
        path, reason = next(iter(quarantine.reasons.items()))
        raise VideoError(path, f"{reason}, and none of the others could be read either")
    _, known = encoded(_labelled(trained, narrator), Quarantine(total=0, limit=10**9), "encode labelled clips")
    vectors = _vectors(trained, torch.cat([shown, known]) if len(known) else shown)
    probabilities = _probabilities(trained, shown)
    task = trained.task
    doubt = uncertainty(probabilities, list(task.parts().values()), multi_label=task.multi_label)
    order, gains, alike = label_next(vectors[: len(kept)], doubt, vectors[len(kept) :], count=count)
    most = gains[:1].max(initial=0.0) or 1.0
    clips = []
    for number, (place, score, others) in enumerate(
        zip(order.tolist(), (gains / most).tolist(), alike.tolist(), strict=True), 1
    ):
        sample = samples[kept[place]]
        why = f"{_doubt(task, probabilities[place])}; most like it so far: {counted(others, 'clip')}"
        clips.append(RankedClip(number, sample.path, sample.start_s, sample.end_s, score, why))
    ranked = Ranked(tuple(clips), dict(quarantine.reasons), len(known))
    if out is not None:
        Path(out).parent.mkdir(parents=True, exist_ok=True)
        ranked.write(out)
    return ranked


def _samples(
    unlabelled: str | Path | Sequence[str | Path], *, kind: str | None, root: str | Path | None
) -> list[Sample]:
    """The clips without their labels, in the order of their names: what comes first does not depend on the disk."""
    paths, manifest = videos_of(unlabelled, kind=kind, root=root)
    if manifest is None:
        return [Sample(path=path, labels={}) for path in sorted(paths)]
    spans = {(s.path, s.start_s, s.end_s): replace(s, labels={}) for s in manifest.samples}
    return [spans[key] for key in sorted(spans, key=lambda key: (key[0], key[1] or 0.0, key[2] or 0.0))]


def _labelled(trained: Trained, narrator: Narrator) -> list[Sample]:
    """What the model was trained on, as far as it is there."""
    learned = learned_by(trained.path).own
    if learned is None:
        narrator.say("what the model was trained on is not known, so that clips like it may be ranked high")
        return []
    there = []
    for sample in learned:
        try:
            probe(sample.path)
        except VideoError:
            continue
        there.append(sample)
    if len(there) < len(learned):
        narrator.say(
            f"{len(learned) - len(there)} of the {counted(len(learned), 'training clip')} are no longer there, "
            "so that clips like them may be ranked high"
        )
    return there


def _vectors(trained: Trained, encoded: Tensor) -> np.ndarray:
    try:
        return read_vectors(trained.model, encoded, trained.device)
    except ValueError:
        return mean_tokens(encoded)


def _probabilities(trained: Trained, encoded: Tensor) -> np.ndarray:
    """(n, classes) as `predict` would give them of these views."""
    rows = []
    for part in encoded.split(CHUNK):
        with torch.inference_mode():
            logits = trained.model.classify(part.to(trained.device)).float().cpu()
        rows.append(trained.answers(Outputs(logits, torch.from_numpy(mean_tokens(part)))).probabilities)
    return torch.cat(rows).numpy().astype(np.float64)


def _doubt(task: Recognition, probabilities: np.ndarray) -> str:
    """The two best classes of each head, or the class that a clip of several may have as well as not."""
    said = []
    for head, part in task.parts().items():
        own, names = probabilities[part], named(task, head)
        order = np.argsort(np.abs(own - 0.5) if task.multi_label else -own, kind="stable")
        best = order[: 1 if task.multi_label else 2]
        said.append(" or ".join(f"{names[i]} {own[i]:.2f}" for i in best))
    return ", ".join(said)
