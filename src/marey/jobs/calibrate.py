"""Make the scores of a run mean what they say, on clips that it was not trained on, and keep that in the run."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from ..data import Manifest, Sample, drawn_together
from ..errors import UsageError
from ..report import counted
from ..tasks import UNKNOWN, WAYS, Calibration, Recognition
from ..training import file_hash
from .calibration_file import write_calibration
from .calibration_fit import Listener, class_means, fit_temperatures, unknown_rule, with_thresholds
from .clips_of_run import manifest_of
from .evaluate import clips_to_score
from .fitted_on import tell_test_clips
from .flow_source import tell_stored
from .learned import learned_by, tell_shown
from .narrate import Narrator, Silent, tell_left_out
from .prepare import ClassEdits, pick_workers
from .run import read_run
from .scores import model_file, open_model
from .thresholds import CONFIDENCE, Wanted, share

ACCEPT = 0.95


@dataclass(frozen=True)
class Calibrated:
    """What `calibrate` left in a run: the file, and what it holds."""

    file: Path
    calibration: Calibration

    def sentences(self) -> list[str]:
        """What must be known to read its figures, and where it is kept."""
        c = self.calibration
        clips, groups = (counted(c.protocol[name], name.removesuffix("s")) for name in ("clips", "groups"))
        said = [f"fitted on {clips} ({c.protocol['split']})"]
        if c.protocol["groups"] < c.protocol["clips"]:
            said = [f"{said[0]} of {groups}; bounds count clips as independent, which those of one group hardly are"]
        if any("hours" in row for rows in c.protocol.get("classes", {}).values() for row in rows.values()):
            said.append(
                "false alarms are events that predict makes, with its own --hop and --merge-gap, of clips that do not "
                "show the class; the hours are those of the clips, so video that is unlike them may raise more"
            )
        if c.unknown is not None:
            said.append(
                f"unknown by {c.unknown.by}: the next clip like these {len(c.unknown.known)} is taken for known with "
                f"a chance of {100 * c.unknown.accept:g} % at least"
            )
        if c.background is not None:
            said.append(f"background: {c.background} makes no events")
        return [*said, f"kept in {self.file}: predict and evaluate obey it until it is made anew or deleted"]

    def to_dict(self) -> dict[str, Any]:
        c = self.calibration
        rule = c.unknown and {"by": c.unknown.by, "accept": c.unknown.accept, "known_clips": len(c.unknown.known)}
        return {
            "file": str(self.file),
            "temperature": dict(c.temperature),
            "thresholds": {head: dict(values) for head, values in c.thresholds.items()},
            "unknown": rule,
            "background": c.background,
            "protocol": dict(c.protocol),
        }


def calibrate(
    run: str | Path,
    data: str | Path | Manifest | None = None,
    *,
    precision: float | None = None,
    recall: float | None = None,
    false_alarms: str | None = None,
    confidence: float | None = None,
    unknown: str | None = None,
    accept: float | None = None,
    background: str | None = None,
    split: str | None = None,
    kind: str | None = None,
    root: str | Path | None = None,
    edits: ClassEdits | None = None,
    device: str = "auto",
    decoder: str = "pyav",
    flow: str | Path | None = None,
    workers: int | None = None,
    max_bad: int = 3,
    use_cache: bool = True,
    narrator: Narrator | None = None,
) -> Calibrated:
    """Fit the temperature of a run's scores, and what else is asked for; `open_model` obeys it from then on.

    data        labelled clips to fit on; None is the run's own validation clips, and root then says where they are now
    precision, recall, false_alarms  what each class's threshold is for: one of them, false alarms such as "1/hour"
    confidence  with which that must be shown; None is 0.95
    unknown     "energy" or "distance": how clips unlike the training clips are known
    accept      share of known clips that must not be taken for unknown; None is 0.95
    background  the class that means that nothing happens

    What an earlier call left is replaced. Raises UsageError, and leaves the run as it was, where the clips cannot
    show what is wanted.
    """
    narrator = narrator or Silent()
    wanted = _asked(precision, recall, false_alarms, confidence, unknown, accept)
    folder = Path(run)
    if not folder.is_dir():
        raise UsageError(f"{run} is no run folder, and what is fitted is kept in one; name the run of the model")
    file = model_file(folder)
    manifest, samples, split = _clips(folder, data, split=split, kind=kind, root=root, edits=edits)
    trained = open_model(folder, device=device, decoder=decoder, flow=flow, calibrated=False)
    tell_stored(trained.spec.flow, [sample.path for sample in samples], narrator)
    task = trained.task
    truth = task.targets(samples).numpy().astype(bool)
    _refuse_names(task, unknown=unknown, background=background)
    listen = Listener(trained, max_bad, pick_workers(workers), narrator, use_cache)
    kept, outputs = listen.outputs(samples, manifest.source, what="calibrate", features=unknown == "distance")
    truth, samples = truth[kept], [samples[index] for index in kept]
    shown = tell_shown(samples, learned_by(trained.path), narrator)
    if data is not None:
        tell_test_clips(samples, folder, narrator)
    logits = outputs.logits.numpy()
    where = f"the {counted(len(samples), f'{split} clip' if split != 'all' else 'clip')} of {manifest.source}"
    temperature, protocol = fit_temperatures(task, logits, truth, narrator)
    protocol = {
        "clips": len(samples),
        "groups": len(set(drawn_together(samples) or range(len(samples)))),
        "split": split,
        "source": manifest.source,
        "missing_videos": len(listen.quarantine.reasons),
        "clips_trained_on": shown,
        **protocol,
    }
    rule = None
    if unknown is not None:
        means = class_means(listen, folder, root if data is None else None) if unknown == "distance" else None
        rule = unknown_rule(task, outputs, by=unknown, accept=accept or ACCEPT, means=means, where=where)
    fitted_on = tuple((sample.path, sample.start_s, sample.end_s) for sample in samples)
    found = Calibration(file_hash(file), temperature, {}, rule, background, protocol, fitted_on)
    if wanted:
        found = with_thresholds(replace(trained, calibration=found), samples, outputs, truth, wanted, where, narrator)
    tell_left_out(narrator, listen.quarantine.reasons)
    return Calibrated(write_calibration(file, found), found)


def _asked(
    precision: float | None,
    recall: float | None,
    false_alarms: str | None,
    confidence: float | None,
    unknown: str | None,
    accept: float | None,
) -> Wanted:
    """What thresholds are for; UsageError for what makes no sense, or has no effect."""
    sure = CONFIDENCE if confidence is None else confidence
    wanted = Wanted(precision=precision, recall=recall, false_alarms=false_alarms, confidence=sure)
    if confidence is not None and not wanted:
        raise UsageError("--confidence has no effect without --precision, --recall or --false-alarms; add one")
    if accept is not None and unknown is None:
        raise UsageError("--accept has no effect without --unknown; add it")
    if unknown is not None and unknown not in WAYS:
        raise UsageError(f"--unknown is {unknown!r}; it can be {' or '.join(WAYS)}")
    share("--accept", accept)
    return wanted


def _clips(
    folder: Path,
    data: str | Path | Manifest | None,
    *,
    split: str | None,
    kind: str | None,
    root: str | Path | None,
    edits: ClassEdits | None,
) -> tuple[Manifest, Sequence[Sample], str]:
    """The clips to fit on, with the data that they are of and what they are called."""
    if data is None:
        if split not in (None, "val"):
            raise UsageError(
                f"--split is {split!r}, and a run is calibrated on its val clips; name other data with --data"
            )
        if not manifest_of(read_run(folder)).part("val"):
            raise UsageError(
                f"{folder} kept no validation clips; name labelled clips that it was not trained on with --data"
            )
        split = "val"
    return clips_to_score(folder, data, split=split, kind=kind, root=root, group_by=None, edits=edits)


def _refuse_names(task: Recognition, *, unknown: str | None, background: str | None) -> None:
    labels = [label for names in task.heads.values() for label in names]
    if background is not None and background not in labels:
        near = get_close_matches(background, labels, n=1)
        cure = (
            f"did you mean {near[0]}?"
            if near
            else f"its classes are {', '.join(labels[:5])}{', ...' * (len(labels) > 5)}"
        )
        raise UsageError(f"--background is {background!r}, which is no class of the model; {cure}")
    if unknown is not None and UNKNOWN in labels:
        raise UsageError(f"the model has a class {UNKNOWN!r} of its own; train with --rename to use --unknown")
