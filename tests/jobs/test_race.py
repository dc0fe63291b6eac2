"""Who goes on in a comparison, who learns longer, and what is told meanwhile, with a clock that the test turns."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from marey.data import Manifest, Quarantine, Sample, grouped_folds, unit_of
from marey.errors import MareyError, VideoError
from marey.jobs.compare import part_of
from marey.jobs.contender import Contender
from marey.jobs.fold_answers import FoldAnswers
from marey.jobs.halving import Clock, Share, longer
from marey.jobs.line_up import Contest, lesson_of
from marey.jobs.plan import Plan
from marey.jobs.race import Outlook, Race
from marey.jobs.run import write_json
from marey.jobs.verdict import Pooled
from marey.presets import find_preset

FRAME, FROZEN, NETWORKS = "single_frame_stage", ("motion", "motion_appearance"), ("r2plus1d_stage", "slowfast_stage")
FOLDS, BUDGET_S = 4, 1000


@dataclass
class Hand:
    """The hand of the clock, and who hears what."""

    spent_s: float = 0.0
    told: list[tuple[int, int]] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    tried: list[tuple[str, int, int]] = field(default_factory=list)
    failing: tuple[str, ...] = ()

    def say(self, sentence: str) -> None:
        self.said.append(sentence)

    def detail(self, sentence: str) -> None: ...

    def progress(self, what: str, done: int, total: int) -> None:
        assert what == "compare, seconds"
        self.told.append((done, total))


def a_race(folder: Path, hand: Hand, right: Mapping[str, Mapping[int, float]], monkeypatch: pytest.MonkeyPatch) -> Race:
    """A race of presets; name -> epochs -> which share of clips they get right. Networks take 2 s an epoch."""
    samples = tuple(Sample(f"v{i}.mp4", {"label": ("ab"[i % 2],)}, group=f"g{i // 4}") for i in range(160))
    manifest = Manifest(samples, {"label": ("a", "b")}, multi_label=False, source="films", kind="CSV")
    folds = grouped_folds(manifest, folds=FOLDS, seed=0, near_duplicate_groups=None)
    parts = [part_of(manifest, train, test, seed=0) for train, test in folds]
    monkeypatch.setattr("marey.jobs.halving.perf_counter", lambda: hand.spent_s)
    clock = Clock(folder / "clock.json", BUDGET_S, begun_s=0)
    contest = Contest(
        manifest=manifest,
        parts=parts,
        device=torch.device("cpu"),
        workers=0,
        decoder="pyav",
        seed=0,
        use_cache=False,
        max_bad=3,
        clock=clock,
        narrator=hand,
    )

    def contender(name: str) -> Contender:
        epochs, usual = min(right[name]), 100 if name not in NETWORKS else 200
        return Contender(
            preset=find_preset(name),
            lesson=lesson_of(contest, find_preset(name)),
            cost=Plan(name, 1, 1.0, usual, 16, decode_s=1, clip_s=1, minutes=0.1, memory_mb=1, free_mb=None),
            share=Share(epochs, 2 * epochs if name in NETWORKS else 1),
            answering={},
            kept=folder / name,
        )

    def try_fold(one: Contender, of: Manifest, fold: int, part: Any, quarantine: Quarantine, _: Any) -> None:
        name, epochs = one.preset.name, one.share.epochs
        if name in hand.failing:
            raise MareyError("the loss became nan at step 1")
        if name == "motion":
            quarantine.add(VideoError("v7.mp4", "it has no motion vectors"))
        hand.tried.append((name, fold, epochs))
        seconds = 2 * epochs if name in NETWORKS else 1
        hand.spent_s += seconds
        reached = max(share for known, share in right[name].items() if known <= epochs)
        truth = np.array([i % 2 for i in part.test])
        wrong = np.arange(len(truth)) >= reached * len(truth)
        facts = {"seconds": seconds, "history": [{}] * epochs}
        write_json(one.file(fold).with_suffix(".json"), facts)
        scores = np.eye(2)[np.where(wrong, 1 - truth, truth)]
        FoldAnswers(part.test, scores, dict(quarantine.reasons), ("the loss became nan",) * (fold == 3)).write(
            one.file(fold)
        )

    monkeypatch.setattr("marey.jobs.race.try_fold", try_fold)
    monkeypatch.setattr("marey.jobs.race.ask_orders", lambda *_: None)
    monkeypatch.setattr("marey.jobs.race.ask_with_fewer", lambda *_, seed: None)
    contenders = [contender(name) for name in right]
    return Race(
        contest, contenders, Pooled(manifest, parts, unit_of(samples), 0), Outlook(hand, clock), folder / "race.json"
    )


RIGHT = {
    FRAME: {100: 0.6},
    "motion": {100: 0.8},
    "motion_appearance": {100: 0.7},
    "r2plus1d_stage": {20: 0.5, 60: 0.9},
    "slowfast_stage": {10: 0.4},
}


def shares_of(race: Race) -> dict[str, tuple[int, list[int]]]:
    return {c.preset.name: (c.share.epochs, c.done(FOLDS)) for c in race.contenders}


def test_what_is_left_goes_to_the_best_network_that_was_cut_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hand = Hand()
    race = a_race(tmp_path, hand, RIGHT, monkeypatch)
    race.run()
    race.ask_further()
    found = shares_of(race)
    assert found[FRAME] == found["motion"] == (100, [0, 1, 2, 3])
    assert found["motion_appearance"] == (100, [0, 1, 2, 3])  # stopping it would have saved next to nothing
    epochs, done = found["r2plus1d_stage"]
    assert 60 <= epochs < 200 and done == [0, 1, 2, 3]
    assert found["slowfast_stage"] == (10, [0]) and list(race.stopped) == ["slowfast_stage"]
    assert race.stopped["slowfast_stage"] == "40% right after 1 fold: too few to go on"
    assert 500 < hand.spent_s < 1000
    assert "r2plus1d_stage, fold 4: the loss became nan" in hand.said


def test_it_is_no_second_chance_for_whom_it_does_not_help(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hand = Hand()
    race = a_race(tmp_path, hand, {**RIGHT, "r2plus1d_stage": {20: 0.5}}, monkeypatch)
    race.run()
    epochs, done = shares_of(race)["r2plus1d_stage"]
    assert epochs > 20 and done == [0] and "50% right after 1 fold" in race.stopped["r2plus1d_stage"]


def test_finalists_learn_all_folds_again_when_they_learn_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hand = Hand()
    race = a_race(tmp_path, hand, {FRAME: {100: 0.6}, "r2plus1d_stage": {20: 0.7}}, monkeypatch)
    race.run()
    epochs, done = shares_of(race)["r2plus1d_stage"]
    assert epochs >= 30 and done == [0, 1, 2, 3] and not race.stopped
    assert [fold for name, fold, of in hand.tried if of == epochs] == [0, 1, 2, 3]


def test_a_race_that_goes_on_decides_nothing_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hand = Hand()
    race = a_race(tmp_path, hand, RIGHT, monkeypatch)
    race.run()
    late = Hand(spent_s=990)  # by this clock, nothing would be affordable
    again = a_race(tmp_path, late, RIGHT, monkeypatch)
    again.run()
    assert not late.tried and again.stopped == race.stopped and shares_of(again) == shares_of(race)
    assert [set(rung) for rung in json.loads((tmp_path / "race.json").read_text())][-1] == {
        FRAME,
        "motion",
        "motion_appearance",
        "r2plus1d_stage",
    }


def test_who_runs_out_of_time_keeps_what_it_did_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hand = Hand()
    a_race(tmp_path, hand, RIGHT, monkeypatch).run()
    for file in (tmp_path / "r2plus1d_stage").rglob("*"):
        if file.is_file() and file.parent.name != "20-epochs":
            file.unlink()
    late = Hand(spent_s=990)
    again = a_race(tmp_path, late, RIGHT, monkeypatch)
    again.run()
    assert again.stopped["r2plus1d_stage"].startswith("the budget was over after 0 folds of ")
    assert shares_of(again)["r2plus1d_stage"][0] == 20 and not late.tried


def test_the_time_that_it_takes_is_told_from_beginning_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hand = Hand(spent_s=7)
    race = a_race(tmp_path, hand, RIGHT, monkeypatch)
    race.run()
    race.ask_further()
    done = [done for done, _ in hand.told]
    assert done == sorted(done) and all(total <= 1000 for _, total in hand.told)
    assert hand.told[0][0] == 0 and hand.told[-1][0] == hand.told[-1][1]
    assert all(done < total for done, total in hand.told[:-1])


def test_one_that_cannot_be_trained_costs_the_others_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    race = a_race(tmp_path, Hand(failing=("r2plus1d_stage", "motion_appearance")), RIGHT, monkeypatch)
    race.run()
    found = shares_of(race)
    assert found[FRAME][1] == found["motion"][1] == [0, 1, 2, 3] and not found["r2plus1d_stage"][1]
    assert race.stopped["r2plus1d_stage"] == "it could not be trained: the loss became nan at step 1"
    with pytest.raises(MareyError, match="nan"):  # with which all others would be compared
        a_race(tmp_path / "again", Hand(failing=(FRAME,)), RIGHT, monkeypatch).run()


def test_what_cannot_be_asked_further_keeps_its_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, seed: int) -> None:
        raise MareyError("none of the 2 clips to learn from can be read")

    hand = Hand()
    race = a_race(tmp_path, hand, RIGHT, monkeypatch)
    race.run()
    monkeypatch.setattr("marey.jobs.race.ask_with_fewer", fail)
    race.ask_further()
    assert f"{FRAME} is asked no further: none of the 2 clips to learn from can be read" in hand.said
    assert shares_of(race)[FRAME][1] == [0, 1, 2, 3]


def test_videos_are_unreadable_for_whom_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(2):  # the second time, all is done already
        race = a_race(tmp_path, Hand(), RIGHT, monkeypatch)
        race.run()
        plain, (note,) = race.unreadable()
        assert not plain
        assert note == f"motion could not read 1 video that {FRAME} could, such as v7.mp4: it has no motion vectors."


def test_little_more_is_not_worth_learning_again() -> None:
    before = Share(epochs=20, within_s=40)
    assert longer(before, 58, epoch_s=2, most=200) is None
    assert longer(before, 60, epoch_s=2, most=200) == Share(30, 60)
    assert longer(before, 1000, epoch_s=2, most=25) == Share(25, 75)  # all that it should have
    assert longer(before, -3, epoch_s=2, most=200) is None
