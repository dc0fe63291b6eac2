"""The command transfer: from scratch and from what a network has learned elsewhere, side by side on the same clips."""

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperOption

from ..errors import UsageError
from . import options as o
from .checks import data_exists, model_exists, one_of, place_is_free
from .console import Terminal, print_json, print_table, print_text
from .train import Epochs, resumable

WAYS = ("original", "fixed", "full", "lora")


def several(param: TyperOption, value: Any) -> Any:
    """Names of ways with commas between them; UsageError for another one."""
    for name in _names(value):
        one_of(*WAYS)(param, name)
    return value


def transfer(
    data: o.Data,
    start_from: Annotated[
        Path, typer.Option("--from", metavar="RUN|FILE", help="the run or weights that have learned elsewhere")
    ],
    ways: Annotated[
        str | None,
        typer.Option(
            "--ways",
            metavar="A,B",
            callback=several,
            help="original (from scratch, without --from), and fixed, full and lora as train --transfer has them "
            "[default: all that the network can take]",
        ),
    ] = None,
    out: o.Out = None,
    kind: o.Kind = None,
    root: o.Root = None,
    group_by: o.GroupBy = None,
    merge: o.Merge = None,
    rename: o.Rename = None,
    leave_out: o.LeaveOut = None,
    epochs: Epochs = None,
    max_bad: o.MaxBad = 3,
    device: o.Device = "auto",
    flow: o.Flow = None,
    workers: o.Workers = None,
    seed: o.Seed = 0,
    json: o.Json = False,
    quiet: o.Quiet = False,
    verbose: o.Verbose = False,
) -> None:
    """What it is worth that a network has learned elsewhere: train from scratch and from it, and compare."""
    data_exists(data)
    model_exists(start_from)
    place_is_free(out, folder=True)
    if len(set(_names(ways))) == 1:
        raise UsageError(f"--ways names {_names(ways)[0]} alone, which is nothing to compare; name another beside it")
    from ..jobs import transfer as job
    from ..report import ways_table

    with Terminal(quiet=quiet, verbose=verbose) as terminal, resumable("what the ways saved"):
        found = job(
            data,
            start_from=start_from,
            ways=_names(ways),
            out=out,
            kind=kind,
            root=root,
            group_by=group_by,
            edits=o.class_edits(merge, rename, leave_out),
            epochs=epochs,
            max_bad=max_bad,
            device=device,
            flow=flow,
            workers=workers,
            seed=seed,
            narrator=terminal,
        )
    if json:
        print_json(found.to_dict())
        return
    table = ways_table(found.table)
    print_table([name for name, _ in table.columns], table.texts())
    print_text(found.table.reason)
    print_text(f"next: {found.table.command}")
    print_text(f"report: {found.folder}/report.html")


def _names(ways: str | None) -> list[str]:
    return [name.strip() for name in (ways or "").split(",") if name.strip()]


COMMANDS = {"transfer": transfer}
