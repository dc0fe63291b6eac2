"""Commands that look: doctor, validate, stage, models, runs, cache."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from ..errors import UsageError
from . import options as o
from . import show
from .checks import checked, data_exists
from .console import Terminal, print_json, print_table, print_text


def doctor(json: o.Json = False) -> None:
    """What works on this machine, and the one command that repairs what does not."""
    from ..jobs import doctor as job

    findings = job()
    if json:
        print_json([asdict(finding) for finding in findings])
    else:
        rows = [
            (f.what, "works" if f.works else "missing" if f.needed else "absent", f.seen, "" if f.works else f.cure)
            for f in findings
        ]
        print_table(("", "", "seen", "what to do"), rows)
    if any(f.needed and not f.works for f in findings):
        raise typer.Exit(1)


def validate(
    data: o.Data,
    kind: o.Kind = None,
    root: o.Root = None,
    group_by: o.GroupBy = None,
    merge: o.Merge = None,
    rename: o.Rename = None,
    leave_out: o.LeaveOut = None,
    workers: o.Workers = None,
    json: o.Json = False,
    quiet: o.Quiet = False,
    verbose: o.Verbose = False,
) -> None:
    """Find what would make training on DATA fail or its figures lie; exit 1 if training would be unsafe."""
    data_exists(data)
    from ..data import validate as job
    from ..jobs import load_data, pick_workers, progress_of
    from ..report import counted

    with Terminal(quiet=quiet, verbose=verbose) as terminal:
        manifest = load_data(
            data, kind=kind, root=root, group_by=group_by, edits=o.class_edits(merge, rename, leave_out)
        )
        found = job(manifest, workers=pick_workers(workers), progress=progress_of(terminal, "validate"))
    if json:
        print_json(found.to_dict())
    else:
        print_text(f"{manifest.source}: {manifest.kind}, {counted(len(manifest), 'clip')}")
        print_table(("class", "clips", "seconds", "sources"), show.balance_rows(found))
        for problem in found.problems:
            print_text(f"{problem.severity}: {problem.message}")
            for path in problem.paths if verbose else ():
                print_text(f"  {path}")
        print_text("training is safe" if found.safe else "training would be unsafe: mend the errors first")
    if not found.safe:
        raise typer.Exit(1)


def stage(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="folder to write")],
    level: Annotated[
        str,
        typer.Option(
            "--level", callback=checked, help="studio (plain, steady) or street (clutter, crowds, moving camera)"
        ),
    ] = "studio",
    style: Annotated[
        str, typer.Option("--style", callback=checked, help="figure, or point-light: moving dots at the joints")
    ] = "figure",
    clips: Annotated[int, typer.Option("--clips", callback=checked, help="clips a class")] = 20,
    flow: Annotated[bool, typer.Option("--flow", help="write exact optical flow too (large)")] = False,
    untrimmed: Annotated[
        int,
        typer.Option("--untrimmed", callback=checked, help="so many longer films of several actions, too: 3 or more"),
    ] = 0,
    workers: Annotated[
        int | None, typer.Option("--workers", help="processes that render [default: all cores but one, at most 8]")
    ] = None,
    seed: o.Seed = 0,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Render a synthetic data set with every label: articulated figures in H.264 files."""
    if workers is not None and not 1 <= workers <= 256:
        raise UsageError(f"--workers is {workers}; give a number from 1 to 256")
    if untrimmed in (1, 2):
        raise UsageError(f"--untrimmed is {untrimmed}; give 3 or more, one for every split, or none")
    from ..data.stage import render
    from ..jobs import pick_workers, progress_of

    with Terminal(quiet=quiet) as terminal:
        annotations = render(
            out,
            level=level,
            style=style,
            clips_per_class=clips,
            flow=flow,
            untrimmed=untrimmed,
            seed=seed,
            workers=pick_workers(workers),
            progress=progress_of(terminal, "render"),
        )
    if json:
        print_json({"folder": str(out), "annotations": str(annotations)})
    else:
        print_text(f"written to {out}; {out}/README.md says which file holds what")
        print_text(f"next: marey train {annotations}")


def models(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="one preset only, or hf:OWNER/NAME")] = None,
    layers: Annotated[
        bool, typer.Option("--layers", help="stages and layers: output, receptive field within the input, GMACs")
    ] = False,
    fps: Annotated[
        float,
        typer.Option("--fps", callback=checked, help="frame rate of your videos, for the time that a clip spans"),
    ] = 25.0,
    json: o.Json = False,
) -> None:
    """The table of models: parameters, GMACs, input, and how much time a clip spans."""
    if layers and name is None:
        raise UsageError("--layers needs the name of a model, such as: marey models c3d --layers")
    from ..presets import find_preset, layer_table, model_row, model_rows, stage_table

    if layers and name is not None:
        rows = layer_table(find_preset(name))
        if json:
            print_json([asdict(row) for row in rows])
        else:
            print_table(*show.stage_columns(stage_table(find_preset(name))))
            field = "receptive field t x h x w, within the input"
            columns = ("layer", "kind", "output c x t x h x w", field, "parameters", "GMACs")
            print_table(columns, [show.layer_row(row) for row in rows])
        return
    chosen = model_rows(fps=fps) if name is None else [model_row(find_preset(name), fps=fps)]
    if json:
        print_json([row.to_dict() for row in chosen])
    else:
        columns = ("name", "family", "parameters", "GMACs", "frames x stride, px", "seconds seen", "paper")
        print_table(columns, [show.model_row(row) for row in chosen])


def runs(
    root: Annotated[Path | None, typer.Argument(metavar="[FOLDER]", help="where the runs are [default: runs]")] = None,
    json: o.Json = False,
) -> None:
    """List the runs: preset, data, state and score."""
    if root is not None and not root.is_dir():
        raise UsageError(
            f"{root} {'is no folder' if root.exists() else 'does not exist'}; name the folder of your runs"
        )
    root = root or Path("runs")
    from ..jobs import list_runs

    rows = list_runs(root)
    if json:
        print_json(rows)
    elif not rows:
        print_text(f"no runs in {root}; `marey train DATA` makes one")
    else:
        print_table(("run", "preset", "data", "state", "score"), [show.run_row(row) for row in rows])


def cache(
    clear: Annotated[
        str | None,
        typer.Option(
            "--clear",
            metavar="PART",
            callback=checked,
            help="delete features, downloads (other programs share them) or all",
        ),
    ] = None,
    json: o.Json = False,
) -> None:
    """What is kept between runs, encoded clips and downloads: where it is, how large, and how to be rid of it."""
    from ..jobs import cache_parts, clear_cache
    from ..report import counted

    parts = cache_parts() if clear is None else clear_cache(clear)
    if json:
        rows = {p.name: {"folder": str(p.folder), "files": p.files, "bytes": p.bytes} for p in parts}
        print_json({"deleted" if clear else "parts": rows})
        return
    for part in parts if clear else ():
        print_text(
            f"{part.name}: {counted(part.files, 'file')} deleted, {part.bytes / 2**20:.1f} MiB freed in {part.folder}"
        )
    if clear is None:
        print_table(("part", "files", "MiB"), [(part.name, part.files, f"{part.bytes / 2**20:.1f}") for part in parts])
        for part in parts:  # whole, where a table would cut it
            print_text(f"{part.name}: {part.folder}")
        print_text("MAREY_CACHE moves features, HF_HOME downloads; `marey cache --clear PART` deletes one")


COMMANDS = {
    "doctor": doctor,
    "validate": validate,
    "stage": stage,
    "models": models,
    "runs": runs,
    "cache": cache,
}
