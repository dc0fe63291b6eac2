"""From a finished run to one whose classifier is balanced, on the same representation and the same clips."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

import torch

from ..data import Manifest, Quarantine, Sample
from ..errors import DataError, UsageError
from ..nn import NearestMean
from ..results import Evaluation
from ..tasks.long_tail import SHOTS, class_counts, parse_shots, shot_classes
from ..training import code_version, file_hash, save_checkpoint
from .clip_features import encode_middle_by
from .clips_of_run import found_again, manifest_of
from .decouple import METHODS, Clips, balance
from .evaluate import refuse_without_data, score
from .learned import keep_before, learned_by
from .narrate import Narrator, Once, Silent, tell_left_out, timed
from .prepare import ClassEdits, check_range, load_data, pick_workers, split_data
from .publish import publish
from .run import (
    Run,
    arguments_of,
    begin_run,
    cleared_unless,
    command_line,
    default_folder,
    defaults_of,
    read_run,
    write_json,
)
from .scores import Trained, open_model
from .shots import Rebalanced, ShotRow, shot_rows

RESULT = "rebalanced.json"


def rebalance(
    run: str | Path,
    *,
    method: str,
    data: str | Path | None = None,
    kind: str | None = None,
    root: str | Path | None = None,
    group_by: str | None = None,
    edits: ClassEdits | None = None,
    out: str | Path | None = None,
    shots: str | None = None,
    max_bad: int = 3,
    use_cache: bool = True,
    device: str = "auto",
    decoder: str = "pyav",
    workers: int | None = None,
    seed: int = 0,
    narrator: Narrator | None = None,
) -> Rebalanced:
    """Balance the classifier of a finished run by one of METHODS (see `decouple`) and evaluate it before and after.

    data   labelled clips to balance it on, in the model's classes; None is the run's own, and root then says where its
           videos were moved to
    shots  "FEWEST,MOST" training clips of medium-shot classes; None is 20,100 as in the paper

    A finished run of the same arguments in `out` is returned as it is. Raises UsageError and its kinds, before
    anything is written, for several heads or classes a clip, for tau without validation and test clips, for a class
    without training clips and for a model that does not end in linear layers whose answers add up.
    """
    asked = arguments_of(locals(), but=("out", "device", "workers", "use_cache", "narrator"))
    narrator, source = Once(narrator or Silent()), Path(run)
    if method not in METHODS:
        raise UsageError(f"--method is {method!r}; it can be {', '.join(METHODS[:-1])} or {METHODS[-1]}")
    check_range("--max-bad", max_bad, 0, 10**9)
    bounds, processes = parse_shots(shots) if shots else SHOTS, pick_workers(workers)
    begun = read_run(source)
    trained = open_model(source, device=device, decoder=decoder, calibrated=False)
    _refuse_other_tasks(trained, source)
    if data is None:
        refuse_without_data(kind=kind, group_by=group_by, edits=edits)
        manifest = manifest_of(begun)
        manifest = replace(manifest, samples=tuple(found_again(manifest.samples, begun, root=root)))
    else:
        manifest = load_data(data, kind=kind, root=root, group_by=group_by, edits=edits)
        manifest = split_data(manifest, seed=seed, workers=processes, narrator=narrator)
    _refuse_sides(manifest, trained, method, source)
    folder = Path(out) if out else default_folder(f"{source.resolve().name}-{method}")
    if folder.resolve() == source.resolve():
        raise UsageError(f"--out is {folder}, the run itself; give another folder, so that both can be compared")
    fresh, details = (
        not folder.exists(),
        {
            "preset": trained.header["preset"],
            "of": {"run": str(source), "checkpoint": file_hash(source / "model.safetensors")},
            "split": {name: len(manifest.part(name)) for name in ("train", "val", "test")},
            "command": command_line("rebalance", {**asked, "out": str(folder)}, defaults_of(rebalance), subject="run"),
        },
    )
    with begin_run(folder, asked, manifest, details, defaults=defaults_of(rebalance)) as new:
        if new.finished:
            narrator.say(f"{folder} is finished already; nothing is left to do")
            return Rebalanced.from_dict(json.loads((folder / RESULT).read_text(encoding="utf-8")), folder)
        keep_before(new, source / "model.safetensors")
        with cleared_unless(new, "model.safetensors", fresh=fresh):
            return _balance(
                new,
                trained,
                manifest,
                method=method,
                bounds=bounds,
                views=begun.info["arguments"].get("views") or "1x1",
                workers=processes,
                max_bad=max_bad,
                seed=seed,
                use_cache=use_cache,
                narrator=narrator,
            )


def _balance(
    run: Run,
    trained: Trained,
    manifest: Manifest,
    *,
    method: str,
    bounds: tuple[int, int],
    views: str,
    workers: int,
    max_bad: int,
    seed: int,
    use_cache: bool,
    narrator: Narrator,
) -> Rebalanced:
    train, val, test = (manifest.part(name) for name in ("train", "val", "test"))
    quarantine = Quarantine(total=len(train) + len(val), limit=max_bad)

    def encoded(samples: Sequence[Sample], what: str) -> Clips:
        return _encoded(
            trained, samples, quarantine, workers=workers, use_cache=use_cache, narrator=narrator, what=what
        )

    def scored(model: Trained) -> dict[str, Evaluation]:
        return score(
            model,
            test or val,
            manifest,
            split="test" if test else "val",
            views=views,
            workers=workers,
            max_bad=max_bad,
            seed=seed,
            use_cache=use_cache,
            learned=learned_by(run.model),
            shots=bounds,
            narrator=narrator,
        )

    begun = perf_counter()
    with timed(narrator, "encoding"):
        learned, watched = encoded(train, "encode"), encoded(val, "encode validation")
    tell_left_out(narrator, quarantine.reasons)
    _refuse_empty(learned, trained)
    (head, before), *_ = scored(trained).items()
    with timed(narrator, "balancing"):
        try:
            chosen, fitted = balance(trained.model, method, learned, watched, seed=seed, device=trained.device)
        except ValueError as error:
            raise UsageError(
                f"{run.info['of']['run']} cannot be rebalanced: {error}; train a model that ends in one linear layer"
            ) from None
    taken_s = perf_counter() - begun
    balanced = _kept(run, trained, method, chosen)
    after = scored(balanced)[head]
    parts = shot_classes(class_counts(train, head), trained.task.heads[head], bounds)
    result = Rebalanced(run.folder, method, chosen, before, after, shot_rows(before, after, parts))
    write_json(run.folder / RESULT, result.to_dict())
    with timed(narrator, "report"):
        publish(
            run,
            balanced,
            {head: after},
            manifest=manifest,
            samples=test or val,
            history=fitted.history if fitted else (),
            train_minutes=taken_s / 60,
            baselines={"Before": before},
            notes=[_note(run, method, result.shots, on_validation=not test)],
        )
    return result


def _encoded(
    trained: Trained,
    samples: Sequence[Sample],
    quarantine: Quarantine,
    *,
    workers: int,
    use_cache: bool,
    narrator: Narrator,
    what: str,
) -> Clips:
    """The middle view of every clip as the classifier reads it, and its class."""
    if not samples:
        return torch.zeros(0, device=trained.device), trained.task.targets([]).to(trained.device)
    kept, encoded = encode_middle_by(
        trained, samples, quarantine, workers=workers, narrator=narrator, use_cache=use_cache, what=what
    )
    targets = trained.task.targets([samples[index] for index in kept])
    return encoded.to(trained.device), targets.to(trained.device)


def _kept(run: Run, trained: Trained, method: str, chosen: Mapping[str, Any]) -> Trained:
    """The model as it is now, written into the run."""
    ours = {"kind", "format", *code_version()}
    header = {key: value for key, value in trained.header.items() if key not in ours}
    header |= {"metrics": {}, "rebalanced": {"method": method, **chosen}}
    if method == "ncm":
        header["nearest_means"] = [name for name, end in trained.model.named_modules() if isinstance(end, NearestMean)]
    save_checkpoint(run.model, trained.model, header)
    return replace(trained, header=header, path=run.model)


def _note(run: Run, method: str, rows: Sequence[ShotRow], *, on_validation: bool) -> str:
    """The report's sentence on what the balance brought and what it cost."""
    said = ", ".join(f"{row.part} {100 * row.difference.value:+.1f} points" for row in rows)
    where = " on the validation clips" if on_validation else ""
    return (
        f"The classifier of {run.info['of']['run']} was balanced by {method}; mean per class accuracy of classes by "
        f"their training clips, after less before{where}: {said}."
    )


def _refuse_other_tasks(trained: Trained, run: Path) -> None:
    """UsageError for what the table of many, medium and few does not fit."""
    if trained.task.multi_label:
        raise UsageError(
            f"{run} gives a clip several classes, and rebalancing is for one class a clip; train with --balance weights"
        )
    if len(trained.task.heads) > 1:
        raise UsageError(
            f"{run} has the heads {' and '.join(trained.task.heads)}, and rebalancing is for one; "
            "train one run for each, or with --balance weights"
        )
    if trained.header.get("nearest_means"):
        raise UsageError(f"{run} was rebalanced by ncm and has no weights to balance; name the run that it was made of")


def _refuse_sides(manifest: Manifest, trained: Trained, method: str, run: Path) -> None:
    """UsageError or DataError where a split lacks clips that the method needs."""
    train, val, test = (manifest.part(name) for name in ("train", "val", "test"))
    trained.task.targets(manifest.samples)  # a label that the model does not know is refused before anything is written
    if method == "tau" and not (val and test):
        side = "test" if val else "validation"
        raise UsageError(
            f"{run} has no {side} clips, and tau is chosen on validation clips and told on test clips; train again on "
            "data of more sources or with a column split that has train, val and test, or take --method crt or lws"
        )
    if not (val or test):
        raise UsageError(f"{run} has no clips that were held out, so that nothing can be told; name others with --data")
    ((head, labels),) = trained.task.heads.items()
    counts = class_counts(train, head)
    if absent := [label for label in labels if not counts[label]]:
        raise DataError(
            f"{manifest.source}: class {absent[0]!r} has no training clips, so that it cannot be balanced; "
            "add clips of it to the train split"
        )


def _refuse_empty(learned: Clips, trained: Trained) -> None:
    """DataError where all training clips of a class turned out unreadable."""
    ((_, labels),) = trained.task.heads.items()
    seen = learned[1].any(0).tolist() if len(learned[1]) else [False] * len(labels)
    if not all(seen):
        raise DataError(
            f"none of the training clips of class {labels[seen.index(False)]!r} could be read, so that it cannot be "
            "balanced; `marey validate` says why"
        )
