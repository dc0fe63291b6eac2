"""Our networks answer as the official ones do, weight for weight, from the file that a user has."""

from pathlib import Path

import pytest
import torch
from golden_pairs import read_golden, write_official

from marey.app.cli import main
from marey.presets import create_model

SLOW = {
    "glore_resnet50_3d",
    "i3d_inception_rgb",
    "psf_c2d_nln_r50_8x8_low",
    "psf_i3d_r50_8x8",
    "psf_i3d_nln_r50_8x8_low",
    "psf_slow_r50_8x8",
    "psf_slowfast_r50_4x16",
    "psf_slowfast_r50_8x8",
    "ptv_slow_r50",
    "ptv_slowfast_r50",
    "tv_r2plus1d_18",
    "hf_timesformer_b",
    "hf_videomae_b",
    "motionformer_b_16x4",
    "motionformer_joint_16x4",
    "videomae_b_official",
    "tv_mvit_v1_b",
    "tv_mvit_v2_s",
    "ptv_mvit_base_16x4",
}
NAMES = [
    "d14_oct_mobilenet_v1",
    "d14_oct_resnet50_a0.5",
    "glore_resnet50_3d",
    "i3d_inception_rgb",
    "mfnet_3d",
    "psf_c2d_r50_8x8",
    "psf_c2d_nln_r50_8x8_low",
    "psf_i3d_r50_8x8",
    "psf_i3d_nln_r50_8x8_low",
    "psf_i3d_nln_r50_8x8_low.caffe2",
    "psf_slow_r50_8x8",
    "psf_slowfast_r50_4x16",
    "psf_slowfast_r50_8x8",
    "psf_slowfast_r50_8x8.caffe2",
    "psf_x3d_s",
    "ptv_slow_r50",
    "ptv_slowfast_r50",
    "ptv_x3d_s",
    "tv_s3d",
    "fishnet99",
    "fishnet150",
    "tv_r2plus1d_18",
    "tv_r3d_18",
    "tv_resnet50",
    "hf_timesformer_b",
    "hf_videomae_b",
    "motionformer_b_16x4",
    "motionformer_joint_16x4",
    "videomae_b_official",
    "tv_mvit_v1_b",
    "tv_mvit_v2_s",
    "ptv_mvit_base_16x4",
]


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow if n in SLOW else ()) for n in NAMES])
def test_official_weights_give_official_logits(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    golden = read_golden(name.removesuffix(".caffe2"))
    expected, preset = golden.facts["output"], golden.facts["preset"]
    file, out = write_official(tmp_path, name, golden), tmp_path / "model.safetensors"
    arguments = ["weights", "convert", str(file), str(out), "--preset", preset, "--num-classes", str(expected["n"])]
    code = main(arguments)
    assert code == 0, capsys.readouterr().err
    model = create_model(preset, num_classes=expected["n"], weights=out).eval()
    assert sum(p.numel() for p in model.parameters()) == golden.facts["params"]
    with torch.inference_mode():
        (logits,) = model(*golden.inputs.values())
    tolerance = 1e-3 * expected["std"]
    torch.testing.assert_close(logits[:12], torch.tensor(expected["head"]), atol=tolerance, rtol=0)
    assert logits.mean().item() == pytest.approx(expected["mean"], abs=tolerance)
    assert logits.std().item() == pytest.approx(expected["std"], abs=tolerance)
    assert logits.abs().max().item() == pytest.approx(expected["abs_max"], abs=tolerance)
    assert logits.argmax().item() == expected["argmax"]
