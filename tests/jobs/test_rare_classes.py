"""What is done about rare classes while a model learns: sampling and losses, from the flags to what is minimized."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from marey.data import Manifest, read_manifest
from marey.errors import UsageError
from marey.jobs.choose import BALANCES, LOSSES, Wishes
from marey.jobs.learn import learn_head, loss_of
from marey.jobs.lesson import Lesson, make_lesson
from marey.jobs.narrate import Silent
from marey.presets import find_preset


def lesson_for(manifest: Manifest, wishes: Wishes) -> Lesson:
    return make_lesson(
        find_preset("motion"),
        manifest,
        wishes,
        clips=len(manifest),
        device=torch.device("cpu"),
        workers=0,
        decoder="pyav",
        use_cache=False,
    )


@pytest.fixture
def manifest(small_films: Path) -> Manifest:
    """Eight clips of the first class, six of the second, two of the third."""
    kept, whole = Counter(), read_manifest(small_films / "annotations.csv")
    most = dict(zip(whole.heads["label"], (8, 6, 2), strict=True))
    samples = []
    for sample in whole.samples:
        (label,) = sample.labels["label"]
        kept[label] += 1
        if kept[label] <= most[label]:
            samples.append(sample)
    return replace(whole, samples=tuple(samples))


def test_a_loss_that_balances_is_alone_in_it(manifest: Manifest) -> None:
    assert lesson_for(manifest, Wishes()).balance == "weights"
    assert lesson_for(manifest, Wishes(loss="focal")).balance == "weights"
    for loss in ("class-balanced", "logit-adjusted"):
        assert lesson_for(manifest, Wishes(loss=loss)).balance == "none"
        with pytest.raises(UsageError, match=f"--loss {loss} counts rare classes up already, and --balance sqrt would"):
            Wishes(loss=loss, balance="sqrt")
    with pytest.raises(UsageError, match="--loss is 'hinge'; it can be cross-entropy, focal, class-balanced or logit"):
        Wishes(loss="hinge")
    with pytest.raises(
        UsageError, match="--balance is 'magic'; it can be none, sampling, sqrt, progressive or weights"
    ):
        Wishes(balance="magic")


def test_priors_need_clips_of_one_class(manifest: Manifest) -> None:
    several = replace(manifest, multi_label=True)
    with pytest.raises(UsageError, match="--loss logit-adjusted needs clips of one class each, and these have several"):
        lesson_for(several, Wishes(loss="logit-adjusted"))
    assert lesson_for(several, Wishes(loss="focal")).loss == "focal"


def test_what_is_minimized(manifest: Manifest) -> None:
    logits, found = torch.randn(len(manifest), 3), {}
    targets = lesson_for(manifest, Wishes()).task.targets(manifest.samples)
    for loss in LOSSES:
        lesson = lesson_for(manifest, Wishes(loss=loss, balance=None if loss in LOSSES[2:] else "none"))
        found[loss] = loss_of(lesson, targets)(logits, targets)
    logs, classes = logits.log_softmax(1), targets.argmax(1)
    mine = logs[range(len(logs)), classes]
    torch.testing.assert_close(found["cross-entropy"], -mine.mean())
    torch.testing.assert_close(found["focal"], -((1 - mine.exp()) ** 2 * mine).mean())
    beta, counts = 1 - 1 / 8, torch.tensor([8.0, 6.0, 2.0])
    weights = 1 / (1 - beta**counts)
    weights = weights * 16 / (weights * counts).sum()
    torch.testing.assert_close(found["class-balanced"], -(weights[classes] * mine).mean())
    adjusted = (logits + (counts / 16).log()).log_softmax(1)[range(len(logs)), classes]
    torch.testing.assert_close(found["logit-adjusted"], -adjusted.mean())


@pytest.mark.parametrize("balance", BALANCES)
def test_rare_classes_are_called_more_often(balance: str, manifest: Manifest) -> None:
    """Features that say nothing leave the shares of the classes: those as they are, or equal ones."""
    lesson = lesson_for(manifest, Wishes(balance=balance, epochs=40, batch_size=16, weight_decay=0.0))
    width = sum(lesson.model.encoder.dims)  # type: ignore[operator, union-attr, arg-type] - motion's encoder has them
    encoded = {index: torch.zeros(1, width) for index in range(len(manifest))}
    learn_head(lesson, encoded, list(manifest.samples), {}, [], out=None, narrator=Silent())
    with torch.inference_mode():
        said = lesson.model.classify(torch.zeros(1, width)).softmax(1)[0]
    ratio = float(said[0] / said[2])
    expected = {"none": 4.0, "sqrt": 2.0}.get(balance)
    if balance == "progressive":  # on its way: the rate falls before the classes are equal
        assert 1.2 < ratio < 4
    else:
        assert ratio == pytest.approx(expected or 1.0, rel=0.25)
