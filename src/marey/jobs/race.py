"""The race of a comparison: who goes on from rung to rung, who learns longer, what the best are asked afterwards."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ..data import Quarantine
from ..errors import MareyError
from ..report import counted
from .contender import CHANGED, SHARES, Contender, ask_orders, ask_with_fewer, has_order, try_fold
from .halving import Clock, Share, go_on, longer, places, rungs
from .line_up import FOR_TRAINING, HEAD_S, Contest
from .narrate import Narrator, Ticking, timed
from .run import write_json
from .verdict import Pooled

RACE_FILE = "race.json"
CHEAP = 0.05  # of the time that is left: whom it would save less than that to stop is not stopped


class Outlook:
    """How long a comparison will take, told as seconds done of seconds in all."""

    def __init__(self, narrator: Narrator, clock: Clock) -> None:
        self._narrator, self._clock, self._begun_s, self._total = narrator, clock, clock.spent_s, 1

    def plan(self, ahead_s: float) -> None:
        self._total = round(self._done_s + min(ahead_s, max(self._clock.left_s, 0)))
        self.tick()

    def tick(self) -> None:
        """Time went by, which counts though the job be killed; what takes longer than planned moves the end."""
        self._clock.keep_often()
        self._total = max(self._total, round(self._done_s) + 1)
        self._narrator.progress("compare, seconds", round(self._done_s), self._total)

    def end(self) -> None:
        self._narrator.progress("compare, seconds", self._total, self._total)

    @property
    def _done_s(self) -> float:
        return self._clock.spent_s - self._begun_s


@dataclass(eq=False)
class Race:
    """Candidates on their way through the folds; the first of them, the single-frame model, is never stopped.

    stopped  preset -> why, for those that are not in all folds
    file     who went on after each rung, with which share: that depends on the time, so a comparison that is
             interrupted and goes on must not decide it again
    """

    contest: Contest
    contenders: Sequence[Contender]
    pooled: Pooled
    outlook: Outlook
    file: Path
    stopped: dict[str, str] = field(default_factory=dict)
    _quarantines: dict[Contender, Quarantine] = field(default_factory=dict)

    def run(self) -> None:
        """Train rung by rung."""
        racing = list(self.contenders)
        for number, rung in enumerate(rungs(self._folds)):
            before, shares = racing, {c: c.share for c in self.contenders}
            if number:
                racing = self._go_on(number, racing, range(rung[0]))
            for place, contender in enumerate(racing):
                self._plan(racing, place, number)
                rivals = [] if contender in before else [c for c in racing if c is not contender]
                if why := self._run_folds(contender, range(rung[-1] + 1), rivals):
                    self.stopped[contender.preset.name] = why
                    if not contender.done(self._folds):  # not even one with its new share: what it did before counts
                        contender.share = shares[contender]
            racing = [c for c in racing if c.preset.name not in self.stopped]
        for name, why in self.stopped.items():
            self.contest.narrator.detail(f"{name} was stopped: {why}")

    def ask_further(self) -> None:
        """What the finalists say of other orders of frames, and with fewer labels, as far as there is time."""
        folds, clock = range(self._folds), self.contest.clock
        finalists = [c for c in self.contenders if c.preset.name not in self.stopped]
        finalists.sort(key=lambda c: -self._accuracy(c, folds))
        manifest, parts, seed = self.contest.manifest, self.contest.parts, self.contest.seed
        for contender in finalists:
            if _is_asked_orders(contender) and _orders_s(contender, len(folds)) < clock.left_s:
                with self._spared(contender):
                    ask_orders(contender, manifest, parts, *self._told(contender))
                clock.keep()
        asked = list(dict.fromkeys((finalists[0], self.contenders[0])))
        for place, contender in enumerate(asked):
            for fold in folds:
                self.outlook.plan(sum((len(folds) - fold * (c is contender)) * _labels_s(c) for c in asked[place:]))
                if _labels_s(contender) < clock.left_s:
                    with self._spared(contender):
                        ask_with_fewer(contender, manifest, fold, parts[fold], *self._told(contender), seed=seed)
                    clock.keep()
        self.outlook.end()

    @contextmanager
    def _spared(self, contender: Contender) -> Iterator[None]:
        """What a candidate cannot be asked further, as too few of its clips can be read, costs no answer it gave."""
        try:
            yield
        except MareyError as error:
            self.contest.narrator.say(f"{contender.preset.name} is asked no further: {error}")

    def unreadable(self) -> tuple[dict[str, str], list[str]]:
        """Path -> why, of videos that the single-frame model could not read; a sentence for each that read fewer."""
        first, *others = self.contenders
        plain, notes = self._quarantine(first).reasons, list[str]()
        for contender in others:
            more = {path: why for path, why in self._quarantine(contender).reasons.items() if path not in plain}
            if more:
                path, why = next(iter(more.items()))
                some = f"{counted(len(more), 'video')} that {first.preset.name} could, such as {path}: {why}"
                notes.append(f"{contender.preset.name} could not read {some}.")
        return plain, notes

    def _quarantine(self, contender: Contender) -> Quarantine:
        """One for each: a video without motion vectors is good for others."""
        fresh = Quarantine(total=len(self.contest.manifest), limit=self.contest.max_bad)
        return self._quarantines.setdefault(contender, fresh)

    def _told(self, contender: Contender) -> tuple[Quarantine, Narrator]:
        return self._quarantine(contender), Ticking(self.contest.narrator, self.outlook.tick)

    @property
    def _folds(self) -> int:
        return len(self.contest.parts)

    def _run_folds(self, contender: Contender, folds: Sequence[int], rivals: Sequence[Contender]) -> str:
        """Train in these folds, but for those that are done; why it was stopped, or nothing where it was not.

        rivals  of one that is given a second chance: it takes no more time where it comes last among them in one fold
        """
        contest, name = self.contest, contender.preset.name
        for fold in folds:
            if not contender.file(fold).exists():
                if contender is not self.contenders[0] and contest.clock.left_s < _expected_s(contender):
                    done = counted(len(contender.done(self._folds)), "fold")
                    return f"the budget was over after {done} of {counted(contender.share.epochs, 'epoch')}"
                try:
                    with timed(contest.narrator, f"{name}, fold {fold + 1}"):
                        try_fold(contender, contest.manifest, fold, contest.parts[fold], *self._told(contender))
                except MareyError as error:  # one that cannot be trained is no reason to lose the others
                    if contender is self.contenders[0]:
                        raise
                    return f"it could not be trained: {error}"
                contest.clock.keep()
                for note in contender.notes([fold]):
                    contest.narrator.say(note)
            else:
                self._quarantine(contender).reasons.update(contender.read(fold).quarantined)
            if (
                rivals
                and fold == folds[0]
                and self._accuracy(contender, (fold,)) < min(self._accuracy(rival, (fold,)) for rival in rivals)
            ):
                return self._too_few(contender, (fold,))
        return ""

    def _go_on(self, number: int, racing: Sequence[Contender], done: Sequence[int]) -> list[Contender]:
        """Those of the next rung, with their shares; the others are stopped."""
        kept = json.loads(self.file.read_text(encoding="utf-8")) if self.file.exists() else []
        if len(kept) < number:
            kept.append({name: asdict(share) for name, share in self._decide(number, racing, done).items()})
            write_json(self.file, kept)
        shares = {name: Share(**share) for name, share in kept[number - 1].items()}
        for contender in racing:
            if contender.preset.name not in shares:
                self.stopped[contender.preset.name] = self._too_few(contender, done)
        on = [c for c in self.contenders if c.preset.name in shares]
        for contender in on:
            contender.share = shares[contender.preset.name]
            self.stopped.pop(contender.preset.name, None)
        return on

    def _decide(self, number: int, racing: Sequence[Contender], done: Sequence[int]) -> dict[str, Share]:
        """Who goes on to a rung, and what each may spend in a fold.

        Before the last one, what is left is given to networks that were cut short. Where there is none among those that
        go on, the best of the stopped ones has a second chance, rather than leaving the time unused.
        """
        clock, scores = self.contest.clock, {c.preset.name: self._accuracy(c, done) for c in racing}
        cheap = {c.preset.name for c in racing if (self._folds - len(done)) * _expected_s(c) < CHEAP * clock.left_s}
        always = self.contenders[0].preset.name
        names = go_on(scores, number, always=always, cheap=cheap, of=len(self.contenders))
        on = [c for c in racing if c.preset.name in names]
        shares = {c.preset.name: c.share for c in on}
        if number < len(rungs(self._folds)) - 1:
            return shares
        short = [c for c in on if c.is_cut_short]
        stopped = [c for c in self.contenders if c not in on and c.is_cut_short and c.done(1)]
        if not short and stopped:
            short = [max(stopped, key=lambda c: self._accuracy(c, (0,)))]
        others_s = sum((self._folds - len(done)) * _expected_s(c) for c in on if c not in short)
        each_s = (FOR_TRAINING * clock.left_s - others_s) / self._folds / max(1, len(short))
        for contender in short:
            if share := longer(contender.share, each_s, epoch_s=contender.epoch_s, most=contender.cost.epochs):
                shares[contender.preset.name] = share
        return shares

    def _plan(self, racing: Sequence[Contender], place: int, number: int) -> None:
        """Tell how long it will take when the contender at `place` begins its folds of a rung."""
        ladder = rungs(self._folds)
        if number < len(ladder) - 1 and any(c.is_cut_short for c in self.contenders):
            self.outlook.plan(self.contest.clock.left_s)  # they are given what there is
            return
        wanted = ladder[number][-1] + 1
        ahead_s = sum((wanted - len(c.done(wanted))) * _expected_s(c) for c in racing[place:])
        for later in range(number + 1, len(ladder)):
            one_s = sum(_expected_s(c) for c in racing) / len(racing)
            ahead_s += places(len(self.contenders), later) * len(ladder[later]) * one_s
        questions = [_orders_s(c, self._folds) for c in racing if _is_asked_orders(c)]
        ahead_s += sum(questions) + 2 * self._folds * max(_labels_s(c) for c in racing)
        self.outlook.plan(ahead_s)

    def _accuracy(self, contender: Contender, folds: Sequence[int]) -> float:
        """Of its answers so far, on clips whose groups it did not see."""
        return float(self.pooled.of(contender, folds).right(self.pooled.truth).mean())

    def _too_few(self, contender: Contender, folds: Sequence[int]) -> str:
        return f"{self._accuracy(contender, folds):.0%} right after {counted(len(folds), 'fold')}: too few to go on"


def _expected_s(contender: Contender) -> float:
    """What the next fold takes."""
    if contender.needs_training:
        return min(contender.share.within_s, contender.epoch_s * contender.share.epochs)
    return HEAD_S if contender.done(1) else 60 * contender.cost.minutes


def _is_asked_orders(contender: Contender) -> bool:
    """Whole networks were asked when they were trained."""
    return has_order(contender) and not contender.needs_training


def _orders_s(contender: Contender, folds: int) -> float:
    return len(CHANGED) * 60 * contender.cost.minutes + folds * HEAD_S


def _labels_s(contender: Contender) -> float:
    """What learning from fewer labels takes in a fold."""
    return sum(SHARES) * _expected_s(contender) if contender.needs_training else len(SHARES) * HEAD_S
