"""The command rank: which clips to label next."""

from pathlib import Path
from typing import Annotated

import typer

from . import options as o
from .checks import checked, model_exists, place_is_free, videos_exist
from .console import Terminal, print_json, print_table, print_text

SHOWN = 20  # clips that are printed; the file has all


def rank(
    unlabelled: Annotated[
        list[str],
        typer.Argument(
            metavar="UNLABELLED...", help="files, folders or globs, or an annotation file, whose labels are ignored"
        ),
    ],
    run: Annotated[
        Path, typer.Option("--run", metavar="RUN|FILE", help="run folder or .safetensors file of the model to improve")
    ],
    count: Annotated[
        int | None, typer.Option("--count", callback=checked, help="clips that you can label [default: all are ranked]")
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="CSV to write: rank,path,start_s,end_s,score,why")] = Path(
        "to-label.csv"
    ),
    kind: o.Kind = None,
    root: o.Root = None,
    max_bad: o.MaxBad = 3,
    no_cache: o.NoCache = False,
    device: o.Device = "auto",
    decoder: o.Decoder = "pyav",
    workers: o.Workers = None,
    json: o.Json = False,
    quiet: o.Quiet = False,
    verbose: o.Verbose = False,
) -> None:
    """Order unlabelled clips by how much labelling them should help a model: it is unsure of them, and of others that
    are like them."""
    model_exists(run)
    videos_exist(unlabelled)
    place_is_free(out, folder=False)
    from ..jobs import rank as job

    with Terminal(quiet=quiet, verbose=verbose) as terminal:
        ranked = job(
            unlabelled,
            run=run,
            count=count,
            out=out,
            kind=kind,
            root=root,
            max_bad=max_bad,
            use_cache=not no_cache,
            device=device,
            decoder=decoder,
            workers=workers,
            narrator=terminal,
        )
    if json:
        print_json({**ranked.to_dict(), "written": str(out)})
        return
    rows = [(clip.rank, clip.path, f"{clip.score:.3f}", clip.why) for clip in ranked.clips[:SHOWN]]
    print_table(("rank", "clip", "adds", "why"), rows)
    print_text(f"written to {out}: label the first ones, add them to your data, and train again")


COMMANDS = {"rank": rank}
