"""The command few-shot: how well encoders learn a new task from few examples."""

from pathlib import Path
from typing import Annotated

import typer

from ..errors import UsageError
from . import options as o
from . import show
from .checks import checked, data_exists, share
from .console import Terminal, print_json, print_table, print_text


def few_shot(
    given: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN|PRESET... DATA", help="run folders, .safetensors files or pretrained presets, and the data"
        ),
    ],
    ways: Annotated[int, typer.Option("--ways", callback=checked, help="classes of an episode")] = 5,
    shots: Annotated[
        str, typer.Option("--shots", metavar="K,...", help="labelled clips a class to learn from, several numbers")
    ] = "1,5",
    queries: Annotated[
        int, typer.Option("--queries", callback=checked, help="other clips a class to ask about, at most")
    ] = 15,
    episodes: Annotated[int, typer.Option("--episodes", callback=checked, help="draws of classes and clips")] = 600,
    classes: Annotated[
        str | None,
        typer.Option(
            "--classes", metavar="A,B,...", help="to draw from [default: those that no run was trained on, else all]"
        ),
    ] = None,
    prompt: Annotated[
        str | None,
        typer.Option(
            "--prompt",
            metavar="TEXT",
            help="what is said of a class, its name for {}, to encoders that read text [default: a video of {}]",
        ),
    ] = None,
    target: Annotated[
        float | None,
        typer.Option("--target", callback=share, help="say what it takes to reach this accuracy, such as 0.8"),
    ] = None,
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
    """Learn new classes from a few clips each, in many episodes: which encoder, and which classifier on top, does
    best."""
    if len(given) < 2:
        raise UsageError("few-shot needs an encoder and data; name a run or preset first, and the data last")
    *encoders, data = given
    data_exists(data)
    for name in encoders:
        if ("/" in name or name.endswith(".safetensors")) and not name.startswith("hf:") and not Path(name).exists():
            raise UsageError(f"{name} does not exist; give a run folder, a .safetensors file or the name of a preset")
    from ..jobs import few_shot as job

    with Terminal(quiet=quiet, verbose=verbose) as terminal:
        found = job(
            encoders,
            data,
            ways=ways,
            shots=shots,
            queries=queries,
            episodes=episodes,
            classes=[name.strip() for name in classes.split(",")] if classes else (),
            prompt=prompt,
            target=target,
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
    counts = sorted({row.shots for row in found.rows})
    header = ("encoder", "classifier", *(f"{count} {'shot' if count == 1 else 'shots'}" for count in counts))
    print_table(header, show.few_shot_rows(found))
    if found.needs:
        print_table(show.NEED_COLUMNS, show.need_rows(found))
    what = "classes that no run is known to have learned" if found.held_out else "classes, some of them known"
    print_text(f"{ways} of {len(found.classes)} {what}; intervals (95 %) are over episodes of these clips")
    print_text(show.protocol_line(found.protocol))


COMMANDS = {"few-shot": few_shot}
