"""The command that makes the scores of a run mean what they say: calibrate."""

from pathlib import Path
from typing import Annotated

import typer

from . import options as o
from . import show
from .checks import checked, data_exists, model_exists, share
from .console import Terminal, print_json, print_table, print_text


def calibrate(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="run folder")],
    data: Annotated[
        str | None,
        typer.Option("--data", help="labelled clips to fit on [default: the run's own validation clips]"),
    ] = None,
    precision: Annotated[
        float | None,
        typer.Option("--precision", callback=share, help="a threshold for every class, right at least so often"),
    ] = None,
    recall: Annotated[
        float | None,
        typer.Option("--recall", callback=share, help="a threshold for every class, that finds at least this share"),
    ] = None,
    false_alarms: Annotated[
        str | None,
        typer.Option(
            "--false-alarms",
            metavar="N/TIME",
            callback=checked,
            help="a threshold for every class, with no more false alarms than, say, 1/hour or 2/day",
        ),
    ] = None,
    confidence: Annotated[
        float | None,
        typer.Option("--confidence", callback=checked, help="with which the clips must show that [default: 0.95]"),
    ] = None,
    unknown: Annotated[
        str | None,
        typer.Option(
            "--unknown", callback=checked, help="tell what is like no training clip, by energy or by distance"
        ),
    ] = None,
    accept: Annotated[
        float | None,
        typer.Option("--accept", callback=share, help="share of known clips that must not be unknown [default: 0.95]"),
    ] = None,
    background: Annotated[
        str | None,
        typer.Option("--background", metavar="CLASS", help="class that means that nothing happens: it makes no events"),
    ] = None,
    split: Annotated[
        str | None, typer.Option("--split", callback=checked, help="train, val or test of --data only")
    ] = None,
    kind: o.Kind = None,
    root: o.Root = None,
    merge: o.Merge = None,
    rename: o.Rename = None,
    leave_out: o.LeaveOut = None,
    max_bad: o.MaxBad = 3,
    device: o.Device = "auto",
    decoder: o.Decoder = "pyav",
    flow: o.Flow = None,
    workers: o.Workers = None,
    json: o.Json = False,
    quiet: o.Quiet = False,
    verbose: o.Verbose = False,
) -> None:
    """Fit how a run's scores are to be read, on validation clips: honest confidence, and thresholds and the unknown on
    request. It is kept in the run, and predict and evaluate obey it."""
    model_exists(run)
    if data is not None:
        data_exists(data)
    from ..jobs import calibrate as job

    with Terminal(quiet=quiet, verbose=verbose) as terminal:
        found = job(
            run,
            data,
            precision=precision,
            recall=recall,
            false_alarms=false_alarms,
            confidence=confidence,
            unknown=unknown,
            accept=accept,
            background=background,
            split=split,
            kind=kind,
            root=root,
            edits=o.class_edits(merge, rename, leave_out),
            device=device,
            decoder=decoder,
            flow=flow,
            workers=workers,
            max_bad=max_bad,
            narrator=terminal,
        )
    if json:
        print_json(found.to_dict())
        return
    print_table(show.CALIBRATION_COLUMNS, show.calibration_rows(found))
    header, rows = show.threshold_rows(found)
    if rows:
        print_text(f"thresholds for {found.calibration.protocol['wanted']}:")
        print_table(header, rows)
    for sentence in found.sentences():
        print_text(sentence)
