"""Every release's names of video transformers, at miniature size; the golden pairs have them at full size."""

from functools import partial

import pytest
import torch
from torch import Tensor

from marey.models import Motionformer, TimeSformer, VideoMAE, VideoModel
from marey.weights import RELEASES
from marey.weights.vit import is_image_vit, start_from_image

D, DEPTH = 8, 2
motionformer = partial(Motionformer, dim=D, depth=DEPTH, heads=2, patch=(2, 4), frames=4, side=8)
timesformer = partial(TimeSformer, dim=D, depth=DEPTH, heads=2, patch=4, frames=3, side=8)
videomae = partial(VideoMAE, dim=D, depth=DEPTH, heads=2, patch=(2, 4), frames=4, side=8)

Shapes = dict[str, tuple[int, ...]]


def layer(prefix: str, out: int, into: int) -> Shapes:
    return {f"{prefix}.weight": (out, into), f"{prefix}.bias": (out,)}


def norm(prefix: str) -> Shapes:
    return {f"{prefix}.weight": (D,), f"{prefix}.bias": (D,)}


def drawn(shapes: Shapes) -> dict[str, Tensor]:
    return {name: torch.randn(shape) for name, shape in shapes.items()}


def timm_blocks(prefix: str = "", times: tuple[str, str] | None = None) -> Shapes:
    """ViT blocks in timm's names, with an attention over time and its norm called `times`."""
    shapes: Shapes = {}
    for i in range(DEPTH):
        block = f"{prefix}blocks.{i}"
        for attention, before in [("attn", "norm1"), *([times] if times else [])]:
            shapes |= norm(f"{block}.{before}") | layer(f"{block}.{attention}.qkv", 3 * D, D)
            shapes |= layer(f"{block}.{attention}.proj", D, D)
        shapes |= norm(f"{block}.norm2") | layer(f"{block}.mlp.fc1", 4 * D, D) | layer(f"{block}.mlp.fc2", D, 4 * D)
    return shapes


def image_vit(side: int = 2) -> dict[str, Tensor]:
    shapes: Shapes = {"cls_token": (1, 1, D), "pos_embed": (1, side * side + 1, D)}
    shapes |= {"patch_embed.proj.weight": (D, 3, 4, 4), "patch_embed.proj.bias": (D,)}
    return drawn(shapes | timm_blocks() | norm("norm") | layer("head", 1000, D))


def loaded(model: VideoModel, state: dict[str, Tensor], release: str) -> VideoModel:
    """The model with a release's tensors, every one in its place."""
    (found,) = (r for r in RELEASES if r.name == release and r.fits(state))
    model.load_state_dict(found.translate(state), strict=True)
    return model.eval()


def test_motionformer_of_two_heads_has_them_side_by_side() -> None:
    state = image_vit() | {"temp_embed": torch.randn(1, 2, D), "patch_embed_3d.proj.weight": torch.randn(D, 3, 2, 4, 4)}
    state |= drawn({"patch_embed_3d.proj.bias": (D,)} | layer("pre_logits.fc", D, D))
    for i in range(DEPTH):
        attention = f"blocks.{i}.attn"
        state |= drawn(layer(f"{attention}.proj_q", D, D) | layer(f"{attention}.proj_kv", 2 * D, D))
    state |= drawn(layer("head0", 3, D) | layer("head1", 4, D))
    del state["head.weight"], state["head.bias"]
    model = loaded(motionformer(num_classes=7), state, "Motionformer")
    encoded = torch.randn(2, D)
    hidden = (encoded @ state["pre_logits.fc.weight"].T + state["pre_logits.fc.bias"]).tanh()
    verbs, nouns = (hidden @ state[f"head{i}.weight"].T + state[f"head{i}.bias"] for i in (0, 1))
    torch.testing.assert_close(model.classify(encoded), torch.cat([verbs, nouns], 1))


def test_divided_motionformer_has_time_under_a_name_of_its_own() -> None:
    state = image_vit() | {"temp_embed": torch.randn(1, 2, D), "patch_embed_3d.proj.weight": torch.randn(D, 3, 2, 4, 4)}
    state |= drawn({"patch_embed_3d.proj.bias": (D,)} | layer("pre_logits.fc", D, D) | layer("head", 5, D))
    state |= drawn(timm_blocks(times=("timeattn", "norm3")))
    model = loaded(motionformer(num_classes=5, attention="divided"), state, "Motionformer")
    assert torch.equal(model.get_parameter("blocks.1.time.qkv.weight"), state["blocks.1.timeattn.qkv.weight"])
    assert torch.equal(model.get_parameter("blocks.1.time_norm.weight"), state["blocks.1.norm3.weight"])


def timesformer_official(prefix: str) -> dict[str, Tensor]:
    state = {f"{prefix}{name}": x for name, x in image_vit().items() if not name.startswith(("blocks", "head"))}
    state |= {f"{prefix}time_embed": torch.randn(1, 3, D)} | drawn(layer(f"{prefix}head", 5, D))
    state |= drawn(timm_blocks(prefix, ("temporal_attn", "temporal_norm1")))
    return state | drawn(
        {k: v for i in range(DEPTH) for k, v in layer(f"{prefix}blocks.{i}.temporal_fc", D, D).items()}
    )


@pytest.mark.parametrize("prefix", ["model.", ""])
def test_timesformers_own_names(prefix: str) -> None:
    state = timesformer_official(prefix)
    model = loaded(timesformer(num_classes=5), state, "TimeSformer")
    theirs = f"{prefix}blocks.1."
    assert torch.equal(model.get_parameter("blocks.1.time.qkv.weight"), state[f"{theirs}temporal_attn.qkv.weight"])
    assert torch.equal(model.get_parameter("blocks.1.time_norm.bias"), state[f"{theirs}temporal_norm1.bias"])
    assert torch.equal(model.get_parameter("blocks.1.attention.qkv.weight"), state[f"{theirs}attn.qkv.weight"])
    assert torch.equal(model.get_parameter("patches.weight")[:, :, 0], state[f"{prefix}patch_embed.proj.weight"])
    assert torch.equal(model.get_parameter("first.position"), state[f"{prefix}pos_embed"][:, :1])


def mmaction2(official: dict[str, Tensor]) -> dict[str, Tensor]:
    """TimeSformer's tensors under mmaction2's names."""
    pairs = (
        ("patch_embed.proj.", "backbone.patch_embed.projection."),
        (".temporal_attn.qkv.", ".attentions.0.attn.in_proj_"),
        (".temporal_attn.proj.", ".attentions.0.attn.out_proj."),
        (".temporal_norm1.", ".attentions.0.norm."),
        (".temporal_fc.", ".attentions.0.temporal_fc."),
        (".attn.qkv.", ".attentions.1.attn.in_proj_"),
        (".attn.proj.", ".attentions.1.attn.out_proj."),
        (".norm1.", ".attentions.1.norm."),
        (".norm2.", ".ffns.0.norm."),
        (".mlp.fc1.", ".ffns.0.layers.0.0."),
        (".mlp.fc2.", ".ffns.0.layers.1."),
        ("head.", "cls_head.fc_cls."),
    )
    state = {}
    for name, tensor in official.items():
        for theirs, new in pairs:
            if theirs in name:
                name = name.replace(theirs, new)
                break
        name = name.replace("blocks.", "backbone.transformer_layers.layers.")
        state[name if name.startswith(("backbone.", "cls_head.")) else f"backbone.{name}"] = tensor
    return state


def test_mmaction2s_timesformer_is_the_official_one() -> None:
    official, video = timesformer_official(""), torch.randn(2, 3, 3, 8, 8)
    ours = loaded(timesformer(num_classes=5), official, "TimeSformer")(video)
    state = mmaction2(official)
    assert "backbone.transformer_layers.layers.1.attentions.0.attn.in_proj_weight" in state
    assert torch.equal(loaded(timesformer(num_classes=5), state, "mmaction2")(video), ours)


def test_mmaction2s_joint_timesformer_has_one_attention_a_layer() -> None:
    official = image_vit() | {"time_embed": torch.randn(1, 3, D)} | drawn(layer("head", 5, D))
    state = {}
    for name, tensor in mmaction2(official).items():
        for theirs, new in (
            ("attentions.1.norm", "norms.0"),
            ("attentions.1", "attentions.0"),
            ("ffns.0.norm", "norms.1"),
        ):
            if theirs in name:
                name = name.replace(theirs, new)
                break
        state[name] = tensor
    video, joint = torch.randn(2, 3, 3, 8, 8), partial(timesformer, num_classes=5, attention="joint")
    want = loaded(joint(), official, "TimeSformer")(video)
    assert torch.equal(loaded(joint(), state, "mmaction2")(video), want)


def test_an_image_vit_is_timesformer_of_space_alone() -> None:
    state = image_vit()
    model = loaded(timesformer(num_classes=1000, attention="space"), state, "TimeSformer")
    assert torch.equal(model.get_parameter("fc.weight"), state["head.weight"])


def videomae_official() -> dict[str, Tensor]:
    state = drawn(timm_blocks() | norm("fc_norm") | layer("head", 5, D))
    state |= {"patch_embed.proj.weight": torch.randn(D, 3, 2, 4, 4), "patch_embed.proj.bias": torch.randn(D)}
    for i in range(DEPTH):
        bias = state.pop(f"blocks.{i}.attn.qkv.bias")
        state[f"blocks.{i}.attn.q_bias"], _, state[f"blocks.{i}.attn.v_bias"] = bias.chunk(3)
    return state


@pytest.mark.parametrize("older", [False, True])
def test_videomae_of_transformers_is_the_official_one(older: bool) -> None:
    official, video, state = videomae_official(), torch.randn(2, 3, 4, 8, 8), {}
    parts = (("query", "q_bias"), ("key", None), ("value", "v_bias"))
    pairs = (
        ("attn.proj.", "attention.output.dense."),
        ("mlp.fc1.", "intermediate.dense."),
        ("mlp.fc2.", "output.dense."),
        ("norm1.", "layernorm_before."),
        ("norm2.", "layernorm_after."),
    )
    for i in range(DEPTH):
        block, theirs = f"blocks.{i}.", f"videomae.encoder.layer.{i}."
        for (part, bias), weight in zip(parts, official[f"{block}attn.qkv.weight"].chunk(3), strict=True):
            inner = f"{theirs}attention.attention."
            state[f"{inner}{part}.weight"] = weight
            if bias:
                state[f"{inner}{bias}" if older else f"{inner}{part}.bias"] = official[f"{block}attn.{bias}"]
        for ours, name in pairs:
            state |= {f"{theirs}{name}{kind}": official[f"{block}{ours}{kind}"] for kind in ("weight", "bias")}
    for kind in ("weight", "bias"):
        state[f"videomae.embeddings.patch_embeddings.projection.{kind}"] = official[f"patch_embed.proj.{kind}"]
        state[f"fc_norm.{kind}"], state[f"classifier.{kind}"] = official[f"fc_norm.{kind}"], official[f"head.{kind}"]
    want = loaded(videomae(num_classes=5), official, "VideoMAE")(video)
    assert torch.equal(loaded(videomae(num_classes=5), state, "transformers")(video), want)


def test_videomae_of_mmaction2_is_the_official_one() -> None:
    official, video, state = videomae_official(), torch.randn(2, 3, 4, 8, 8), {}
    for name, tensor in official.items():
        name = name.replace("patch_embed.proj.", "patch_embed.projection.").replace("mlp.fc1.", "mlp.layers.0.0.")
        name = f"backbone.{name.replace('mlp.fc2.', 'mlp.layers.1.')}"
        state[name.replace("backbone.head.", "cls_head.fc_cls.")] = tensor
    want = loaded(videomae(num_classes=5), official, "VideoMAE")(video)
    assert torch.equal(loaded(videomae(num_classes=5), state, "mmaction2")(video), want)


def test_a_motionformer_begins_with_the_tokens_of_the_later_frame_of_each_pair() -> None:
    image, model = image_vit(), motionformer(num_classes=5)
    model.load_state_dict(start_from_image(image, model.state_dict()), strict=True)
    video = torch.randn(1, 3, 4, 8, 8)
    tokens = model.patches(video)
    kernel, bias = image["patch_embed.proj.weight"], image["patch_embed.proj.bias"]
    for pair in range(2):
        want = torch.nn.functional.conv2d(video[:, :, 2 * pair + 1], kernel, bias, 4)
        torch.testing.assert_close(tokens[:, :, pair], want)
        torch.testing.assert_close(model.image_patches(video[:, :, 2 * pair + 1]), want)
    assert torch.equal(model.get_parameter("blocks.1.attention.qkv.weight"), image["blocks.1.attn.qkv.weight"])
    assert torch.equal(model.get_parameter("positions.space"), image["pos_embed"][:, 1:])
    assert model.get_parameter("fc.weight").shape == (5, D)


def test_what_an_image_network_lacks_keeps_its_fresh_values() -> None:
    model = motionformer(num_classes=5)
    fresh = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    started = start_from_image(image_vit(), fresh)
    for name in ("positions.time", "blocks.0.attention.proj_kv.weight", "pre_logits.fc.weight", "fc.weight"):
        assert torch.equal(started[name], fresh[name])


def test_attention_over_time_begins_as_a_copy_of_that_over_space() -> None:
    image, model = image_vit(), timesformer(num_classes=5)
    started = start_from_image(image, model.state_dict())
    assert torch.equal(started["blocks.1.time.qkv.weight"], image["blocks.1.attn.qkv.weight"])
    assert torch.equal(started["blocks.1.time_norm.weight"], image["blocks.1.norm1.weight"])
    assert started["blocks.1.time_fc.weight"].abs().sum() == 0


def test_positions_of_an_image_network_are_resampled() -> None:
    image = image_vit(side=4)
    image["pos_embed"][:] = image["pos_embed"][:, :1]
    started = start_from_image(image, timesformer(num_classes=5).state_dict())
    torch.testing.assert_close(started["positions.space"], image["pos_embed"][:, 1:5])


@pytest.mark.parametrize("prefix", ["vit.", ""])
def test_an_image_vit_in_transformers_names_starts_a_network_too(prefix: str) -> None:
    image, state = image_vit(), {}
    pairs = (
        ("attn.proj.", "attention.output.dense."),
        ("mlp.fc1.", "intermediate.dense."),
        ("mlp.fc2.", "output.dense."),
        ("norm1.", "layernorm_before."),
        ("norm2.", "layernorm_after."),
    )
    for kind in ("weight", "bias"):
        for i in range(DEPTH):
            theirs = f"vit.encoder.layer.{i}."
            for part, tensor in zip(
                ("query", "key", "value"), image[f"blocks.{i}.attn.qkv.{kind}"].chunk(3), strict=True
            ):
                state[f"{theirs}attention.attention.{part}.{kind}"] = tensor
            state |= {f"{theirs}{name}{kind}": image[f"blocks.{i}.{ours}{kind}"] for ours, name in pairs}
        state[f"vit.layernorm.{kind}"], state[f"classifier.{kind}"] = image[f"norm.{kind}"], image[f"head.{kind}"]
        state[f"vit.embeddings.patch_embeddings.projection.{kind}"] = image[f"patch_embed.proj.{kind}"]
    state |= {"vit.embeddings.cls_token": image["cls_token"], "vit.embeddings.position_embeddings": image["pos_embed"]}
    state = {
        f"{prefix}{name.removeprefix('vit.')}" if name.startswith("vit.") else name: x for name, x in state.items()
    }
    assert is_image_vit(image) and is_image_vit(state)
    fresh = motionformer(num_classes=5).state_dict()
    ours, theirs = start_from_image(image, fresh), start_from_image(state, fresh)
    assert all(torch.equal(ours[name], theirs[name]) for name in fresh)


def test_networks_of_clips_are_no_image_vits() -> None:
    assert not is_image_vit(timesformer_official("model.")) and not is_image_vit(videomae_official())
    assert not is_image_vit(motionformer(num_classes=5).state_dict())


def test_an_image_network_of_another_size_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"the image network has blocks\.1\..*, which this network lacks; .* same depth"
    ):
        start_from_image(image_vit(), timesformer(num_classes=5, depth=1).state_dict())
    with pytest.raises(ValueError, match=r"is \(1, 1, 8\) in the image network and \(1, 1, 16\) here; .* same width"):
        start_from_image(image_vit(), timesformer(num_classes=5, dim=16).state_dict())
    shallow = {name: x for name, x in image_vit().items() if not name.startswith("blocks.1.")}
    with pytest.raises(ValueError, match=r"the image network lacks blocks\.1\..*; it must be of the same depth"):
        start_from_image(shallow, timesformer(num_classes=5).state_dict())
