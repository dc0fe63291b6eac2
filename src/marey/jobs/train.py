"""From labelled videos to a run folder: model, figures, report."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any

from ..data import SIDES, Manifest, Quarantine, Sample, group_leaks
from ..errors import UsageError
from ..presets import Preset, find_preset, preset_in
from ..report import counted
from ..results import Evaluation
from ..training import load_checkpoint, pick_device, process_place
from ..video import ClipSpec
from .choose import Choice, Wishes, choose_preset, that_takes_clips
from .clips_of_run import count_shown
from .evaluate import evaluation_dict, read_evaluations, score
from .flow_source import tell_stored
from .learn import learn
from .learned import keep_before, learned_by
from .lesson import Lesson, make_lesson, room_when_begun
from .narrate import Narrator, Silent, tell_left_out, timed
from .prepare import (
    ClassEdits,
    check_range,
    load_data,
    pick_decoder,
    pick_workers,
    refuse_hopeless,
    split_data,
)
from .publish import publish
from .run import (
    STATE,
    Run,
    arguments_of,
    await_run,
    begin_run,
    cleared_unless,
    command_line,
    default_folder,
    defaults_of,
    named_on_interrupt,
    refuse_damaged_state,
    write_json,
)
from .scores import keep_model, model_file, parse_views
from .transfer import refuse_transfer, told
from .without_vectors import refuse_without_vectors


@dataclass(frozen=True)
class Trial:
    """A finished run: its folder, the evaluation of every head on the held-out clips, and what of its training a reader
    of them must not miss."""

    folder: Path
    evaluations: Mapping[str, Evaluation]
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return {"folder": str(self.folder), **evaluation_dict(self.evaluations), "notes": list(self.notes)}


def train(
    data: str | Path,
    *,
    preset: str | None = None,
    start_from: str | Path | None = None,
    transfer: str | None = None,
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
    loss: str = "cross-entropy",
    ema: float | None = None,
    accumulate: int = 1,
    clip_norm: float = 1.0,
    patience: int | None = None,
    precision: str = "fp32",
    layer_decay: float | None = None,
    head_first: float | None = None,
    views: str | None = None,
    max_bad: int = 3,
    use_cache: bool = True,
    tensorboard: bool = False,
    device: str = "auto",
    decoder: str = "pyav",
    flow: str | Path | None = None,
    workers: int | None = None,
    seed: int = 0,
    narrator: Narrator | None = None,
) -> Trial:
    """Train on DATA and evaluate on clips that were held out.

    What is None is decided by rule and told. `transfer` says what of `start_from` goes on to learn: "fixed" (only the
    classifier), "full" (all of it; the rule) or "lora" (the classifier, and low-rank adapters). `flow` says where
    the flow of a network that is fed it comes from: see `with_flow`. Where `out` holds an unfinished run of the same
    arguments and data, it goes on from there; a finished one is returned as it is. Raises UsageError (and its kinds)
    before it writes.
    """
    asked = arguments_of(locals(), but=("out", "device", "workers", "use_cache", "narrator"))
    narrator, views = narrator or Silent(), views or "1x1"
    place, processes, reader = pick_device(device), pick_workers(workers), pick_decoder(decoder)
    wishes = Wishes.of(asked)
    check_range("--max-bad", max_bad, 0, 10**9)
    parse_views(views)
    weights, held = starting_point(start_from, preset)
    refuse_transfer(held, wishes)
    manifest = load_data(data, kind=kind, root=root, group_by=group_by, edits=edits)
    refuse_hopeless(manifest)
    choice = Choice(held, "") if held else choose_preset(manifest, name=preset, device=place)
    refuse_without_vectors(manifest, choice.preset.clip, workers=processes, kind=kind, root=root)
    with timed(narrator, "splitting"):
        manifest = split_data(manifest, seed=seed, workers=processes, narrator=narrator)
    lesson = make_lesson(
        choice.preset,
        manifest,
        wishes,
        clips=len(manifest.part("train")),
        watched=bool(manifest.part("val")),
        start_from=weights,
        device=place,
        workers=processes,
        decoder=reader,
        flow=flow,
        room=room_when_begun(out),
        tensorboard=tensorboard,
        use_cache=use_cache,
    )
    tell_stored(lesson.spec.flow, [sample.path for sample in manifest.samples], narrator)
    with _opened_run(data, out, asked, manifest, choice, lesson) as (run, fresh):
        if run.finished:
            narrator.say(f"{run.folder} is finished already; nothing is left to do")
            return Trial(run.folder, read_evaluations(run.folder), tuple(run.info.get("notes", ())))
        with named_on_interrupt(run):
            return _teach(
                run,
                lesson,
                choice,
                manifest,
                start=weights,
                fresh=fresh,
                views=views,
                max_bad=max_bad,
                seed=seed,
                narrator=narrator,
            )


def starting_point(start_from: str | Path | None, preset: str | None) -> tuple[Path | None, Preset | None]:
    """(file with the weights to start from, its preset), if there is one to start from."""
    if start_from is None:
        return None, None
    file = model_file(Path(start_from))
    header, _ = load_checkpoint(file)
    if preset in (None, header["preset"]):
        return file, that_takes_clips(preset_in(header))
    other, fed = find_preset(preset), ClipSpec.from_dict(header["clip"]).modality
    if fed != "rgb" or other.clip.modality not in ("flow", "vectors"):  # motion may start from what frames have taught
        raise UsageError(f"{start_from} is of preset {header['preset']} and --preset is {preset}; drop one of the two")
    return file, that_takes_clips(other)


@contextmanager
def _opened_run(
    data: str | Path,
    out: str | Path | None,
    asked: Mapping[str, Any],
    manifest: Manifest,
    choice: Choice,
    lesson: Lesson,
) -> Iterator[tuple[Run, bool]]:
    """The run's folder, and whether it is new; of several processes the main one makes it and writes in it."""
    rank, processes = process_place()
    if processes > 1 and out is None:
        raise UsageError(
            "several processes train one run only if they know its folder; give torchrun's command an --out"
        )
    folder = Path(out) if out else default_folder(Path(data).stem)
    details = {
        "preset": choice.preset.name,
        "recipe": lesson.recipe.to_dict(),
        "batch_size": lesson.batch_size,
        "params_that_learn": sum(p.numel() for p in lesson.model.parameters() if p.requires_grad),
        "rules": lesson.rules,
        "split": {name: len(manifest.part(name)) for name in SIDES},
        **({"flow": str(lesson.spec.flow)} if lesson.spec.fed_flow else {}),
        "command": command_line("train", {**asked, "out": str(folder)}, defaults_of(train)),
    }
    fresh = not folder.exists()
    if rank:
        yield await_run(folder), False
        return
    with begin_run(folder, asked, manifest, details, defaults=defaults_of(train)) as run:
        yield run, fresh


def _teach(
    run: Run,
    lesson: Lesson,
    choice: Choice,
    manifest: Manifest,
    *,
    start: Path | None,
    fresh: bool,
    views: str,
    max_bad: int,
    seed: int,
    narrator: Narrator,
) -> Trial:
    """Learn, evaluate on what was held out, and publish both."""
    main = process_place()[0] == 0
    narrator = narrator if main else Silent()
    refuse_damaged_state(run)
    if main:  # of a model that is lost: what is said of it counts no more
        run.answers.unlink(missing_ok=True)
    tell_plan(narrator, manifest, choice, lesson, run.folder)
    train, val, test = (manifest.part(name) for name in SIDES)
    if main and start is not None:
        keep_before(run, start)
        _tell_known(test or val, start, narrator)
    quarantine = Quarantine(total=len(manifest), limit=max_bad)
    begun = perf_counter()
    with cleared_unless(run, STATE, fresh=fresh), timed(narrator, "learning"):
        fitted = learn(lesson, manifest, train, val, out=run.folder, quarantine=quarantine, narrator=narrator)
    taken_s = max(perf_counter() - begun, sum(row["seconds"] for row in fitted.history))  # earlier processes count
    tell_left_out(narrator, quarantine.reasons)
    if not main:  # the main process has the same weights, and does the rest
        return Trial(run.folder, {})
    if fitted.setbacks:
        run = replace(run, info={**run.info, "setbacks": [asdict(setback) for setback in fitted.setbacks]})
    if fitted.notes:  # which the report has in a place of their own
        write_json(run.folder / "run.json", {**run.info, "notes": list(fitted.notes)})
    trained = keep_model(run.model, lesson, choice.preset, train)
    evaluations = score(
        trained,
        test or val,
        manifest,
        split="test" if test else "val",
        views=views,
        workers=lesson.workers,
        max_bad=max_bad,
        seed=seed,
        use_cache=lesson.use_cache,
        learned=learned_by(run.model),
        narrator=narrator,
    )
    with timed(narrator, "report"):
        publish(
            run,
            trained,
            evaluations,
            manifest=manifest,
            samples=test or val,
            history=fitted.history,
            train_minutes=taken_s / 60,
            notes=fitted.notes,
        )
    return Trial(run.folder, evaluations, fitted.notes)


def _tell_known(held_out: Sequence[Sample], start: Path, narrator: Narrator) -> None:
    """Before hours of training: that the weights it starts from have learned from what it will be tested on."""
    shown = count_shown(held_out, learned_by(start).clips)
    if shown:
        narrator.say(
            f"warning: {start} was trained on {shown} of the {counted(len(held_out), 'clip')} that are held out, "
            "so that the figures will be too good; hold out others with a column split"
        )


def tell_plan(narrator: Narrator, manifest: Manifest, choice: Choice, lesson: Lesson, folder: Path) -> None:
    """What was found and what is going to happen, before it does."""
    heads = " and ".join(
        counted(len(labels), f"{head} class" if len(manifest.heads) > 1 else "class")
        for head, labels in manifest.heads.items()
    )
    groups = {s.group for s in manifest.samples if s.group is not None}
    leaks = group_leaks(manifest)
    kept = f"no group (of {len(groups)}) is on both sides" if groups else "near-duplicates are on one side"
    kept = f"leaks: {len(leaks)}" if leaks else kept
    narrator.say(f"{manifest.source}: {manifest.kind}, {counted(len(manifest), 'clip')}, {heads}")
    narrator.say(f"split: {', '.join(f'{len(manifest.part(name))} {name}' for name in SIDES)}; {kept}")
    for leak in leaks:
        narrator.say(f"warning: {leak.message} ({', '.join(leak.paths[:3])}{', ...' if len(leak.paths) > 3 else ''})")
    narrator.say(f"preset: {choice.preset.name}" + (f" ({choice.why})" if choice.why else "") + f"; {lesson.rules}")
    if lesson.transfer:
        narrator.say(told(lesson.transfer, lesson.recipe))
    narrator.say(f"run: {folder}")
    narrator.detail(
        ", ".join(f"{name} {value}" for name, value in lesson.recipe.to_dict().items() if value is not None)
    )
    narrator.detail(
        f"device {lesson.device}, {counted(lesson.workers, 'worker')}, balance {lesson.balance}, loss {lesson.loss}, "
        f"label smoothing {lesson.smoothing:g}, mixup {lesson.mixup:g}, cutmix {lesson.cutmix:g}"
    )
