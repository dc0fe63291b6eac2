"""From labelled videos to a run folder: model, figures, report."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from inspect import signature
from pathlib import Path
from shutil import rmtree
from time import perf_counter
from typing import Any

import torch

from ..data import Manifest, Quarantine, Sample
from ..errors import MareyError, UsageError
from ..presets import create_model, start_from_checkpoint
from ..results import Evaluation
from ..tasks import Recognition
from ..training import Recipe, load_checkpoint, pick_device, process_place
from .choose import Choice, choose_preset, choose_recipe, default_balance
from .evaluate import evaluation_dict, read_evaluations, score
from .learn import Lesson, learn
from .narrate import Narrator, Silent
from .prepare import ClassEdits, load_data, pick_decoder, pick_workers, refuse_hopeless, split_data
from .publish import publish
from .run import await_run, begin_run, command_line, default_folder
from .scores import keep_model, model_file, parse_views


@dataclass(frozen=True)
class Trial:
    """A finished run: its folder and the evaluation of every head on the held-out clips."""

    folder: Path
    evaluations: Mapping[str, Evaluation]

    def to_dict(self) -> dict[str, Any]:
        return {"folder": str(self.folder), **evaluation_dict(self.evaluations)}


def train(
    data: str | Path,
    *,
    preset: str | None = None,
    start_from: str | Path | None = None,
    out: str | Path | None = None,
    kind: str | None = None,
    root: str | Path | None = None,
    group_by: str | None = None,
    edits: ClassEdits | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    lr: float | None = None,
    weight_decay: float | None = None,
    smoothing: float = 0.0,
    mixup: float = 0.0,
    cutmix: float = 0.0,
    balance: str | None = None,
    ema: float | None = None,
    accumulate: int = 1,
    clip_norm: float = 1.0,
    patience: int | None = None,
    precision: str = "fp32",
    views: str | None = None,
    max_bad: int = 3,
    use_cache: bool = True,
    tensorboard: bool = False,
    device: str = "auto",
    decoder: str = "pyav",
    workers: int | None = None,
    seed: int = 0,
    narrator: Narrator | None = None,
) -> Trial:
    """Train on DATA and evaluate on clips that were held out.

    What is None is decided by rule and told. Where `out` holds an unfinished run of the same arguments and data, it
    goes on from there; a finished one is returned as it is. Raises UsageError (and its kinds) before it writes.
    """
    asked = {
        name: value
        for name, value in locals().items()
        if name not in {"out", "device", "workers", "use_cache", "narrator"}
    }
    narrator, edits, views = narrator or Silent(), edits or ClassEdits(), views or "1x1"
    arguments = {
        k: str(v) if isinstance(v, Path) else asdict(v) if isinstance(v, ClassEdits) else v for k, v in asked.items()
    }
    place, processes, reader = pick_device(device), pick_workers(workers), pick_decoder(decoder)
    check_flags(
        smoothing=smoothing,
        mixup=mixup,
        cutmix=cutmix,
        balance=balance,
        batch_size=batch_size,
        max_bad=max_bad,
        precision=precision,
    )
    parse_views(views)
    header = load_checkpoint(model_file(Path(start_from)))[0] if start_from else None
    if header and preset not in (None, header["preset"]):
        raise UsageError(f"{start_from} holds a {header['preset']} and --preset is {preset}; drop one of the two")
    manifest = load_data(data, kind=kind, root=root, group_by=group_by, edits=edits)
    refuse_hopeless(manifest)
    choice = choose_preset(manifest, name=header["preset"] if header else preset, device=place)
    manifest = split_data(manifest, seed=seed, workers=processes, narrator=narrator)
    parts = {name: [s for s in manifest.samples if s.split == name] for name in ("train", "val", "test")}
    recipe, batch = choose_recipe(
        choice.preset,
        clips=len(parts["train"]),
        batch_size=batch_size,
        epochs=epochs,
        lr=lr,
        weight_decay=weight_decay,
        fine_tune=header is not None,
        ema=ema,
        accumulate=accumulate,
        clip_norm=clip_norm,
        patience=patience,
        precision=precision,
        watched=bool(parts["val"]),
        seed=seed,
    )
    task = Recognition.of(manifest)
    details = {
        "preset": choice.preset.name,
        "recipe": recipe.to_dict(),
        "batch_size": batch,
        "split": {k: len(v) for k, v in parts.items()},
    }
    rank, processes_in_all = process_place()
    if processes_in_all > 1 and out is None:
        raise UsageError(
            "several processes train one run only if they know its folder; give torchrun's command an --out"
        )
    folder = Path(out) if out else default_folder(Path(data).stem)
    defaults = {name: p.default for name, p in signature(train).parameters.items()}
    details["command"] = command_line("train", arguments | {"out": str(folder)}, defaults)
    fresh = not folder.exists()
    run = begin_run(folder, arguments, manifest, details) if rank == 0 else await_run(folder)
    if run.finished:
        narrator.say(f"{run.folder} is finished already; nothing is left to do")
        return Trial(run.folder, read_evaluations(run.folder))
    narrator = narrator if rank == 0 else Silent()
    tell_plan(narrator, manifest, parts, choice, recipe, batch, run.folder)
    torch.manual_seed(seed)
    model = create_model(choice.preset.name, num_classes=task.classes)
    if start_from:
        start_from_checkpoint(model, model_file(Path(start_from)))
    lesson = Lesson(
        model=model,
        spec=choice.preset.clip,
        task=task,
        recipe=recipe,
        batch_size=batch,
        device=place,
        workers=processes,
        decoder=reader,
        smoothing=smoothing,
        mixup=mixup,
        cutmix=cutmix,
        balance=balance or default_balance(choice.preset),
        tensorboard=tensorboard,
        use_cache=use_cache,
    )
    quarantine = Quarantine(total=len(manifest), limit=max_bad)
    begun = perf_counter()
    try:
        fitted = learn(
            lesson, manifest, parts["train"], parts["val"], out=run.folder, quarantine=quarantine, narrator=narrator
        )
    except MareyError:
        if fresh and rank == 0 and not (run.folder / "state.safetensors").exists():
            rmtree(run.folder)  # nothing was learned: no half-written run stays behind
        raise
    minutes = (perf_counter() - begun) / 60
    if rank:  # the main process has the same weights, and does the rest
        return Trial(run.folder, {})
    trained = keep_model(run.model, lesson, choice.preset.name, parts["train"])
    held = parts["test"] or parts["val"]
    evaluations = score(
        trained,
        held,
        manifest,
        split="test" if parts["test"] else "val",
        views=views,
        workers=processes,
        max_bad=max_bad,
        seed=seed,
        use_cache=use_cache,
        narrator=narrator,
    )
    publish(
        run,
        trained,
        evaluations,
        manifest=manifest,
        samples=held,
        history=fitted.history,
        train_minutes=minutes,
    )
    return Trial(run.folder, evaluations)


def check_flags(
    *,
    smoothing: float,
    mixup: float,
    cutmix: float,
    balance: str | None,
    batch_size: int | None,
    max_bad: int,
    precision: str,
) -> None:
    """Refuse numbers that make no sense before any work is done; the recipe checks its own."""
    for flag, value, least, most in (
        ("--label-smoothing", smoothing, 0, 0.9),
        ("--mixup", mixup, 0, 10),
        ("--cutmix", cutmix, 0, 10),
        ("--batch-size", batch_size, 1, 100_000),
        ("--max-bad", max_bad, 0, 10**9),
    ):
        if value is not None and not least <= value <= most:
            raise UsageError(f"{flag} is {value}; give a number from {least:g} to {most:g}")
    if precision not in ("fp32", "bf16"):
        raise UsageError(f"--precision is {precision!r}; it can be fp32 or bf16")
    if balance not in (None, "none", "sampling", "weights"):
        raise UsageError(f"--balance is {balance!r}; it can be none, sampling or weights")


def tell_plan(
    narrator: Narrator,
    manifest: Manifest,
    parts: Mapping[str, Sequence[Sample]],
    choice: Choice,
    recipe: Recipe,
    batch: int,
    folder: Path,
) -> None:
    """What was found and what is going to happen, before it does."""
    heads = " and ".join(
        f"{len(labels)} {head} classes" if len(manifest.heads) > 1 else f"{len(labels)} classes"
        for head, labels in manifest.heads.items()
    )
    groups = {s.group for s in manifest.samples if s.group is not None}
    kept = f"no group (of {len(groups)}) is on both sides" if groups else "near-duplicates are on one side"
    narrator.say(f"{manifest.source}: {manifest.kind}, {len(manifest)} clips, {heads}")
    narrator.say(f"split: {', '.join(f'{len(v)} {k}' for k, v in parts.items())}; {kept}")
    narrator.say(
        f"preset: {choice.preset.name}"
        + (f" ({choice.why})" if choice.why else "")
        + f"; {recipe.epochs} epochs, batch {batch}, rate {recipe.lr:g}"
    )
    narrator.say(f"run: {folder}")
