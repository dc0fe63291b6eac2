"""mmaction2's non-local I3D, from a file of its names to its answer, beside a small one written from its description.

The facts (names, order of pooling, strides, what has a bias) are those of mmaction2's configurations
i3d_imagenet-pretrained-r50-nl-{embedded-gaussian,gaussian,dot-product} and of mmcv's NonLocal3d.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from golden_pairs import filled
from torch import Tensor
from torch.nn import functional as F

from marey.app.cli import main
from marey.presets import create_model, find_preset
from marey.presets.fit import fits_of
from marey.training import load_checkpoint
from official_files import write_torch

DEPTHS = (3, 4, 6, 3)
INFLATED = ((1, 1, 1), (1, 0, 1, 0), (1, 0, 1, 0, 1, 0), (0, 1, 0))  # the first kernel of a block reaches over 3 frames
BLOCKS = {(2, 1), (2, 3), (3, 1), (3, 3), (3, 5)}  # (layer, block) that a non-local block follows
PRESET, CLASSES = "i3d_nl_r50_8x8", 7
State = dict[str, Tensor]


def convolutions(kind: str) -> Iterator[tuple[str, tuple[int, ...], str | None, bool]]:
    """(name, shape, name of its normalization, whether it has a bias)."""
    yield "backbone.conv1", (64, 3, 5, 7, 7), "bn", False
    c_in = 64
    for i, depth in enumerate(DEPTHS):
        width = 64 * 2**i
        for j in range(depth):
            block = f"backbone.layer{i + 1}.{j}"
            yield f"{block}.conv1", (width, c_in, 3 if INFLATED[i][j] else 1, 1, 1), "bn", False
            yield f"{block}.conv2", (width, width, 1, 3, 3), "bn", False
            yield f"{block}.conv3", (4 * width, width, 1, 1, 1), "bn", False
            if not j:
                yield f"{block}.downsample", (4 * width, c_in, 1, 1, 1), "bn", False
            c_in = 4 * width
            if (i + 1, j) in BLOCKS:
                place = f"{block}.non_local_block"
                yield f"{place}.g.0", (c_in // 2, c_in, 1, 1, 1), None, True
                if kind != "gaussian":
                    yield f"{place}.theta", (c_in // 2, c_in, 1, 1, 1), None, True
                    yield f"{place}.phi.0", (c_in // 2, c_in, 1, 1, 1), None, True
                yield f"{place}.conv_out", (c_in, c_in // 2, 1, 1, 1), "bn", False


def official(kind: str) -> State:
    state = {}
    for name, shape, norm, bias in convolutions(kind):
        state[f"{name}.conv.weight"] = drawn(f"{name}.conv.weight", shape)
        if bias:
            state[f"{name}.conv.bias"] = drawn(f"{name}.conv.bias", shape[:1])
        for part in ("weight", "bias", "running_mean", "running_var") if norm else ():
            state[f"{name}.{norm}.{part}"] = drawn(f"{name}.{norm}.{part}", shape[:1])
        if norm:
            state[f"{name}.{norm}.num_batches_tracked"] = torch.tensor(3)
    state["cls_head.fc_cls.weight"] = drawn("cls_head.fc_cls.weight", (CLASSES, 2048))
    state["cls_head.fc_cls.bias"] = drawn("cls_head.fc_cls.bias", (CLASSES,))
    return state


def drawn(name: str, shape: tuple[int, ...]) -> Tensor:
    """Small where products of two embeddings would grow from block to block."""
    return torch.from_numpy(filled(name, shape, 0.2 if "non_local" in name else 1.0))


def conv_norm(state: State, name: str, x: Tensor, *, stride: int | tuple[int, ...] = 1) -> Tensor:
    kernel = state[f"{name}.conv.weight"]
    x = F.conv3d(x, kernel, state.get(f"{name}.conv.bias"), stride, tuple(k // 2 for k in kernel.shape[2:]))
    if f"{name}.bn.weight" not in state:
        return x
    mean, var, gain, bias = (state[f"{name}.bn.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
    return F.batch_norm(x, mean, var, gain, bias)


def non_local(state: State, place: str, x: Tensor, kind: str) -> Tensor:
    """Pooling comes after phi and g; without scale; the dot product is divided by the positions that answer."""
    g = F.max_pool3d(conv_norm(state, f"{place}.g.0", x), (1, 2, 2)).flatten(2)
    theta, phi = x, x
    if kind != "gaussian":
        theta, phi = conv_norm(state, f"{place}.theta", x), conv_norm(state, f"{place}.phi.0", x)
    pairs = torch.einsum("bcn, bcm -> bnm", theta.flatten(2), F.max_pool3d(phi, (1, 2, 2)).flatten(2))
    pairs = pairs / pairs.shape[2] if kind == "dot_product" else pairs.softmax(2)
    heard = torch.einsum("bnm, bdm -> bdn", pairs, g).unflatten(2, x.shape[2:])
    return x + conv_norm(state, f"{place}.conv_out", heard)


def answer(state: State, video: Tensor, kind: str) -> Tensor:
    x = conv_norm(state, "backbone.conv1", video, stride=2).relu()
    x = F.max_pool3d(x, (1, 3, 3), 2, (0, 1, 1))
    for i, depth in enumerate(DEPTHS):
        for j in range(depth):
            block, step = f"backbone.layer{i + 1}.{j}", (1, 2, 2) if i and not j else 1
            y = conv_norm(state, f"{block}.conv1", x).relu()
            y = conv_norm(state, f"{block}.conv2", y, stride=step).relu()
            y = conv_norm(state, f"{block}.conv3", y)
            x = (y + (x if j else conv_norm(state, f"{block}.downsample", x, stride=step))).relu()
            if (i + 1, j) in BLOCKS:
                x = non_local(state, f"{block}.non_local_block", x, kind)
        if not i:
            x = F.max_pool3d(x, (2, 1, 1))
    return F.linear(x.mean((2, 3, 4)), state["cls_head.fc_cls.weight"], state["cls_head.fc_cls.bias"])


@pytest.mark.parametrize(
    "kind, variant, asked",
    [
        ("embedded_gaussian", "mmaction2", []),
        pytest.param("gaussian", "mmaction2-gaussian", [], marks=pytest.mark.slow),
        pytest.param(
            "dot_product", "mmaction2-dot-product", ["--variant", "mmaction2-dot-product"], marks=pytest.mark.slow
        ),
    ],
)
def test_its_file_gives_its_answer(
    kind: str, variant: str, asked: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state, out = official(kind), tmp_path / "out"
    file = write_torch(tmp_path / "i3d_nl.pth", state, wrapper="state_dict")
    assert main(["weights", "convert", str(file), str(out), "--preset", PRESET, *asked]) == 0
    said = capsys.readouterr().out
    assert (
        f"names of mmaction2, {len(state)} tensors" in said and f"{PRESET} (variant {variant}), {CLASSES} clas" in said
    )
    assert ("note: the tensors do not tell it from variant mmaction2-dot-product; --variant takes one" in said) == (
        kind == "embedded_gaussian"
    )
    assert load_checkpoint(out)[0]["arguments"]["variant"] == variant
    model = create_model(PRESET, weights=out).eval()
    video = torch.randn(1, 3, 8, 64, 96)
    with torch.inference_mode():
        got, expected = model(video), answer(state, video, kind)
    assert expected.isfinite().all()
    torch.testing.assert_close(got, expected, atol=1e-3 * expected.std().item(), rtol=0)


def test_blocks_that_do_not_pool_are_not_taken_for_those_that_do() -> None:
    state = {name.replace(".0.conv", ".conv") if "non_local" in name else name: x for name, x in official("x").items()}
    diff = fits_of(find_preset(PRESET), state, variant="mmaction2")[0].diff
    assert len(diff.missing) == 20 and diff.unexpected[0] == "backbone.layer2.1.non_local_block.g.conv.weight"
