import re
from functools import partial

import pytest
import torch
from torch import Tensor

from marey.models import MViT
from marey.presets import PRESETS, count
from marey.weights import RELEASES

tiny = partial(MViT, num_classes=5, stages=(1, 2, 1), dim=8, head_dim=4, frames=4, side=16, key_stride=4)


@pytest.mark.parametrize(
    "name, params, gmacs",
    [
        ("mvit_b_16x4", 36_610_672, 70.599),
        ("mvit_b_32x3", 36_611_440, 169.958),
        ("mvitv2_s_16x4", 34_537_744, 64.224),
        ("mvitv2_b_32x3", 51_230_128, 224.473),
    ],
)
def test_costs_are_the_published_ones(name: str, params: int, gmacs: float) -> None:
    cost = count(PRESETS[name])
    assert cost.params == params
    assert cost.gmacs == pytest.approx(gmacs, abs=5e-4)


@pytest.mark.parametrize("improved", [False, True])
def test_a_map_a_scale(improved: bool) -> None:
    maps = tiny(improved=improved).features(torch.randn(2, 3, 4, 16, 16))
    assert list(maps) == ["patches", "scale1", "scale2", "scale3"]
    assert maps["patches"].shape == (2, 8, 2, 4, 4)
    assert maps["scale1"].shape == (2, 8 if improved else 16, 2, 4, 4)
    assert maps["scale2"].shape == (2, 16 if improved else 32, 2, 2, 2)
    assert maps["scale3"].shape == (2, 32, 2, 1, 1)


def test_only_the_first_version_knows_where_a_patch_is() -> None:
    first, second = tiny(), tiny(improved=True)
    assert not any(name.startswith(("positions.", "first.position")) for name in second.state_dict())
    assert {"positions.space", "positions.time", "first.position"} <= first.state_dict().keys()
    assert not any(".relative." in name for name in first.state_dict())


def test_other_clips_than_its_own_are_refused() -> None:
    with pytest.raises(ValueError, match="video has 6 frames; this network was built for exactly 4"):
        tiny()(torch.randn(1, 3, 6, 16, 16))
    with pytest.raises(ValueError, match="video is 24 x 16 pixels; this network was built for exactly 16 x 16"):
        tiny()(torch.randn(1, 3, 4, 24, 16))


def test_heads_must_divide_the_features() -> None:
    with pytest.raises(ValueError, match="dim is 8 and head_dim 3; the features must divide by those of a head"):
        tiny(head_dim=3)


def pyslowfast_name(ours: str) -> str:
    rules = (
        (r"patches\.", "patch_embed.proj."),
        (r"first\.token", "cls_token"),
        (r"first\.position", "pos_embed_class"),
        (r"positions\.space", "pos_embed_spatial"),
        (r"positions\.time", "pos_embed_temporal"),
        (r"(.*)\.attention\.pool_(.)\.conv\.", r"\1.attn.pool_\2."),
        (r"(.*)\.attention\.pool_(.)\.norm\.", r"\1.attn.norm_\2."),
        (r"(.*)\.attention\.relative\.frames", r"\1.attn.rel_pos_t"),
        (r"(.*)\.attention\.relative\.rows", r"\1.attn.rel_pos_h"),
        (r"(.*)\.attention\.relative\.columns", r"\1.attn.rel_pos_w"),
        (r"(.*)\.attention\.", r"\1.attn."),
        (r"(.*)\.project\.", r"\1.proj."),
        (r"fc\.", "head.projection."),
    )
    return next((re.sub(rf"^{a}", b, ours) for a, b in rules if re.match(a, ours)), ours)


def agrees(state: dict[str, Tensor], release: str, model: MViT) -> None:
    """The file is read as this release's alone, and every tensor lands where the model has it."""
    (found,) = (r for r in RELEASES if r.fits(state))
    assert found.name == release
    held, own = found.translate(state), model.state_dict()
    assert held.keys() == own.keys()
    assert all(torch.equal(held[name], own[name]) for name in own)


def split(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Queries, keys and values in products of their own."""
    out: dict[str, Tensor] = {}
    for name, tensor in state.items():
        if ".qkv." in name:
            out |= {name.replace("qkv", c): part for c, part in zip("qkv", tensor.chunk(3), strict=True)}
        else:
            out[name] = tensor
    return out


@pytest.mark.parametrize("improved", [False, True])
@pytest.mark.parametrize("apart", [False, True])
def test_files_of_pyslowfast(improved: bool, apart: bool) -> None:
    model = tiny(improved=improved)
    state = {pyslowfast_name(name): tensor for name, tensor in model.state_dict().items()}
    agrees(split(state) if apart else state, "PySlowFast", model)


def test_newer_files_of_pytorchvideo_have_every_pooling_twice() -> None:
    model = tiny()
    state = split({pyslowfast_name(name): tensor for name, tensor in model.state_dict().items()})
    rules = (
        ("patch_embed.proj", "patch_embed.patch_model"),
        ("norm.", "norm_embed."),
        ("head.projection", "head.proj"),
    )
    for before, after in (*rules, ("pos_embed", "cls_positional_encoding.pos_embed")):
        state = {after + name[len(before) :] if name.startswith(before) else name: x for name, x in state.items()}
    state["cls_positional_encoding.cls_token"] = state.pop("cls_token")
    twice = dict(state)
    for name, tensor in state.items():
        if found := re.match(r"(.*\.attn\.)(pool|norm)_([qkv])(\..*)", name):
            stem, kind, c, rest = found.groups()
            twice[f"{stem}_attention_pool_{c}.{kind}{rest}"], twice[name] = tensor, torch.zeros_like(tensor)
    agrees(state, "pytorchvideo", model)
    agrees(twice, "pytorchvideo", model)
