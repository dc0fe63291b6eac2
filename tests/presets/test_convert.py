"""Official files become checkpoints exactly or not at all, and what does not fit is told name by name."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from golden_pairs import read_golden
from safetensors.torch import save_file
from torch import Tensor

from marey.errors import CheckpointError, UsageError
from marey.presets import (
    PRESETS,
    Misfit,
    Preset,
    Score,
    convert_weights,
    create_model,
    find_preset,
    inspect_weights,
    label_list,
)
from marey.presets.fit import alike_builds, best_fits, fits_of
from marey.training import file_hash, load_checkpoint
from marey.weights import Release, renamed
from marey.weights.crc32c import crc32c, masked
from official_files import write_tensorflow, write_torch

NAME = "r3d_stage"


def official(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Our small R3D under torchvision's names."""
    rules = (
        (r"stem\.conv\.", "stem.0."),
        (r"stem\.norm\.", "stem.1."),
        (r"stages\.stage(\d)\.(\d)\.body\.conv(\d)\.conv\.", r"layer\1.\2.conv\3.0."),
        (r"stages\.stage(\d)\.(\d)\.body\.conv(\d)\.norm\.", r"layer\1.\2.conv\3.1."),
        (r"stages\.stage(\d)\.(\d)\.shortcut\.conv\.", r"layer\1.\2.downsample.0."),
        (r"stages\.stage(\d)\.(\d)\.shortcut\.norm\.", r"layer\1.\2.downsample.1."),
    )
    return renamed(tensors, rules=rules)


@pytest.fixture
def held() -> dict[str, Tensor]:
    """A trained network of three classes, say, under torchvision's names."""
    model = create_model(NAME, num_classes=3)
    return official(
        {name: torch.rand_like(t) if t.is_floating_point() else t + 5 for name, t in model.state_dict().items()}
    )


@pytest.fixture
def file(held: dict[str, Tensor], tmp_path: Path) -> Path:
    return write_torch(tmp_path / "small.pth", held, wrapper="state_dict", prefix="module.")


def refused(sentence: str, file: Path, out: Path, **asked) -> CheckpointError:
    """Raises what was raised, after a look that nothing was written."""
    with pytest.raises((CheckpointError, UsageError), match=sentence) as caught:
        convert_weights(file, out, **asked)
    assert not out.exists() and "\n" not in str(caught.value)
    assert [p.name for p in out.parent.iterdir() if p.name.startswith(".")] == []
    return caught.value


def test_a_file_becomes_a_checkpoint(file: Path, held: dict[str, Tensor], tmp_path: Path) -> None:
    out = tmp_path / "new" / "model.safetensors"
    made = convert_weights(file, out, preset=NAME)
    assert (made.preset, made.variant, made.release, made.classes) == (NAME, None, "torchvision", 3)
    assert (made.supplied, made.inflated, made.fresh, made.labels) == ((), (), (), "numbered")
    model = create_model(NAME, num_classes=3, weights=out)
    state = official(model.state_dict())
    assert state.keys() == held.keys() and all(torch.equal(state[name], held[name]) for name in held)
    assert made.params == sum(p.numel() for p in model.parameters()) and made.tensors == len(held)
    header, _ = load_checkpoint(out)
    assert header["arguments"] == {"num_classes": 3} and header["labels"] == {
        "label": ["class 0", "class 1", "class 2"]
    }
    assert header["clip"] == find_preset(NAME).clip.to_dict()
    assert header["source"] == {
        "release": "torchvision",
        "format": "PyTorch",
        "file": "small.pth",
        "sha256": file_hash(file),
    }
    assert "date" not in str(header) and header["metrics"] == {}


def test_the_same_file_gives_the_same_bytes(file: Path, tmp_path: Path) -> None:
    outs = [tmp_path / "a", tmp_path / "b"]
    for out in outs:
        torch.rand(1)
        convert_weights(file, out, preset=NAME, num_classes=7, new_head=True)
    assert outs[0].read_bytes() == outs[1].read_bytes()


def test_counters_that_old_files_lack_are_zero(held: dict[str, Tensor], tmp_path: Path) -> None:
    old = {name: tensor for name, tensor in held.items() if not name.endswith("num_batches_tracked")}
    made = convert_weights(write_torch(tmp_path / "old", old, legacy=True), tmp_path / "out", preset=NAME)
    assert len(made.supplied) == len(held) - len(old) > 0
    _, tensors = load_checkpoint(tmp_path / "out")
    assert all(tensors[name] == 0 and tensors[name].dtype == torch.int64 for name in made.supplied)


def test_half_precision_becomes_what_the_network_computes_in(held: dict[str, Tensor], tmp_path: Path) -> None:
    half = {name: t.half() if t.is_floating_point() else t for name, t in held.items()}
    convert_weights(write_torch(tmp_path / "half", half), tmp_path / "out", preset=NAME)
    _, tensors = load_checkpoint(tmp_path / "out")
    assert {t.dtype for t in tensors.values()} == {torch.float32, torch.int64}


def test_a_plain_state_dict_of_ours_is_taken_too(tmp_path: Path) -> None:
    model = create_model(NAME, num_classes=4)
    made = convert_weights(
        write_torch(tmp_path / "w", model.state_dict(), wrapper="model"), tmp_path / "o", preset=NAME
    )
    assert made.release == "Marey" and made.classes == 4


def test_the_difference_is_told_name_by_name(held: dict[str, Tensor], tmp_path: Path) -> None:
    wrong = {name: tensor for name, tensor in held.items() if not name.startswith("layer1.0.conv1.1.")}
    wrong["extra.weight"] = torch.ones(2)
    wrong["stem.0.weight"] = torch.ones(24, 3, 3, 5, 7)
    error = refused(
        r"wrong: does not fit r3d_stage, read by the names of torchvision: of its tensors 4 missing "
        r"\(stages\.stage1\.0\.body\.conv1\.norm\.weight, .*, \.\.\.\), 1 unexpected \(extra\.weight\), 1 of another "
        r"shape \(stem\.conv\.weight is \(24, 3, 3, 5, 7\) in the file as stem\.0\.weight and \(24, 3, 3, 7, 7\) in "
        r"the network\); no preset is nearer, so look whether the file is whole and of this network",
        write_torch(tmp_path / "wrong", wrong),
        tmp_path / "out",
        preset=NAME,
    )
    assert isinstance(error, Misfit) and error.diff.count == 6
    assert error.diff.unexpected == ("extra.weight",) and len(error.diff.missing) == 4
    assert error.diff.misshapen == (("stem.conv.weight", (24, 3, 3, 5, 7), (24, 3, 3, 7, 7)),)
    assert error.diff.in_file == {"stem.conv.weight": "stem.0.weight"}


def test_unexpected_tensors_go_by_the_names_of_the_file_too(held: dict[str, Tensor], tmp_path: Path) -> None:
    """A deeper network's blocks are known by name, but not to this one."""
    more = {name.replace("layer4.0.", "layer4.1."): x for name, x in held.items() if name.startswith("layer4.0.conv1")}
    error = refused(
        r"of its tensors 6 unexpected \(stages\.stage4\.1\.body\.conv1\.conv\.weight in the file as "
        r"layer4\.1\.conv1\.0\.weight, ",
        write_torch(tmp_path / "w", held | more),
        tmp_path / "out",
        preset=NAME,
    )
    assert isinstance(error, Misfit)
    assert error.diff.in_file["stages.stage4.1.body.conv1.norm.bias"] == "layer4.1.conv1.1.bias"


def test_a_file_of_another_preset_names_it(file: Path, tmp_path: Path) -> None:
    refused(r"of its tensors .*; it fits r3d_stage, so give that as --preset", file, tmp_path / "o", preset="mc3_stage")


def test_the_nearest_preset_is_named_where_none_fits(held: dict[str, Tensor], tmp_path: Path) -> None:
    file = write_torch(tmp_path / "w", held | {"extra": torch.ones(1)})
    refused("; the nearest is r3d_stage, but for 1 tensor$", file, tmp_path / "o", preset="mc3_stage")
    refused("fits no preset; the nearest is r3d_stage, but for 1 tensor; name the one", file, tmp_path / "o")
    tiny = write_torch(tmp_path / "tiny", {"w": torch.ones(2)})
    refused("; none is of its size$", tiny, tmp_path / "o", preset=NAME)


def test_values_that_are_not_finite_are_refused_by_name(held: dict[str, Tensor], tmp_path: Path) -> None:
    held["stem.0.weight"][0, 0, 0, 0, 0] = float("nan")
    refused(r"stem\.0\.weight has values that are not finite numbers", write_torch(tmp_path / "w", held),
            tmp_path / "out", preset=NAME)  # fmt: skip


def test_a_preset_that_misses_by_as_much_is_not_nearer(
    held: dict[str, Tensor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    preset = find_preset(NAME)
    monkeypatch.setattr("marey.presets.fit.PRESETS", {"twin": replace(preset, name="twin"), NAME: preset})
    file = write_torch(tmp_path / "w", held | {"extra": torch.ones(1)})
    refused("; no preset is nearer, so look whether", file, tmp_path / "out", preset=NAME)


def test_without_a_preset_the_only_one_that_fits_is_taken(file: Path, tmp_path: Path) -> None:
    assert convert_weights(file, tmp_path / "out").preset == NAME


def test_without_a_preset_several_that_fit_are_named(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    twin = replace(find_preset(NAME), name="twin")
    monkeypatch.setattr("marey.presets.fit.PRESETS", {NAME: find_preset(NAME), "twin": twin})
    refused("fits r3d_stage and twin, whose tensors are alike; say which it is with --preset", file, tmp_path / "out")


def test_another_number_of_classes_needs_a_new_head(file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    refused("has a head of 3 classes and 7 are asked for; leave the number out, or give --new-head", file, out,
            preset=NAME, num_classes=7)  # fmt: skip
    made = convert_weights(file, out, preset=NAME, num_classes=7, new_head=True)
    assert made.fresh == ("fc.weight", "fc.bias") and made.classes == 7
    model, (_, tensors) = create_model(NAME, num_classes=7, weights=out), load_checkpoint(out)
    assert model.fc.out_features == 7 and tensors["fc.weight"].std() > 0
    assert torch.equal(tensors["stem.conv.weight"], torch.load(file)["state_dict"]["module.stem.0.weight"])


def test_a_file_without_a_head_needs_a_new_one(held: dict[str, Tensor], tmp_path: Path) -> None:
    body = {name: tensor for name, tensor in held.items() if not name.startswith("fc.")}
    file, out = write_torch(tmp_path / "body", body), tmp_path / "out"
    refused(r"2 missing \(fc\.weight, fc\.bias\); only the head differs, so --new-head starts one of 24 classes", file,
            out, preset=NAME)  # fmt: skip
    assert convert_weights(file, out, preset=NAME, new_head=True).classes == 24


def test_a_new_head_excuses_nothing_else(held: dict[str, Tensor], tmp_path: Path) -> None:
    file = write_torch(tmp_path / "w", {name: t for name, t in held.items() if name != "stem.1.bias"})
    refused(r"1 missing \(stem\.norm\.bias\)", file, tmp_path / "out", preset=NAME, num_classes=7, new_head=True)


def test_labels(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    made = convert_weights(file, out, preset=NAME, labels=["a", "b", "c"])
    assert made.labels == "given" and load_checkpoint(out)[0]["labels"] == {"label": ["a", "b", "c"]}
    convert_weights(file, out, preset=NAME, labels=["a", "b"], new_head=True)
    assert create_model(NAME, weights=out).fc.out_features == 2
    out.unlink()
    refused("there are 2 labels and 3 classes; give as many names as classes", file, out, preset=NAME, num_classes=3,
            labels=["a", "b"])  # fmt: skip
    refused("has a head of 3 classes and 2 are asked for", file, out, preset=NAME, labels=["a", "b"])


@pytest.mark.parametrize(
    "dataset, classes, source",
    [
        ("Kinetics-400", 400, "kinetics400"),
        ("Kinetics-400", 600, "kinetics600"),
        ("Kinetics-400", 5, "numbered"),
        ("ImageNet", 400, "numbered"),
        ("Something-Something V2", 174, "something_something_v2"),
    ],
)
def test_class_names_of_the_published_data(
    dataset: str, classes: int, source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = replace(find_preset(NAME), scores=(Score(dataset, "top-1", 50.0, "one view", "a paper"),))
    monkeypatch.setitem(PRESETS, NAME, known)
    file = write_torch(tmp_path / "w", official(create_model(NAME, num_classes=classes).state_dict()))
    assert convert_weights(file, tmp_path / "out", preset=NAME).labels == source
    names = load_checkpoint(tmp_path / "out")[0]["labels"]["label"]
    assert names == (list(label_list(source)) if source != "numbered" else [f"class {i}" for i in range(classes)])
    assert convert_weights(file, tmp_path / "out", preset=NAME, new_head=True, num_classes=classes).labels == "numbered"


@pytest.fixture
def with_variant(monkeypatch: pytest.MonkeyPatch) -> Preset:
    """The preset with another build that has a wider stem, for files of a release of its name."""
    preset = find_preset(NAME)
    wide = partial(preset.build, widths=(32, 48, 96, 128))
    twin = partial(preset.build)
    clips = {"wide": replace(preset.clip, frames=32)}
    changed = replace(preset, variants={"torchvision": twin, "wide": wide, "again": twin}, clips=clips)
    monkeypatch.setitem(PRESETS, NAME, changed)
    return changed


def test_the_variant_follows_from_the_shapes(with_variant: Preset, tmp_path: Path) -> None:
    model = with_variant.builder("wide")(num_classes=3)
    out = tmp_path / "out"
    made = convert_weights(write_torch(tmp_path / "w", official(model.state_dict())), out, preset=NAME)
    assert made.variant == "wide" and load_checkpoint(out)[0]["arguments"] == {"num_classes": 3, "variant": "wide"}
    assert load_checkpoint(out)[0]["clip"] == with_variant.fed("wide").to_dict() != with_variant.clip.to_dict()
    assert create_model(NAME, num_classes=3, weights=out).fc.in_features == 128
    assert inspect_weights(out).presets == (f"{NAME}:wide",)


def test_among_alike_variants_the_one_named_as_the_release_wins(
    with_variant: Preset, file: Path, held: dict[str, Tensor], tmp_path: Path
) -> None:
    assert convert_weights(file, tmp_path / "out", preset=NAME).variant == "torchvision"
    ours = write_torch(tmp_path / "ours", create_model(NAME, num_classes=3).state_dict())
    assert convert_weights(ours, tmp_path / "out", preset=NAME).variant is None


def test_builds_that_the_tensors_do_not_tell_apart_are_named_and_can_be_chosen(
    with_variant: Preset, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    assert convert_weights(file, out, preset=NAME).alike == ("again",)
    made = convert_weights(file, out, preset=NAME, variant="again")
    assert (made.variant, made.alike) == ("again", ()) and load_checkpoint(out)[0]["arguments"]["variant"] == "again"
    out.unlink()
    refused("preset r3d_stage has no variant 'other'; it has torchvision, wide, again", file, out, preset=NAME,
            variant="other")  # fmt: skip
    refused("variant 'again' is of a preset that is not named; name the preset too", file, out, variant="again")
    with pytest.raises(Misfit, match=r"of its tensors \d+ of another shape"):
        monkeypatch.setattr("marey.presets.fit.PRESETS", {})
        convert_weights(file, out, preset=NAME, variant="wide")


def test_the_released_c2d_without_pooling_is_a_variant() -> None:
    """Its file has the tensors of the other, so the user says which it is."""
    preset = find_preset("c2d_r50_8x8")
    with torch.device("meta"):
        state = preset.build(num_classes=400).state_dict()
        small = {variant: preset.builder(variant)(num_classes=2) for variant in (None, "nopool")}
    fits = fits_of(preset, state)
    assert fits[0].variant is None and alike_builds(fits[0], fits) == ("nopool",)
    video = torch.empty(1, 3, 8, 64, 64, device="meta")
    assert [small[v].features(video)["res5"].shape[2] for v in (None, "nopool")] == [4, 8]


def test_octave_networks_are_compared_with_files_that_have_octaves_only(monkeypatch: pytest.MonkeyPatch) -> None:
    marked = [preset for preset in PRESETS.values() if preset.mark]
    assert len(marked) > 60
    octave, plain = find_preset("oct_i3d_stage"), find_preset("i3d_stage")
    monkeypatch.setattr("marey.presets.fit.PRESETS", {preset.name: preset for preset in (octave, plain)})
    plain_state = plain.build(num_classes=24).state_dict()
    assert [fit.preset for fit in best_fits(plain_state)] == [plain]
    state = octave.mini.build(num_classes=24).state_dict()
    assert any(octave.mark in name for name in state) and not any(octave.mark in name for name in plain_state)


def test_kernels_of_images_are_spread_over_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = create_model(NAME, num_classes=3)
    flat = {n: torch.rand(t.shape[:2] + t.shape[3:]) if t.ndim == 5 else t for n, t in model.state_dict().items()}
    file, out = write_torch(tmp_path / "w", {f"image/{n}": t for n, t in flat.items()}), tmp_path / "out"
    release = Release("image", "small", ("image/",), partial(renamed, rules=(("image/", ""),)), inflates=True)
    monkeypatch.setattr("marey.presets.fit.RELEASES", (replace(release, inflates=False),))
    refused(r"of another shape \(stem\.conv\.weight is \(24, 3, 7, 7\) in the file as image/stem\.conv\.weight and "
            r"\(24, 3, 3, 7, 7\)", file, out, preset=NAME)  # fmt: skip
    monkeypatch.setattr("marey.presets.fit.RELEASES", (release,))
    made = convert_weights(file, out, preset=NAME)
    _, tensors = load_checkpoint(out)
    assert set(made.inflated) == {name for name, t in model.state_dict().items() if t.ndim == 5}
    for name in made.inflated:
        assert torch.equal(tensors[name][:, :, 0], flat[name] / tensors[name].shape[2])
        torch.testing.assert_close(tensors[name].sum(2), flat[name])


def test_a_release_that_cannot_make_sense_of_a_file_is_passed_over(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = Release("broken", "nothing", ("stem",), lambda tensors: {"x": tensors["no such tensor"]})
    monkeypatch.setattr("marey.presets.fit.RELEASES", (broken,))
    refused(r"read by the names of Marey: of its tensors \d+ missing", file, tmp_path / "out", preset=NAME)


def test_a_marey_checkpoint_is_recognised(file: Path, tmp_path: Path) -> None:
    made = tmp_path / "made"
    convert_weights(file, made, preset=NAME)
    refused(r"made: is already a Marey checkpoint, of r3d_stage; use it as it is, or fine-tune it with `marey train",
            made, tmp_path / "out", preset=NAME)  # fmt: skip


def test_a_request_that_makes_no_sense_is_refused_first(file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    refused("no preset is called 'r3d_stag'; did you mean r3d_stage", file, out, preset="r3d_stag")
    refused("num_classes is 0; a model needs at least 1", file, out, preset=NAME, num_classes=0)
    refused("nowhere: no such file; check the path", tmp_path / "nowhere", out, preset=NAME)
    with pytest.raises(UsageError, match=r"small\.pth is the file to convert; name a new file to write"):
        convert_weights(file, file, preset=NAME)
    with pytest.raises(UsageError, match="is a folder; name a new file to write"):
        convert_weights(file, tmp_path, preset=NAME)


def test_a_failed_conversion_leaves_the_old_file(held: dict[str, Tensor], file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    convert_weights(file, out, preset=NAME)
    before = out.read_bytes()
    with pytest.raises(Misfit):
        convert_weights(write_torch(tmp_path / "w", held | {"extra": torch.ones(1)}), out, preset=NAME)
    assert out.read_bytes() == before


def test_inspection(file: Path, held: dict[str, Tensor], tmp_path: Path) -> None:
    found = inspect_weights(file)
    assert (found.releases, found.presets, found.classes, found.nearest) == (("torchvision",), (NAME,), 3, None)
    assert found.tensors == len(held) and found.sha256 == file_hash(file)
    assert found.params == sum(p.numel() for p in create_model(NAME, num_classes=3).parameters())
    assert (found.facts.wrapper, found.facts.prefix) == (("state_dict",), "module.")
    odd = inspect_weights(write_torch(tmp_path / "odd", held | {"extra": torch.ones(1)}))
    assert odd.presets == () and odd.nearest == "r3d_stage: 1 unexpected (extra)" and odd.classes is None
    assert odd.releases == ("torchvision (R3D, MC3)",)
    save_file({"w": torch.ones(3)}, tmp_path / "tiny")
    tiny = inspect_weights(tmp_path / "tiny")
    assert (tiny.releases, tiny.presets, tiny.nearest, tiny.params) == ((), (), None, 3)


BRANCHES = {  # pytorch-i3d's -> kinetics-i3d's
    "b0": "Branch_0/Conv3d_0a_1x1",
    "b1a": "Branch_1/Conv3d_0a_1x1",
    "b1b": "Branch_1/Conv3d_0b_3x3",
    "b2a": "Branch_2/Conv3d_0a_1x1",
    "b2b": "Branch_2/Conv3d_0b_3x3",
    "b3b": "Branch_3/Conv3d_0b_1x1",
}
ENDINGS = {
    "conv3d.weight": "conv_3d/w",
    "conv3d.bias": "conv_3d/b",
    "bn.bias": "batch_norm/beta",
    "bn.running_mean": "batch_norm/moving_mean",
    "bn.running_var": "batch_norm/moving_variance",
}


def tensorflow_variables(state: dict[str, Tensor]) -> dict[str, np.ndarray]:
    """pytorch-i3d's tensors as TensorFlow had them: other names, kernels (t, h, w, in, out), no gains."""
    found = {}
    for name, tensor in state.items():
        *path, part, leaf = name.split(".")
        if f"{part}.{leaf}" not in ENDINGS:
            continue
        path = ["Logits", "Conv3d_0c_1x1"] if path == ["logits"] else [BRANCHES.get(step, step) for step in path]
        variable = "/".join(["RGB", "inception_i3d", *path, ENDINGS[f"{part}.{leaf}"]])
        variable = variable.replace("Mixed_5b/Branch_2/Conv3d_0b_3x3", "Mixed_5b/Branch_2/Conv3d_0a_3x3")  # their slip
        if part == "bn":
            tensor = tensor.reshape(1, 1, 1, 1, -1)
        found[variable] = (tensor.permute(2, 3, 4, 1, 0) if tensor.ndim == 5 and part != "bn" else tensor).numpy()
    return found


@pytest.mark.slow
def test_i3d_of_tensorflow_is_i3d_of_pytorch(tmp_path: Path) -> None:
    """The same weights in both of their official files become the same tensors."""
    state = {n: t.fill_(1) if n.endswith("bn.weight") else t for n, t in read_golden("i3d_inception_rgb").state.items()}
    variables = tensorflow_variables(state)
    assert len(variables) == 230 and sum(v.size for v in variables.values()) == 12_704_544
    slots = {f"{name}/Momentum": np.zeros(2, np.float32) for name in variables}
    write_tensorflow(tmp_path / "model.ckpt", variables | slots, checksum=lambda raw: masked(crc32c(raw)))
    write_torch(tmp_path / "rgb_imagenet.pt", state, legacy=True)
    for source in ("model.ckpt", "rgb_imagenet.pt"):
        made = convert_weights(tmp_path / source, tmp_path / f"{source}.out", preset="i3d_inception_rgb")
        assert made.classes == 400 and made.labels == "kinetics400"
    tensors = [load_checkpoint(tmp_path / f"{source}.out")[1] for source in ("model.ckpt", "rgb_imagenet.pt")]
    assert tensors[0].keys() == tensors[1].keys()
    assert all(torch.equal(tensor, tensors[1][name]) for name, tensor in tensors[0].items())
