"""Flow teaches networks of vectors and residuals while they are trained, and is not there when they are asked."""

from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import av
import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from marey.data import Manifest, Quarantine, Sample, cut_views
from marey.jobs import Trial, evaluate, plan, predict, train
from marey.jobs.learn import learn
from marey.jobs.lesson import Lesson
from marey.jobs.narrate import Silent
from marey.models import DMCNet
from marey.presets import find_preset
from marey.tasks import Recognition
from marey.training import Recipe, read_history
from marey.video import ClipSpec, open_video, to_input, view_seconds


@pytest.fixture(scope="module")
def trial(small_films: Path, tmp_path_factory: pytest.TempPathFactory) -> Trial:
    out = tmp_path_factory.mktemp("distilled") / "run"
    return train(small_films / "annotations.csv", preset="dmc_stage", epochs=1, workers=0, out=out)


def test_a_run_tells_what_the_teacher_says(trial: Trial) -> None:
    (row,) = read_history(trial.folder)
    assert 0 < row["distillation"] < row["loss"]
    assert trial.evaluations["label"].protocol["input"] == "vectors+residual (of one frame, within 20 px)"


def test_no_flow_is_computed_for_answers(
    trial: Trial, small_films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> NoReturn:
        raise AssertionError("flow was computed")

    for room in ("residual", "flow"):
        monkeypatch.setattr(f"marey.video.{room}.dense_flow", refuse)
    evaluate(trial.folder, use_cache=False, workers=0)
    assert predict(trial.folder, [str(small_films / "up" / "up0.mp4")], overlay=False)[0]
    with pytest.raises(AssertionError, match="flow was computed"):
        train(small_films / "annotations.csv", preset="dmc_stage", epochs=1, workers=0, out=tmp_path / "run")


def test_a_plan_counts_what_the_teacher_costs(small_films: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    study = DMCNet.study
    monkeypatch.setattr(DMCNet, "study", lambda model, clips: seen.append(clips.shape[1]) or study(model, clips))
    plan(small_films / "annotations.csv", presets=["dmc_stage"], workers=0)
    assert set(seen) == {7}


def film(path: Path, step: tuple[int, int]) -> Path:
    """14 frames of 64 x 64 of a texture, of which the upper left 44 x 36 move by `step` (right, down) a frame."""
    noise = np.random.default_rng(0).normal(size=(128, 128))
    ground = np.clip(128 + 400 * cv2.GaussianBlur(noise, (0, 0), 2), 0, 255).astype(np.uint8)[..., None].repeat(3, -1)
    options = {"threads": "1", "crf": "12", "x264-params": "bframes=0:ref=1:scenecut=0"}
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=10, options=options)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for k in range(14):
            frame = ground[:64, :64].copy()
            frame[:36, :44] = np.roll(ground, (k * step[1] - 60, k * step[0] - 60), (0, 1))[:36, :44]
            out.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        out.mux(stream.encode(None))
    return path


def errors(model: DMCNet, films: list[Sample], spec: ClipSpec) -> tuple[float, float, float]:
    """Mean squares in pixels of flow less: cues, vectors, nothing."""
    clips = []
    for film in films:
        with open_video(film.path) as video:
            seconds = view_seconds(spec, video.info.fps, 0.0, video.info.duration_s, 1)
            clips.append(cut_views(video, seconds, spec)[0])
    fed = to_input(torch.from_numpy(np.stack(clips)), spec)
    with torch.no_grad():
        cues, flow = model.eval().cues(fed[:, :5]), fed[:, 5:]

    def square(x: Tensor) -> float:
        return 400 * float((x - flow).square().mean())

    return square(cues), square(fed[:, :2]), square(torch.zeros_like(flow))


def test_cues_come_nearer_to_flow_than_vectors_are(tmp_path: Path) -> None:
    """Parts of pictures move by whole pixels; vectors know their borders to 8 pixels, which is what is to be learnt."""
    steps = [(3, 0), (-3, 0), (0, 2), (0, -2), (2, 2), (-2, 1), (1, -2), (4, 1)]
    films = []
    for number, step in enumerate(steps):
        path = film(tmp_path / f"{number}.mp4", step)
        films.append(Sample(path=str(path), labels={"label": ("right" if step[0] > 0 else "left",)}))
    preset, task = find_preset("dmc_r18"), Recognition(heads={"label": ("left", "right")})
    spec = replace(preset.clip, frames=4, stride=2, sampling="dense", side_px=32, short_px=48)
    torch.manual_seed(0)
    model = preset.mini.build(num_classes=2)
    assert isinstance(model, DMCNet)
    model.detach = True
    lesson = Lesson(
        model=model,
        spec=spec,
        task=task,
        recipe=Recipe(epochs=40, lr=0.01, clip_norm=None),
        batch_size=2,
        device=torch.device("cpu"),
        workers=0,
    )
    manifest = Manifest(tuple(films), task.heads, multi_label=False, source="films", kind="films")
    quarantine = Quarantine(total=len(films))
    learn(lesson, manifest, films[:6], [], out=None, quarantine=quarantine, narrator=Silent())
    for part, most in ((films[:6], 0.6), (films[6:], 0.85)):
        cues, vectors, nothing = errors(model, part, model.studied(spec))
        assert cues < most * vectors < nothing
