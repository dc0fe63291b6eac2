"""Every configuration of the releases of octave networks and transformers, by its official names and shapes alone.

The names of one configuration are written from those of another that is known (tests/golden) or from what is published
of it; there are no values, so all of real size is quick.
"""

import re
from collections.abc import Callable, Mapping

import pytest
import torch
from golden_pairs import GOLDEN, shape_of
from torch import Tensor

from marey.nn import OctConv
from marey.presets import find_preset
from marey.presets.blank import blank
from marey.presets.fit import Fit, best_fits, fits_of

Names = dict[str, tuple[int, ...]]


def golden(pair: str) -> Names:
    rows = (GOLDEN / f"{pair}.keys.tsv").read_text().splitlines()
    return {name: shape_of(sizes) for name, _, sizes in (row.partition("\t") for row in rows)}


def empty(names: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    return {name: torch.empty(shape, device="meta") for name, shape in names.items()}


def best(preset: str, names: Names) -> Fit:
    return fits_of(find_preset(preset), empty(names))[0]


def renamed(names: Names, *pairs: tuple[str, str]) -> Names:
    out = {}
    for name, shape in names.items():
        for theirs, new in pairs:
            name = re.sub(theirs, new, name)
        out[name] = shape
    return out


def with_classes(names: Names, head: str, classes: int) -> Names:
    return {name: (classes, *shape[1:]) if name.startswith(head) else shape for name, shape in names.items()}


# Motionformer: 205 names; longer clips have more positions in time, larger ones as many in space.
def motionformer_l() -> Names:
    return golden("motionformer_b_16x4") | {"temp_embed": (1, 16, 768)}


def motionformer_divided() -> Names:
    names = golden("motionformer_joint_16x4")
    for i in range(12):
        block = f"blocks.{i}."
        attention = {n: s for n, s in names.items() if n.startswith(f"{block}attn.")}
        names |= renamed(attention, (r"\.attn\.", ".timeattn."))
        names |= {f"{block}norm3.weight": (768,), f"{block}norm3.bias": (768,)}
    return names


def of_two_heads(names: Names) -> Names:
    rest = {name: shape for name, shape in names.items() if not name.startswith("head.")}
    for i, classes in enumerate((97, 300)):
        rest |= {f"head{i}.weight": (classes, 768), f"head{i}.bias": (classes,)}
    return rest


MOTIONFORMERS: dict[str, Callable[[], Names]] = {
    "motionformer_b_16x4": lambda: golden("motionformer_b_16x4"),
    "motionformer_hr_16x8": lambda: golden("motionformer_b_16x4"),
    "motionformer_l_32x3": motionformer_l,
    "motionformer_joint_16x4": lambda: golden("motionformer_joint_16x4"),
    "motionformer_divided_16x4": motionformer_divided,
}


@pytest.mark.parametrize("preset", MOTIONFORMERS)
def test_motionformers(preset: str) -> None:
    names = MOTIONFORMERS[preset]()
    fit = best(preset, with_classes(names, "head.", 174))
    assert (fit.diff.count, fit.classes, fit.release, fit.variant) == (0, 174, "Motionformer", None)
    assert not fit.heads
    kitchens = best(preset, of_two_heads(names))
    assert (kitchens.diff.count, kitchens.classes, dict(kitchens.heads)) == (0, 397, {"verb": 97, "noun": 300})


def test_a_file_of_motionformer_has_205_names_and_none_may_be_missing() -> None:
    names = golden("motionformer_b_16x4")
    assert len(names) == 205
    for unused in ("patch_embed.proj.weight", "blocks.3.attn.proj_kv.bias", "pre_logits.fc.bias"):
        lacking = best("motionformer_b_16x4", {name: shape for name, shape in names.items() if name != unused})
        assert len(lacking.diff.missing) == 1
    more = best("motionformer_b_16x4", names | {"blocks.0.attn.gate": (768,)})
    assert more.diff.unexpected == ("blocks.0.attention.gate",)


# TimeSformer: what its joint and its space-only kind lack, and the names of facebookresearch and mmaction2.
def timesformer(kind: str) -> Names:
    """The official names, which have no prefix here."""
    pairs = (
        (r"^timesformer\.embeddings\.cls_token", "cls_token"),
        (r"^timesformer\.embeddings\.position_embeddings", "pos_embed"),
        (r"^timesformer\.embeddings\.time_embeddings", "time_embed"),
        (r"^timesformer\.embeddings\.patch_embeddings\.projection", "patch_embed.proj"),
        (r"^timesformer\.encoder\.layer", "blocks"),
        (r"^timesformer\.layernorm", "norm"),
        (r"^classifier", "head"),
        (r"temporal_attention\.attention\.qkv", "temporal_attn.qkv"),
        (r"temporal_attention\.output\.dense", "temporal_attn.proj"),
        (r"temporal_layernorm", "temporal_norm1"),
        (r"temporal_dense", "temporal_fc"),
        (r"attention\.attention\.qkv", "attn.qkv"),
        (r"attention\.output\.dense", "attn.proj"),
        (r"intermediate\.dense", "mlp.fc1"),
        (r"(\d)\.output\.dense", r"\1.mlp.fc2"),
        (r"layernorm_before", "norm1"),
        (r"layernorm_after", "norm2"),
    )
    return of_kind(renamed(golden("hf_timesformer_b"), *pairs), kind)


def of_kind(names: Names, kind: str) -> Names:
    if kind != "divided":
        names = {name: shape for name, shape in names.items() if "temporal_" not in name}
    return {n: s for n, s in names.items() if kind != "space" or not n.endswith(("time_embed", "time_embeddings"))}


def mmaction2(names: Names, kind: str) -> Names:
    """Divided layers have two attentions with a norm each, others one, and a list of norms."""
    space = 1 if kind == "divided" else 0
    norms = (
        ((r"\.norm1\.", ".attentions.1.norm."), (r"\.norm2\.", ".ffns.0.norm."))
        if space
        else ((r"\.norm1\.", ".norms.0."), (r"\.norm2\.", ".norms.1."))
    )
    return renamed(
        names,
        (r"^head\.", "cls_head.fc_cls."),
        (r"^(?!cls_head)", "backbone."),
        (r"patch_embed\.proj", "patch_embed.projection"),
        (r"backbone\.blocks", "backbone.transformer_layers.layers"),
        (r"\.temporal_attn\.qkv\.", ".attentions.0.attn.in_proj_"),
        (r"\.temporal_attn\.proj\.", ".attentions.0.attn.out_proj."),
        (r"\.temporal_norm1\.", ".attentions.0.norm."),
        (r"\.temporal_fc\.", ".attentions.0.temporal_fc."),
        (r"\.attn\.qkv\.", f".attentions.{space}.attn.in_proj_"),
        (r"\.attn\.proj\.", f".attentions.{space}.attn.out_proj."),
        *norms,
        (r"\.mlp\.fc1\.", ".ffns.0.layers.0.0."),
        (r"\.mlp\.fc2\.", ".ffns.0.layers.1."),
    )


@pytest.mark.parametrize("kind, variant", [("divided", None), ("joint", "joint"), ("space", "space")])
def test_timesformers(kind: str, variant: str | None) -> None:
    official = timesformer(kind)
    files = {
        "TimeSformer": renamed(official, ("^", "model.")),
        "mmaction2": mmaction2(official, kind),
        "transformers": of_kind(golden("hf_timesformer_b"), kind),
    }
    for release, names in files.items():
        fit = best("timesformer_b", names)
        assert (fit.release, fit.variant, fit.diff.count, fit.classes) == (release, variant, 0, 400)
    assert best("timesformer_b", official).variant == variant


# VideoMAE: the small one has half the width.
def small(names: Names) -> Names:
    halves = {768: 384, 2304: 1152, 3072: 1536}
    return {name: tuple(halves.get(size, size) for size in shape) for name, shape in names.items()}


@pytest.mark.parametrize("pair", ["videomae_b_official", "hf_videomae_b"])
@pytest.mark.parametrize("preset, size", [("videomae_b", dict), ("videomae_s", small)])
def test_videomaes(pair: str, preset: str, size: Callable[[Names], Names]) -> None:
    names = size(golden(pair))
    head = "head." if pair == "videomae_b_official" else "classifier."
    for classes in (400, 174, 101):
        fit = best(preset, with_classes(names, head, classes))
        assert (fit.diff.count, fit.classes) == (0, classes)


# MViT: pytorchvideo's newer files name every pooling twice.
@pytest.mark.parametrize("preset, frames", [("mvit_b_16x4", 8), ("mvit_b_32x3", 16)])
def test_mvits_of_pytorchvideo(preset: str, frames: int) -> None:
    names = golden("ptv_mvit_base_16x4") | {"cls_positional_encoding.pos_embed_temporal": (1, frames, 96)}
    pooling = {name: shape for name, shape in names.items() if re.search(r"attn\.(pool|norm)_", name)}
    newer = names | renamed(pooling, (r"attn\.(pool|norm)_(.)", r"attn._attention_pool_\2.\1"))
    assert len(newer) == 482
    for held in (names, newer):
        fit = best(preset, held)
        assert (fit.release, fit.diff.count) == ("pytorchvideo", 0)


# d-li14's octave ResNets: how many names his own have, by depth.
@pytest.mark.parametrize(
    "depth, count",
    [
        (26, 342),
        (50, 654),
        *(pytest.param(*row, marks=pytest.mark.slow) for row in ((101, 1368), (152, 2082), (200, 2754))),
    ],
)
def test_octave_resnets(depth: int, count: int) -> None:
    preset = f"oct_resnet{depth}_a500"
    names = d_li14(preset)
    assert len(names) == count
    if depth == 50:
        assert names == golden("d14_oct_resnet50_a0.5")
    fit = best(preset, names)
    assert (fit.release, fit.diff.count, fit.classes) == ("d-li14's OctConv", 0, 1000)


def d_li14(preset: str) -> Names:
    """His names, whose normalizations are one a frequency."""
    model = blank(find_preset(preset).build, classes=1000)
    lows = {name: (m.out_channels, m.low_out) for name, m in model.named_modules() if isinstance(m, OctConv)}
    names: Names = {}
    for name, tensor in model.state_dict().items():
        shape = tuple(tensor.shape)
        unit, _, part = name.rpartition(".norm.")
        channels, low = lows.get(f"{unit}.conv", (0, 0))
        if unit and channels:
            names[f"{unit}.bn_h.{part}"] = shape and (channels - low,)
            if low:
                names[f"{unit}.bn_l.{part}"] = shape and (low,)
        else:
            names[name] = shape
    return renamed(
        names,
        (r"^encoder\.stem\.conv\.", "conv1."),
        (r"^encoder\.stem\.norm\.", "bn1."),
        (r"^encoder\.stages\.stage(\d)\.", r"layer\1."),
        (r"\.body\.conv(\d)\.conv\.", r".conv\1.conv.conv_"),
        (r"\.body\.conv(\d)\.bn_", r".conv\1.bn_"),
        (r"\.shortcut\.conv\.", ".downsample.0.conv.conv_"),
        (r"\.shortcut\.bn_", ".downsample.0.bn_"),
        (r"^head\.fc\.", "fc."),
    )


def test_a_plain_file_is_of_the_plain_network(monkeypatch: pytest.MonkeyPatch) -> None:
    both = {name: find_preset(name) for name in ("resnet50", "oct_resnet50_a000")}
    monkeypatch.setattr("marey.presets.fit.PRESETS", both)
    names = golden("tv_resnet50")
    assert [fit.preset.name for fit in best_fits(empty(names))] == ["resnet50"]
    assert best("oct_resnet50_a000", names).diff.count == 0  # which it fits where that is asked for


# GDT and SeLaVi: torchvision's R(2+1)D-18 without its classifier, beside a network of sound and two projections.
def gdt(heads: int = 0) -> Names:
    video = {name: shape for name, shape in golden("tv_r2plus1d_18").items() if not name.startswith("fc.")}
    names = renamed(video, ("^", "video_network.base."))
    names |= {"audio_network.base.conv1.weight": (64, 1, 7, 7), "audio_network.base.bn1.weight": (64,)}
    for number in range(heads) if heads else ("",):
        for modality in "av":
            names[f"mlp_{modality}{number}.block_forward.2.weight"] = (256, 512)
            names[f"mlp_{modality}{number}.block_forward.2.bias"] = (256,)
    return names


@pytest.mark.parametrize("heads", [0, 10])
def test_networks_of_sound_and_projections_stay_behind(heads: int) -> None:
    names = gdt(heads)
    fit = best("r2plus1d_18", names)
    assert fit.release == "GDT and SeLaVi" and fit.diff.names == {"fc.weight", "fc.bias"} == set(fit.head)
    assert {*fit.left} == {name for name in names if not name.startswith("video_network.base.")}
    assert sum(tensor.numel() for tensor in fit.tensors.values() if tensor.is_floating_point()) > 31_300_125
    odd = best("r2plus1d_18", names | {"video_network.gate.weight": (1,)})
    assert odd.diff.unexpected == ("video_network.gate.weight",)


def test_the_only_preset_of_a_file_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("marey.presets.fit.PRESETS", {name: find_preset(name) for name in MOTIONFORMERS})
    fits = best_fits(empty(motionformer_divided()))
    assert [fit.preset.name for fit in fits if not fit.diff.count] == ["motionformer_divided_16x4"]
