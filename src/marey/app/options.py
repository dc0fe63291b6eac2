"""Options that several commands share, written once."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .checks import checked, paired, pairs

if TYPE_CHECKING:
    from ..jobs import ClassEdits

Data = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        help="folder of class folders, CSV/TSV/JSONL/Parquet, or an annotation file of a public data set",
    ),
]
Kind = Annotated[str | None, typer.Option("--kind", help="what DATA is, when it cannot be told from its content")]
Root = Annotated[
    Path | None, typer.Option("--root", help="folder of the videos, when they are not beside the annotations")
]
GroupBy = Annotated[
    str | None,
    typer.Option("--group-by", metavar="COL", help="column whose values must not be on both sides of a split"),
]
Merge = Annotated[
    list[str] | None,
    typer.Option("--merge", metavar="NEW=A,B", callback=paired, help="treat classes A and B as NEW; may be repeated"),
]
Rename = Annotated[
    list[str] | None,
    typer.Option("--rename", callback=paired, metavar="OLD=NEW", help="rename a class; may be repeated"),
]
LeaveOut = Annotated[
    list[str] | None, typer.Option("--leave-out", metavar="CLASS", help="leave a class out; may be repeated")
]
PresetName = Annotated[
    str | None, typer.Option("--preset", help="model to use: one that `marey models` lists, or hf:OWNER/NAME")
]
Device = Annotated[str, typer.Option("--device", callback=checked, help="auto, cpu, cuda, cuda:1 or mps")]
Decoder = Annotated[
    str,
    typer.Option(
        "--decoder", callback=checked, help="what reads videos: pyav, torchcodec, or auto: torchcodec where it can"
    ),
]
Flow = Annotated[
    str | None,
    typer.Option(
        "--flow",
        metavar="METHOD|FOLDER",
        help="optical flow of networks that are fed it: dis, dis:ultrafast, dis:medium, farneback, tvl1, spynet:FILE, "
        "or what `marey flow` wrote [default: dis, or as the model learned it]",
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers", callback=checked, help="processes that decode video [default: all cores but one, at most 8]"
    ),
]
Seed = Annotated[int, typer.Option("--seed", callback=checked, help="everything random follows from it")]
Out = Annotated[Path | None, typer.Option("--out", help="where to write")]
Json = Annotated[bool, typer.Option("--json", help="print JSON for a program instead of tables")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="no progress")]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="say more: decisions, kept clips, all that was left out, seconds a part")
]
Views = Annotated[
    str | None,
    typer.Option(
        "--views",
        metavar="TxS",
        callback=checked,
        help="clips in time x crops in space that are averaged, such as 10x3",
    ),
]
Shots = Annotated[
    str | None,
    typer.Option(
        "--shots",
        metavar="FEWEST,MOST",
        callback=checked,
        help="training clips of medium-shot classes, between few-shot and many-shot ones [default: 20,100]",
    ),
]
NoCache = Annotated[bool, typer.Option("--no-cache", help="encode every clip anew")]
MaxBad = Annotated[
    int,
    typer.Option("--max-bad", callback=checked, help="unreadable videos to tolerate (1 % of all, if that is more)"),
]


def class_edits(merge: list[str] | None, rename: list[str] | None, leave_out: list[str] | None) -> "ClassEdits":
    """The --merge, --rename and --leave-out flags as one value."""
    from ..jobs import ClassEdits

    merged = {new: tuple(part.strip() for part in old.split(",")) for new, old in pairs("--merge", merge).items()}
    return ClassEdits(merge=merged, rename=pairs("--rename", rename), leave_out=tuple(leave_out or ()))
