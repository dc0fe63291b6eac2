"""Commands on motion itself, and on what it is read from: flow, prepare."""

from pathlib import Path
from typing import Annotated

import typer

from ..errors import UsageError
from . import options as o
from .checks import checked, place_is_free, videos_exist
from .console import Terminal, print_json, print_table, print_text


def flow(
    videos: Annotated[
        list[str], typer.Argument(metavar="VIDEO...|DATA", help="files, folders or globs, or one annotation file")
    ],
    out: Annotated[Path, typer.Option("--out", help="folder for the flow files")] = Path("flow"),
    method: Annotated[str, typer.Option("--method", callback=checked, help="dis, farneback, tvl1 or spynet")] = "dis",
    speed: Annotated[
        str, typer.Option("--speed", callback=checked, help="of dis: ultrafast, fast or medium (the most exact)")
    ] = "fast",
    weights: Annotated[
        Path | None, typer.Option("--weights", metavar="FILE", help="of spynet: its weights, converted")
    ] = None,
    short_side: Annotated[
        int | None,
        typer.Option("--short-side", metavar="PX", callback=checked, help="resize to this [default: as they are]"),
    ] = None,
    preset: Annotated[
        str | None, typer.Option("--preset", help="resize as this network of flow is fed, to train it on the files")
    ] = None,
    exact: Annotated[
        bool, typer.Option("--exact", help="float32 in .npz, not bytes (within 20 px, to 0.079 px) in .mkv")
    ] = False,
    film: Annotated[bool, typer.Option("--film", help="a film of each, too: arrows, and colours")] = False,
    kind: o.Kind = None,
    root: o.Root = None,
    max_bad: o.MaxBad = 3,
    workers: Annotated[
        int | None,
        typer.Option("--workers", callback=checked, help="threads [default: as many as there are cores]"),
    ] = None,
    json: o.Json = False,
    quiet: o.Quiet = False,
    verbose: o.Verbose = False,
) -> None:
    """Dense optical flow of videos into files; goes on where it was interrupted."""
    videos_exist(videos)
    place_is_free(out, folder=True)
    if method != "dis" and speed != "fast":
        raise UsageError(f"--speed is for --method dis; drop it for {method}")
    from ..jobs import flow as job

    with Terminal(quiet=quiet, verbose=verbose) as terminal:
        made, bad = job(
            videos,
            out=out,
            method=method,
            speed=speed,
            weights=weights,
            short_px=short_side,
            preset=preset,
            exact=exact,
            film=film,
            kind=kind,
            root=root,
            max_bad=max_bad,
            workers=workers,
            narrator=terminal,
        )
    if json:
        print_json({"files": [file.to_dict() for file in made], "quarantined": bad})
    elif made:
        rows = [(f.video, f"{f.width} x {f.height}", f.method, f.computed, f.file) for f in made]
        print_table(("video", "pixels", "method", "fields now", "file"), rows)
    if not made:
        print_text("nothing is written: none of the videos could be read")
        raise typer.Exit(1)


def prepare(
    videos: Annotated[
        list[str], typer.Argument(metavar="VIDEO...|DATA", help="files, folders or globs, or one annotation file")
    ],
    out: Annotated[Path, typer.Option("--out", help="folder for the copies")] = Path("prepared"),
    short_side: Annotated[
        int, typer.Option("--short-side", metavar="PX", callback=checked, help="short side; smaller videos stay so")
    ] = 256,
    fps: Annotated[
        float | None, typer.Option("--fps", callback=checked, help="frames a second [default: as they are]")
    ] = None,
    gop: Annotated[float, typer.Option("--gop", metavar="SECONDS", callback=checked, help="between keyframes")] = 1.0,
    no_b_frames: Annotated[
        bool, typer.Option("--no-b-frames", help="predict no frame from a later one: larger files")
    ] = False,
    crf: Annotated[
        int, typer.Option("--crf", callback=checked, help="18 looks lossless, 23 is x264's own, 51 is the worst")
    ] = 20,
    kind: o.Kind = None,
    root: o.Root = None,
    max_bad: o.MaxBad = 3,
    json: o.Json = False,
    quiet: o.Quiet = False,
    verbose: o.Verbose = False,
) -> None:
    """Copies of videos as H.264 that has motion vectors, of one size, with keyframes close by; labels come along."""
    videos_exist(videos)
    place_is_free(out, folder=True)
    from ..jobs import MANIFEST
    from ..jobs import prepare_videos as job

    with Terminal(quiet=quiet, verbose=verbose) as terminal:
        made, bad = job(
            videos,
            out=out,
            short_px=short_side,
            fps=fps,
            gop_s=gop,
            b_frames=not no_b_frames,
            crf=crf,
            kind=kind,
            root=root,
            max_bad=max_bad,
            narrator=terminal,
        )
    if json:
        print_json({"files": [file.to_dict() for file in made], "quarantined": bad})
    elif made:
        columns = ("video", "made", "pixels", "frames a second", "MB", "file")
        size = "{0.width} x {0.height}".format
        print_table(columns, [(f.video, f.made, size(f), f"{f.fps:.3f}", f"{f.megabytes:.2f}", f.file) for f in made])
        if (out / MANIFEST).is_file():
            print_text(f"next: marey train {out / MANIFEST}")
    if not made:
        print_text("nothing is written: none of the videos can be prepared")
        raise typer.Exit(1)


COMMANDS = {"flow": flow, "prepare": prepare}
