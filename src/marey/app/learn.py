"""Commands that use what was learned, or prepare for it: evaluate, predict, plan, demo; train is beside it."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from ..errors import UsageError
from . import options as o
from . import show
from .calibrate import calibrate
from .checks import checked, data_exists, model_exists, models_and_data, place_is_free, videos_exist
from .console import Terminal, print_error, print_json, print_table, print_text
from .train import train


def evaluate(
    given: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN|FILE... [DATA]",
            help="run folder or .safetensors file, several with --fuse; then labelled videos "
            "[default: the run's held-out clips]",
        ),
    ],
    fuse: Annotated[
        str | None,
        typer.Option("--fuse", callback=checked, help="merge what several models say: add, mean, mean-logits or svm"),
    ] = None,
    split: Annotated[str | None, typer.Option("--split", callback=checked, help="train, val or test only")] = None,
    views: o.Views = None,
    shots: o.Shots = None,
    kind: o.Kind = None,
    root: o.Root = None,
    group_by: o.GroupBy = None,
    merge: o.Merge = None,
    rename: o.Rename = None,
    leave_out: o.LeaveOut = None,
    out: o.Out = None,
    max_bad: o.MaxBad = 3,
    device: o.Device = "auto",
    decoder: o.Decoder = "pyav",
    flow: o.Flow = None,
    workers: o.Workers = None,
    seed: o.Seed = 0,
    json: o.Json = False,
    quiet: o.Quiet = False,
    verbose: o.Verbose = False,
) -> None:
    """Score a model, or several as one, on held-out or other labelled clips, with intervals and the protocol stamp."""
    models, data = models_and_data(given, fuse=fuse is not None)
    place_is_free(out, folder=False)
    if fuse and shots:
        raise UsageError("--shots is about the training clips of one model, and --fuse merges several; drop one")
    from ..jobs import evaluate as alone
    from ..jobs import evaluate_together, evaluation_dict, write_json

    job = partial(evaluate_together, models, fuse=fuse) if fuse else partial(alone, models[0], shots=shots)
    with Terminal(quiet=quiet, verbose=verbose) as terminal:
        found = job(
            data,
            split=split,
            views=views or "1x1",
            kind=kind,
            root=root,
            group_by=group_by,
            edits=o.class_edits(merge, rename, leave_out),
            device=device,
            decoder=decoder,
            flow=flow,
            workers=workers,
            max_bad=max_bad,
            seed=seed,
            narrator=terminal,
        )
    if out:
        write_json(out, evaluation_dict(found))
    if json:
        print_json(evaluation_dict(found))
        return
    print_table(show.METRIC_COLUMNS, show.metric_rows(found))
    for evaluation in found.values():
        print_text(show.protocol_line(evaluation.protocol))
        print_table(("class", "clips", "precision", "recall", "F1"), show.class_rows(evaluation))
        if parts := show.part_rows(evaluation, "shots"):
            print_table(("training clips of the class", "mean per class", "95 % interval"), parts)
        if rows := show.alarm_rows(evaluation):
            print_table(show.ALARM_COLUMNS, rows)
        if rows := show.fused_rows(evaluation):
            print_table(show.FUSED_COLUMNS, rows)


def predict(
    model: Annotated[Path, typer.Argument(metavar="RUN|FILE", help="run folder or .safetensors file")],
    videos: Annotated[list[str], typer.Argument(metavar="VIDEO...", help="files, folders or globs")],
    out: Annotated[Path, typer.Option("--out", help="folder for NAME.json, NAME.csv and NAME.overlay.mp4")] = Path(
        "predictions"
    ),
    views: o.Views = None,
    labels: Annotated[
        str | None,
        typer.Option("--labels", help="class names for a model without them: a file, one a line, or a public list"),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            "--threshold",
            callback=checked,
            help="score from which every class is on [default: what `marey calibrate` found, else 0.5]",
        ),
    ] = None,
    merge_gap: Annotated[
        float,
        typer.Option("--merge-gap", metavar="SECONDS", callback=checked, help="events closer than this become one"),
    ] = 0.5,
    min_duration: Annotated[
        float,
        typer.Option("--min-duration", metavar="SECONDS", callback=checked, help="shorter events are dropped"),
    ] = 0.0,
    hop: Annotated[
        float | None,
        typer.Option(
            "--hop", metavar="SECONDS", callback=checked, help="from window to window [default: half a window]"
        ),
    ] = None,
    no_overlay: Annotated[
        bool, typer.Option("--no-overlay", help="write no film, which takes a second look at the video")
    ] = False,
    arrows: Annotated[
        bool, typer.Option("--arrows", help="show in the film where things move: to where they would be in 0.2 s")
    ] = False,
    max_bad: o.MaxBad = 3,
    device: o.Device = "auto",
    decoder: o.Decoder = "pyav",
    flow: o.Flow = None,
    json: o.Json = False,
    quiet: o.Quiet = False,
    verbose: o.Verbose = False,
) -> None:
    """Slide over videos of any length: events in seconds as JSON and CSV, and an overlay film."""
    model_exists(model)
    videos_exist(videos)
    place_is_free(out, folder=True)
    if arrows and no_overlay:
        raise UsageError("--arrows are drawn in the film, and --no-overlay writes none; drop one of the two")
    from ..jobs import list_videos, open_model, output_files, with_labels
    from ..jobs import predict as job
    from ..tasks import EventRule

    list_videos(videos)
    rule = EventRule(threshold=threshold, merge_gap_s=merge_gap, min_duration_s=min_duration)
    with Terminal(quiet=quiet, verbose=verbose) as terminal:
        trained = open_model(model, device=device, decoder=decoder, flow=flow)
        if labels is not None:
            trained = with_labels(trained, labels)
        found, bad = job(
            trained,
            videos,
            out=out,
            views=views,
            hop_s=hop,
            rule=rule,
            overlay=not no_overlay,
            arrows=arrows,
            max_bad=max_bad,
            narrator=terminal,
        )
    written = output_files(found, out, overlay=not no_overlay)
    if json:
        timelines = [timeline.to_dict() for timeline in found.values()]
        print_json({"timelines": timelines, "quarantined": bad, "written": written})
    else:
        for timeline in found.values():
            best = sorted(timeline.video_scores.items(), key=lambda pair: -pair[1])[:3]
            scores = ", ".join(f"{label} {score:.2f}" for label, score in best)
            print_text(f"{timeline.video} ({timeline.duration_s:.2f} s): {scores}")
            print_table(("start s", "end s", "label", "score"), show.event_rows(timeline))
            print_text(f"written to {', '.join(written[timeline.video])}")
    if not found:
        path, reason = next(iter(bad.items()))
        print_error(f"no video could be read, so nothing is written; first {path}: {reason}")
        raise typer.Exit(1)


def plan(
    data: o.Data,
    presets: Annotated[list[str] | None, typer.Option("--preset", help="candidates; may be repeated")] = None,
    within: Annotated[
        float,
        typer.Option(
            "--within", metavar="MINUTES", callback=checked, help="take none that trains longer [default: a night]"
        ),
    ] = 480.0,
    kind: o.Kind = None,
    root: o.Root = None,
    group_by: o.GroupBy = None,
    merge: o.Merge = None,
    rename: o.Rename = None,
    leave_out: o.LeaveOut = None,
    device: o.Device = "auto",
    decoder: o.Decoder = "pyav",
    workers: o.Workers = None,
    seed: o.Seed = 0,
    json: o.Json = False,
    quiet: o.Quiet = False,
    verbose: o.Verbose = False,
) -> None:
    """How long each candidate would train on this machine and how much memory it takes, measured."""
    data_exists(data)
    from ..jobs import plan as job

    with Terminal(quiet=quiet, verbose=verbose) as terminal:
        rows = job(
            data,
            presets=presets or (),
            within_min=within,
            kind=kind,
            root=root,
            group_by=group_by,
            edits=o.class_edits(merge, rename, leave_out),
            device=device,
            decoder=decoder,
            workers=workers,
            seed=seed,
            narrator=terminal,
        )
    if json:
        print_json([row.to_dict() for row in rows])
        return
    columns = ("preset", "parameters", "GMACs", "epochs", "batch", "minutes", "memory MB", "")
    print_table(columns, [show.plan_row(row) for row in rows])
    taken = next((row for row in rows if row.taken), None)
    if taken is None:
        print_text(f"none is taken: none fits in memory and trains within {within:g} minutes (--within)")
        return
    print_text(f"taken: {taken.preset}, for {taken.why}")
    print_text(f"next: {taken.command}")


def demo(
    out: Annotated[Path, typer.Option("--out", help="run folder")] = Path("runs/demo"),
    device: o.Device = "auto",
    seed: o.Seed = 0,
    json: o.Json = False,
    quiet: o.Quiet = False,
    verbose: o.Verbose = False,
) -> None:
    """Render a small data set, train, evaluate and predict on it: the main job in a few minutes."""
    from ..jobs import demo as job

    with Terminal(quiet=quiet, verbose=verbose) as terminal:
        result = job(out, device=device, seed=seed, narrator=terminal)
    if json:
        print_json(result.to_dict())
        return
    print_table(("model", "clips", "all", *result.groups), show.demo_rows(result))
    print_text(result.next_steps())


COMMANDS = {
    "train": train,
    "evaluate": evaluate,
    "calibrate": calibrate,
    "predict": predict,
    "plan": plan,
    "demo": demo,
}
