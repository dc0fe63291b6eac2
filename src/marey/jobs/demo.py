"""The main job on the embedded default: render a stage, validate, train, evaluate, predict, and leave a report."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..data import Manifest, read_manifest, validate
from ..data.stage import render
from ..errors import DataError
from ..presets import find_preset
from ..report import render_html, write_text
from ..results import Evaluation
from ..tasks import EventRule
from ..training import read_history
from .evaluate import evaluate, evaluation_dict
from .narrate import Narrator, Silent, progress_of
from .predict import predict
from .prepare import pick_workers
from .publish import make_report
from .run import Run, read_run
from .train import train

MOTION, SINGLE_FRAME = "motion_stage", "single_frame_stage"
CLIPS_PER_CLASS, SEEN_CLIPS_PER_CLASS, STREET_CLIPS_PER_CLASS = 22, 3, 8
EPOCHS = 20
GROUPS = ("reversed", "tempo", "order", "appearance")


@dataclass(frozen=True)
class DemoResult:
    """name of the model -> its evaluation on unseen actors in unseen scenes; the run folder; the film."""

    folder: Path
    evaluations: Mapping[str, Evaluation]
    film: Path
    groups: tuple[str, ...] = GROUPS

    def to_dict(self) -> dict[str, Any]:
        evaluations = {name: evaluation_dict({"label": e}) for name, e in self.evaluations.items()}
        return {"folder": str(self.folder), "film": str(self.film), "evaluations": evaluations}

    def next_steps(self) -> str:
        return (
            f"report: {self.folder}/report.html\n"
            f"film:   {self.film}\n"
            "Now with your own videos, one folder a class or a CSV with path,label:\n"
            "  marey validate my-videos/\n"
            "  marey train my-videos/ --out runs/mine\n"
            "  marey predict runs/mine some-video.mp4"
        )


def demo(out: str | Path, *, device: str = "auto", seed: int = 0, narrator: Narrator | None = None) -> DemoResult:
    """Studio level, tested on unseen actors in unseen scenes; beside it the single-frame model, seen actors and scenes,
    and the street level, which was not trained on."""
    narrator, out, workers = narrator or Silent(), Path(out), pick_workers(None)
    studio, street = out / "studio", out / "street"
    for folder, clips, films in ((studio, CLIPS_PER_CLASS, 3), (street, STREET_CLIPS_PER_CLASS, 0)):
        narrator.say(f"the {folder.name} level of the stage: {folder}")
        render(
            folder,
            level=folder.name,
            clips_per_class=clips,
            cross_per_class=SEEN_CLIPS_PER_CLASS if films else 0,
            untrimmed=films,
            seed=seed,
            workers=workers + 1,
            progress=progress_of(narrator, f"render {folder.name}"),
        )
    data = studio / "annotations.csv"
    manifest = read_manifest(data)
    found = validate(manifest, workers=workers + 1, progress=progress_of(narrator, "validate"))
    if not found.safe:
        raise DataError(f"{studio} is damaged ({found.problems[0].message}); delete it and run the demo again")
    trials = {}
    for name, preset, epochs in (("single frame", SINGLE_FRAME, EPOCHS), ("motion", MOTION, EPOCHS)):
        narrator.say(f"training: {name}")
        trials[name] = train(
            data,
            preset=preset,
            epochs=epochs,
            lr=3e-3,
            smoothing=0.1,
            out=out / name.replace(" ", "-"),
            device=device,
            seed=seed,
            narrator=narrator,
        )
    evaluations = {name: trial.evaluations["label"] for name, trial in trials.items()}
    run = read_run(trials["motion"].folder)
    across = studio / "labels" / "generalization.csv"
    seen = evaluate(run.folder, _seen(across), device=device, narrator=narrator)["label"]
    on_street = evaluate(run.folder, street / "annotations.csv", split="test", device=device, narrator=narrator)[
        "label"
    ]
    long = read_manifest(studio / "labels" / "untrimmed.csv").samples
    shown = sorted({sample.path for sample in long if sample.split == "test"})[:1]
    rule = EventRule(threshold=0.3, min_duration_s=0.5)  # 32 classes share the certainty
    timelines, _ = predict(run.folder, shown, out=out, rule=rule, device=device, narrator=narrator)
    _write_report(out, run, manifest, evaluations, seen=seen, street=on_street, still=trials["single frame"].folder)
    elsewhere = {"motion, seen actors and scenes": seen, "motion, street level": on_street}
    return DemoResult(out, {**evaluations, **elsewhere}, out / f"{Path(next(iter(timelines))).stem}.overlay.mp4")


def _seen(across: Path) -> Manifest:
    """The clips of actors and scenes that are in the training split too, in other performances."""
    condition = {sample.path: sample.group for sample in read_manifest(across, group_by="condition").samples}
    manifest = read_manifest(across)
    return replace(manifest, samples=tuple(s for s in manifest.samples if condition[s.path] == "seen"))


def _write_report(
    out: Path,
    run: Run,
    manifest: Manifest,
    evaluations: Mapping[str, Evaluation],
    *,
    seen: Evaluation,
    street: Evaluation,
    still: Path,
) -> None:
    """The motion model's report, with the single-frame model beside it and the other conditions as breakdowns."""
    own = evaluations["motion"]
    conditions = {
        "seen": {"seen": seen.metrics, "unseen": own.metrics},
        "level": {"studio": own.metrics, "street": street.metrics},
    }
    report = make_report(
        run,
        replace(own, breakdowns={**own.breakdowns, **conditions}),
        title="Marey demo",
        manifest=manifest,
        fed=find_preset(MOTION).clip,
        history=read_history(run.folder),
        efficiency=_efficiency(run.folder),
        baselines={"single frame": evaluations["single frame"]},
        baseline_efficiency={"single frame": _efficiency(still)},
    )
    write_text(render_html(report), out / "report.html")


def _efficiency(run: Path) -> dict[str, float]:
    return json.loads((run / "evaluation.json").read_text(encoding="utf-8"))["efficiency"]
