"""The command rebalance: the classifier of a finished run, made fair to classes of few clips."""

from pathlib import Path
from typing import Annotated

import typer

from . import options as o
from . import show
from .checks import data_exists, model_exists, one_of, place_is_free
from .console import Terminal, print_json, print_table, print_text

METHODS = ("crt", "ncm", "tau", "lws")


def rebalance(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="folder of a finished run")],
    method: Annotated[
        str,
        typer.Option(
            "--method",
            callback=one_of(*METHODS),
            help="crt: a fresh classifier on balanced draws; ncm: nearest class mean; tau: weights of like length; "
            "lws: one learned factor a class",
        ),
    ],
    data: Annotated[
        str | None, typer.Option("--data", help="labelled clips to balance it on [default: the run's own]")
    ] = None,
    kind: o.Kind = None,
    root: o.Root = None,
    group_by: o.GroupBy = None,
    merge: o.Merge = None,
    rename: o.Rename = None,
    leave_out: o.LeaveOut = None,
    out: o.Out = None,
    shots: o.Shots = None,
    max_bad: o.MaxBad = 3,
    no_cache: o.NoCache = False,
    device: o.Device = "auto",
    decoder: o.Decoder = "pyav",
    workers: o.Workers = None,
    seed: o.Seed = 0,
    json: o.Json = False,
    quiet: o.Quiet = False,
    verbose: o.Verbose = False,
) -> None:
    """Balance the classifier of a run for rare classes, on the representation that it has; leaves a new run."""
    model_exists(run)
    if data is not None:
        data_exists(data)
    place_is_free(out, folder=True)
    from ..jobs import rebalance as job

    with Terminal(quiet=quiet, verbose=verbose) as terminal:
        result = job(
            run,
            method=method,
            data=data,
            kind=kind,
            root=root,
            group_by=group_by,
            edits=o.class_edits(merge, rename, leave_out),
            out=out,
            shots=shots,
            max_bad=max_bad,
            use_cache=not no_cache,
            device=device,
            decoder=decoder,
            workers=workers,
            seed=seed,
            narrator=terminal,
        )
    if json:
        print_json(result.to_dict())
        return
    numbers = {name: value for name, value in result.chosen.items() if isinstance(value, int | float)}
    print_text(f"{method}: {', '.join(f'{name} {value:.4g}' for name, value in numbers.items())}")
    print_table(show.SHOT_COLUMNS, show.shot_rows(result))
    print_text(f"report: {result.folder}/report.html")


COMMANDS = {"rebalance": rebalance}
