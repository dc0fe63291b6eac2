"""The ways to go on from what a network has learned elsewhere, tried one after another on the same clips of yours.

The columns original, fixed and full of Carreira and Zisserman (CVPR 2017, arXiv:1705.07750), table 4, and low-rank
adapters for transformers. Every way is a run of `train` with the same split and seed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ..data import SIDES
from ..errors import UsageError
from ..report import render_transfer, write_text
from ..results import TransferTable
from ..training import file_hash, pick_device
from .choose import Wishes
from .narrate import Narrator, Once, Silent, timed
from .prepare import ClassEdits, check_range, load_data, pick_workers, refuse_hopeless, split_data
from .publish import data_notes
from .run import (
    Run,
    arguments_of,
    begin_run,
    cleared_unless,
    command_line,
    default_folder,
    defaults_of,
    named_on_interrupt,
    write_json,
)
from .train import Trial, starting_point, train
from .transfer_rows import read_table, summarize, table_dict
from .transfer_ways import ORIGINAL, cautions, named_ways, possible_ways


@dataclass(frozen=True)
class Transferred:
    """A finished table of transfer and its folder, which holds a run for each way under the way's name."""

    folder: Path
    table: TransferTable

    def to_dict(self) -> dict[str, Any]:
        """JSON with `top1` of the recommended way at the top."""
        return {"folder": str(self.folder), **table_dict(self.table)}


def transfer(
    data: str | Path,
    *,
    start_from: str | Path,
    ways: Sequence[str] = (),
    out: str | Path | None = None,
    kind: str | None = None,
    root: str | Path | None = None,
    group_by: str | None = None,
    edits: ClassEdits | None = None,
    epochs: int | None = None,
    max_bad: int = 3,
    device: str = "auto",
    flow: str | Path | None = None,
    workers: int | None = None,
    seed: int = 0,
    narrator: Narrator | None = None,
) -> Transferred:
    """Train on DATA from scratch and, by several ways, from a run or checkpoint; writes `transfer.json`, `report.html`.

    ways  of WAYS, two or more; by default all that the network can take: "lora" is for transformers
    flow  as `train` takes it, for all ways

    Each way is the run `out`/WAY. Where `out` holds an unfinished table of the same arguments and data it goes on; a
    finished one is returned as it is. Raises UsageError and its kinds before any work, among them for a network whose
    encoder stays as it is, and for data with several classes a clip.
    """
    asked = arguments_of(locals(), but=("out", "device", "workers", "narrator"))
    narrator, processes = Once(narrator or Silent()), pick_workers(workers)
    check_range("--max-bad", max_bad, 0, 10**9)
    Wishes(epochs=epochs, seed=seed)
    pick_device(device)
    named = named_ways(ways)
    file, preset = starting_point(start_from, None)
    assert file is not None and preset is not None, "there is a checkpoint to start from"
    manifest = load_data(data, kind=kind, root=root, group_by=group_by, edits=edits)
    refuse_hopeless(manifest)
    chosen, notes = possible_ways(named, preset, file, manifest, given=bool(ways), flow=flow)
    with timed(narrator, "splitting"):
        manifest = split_data(manifest, seed=seed, workers=processes, narrator=narrator)
    folder = Path(out) if out else default_folder(f"{Path(data).stem}-transfer")
    asked, defaults = {**asked, "ways": ",".join(chosen)}, defaults_of(transfer)
    details = {
        "preset": preset.name,
        "from": {"checkpoint": file_hash(file)},
        "split": {name: len(manifest.part(name)) for name in SIDES},
        "command": command_line("transfer", {**asked, "out": str(folder)}, defaults),
    }
    fresh = not folder.exists()
    with begin_run(folder, asked, manifest, details, defaults=defaults) as run:
        _refuse_other_weights(run, details["from"], start_from)
        if run.finished:
            narrator.say(f"{run.folder} is finished already; nothing is left to do")
            return Transferred(run.folder, read_table(run.folder))
        notes += cautions(manifest, len(chosen), file, start_from)
        for note in notes:
            narrator.say(note)
        trials: dict[str, Trial] = {}
        learn = partial(
            train,
            data,
            kind=kind,
            root=root,
            group_by=group_by,
            edits=edits,
            epochs=epochs,
            max_bad=max_bad,
            device=device,
            flow=flow,
            workers=workers,
            seed=seed,
            narrator=narrator,
        )
        with named_on_interrupt(run), cleared_unless(run, f"{chosen[0]}/run.json", fresh=fresh):
            for number, way in enumerate(chosen):
                narrator.progress("ways", number, len(chosen))
                narrator.say(f"way {number + 1} of {len(chosen)}: {way}")
                place = folder / way
                if way == ORIGINAL:
                    trials[way] = learn(preset=preset.name, out=place)
                else:
                    trials[way] = learn(start_from=start_from, transfer=way, out=place)
            narrator.progress("ways", len(chosen), len(chosen))
        table = summarize(run, trials, notes=[*notes, *data_notes(manifest)])
        write_text(render_transfer(table), run.folder / "report.html")
        write_json(run.answers, table_dict(table))
    return Transferred(run.folder, table)


def _refuse_other_weights(run: Run, held: Mapping[str, str], start_from: str | Path) -> None:
    if run.info["from"] != held:
        raise UsageError(
            f"{start_from} holds other weights than when {run.folder} was begun with it; give another --out"
        )
