"""The command compare: several presets under one budget."""

import re
from typing import Annotated

import typer

from ..errors import UsageError
from . import options as o
from . import show
from .checks import checked, data_exists, place_is_free
from .console import Terminal, print_json, print_table, print_text
from .train import resumable

UNITS = {"s": 1 / 60, "m": 1.0, "h": 60.0, "": 1.0}


def minutes_of(value: str) -> float:
    """ "30m", "2h", "90s" or a plain number of minutes; UsageError for anything else."""
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*([smh]?)", value.strip().lower())
    if not found or float(found[1]) <= 0:
        raise UsageError(f"--budget is {value!r}; write minutes, or a time such as 90s, 30m or 2h")
    return float(found[1]) * UNITS[found[2]]


def compare(
    data: o.Data,
    presets: Annotated[
        list[str] | None,
        typer.Option("--presets", metavar="A,B", help="candidates [default: a ladder]; may be repeated"),
    ] = None,
    budget: Annotated[
        str, typer.Option("--budget", metavar="TIME", callback=lambda value: minutes_of(value) and value)
    ] = "30m",
    folds: Annotated[int, typer.Option("--folds", callback=checked, help="grouped folds; few are cheap")] = 4,
    out: o.Out = None,
    kind: o.Kind = None,
    root: o.Root = None,
    group_by: o.GroupBy = None,
    merge: o.Merge = None,
    rename: o.Rename = None,
    leave_out: o.LeaveOut = None,
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
    """Try several models under one budget: which is best on your data, what motion and more labels are worth."""
    data_exists(data)
    place_is_free(out, folder=True)
    from ..jobs import compare as job
    from ..report import costs_table

    with Terminal(quiet=quiet, verbose=verbose) as terminal, resumable("every fold that is done"):
        found = job(
            data,
            presets=[name for given in presets or () for name in given.split(",") if name],
            budget=minutes_of(budget),
            folds=folds,
            out=out,
            kind=kind,
            root=root,
            group_by=group_by,
            edits=o.class_edits(merge, rename, leave_out),
            max_bad=max_bad,
            use_cache=not no_cache,
            device=device,
            decoder=decoder,
            workers=workers,
            seed=seed,
            narrator=terminal,
        )
    if json:
        print_json(found.to_dict())
        return
    print_table(show.CANDIDATE_COLUMNS, show.candidate_rows(found.comparison))
    if note := costs_table(found.comparison).note:
        print_text(note)
    for sentence in filter(None, (found.comparison.reason, found.comparison.advice)):
        print_text(sentence)
    print_text(f"next: {found.comparison.command}")
    print_text(f"report: {found.folder}/report.html")


COMMANDS = {"compare": compare}
