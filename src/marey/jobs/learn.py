"""Two ways to the same end: train a whole network on clips, or a head on what a frozen encoder says of them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from math import ceil
from pathlib import Path

import torch
from torch import Tensor, nn

from ..data import FrameStore, Manifest, Quarantine, Sample, TrainingBatches, view_batches
from ..errors import DataError, counted
from ..nn.lora import merge_adapters
from ..tasks import Recognition, mirror_columns
from ..training import (
    Fitted,
    advice,
    class_weights,
    effective_beta,
    fit,
    free_bytes,
    log_priors,
    mix_clips,
    process_place,
    sampled_order,
    shard,
    shuffled_order,
)
from ..video import Augmentation, FrameOrder, augment, to_input
from .features import encode_samples
from .lesson import Lesson
from .narrate import Narrator, progress_of

STORE_FRACTION = 0.3  # of the free memory may hold decoded frames
FOCUS = 2.0  # gamma of the focal loss: the value that Lin et al. recommend


def learn(
    lesson: Lesson,
    manifest: Manifest,
    train: Sequence[Sample],
    val: Sequence[Sample],
    *,
    out: Path | None,
    quarantine: Quarantine,
    narrator: Narrator,
) -> Fitted:
    """Train on `train`, watch `val` (may be empty); the lesson's model holds the result afterwards."""
    if lesson.reads_features:
        features = [
            encode_all(lesson, part, quarantine, narrator, what=what)
            for part, what in ((train, "encode"), (val, "encode validation"))
        ]
        return learn_head(lesson, features[0], train, features[1], val, out=out, narrator=narrator)
    fitted = _learn_whole(lesson, manifest, train, val, out=out, quarantine=quarantine, narrator=narrator)
    merge_adapters(lesson.model)
    return fitted


def encode_all(
    lesson: Lesson,
    samples: Sequence[Sample],
    quarantine: Quarantine,
    narrator: Narrator,
    *,
    what: str,
    order: FrameOrder = "as filmed",
) -> dict[int, Tensor]:
    """Index of the sample -> (1, ...), its middle view as the lesson's frozen encoder sees it."""
    return encode_samples(
        lesson.model,
        samples,
        lesson.spec,
        quarantine,
        views=1,
        crop_count=1,
        device=lesson.device,
        decoder=lesson.decoder,
        workers=lesson.workers,
        narrator=narrator,
        use_cache=lesson.use_cache,
        what=what,
        order=order,
        classifier=lesson.transfer.classifier if lesson.transfer else (),
    )


def learn_head(
    lesson: Lesson,
    encoded: dict[int, Tensor],
    train: Sequence[Sample],
    encoded_val: dict[int, Tensor],
    val: Sequence[Sample],
    *,
    out: Path | None,
    narrator: Narrator,
) -> Fitted:
    """Train the classifier on encoded clips: index of the sample -> (views, ...)."""
    model, device, task = lesson.model.to(lesson.device), lesson.device, lesson.task
    kept = sorted(encoded)
    if not kept:
        raise DataError(f"none of the {counted(len(train), 'clip')} to learn from can be read")
    inputs = torch.stack([encoded[index][0] for index in kept]).to(device)
    targets = task.targets([train[index] for index in kept]).to(device)
    loss = loss_of(lesson, targets)
    order = _order(lesson, targets)
    model.measure(inputs)
    with torch.no_grad():
        parts = len(model.eval().branches(inputs[:1]))

    def batches(epoch: int) -> Iterator[dict[str, Tensor]]:
        for part in torch.as_tensor(order(epoch), device=device).split(lesson.batch_size):
            yield {"encoded": inputs[part], "targets": targets[part]}

    def step(batch: dict[str, Tensor]) -> dict[str, Tensor]:
        losses = [loss(logits, batch["targets"]) for logits in model.branches(batch["encoded"])]
        return {"loss": torch.stack(losses).sum()}

    held = sorted(encoded_val)
    val_inputs = torch.stack([encoded_val[index][0] for index in held]).to(device) if held else inputs[:0]
    val_targets = task.targets([val[index] for index in held]).to(device)

    def validate(_: nn.Module) -> dict[str, float]:
        with torch.inference_mode():
            return figures(task, model.classify(val_inputs), val_targets)

    watch = validate if held else None
    with one_thread():
        return _fit(
            lesson,
            step,
            batches,
            watch,
            count=ceil(len(order(0)) / lesson.batch_size),
            chance=parts * chance_of(loss, targets),
            out=out,
            narrator=narrator,
        )


@contextmanager
def one_thread() -> Iterator[None]:
    """Heads on kept features are so small that threads would wait for each other longer than they compute."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _learn_whole(
    lesson: Lesson,
    manifest: Manifest,
    train: Sequence[Sample],
    val: Sequence[Sample],
    *,
    out: Path | None,
    quarantine: Quarantine,
    narrator: Narrator,
) -> Fitted:
    model, spec, task = lesson.model.to(lesson.device), lesson.model.studied(lesson.spec), lesson.task
    targets = task.targets(train)
    store = FrameStore(samples=train, spec=spec, decoder=lesson.decoder)
    budget = int(STORE_FRACTION * (free_bytes(torch.device("cpu")) or 0))
    tell = progress_of(narrator, "decode")
    in_memory = store.fill(quarantine, budget_bytes=budget, workers=max(1, lesson.workers), progress=tell)
    if train and all(sample.path in quarantine.reasons for sample in train):
        raise DataError(f"none of the {counted(len(train), 'clip')} to learn from can be read")
    if not in_memory:
        narrator.say("the frames do not fit in memory, so every epoch decodes them anew")
    batches = TrainingBatches(
        samples=train,
        spec=spec,
        batch_size=lesson.batch_size,
        order=_order(lesson, targets),
        quarantine=quarantine,
        seed=lesson.recipe.seed,
        workers=lesson.workers,
        store=store if in_memory else None,
        decoder=lesson.decoder,
    )
    strengths = Augmentation()
    labels = [label for names in task.heads.values() for label in names]
    may_flip, mirrored = mirror_columns(labels, manifest.mirror)
    loss = loss_of(lesson, targets.to(lesson.device))
    taught_more = spec != lesson.spec  # what a teacher adds to the loss says nothing of the classes
    chance = None if taught_more else chance_of(loss, targets.to(lesson.device))

    def step(batch: dict[str, Tensor]) -> dict[str, Tensor]:
        index = batch["index"].cpu()
        truth = targets[index]
        frames, flipped = augment(
            batch["video"].to(lesson.device),
            strengths,
            frames=spec.frames,
            side_px=spec.side_px,
            may_flip=may_flip(truth),
            modality=spec.modality,
        )
        truth = torch.where(flipped.cpu()[:, None], truth[:, mirrored], truth).to(lesson.device)
        video, truth = mix_clips(to_input(frames, spec), truth, mixup=lesson.mixup, cutmix=lesson.cutmix)
        logits, taught = model.study(video)
        return {"loss": loss(logits, truth) + sum(taught.values()), **taught}

    validation = ValidationClips(lesson, val, quarantine) if val else None
    count = ceil(len(batches.order(0)) / lesson.batch_size)
    return _fit(lesson, step, batches, validation, count=count, chance=chance, out=out, narrator=narrator)


class ValidationClips:
    """Figures on the validation clips, which are decoded once and held where they fit in memory."""

    def __init__(self, lesson: Lesson, samples: Sequence[Sample], quarantine: Quarantine) -> None:
        self.lesson, self.samples, self.quarantine = lesson, samples, quarantine
        self.targets = lesson.task.targets(samples)
        self.held: list[dict[str, Tensor]] | None = None
        spec = lesson.spec
        size = len(samples) * spec.frames * spec.side_px**2 * spec.channels
        self.fits = size < STORE_FRACTION * (free_bytes(torch.device("cpu")) or 0)

    def _batches(self) -> Iterator[dict[str, Tensor]]:
        if self.held is not None:
            yield from self.held
            return
        held = []
        for batch in view_batches(
            self.samples,
            self.lesson.spec,
            self.quarantine,
            views=1,
            crop_count=1,
            clips_per_batch=16,
            workers=self.lesson.workers,
            decoder=self.lesson.decoder,
        ):
            if self.fits:
                held.append(batch)
            yield batch
        if self.fits:
            self.held = held

    def __call__(self, model: nn.Module) -> dict[str, float]:
        lesson, logits, index = self.lesson, [], []
        with torch.inference_mode():
            for batch in self._batches():
                clips = batch["video"][:, 0].to(lesson.device)
                logits.append(model(to_input(clips, lesson.spec)).float().cpu())
                index.append(batch["index"])
        return figures(lesson.task, torch.cat(logits), self.targets[torch.cat(index)])


def figures(task: Recognition, logits: Tensor, targets: Tensor) -> dict[str, float]:
    """Validation loss, and the share of clips whose best class (in every head) is one of theirs."""
    right = torch.ones(len(logits), dtype=torch.bool, device=logits.device)
    for part in task.parts().values():
        best = logits[:, part].argmax(1, keepdim=True)
        right &= targets[:, part].gather(1, best)[:, 0] > 0
    return {"loss": float(task.loss(logits, targets)), "top1": float(right.float().mean())}


def _order(lesson: Lesson, targets: Tensor) -> Callable[[int], list[int]]:
    """epoch -> indices for this process."""
    rank, world = process_place()
    seed, rows = lesson.recipe.seed, targets.cpu().numpy()

    def order(epoch: int) -> list[int]:
        match lesson.balance:
            case "sampling":
                whole = sampled_order(rows, q=0.0, seed=seed, epoch=epoch)
            case "sqrt":
                whole = sampled_order(rows, q=0.5, seed=seed, epoch=epoch)
            case "progressive":
                whole = sampled_order(rows, q=1.0, seed=seed, epoch=epoch, epochs=lesson.recipe.epochs)
            case _:
                whole = shuffled_order(len(rows), seed=seed, epoch=epoch)
        return shard(whole, rank=rank, processes=world).tolist()

    return order


def loss_of(lesson: Lesson, targets: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
    """(logits, targets) -> what the lesson minimizes; `targets` are those of all training clips."""
    task, counts = lesson.task, targets.sum(0)
    weights, priors = None, torch.zeros_like(counts)
    if lesson.balance == "weights":
        weights = class_weights(counts)
    elif lesson.loss == "class-balanced":
        weights = class_weights(counts, beta=effective_beta(counts))
    elif lesson.loss == "logit-adjusted":
        priors = torch.cat([log_priors(counts[part]) for part in task.parts().values()])
    gamma = FOCUS if lesson.loss == "focal" else 0.0

    def loss(logits: Tensor, truth: Tensor) -> Tensor:
        return task.loss(logits + priors, truth, smoothing=lesson.smoothing, class_weights=weights, gamma=gamma)

    return loss


def chance_of(loss: Callable[[Tensor, Tensor], Tensor], targets: Tensor) -> float:
    """The loss of taking all classes for equally likely. Less than this is what learning brings; how common each class
    is would be a sharper measure, but networks and heads that tell classes apart may not have come to that yet."""
    return float(loss(torch.zeros_like(targets), targets))


def tell_epoch(narrator: Narrator, epochs: int, row: Mapping[str, float | int]) -> None:
    """The line of an epoch: loss, validation, time, how much of it waited for data, and what to do about that."""
    watched = f", validation top-1 {100 * row['val_top1']:.1f} %" if "val_top1" in row else ""
    wait = f"{row['seconds']:.1f} s, {100 * row['data_wait']:.0f} % of it waiting for data"
    narrator.say(f"epoch {row['epoch']:.0f}/{epochs}: loss {row['loss']:.3f}{watched}, {wait}")
    if counsel := advice(row):
        narrator.say(counsel)


def _fit(
    lesson: Lesson,
    step: Callable[[dict[str, Tensor]], dict[str, Tensor]],
    batches: Callable[[int], Iterator[dict[str, Tensor]]],
    validate: Callable[[nn.Module], dict[str, float]] | None,
    *,
    count: int,
    chance: float | None,
    out: Path | None,
    narrator: Narrator,
) -> Fitted:
    return fit(
        step,
        batches,
        model=lesson.model,
        recipe=lesson.recipe,
        validate=validate,
        batches_per_epoch=count,
        chance=chance,
        depths=lesson.transfer.depths if lesson.transfer else None,
        out=out,
        device=str(lesson.device),
        tensorboard=lesson.tensorboard,
        progress=progress_of(narrator, "train"),
        on_epoch=None if lesson.reads_features else partial(tell_epoch, narrator, lesson.recipe.epochs),
        say=narrator.say,
    )
