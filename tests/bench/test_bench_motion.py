"""The bench of motion: cells are kept, the claims are of rows that exist, and a table says what the cells say."""

from functools import partial
from pathlib import Path

import cells
import heads
import motion
import motion_real
import numpy as np
import pytest
import torch

from marey.data import Manifest, Sample
from marey.data.stage import CLASS_GROUPS
from marey.presets import PRESETS, cost_of
from marey.results import Estimate
from marey.video import ClipSpec

ACTORS = 6


def film(name: str, actor: int) -> str:
    return f"stage/videos/{name.replace(' ', '_')}/{actor}.mp4"


def cell(chance: dict[str, float], seed: int) -> cells.Cell:
    """A test in which a class group is right as often as `chance` says."""
    rng, group, right = np.random.default_rng(seed), {}, {}
    for name, kind in CLASS_GROUPS.items():
        for actor in range(ACTORS):
            group[film(name, actor)] = f"actor {actor}"
            right[film(name, actor)] = bool(rng.random() < chance.get(kind, 0.0))
    shares = {
        kind: float(np.mean([right[film(n, a)] for n, k in CLASS_GROUPS.items() if k == kind for a in range(ACTORS)]))
        for kind in cells.GROUPS
    }
    return {"top1": float(np.mean(list(right.values()))), **shares, "right": right, "group": group}


def done(name: str, seed: int) -> cells.Cell:
    """What flow sees moves, and what RGB sees stands still; of dots nobody knows anything."""
    seen = dict.fromkeys(motion.MOTION, 0.9 if "flow" in name else 0.1)
    seen["appearance"] = 0.95 if "RGB" in name else 0.1
    rest = {"dots": cell({}, seed), "epochs": 3, "core_minutes": 1.5}
    return cell(seen, seed) | rest


def test_a_cell_that_is_done_is_kept_and_one_that_failed_is_not(tmp_path: Path) -> None:
    path = tmp_path / "flow-0.json"

    def fails() -> cells.Cell:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cells.kept(path, fails)
    assert cells.kept(path, lambda: {"top1": 0.5}) == {"top1": 0.5}
    assert cells.kept(path, fails) == {"top1": 0.5} and [p.name for p in tmp_path.iterdir()] == ["flow-0.json"]


def test_every_network_spends_the_same(tmp_path: Path) -> None:
    assert cells.epochs_for("i3d_stage", 600, 900) == round(900 / 600 / cost_of(PRESETS["i3d_stage"]).gmacs)
    assert cells.epochs_for("i3d_stage", 600, 1800) in (
        2 * cells.epochs_for("i3d_stage", 600, 900) + d for d in (-1, 0, 1)
    )
    assert (
        cells.epochs_for("single_frame_stage", 600, 1e9) == cells.EPOCHS and cells.epochs_for("i3d_stage", 9, 0.01) == 1
    )


def test_claims_are_of_rows_that_exist_and_no_two_rows_share_a_file() -> None:
    names = {entry.name: entry for entry in motion.ENTRIES}
    claimed = {name for claim in motion.CLAIMS for name in (claim.better, claim.worse)}
    assert claimed | {name for row in motion.CHEAPER for name in row[:2]} <= set(names)
    assert len({cells.slug(name) for name in names}) == len(names)
    for entry in motion.ENTRIES:
        assert entry.preset in PRESETS and all(not names[part].parts for part in entry.parts)
    assert all(names[n].frozen for claim in motion.REAL_CLAIMS for n in (claim.better, claim.worse))


def test_the_report_says_what_the_cells_say() -> None:
    stage = {entry.name: [done(entry.name, seed) for seed in range(2)] for entry in motion.ENTRIES}
    slow = {"input": [30.0, 50.0, 40.0], "network": [5.0, 5.0, 5.0]}
    ms = {
        e.preset: slow if "flow" in e.name else {k: [x / 4 for x in v] for k, v in slow.items()} for e in motion.ENTRIES
    }
    rng, truth = np.random.default_rng(0), [0, 1] * 20
    real = {
        "right": {e.name: (rng.random(40) < (0.9 if "flow" in e.name else 0.5)).tolist() for e in motion.ENTRIES},
        "groups": [f"s{i // 4}" for i in range(40)],
        "truth": truth,
    }
    told = motion.report(motion.Found(stage, [real], {"stage": ms, "real clips": ms}))
    table, frozen, claims, costs = (
        {
            row[0]: row[1:]
            for row in ([word.strip() for word in line.split("|")[1:-1]] for line in part.splitlines()[2:])
        }
        for part in told.split("\n\n")
    )
    assert list(table) == [entry.name for entry in motion.ENTRIES]
    assert table["flow"][2:5] == ["40.0", "5.0", "3"]
    assert table["flow"][5].startswith(f"{np.mean([cell['top1'] for cell in stage['flow']]):.1%} (")
    assert list(frozen) == [entry.name for entry in motion.ENTRIES if entry.frozen]
    assert [word.split()[-1] for word in claims["flow over RGB; stage: motion"][1:]] == ["reproduced", "reproduced"]
    assert claims["flow over RGB; stage: point-light"][1].endswith("undecided")
    assert claims["flow over RGB; stage: point-light"][2] == ""
    assert claims["OFF at most 5 points behind flow"][1].endswith("contradicted")
    assert costs["OFF at most 0.5 of the time of flow"][1:] == ["0.25 (0.25 to 0.25) reproduced"] * 2


def test_a_claim_with_a_margin_may_fall_short_by_as_much() -> None:
    assert motion.points(Estimate(-0.02, -0.04, 0.01, 8), 0.05) == "-2.0 (-4.0 to +1.0) reproduced"
    assert motion.points(Estimate(-0.02, -0.06, 0.01, 8), 0.05).endswith("undecided")
    assert motion.points(Estimate(-0.2, -0.3, -0.06, 8), 0.05).endswith("contradicted")


def test_frozen_features_answer_clips_of_sources_that_no_head_saw(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = tuple(
        Sample(path=f"s{source}-{label}{number}.mp4", labels={"label": (label,)}, group=f"s{source}")
        for source in range(6)
        for label in ("a", "b")
        for number in range(2)
    )
    manifest = Manifest(samples, {"label": ("a", "b")}, multi_label=False, source="", kind="CSV", grouped_by="source")
    telling = torch.tensor([[1.0 if "b" in sample.path else -1.0] for sample in samples])
    features = {"flow": telling, "RGB": -2 * telling}
    asked = []

    def learn(clips: heads.Clips, train: np.ndarray, test: np.ndarray, how: heads.Choice, *, apart: bool) -> dict:
        assert apart and not {clips.groups[i] for i in train} & {clips.groups[i] for i in test}
        asked.extend(test.tolist())
        return {name: torch.cat([-clips.features[name], clips.features[name]], 1)[test] for name in how.blocks}

    monkeypatch.setattr(motion_real, "read_real", lambda data: (manifest, None))
    monkeypatch.setattr(motion_real, "encode", lambda run, clips, out: features[run.name])
    monkeypatch.setattr(motion_real, "learn", learn)
    entries = {"flow": ("flow",), "RGB": ("RGB",), "both": ("RGB", "flow")}
    found = motion_real.real_cell({name: Path(name) for name in features}, entries, tmp_path, tmp_path)
    assert sorted(asked) == sorted(list(range(24)) * motion_real.FOLD_SEEDS)
    assert [np.mean(found["right"][name]) for name in entries] == pytest.approx([1, 0, 0])  # the larger logit decides
    assert found["groups"] == [sample.group for sample in samples]
    assert motion_real.figures([found], "flow")[1].value == pytest.approx(1)
    assert motion_real.real_lead([found], "flow", "both").value == pytest.approx(1)


def test_what_real_clips_are_fed_is_read_once_for_all_networks_of_one_input(
    small_films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = tuple(Sample(path=str(p), labels={"label": ("a",)}) for p in sorted(small_films.rglob("*.mp4"))[:2])
    manifest = Manifest(samples, {"label": ("a",)}, multi_label=False, source="", kind="CSV")
    spec = partial(ClipSpec, frames=2, stride=1, side_px=16, short_px=16, std=(0.25,) * 3)
    dark = spec(mean=(0.5,) * 3)
    read = motion_real.fed(manifest, dark, tmp_path)
    assert read.shape == (2, 2, 16, 16, 3)
    monkeypatch.setattr(motion_real, "read_views", lambda *_: pytest.fail("read again"))
    bright = spec(mean=(0.2,) * 3)
    assert (motion_real.fed(manifest, bright, tmp_path) == read).all()
    monkeypatch.undo()
    assert motion_real.fed(manifest, spec(mean=(0.5,) * 3, frames=3), tmp_path).shape[1] == 3
