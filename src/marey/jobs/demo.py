"""The main job on the embedded default: render a stage, validate, train, evaluate, predict, and leave a report."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..data import read_manifest, validate
from ..data.stage import render
from ..errors import DataError
from ..results import Evaluation
from .evaluate import evaluate, evaluation_dict
from .narrate import Narrator, Silent, progress_of
from .predict import predict
from .prepare import pick_workers
from .train import train

MODEL, SINGLE_FRAME = "motion_stage", "single_frame_stage"
CLIPS_PER_CLASS = 30
STREET_CLIPS_PER_CLASS = 4
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
    """Studio level, split by actor and scene; the single-frame model and the street level's figure stand beside."""
    narrator, out, workers = narrator or Silent(), Path(out), pick_workers(None)
    studio, street = out / "stage", out / "street"
    for folder, level, clips in ((studio, "studio", CLIPS_PER_CLASS), (street, "street", STREET_CLIPS_PER_CLASS)):
        if not (folder / "annotations.csv").exists():
            narrator.say(f"rendering the {level} level of the stage into {folder}")
            tell = progress_of(narrator, f"render {level}")
            render(folder, level=level, clips_per_class=clips, seed=seed, workers=workers + 1, progress=tell)
    data = studio / "annotations.csv"
    found = validate(read_manifest(data), workers=workers, progress=progress_of(narrator, "validate"))
    if not found.safe:
        raise DataError(f"{studio} is damaged ({found.problems[0].message}); delete it and run the demo again")
    narrator.say("first the single-frame model, which sees no motion, for comparison")
    still = train(
        data, preset=SINGLE_FRAME, epochs=EPOCHS, out=out / "single-frame", device=device, seed=seed, narrator=narrator
    )
    narrator.say("now the same with a network that sees motion")
    single = next(iter(still.evaluations.values()))
    trial = train(
        data,
        preset=MODEL,
        epochs=EPOCHS,
        out=out / "model",
        device=device,
        seed=seed,
        narrator=narrator,
        baselines={"single frame": single},
    )
    on_street = evaluate(trial.folder, street / "annotations.csv", device=device, seed=seed, narrator=narrator)
    shown = sorted((studio / "untrimmed").glob("*.mp4"))[:1]
    timelines, _ = predict(trial.folder, shown, out=out, device=device, narrator=narrator)
    film = out / f"{Path(next(iter(timelines))).stem}.mp4"
    evaluations = {
        "motion": next(iter(trial.evaluations.values())),
        "single frame": single,
        "motion, street level": next(iter(on_street.values())),
    }
    return DemoResult(out, evaluations, film)
