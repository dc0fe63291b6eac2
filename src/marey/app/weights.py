"""`marey weights`: official checkpoints into ours, and what a file of weights is."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import UsageError
from . import options as o
from .console import print_json, print_table, print_text

if TYPE_CHECKING:
    from ..presets import Diff

SHOWN = 12  # lines of each kind of difference
File = Annotated[
    Path,
    typer.Argument(metavar="FILE", help="PyTorch, safetensors, Caffe2 .pkl or TensorFlow checkpoint, told by content"),
]


def convert(
    path: File,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="the checkpoint to write, such as model.safetensors")],
    preset: Annotated[
        str | None, typer.Option("--preset", help="network that it is of [default: the only one that fits]")
    ] = None,
    num_classes: Annotated[
        int | None, typer.Option("--num-classes", help="classes [default: as many as the file has]")
    ] = None,
    new_head: Annotated[
        bool, typer.Option("--new-head", help="start afresh what depends on the classes; all else must fit")
    ] = False,
    labels: Annotated[
        str | None,
        typer.Option("--labels", metavar="NAMES", help="file with a class name a line, or a data set like kinetics400"),
    ] = None,
    variant: Annotated[
        str | None, typer.Option("--variant", help="build of the preset [default: the one that the tensors show]")
    ] = None,
    json: o.Json = False,
) -> None:
    """Turn official weights into a checkpoint that every command takes; refuses what does not fit exactly."""
    if num_classes is not None and num_classes < 1:
        raise UsageError(f"--num-classes is {num_classes}; it must be 1 or more")
    from ..presets import Misfit, convert_weights
    from ..report import counted

    names = None
    if labels:
        from ..jobs.scores import read_labels

        names = read_labels(labels)
    try:
        made = convert_weights(
            path, out, preset=preset, num_classes=num_classes, new_head=new_head, labels=names, variant=variant
        )
    except Misfit as misfit:
        _print_diff(misfit.diff, json=json)
        raise
    if json:
        print_json(asdict(made))
        return
    print_text(f"{path}: {made.format}, names of {made.release}, {made.tensors} tensors, {made.params:,} parameters")
    for what, found in (
        ("kernels of images spread over time", made.inflated),
        ("counters of normalization set to zero", made.supplied),
        ("tensors that start afresh", made.fresh),
        ("tensors of other networks left behind", made.left),
    ):
        if found:
            print_text(f"{len(found)} {what}: {_some(found)}")
    if not made.classes:
        print_text(f"written to {made.out}: {made.preset}, a network of optical flow")
        return
    build = f" (variant {made.variant})" if made.variant else ""
    classes = counted(made.classes, "class")
    print_text(f"written to {made.out}: {made.preset}{build}, {classes}, names: {made.labels}")
    if made.alike and variant is None:
        print_text(f"note: the tensors do not tell it from variant {' or '.join(made.alike)}; --variant takes one")
    print_text(f"next: marey predict {made.out} VIDEO")


def inspect(path: File, json: o.Json = False) -> None:
    """Say what a file of weights is: format, release, head, and the presets that it fits. Nothing in it is run."""
    from ..presets import inspect_weights

    found = inspect_weights(path)
    if json:
        row = asdict(found)
        row["facts"]["file"] = str(found.facts.file)
        print_json(row)
        return
    facts = found.facts
    rows = [
        ("format", facts.format),
        ("names", ", ".join(found.releases) or "of no known release"),
        ("wrapped in", " > ".join(facts.wrapper)),
        ("prefix", facts.prefix),
        ("also holds", _some(facts.ignored)),
        ("tensors", f"{found.tensors:,}"),
        ("parameters", f"{found.params:,}"),
        ("classes", found.classes),
        ("fits", ", ".join(found.presets)),
        ("nearest", found.nearest),
        ("SHA-256", found.sha256),
    ]
    print_table(("", str(path)), [row for row in rows if row[1] not in ("", None)])


def _print_diff(diff: "Diff", *, json: bool) -> None:
    """All of it for a program, and for a person the first of each kind."""
    if json:
        print_json(asdict(diff))
        return
    for what, names in (
        ("missing", diff.missing),
        ("unexpected", [f"{name}{diff.origin(name)}" for name in diff.unexpected]),
        (
            "misshapen",
            [
                f"{name}: {there}{diff.origin(name) or ' in the file'}, {here} in the network"
                for name, there, here in diff.misshapen
            ],
        ),
    ):
        for name in names[:SHOWN]:
            print_text(f"{what:<11} {name}")
        if len(names) > SHOWN:
            print_text(f"{what:<11} ... and {len(names) - SHOWN} more; --json lists them all")


def _some(names: tuple[str, ...], count: int = 4) -> str:
    return ", ".join(names[:count]) + (f" and {len(names) - count} more" if len(names) > count else "")


app = typer.Typer(help="Official weights: convert them, or say what a file is.", no_args_is_help=True)
for name, function in {"convert": convert, "inspect": inspect}.items():
    app.command(name)(function)
