from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from marey.models import (
    Discriminator,
    DMCNet,
    ResNet,
    SnippetNet,
    discriminator_loss,
    distillation_loss,
    fooling_loss,
)
from marey.models.dmc import DISTIL
from marey.nn import MotionCues
from marey.nn.motion_cues import FULL, SMALL, TINY
from marey.presets import convert_weights, count, create_model, find_preset

classifier = partial(SnippetNet, channels=2, encoder=partial(ResNet, channels=2, widths=(4, 6), depths=(1, 1)))


def silenced(generator: MotionCues) -> MotionCues:
    for parameter in generator.parameters():
        parameter.data.zero_()
    return generator


@pytest.mark.parametrize(
    "widths, params, gmacs", [(TINY, 4_584, 0.2285), (SMALL, 50_460, 2.526), (FULL, 719_964, 36.10)]
)
def test_generators_cost_what_the_release_costs(widths: tuple[int, ...], params: int, gmacs: float) -> None:
    with torch.device("meta"), FlopCounterMode(display=False) as counter, torch.no_grad():
        generator = MotionCues(widths=widths)
        generator(torch.empty(1, 5, 224, 224))
    assert sum(p.numel() for p in generator.parameters()) == params
    assert counter.get_total_flops() / 2e9 == pytest.approx(gmacs, rel=5e-4)


def test_the_whole_network_is_a_resnet_behind_the_generator() -> None:
    whole, alone = count(find_preset("dmc_r18")), count(find_preset("vectors_r18"))
    assert whole.params - alone.params == 4_584
    assert whole.gmacs - alone.gmacs == pytest.approx(25 * 0.2285, rel=5e-4)
    assert alone.params == 11_689_512 - 64 * 49 - (1000 - 101) * 513  # torchvision's, with 2 channels and 101 classes


@pytest.mark.parametrize("reduce", [1, 2, 3])
def test_a_silent_generator_gives_the_vectors_bit_for_bit(reduce: int) -> None:
    x = torch.randn(2, 5, 17, 22)
    assert torch.equal(silenced(MotionCues(reduce=reduce))(x), x[:, :2])
    fresh = MotionCues(reduce=reduce)(x) - x[:, :2]
    assert 0 < fresh.abs().max() < 0.5


def test_cues_depend_on_the_residual() -> None:
    generator, x = MotionCues(), torch.randn(1, 5, 16, 16)
    other = x.clone()
    other[:, 2:] = 0
    assert not torch.allclose(generator(x), generator(other))


@pytest.mark.parametrize("detach", [False, True])
def test_the_classifier_teaches_the_generator_unless_detached(detach: bool) -> None:
    model, video = DMCNet(num_classes=3, classifier=classifier, detach=detach), torch.randn(2, 5, 2, 16, 16)
    model(video).square().sum().backward()
    assert (model.generator.predict.weight.grad is None) == detach
    assert model.classifier.get_submodule("fc").get_parameter("weight").grad is not None


def test_distillation_is_ten_times_the_mean_square() -> None:
    model, video = DMCNet(num_classes=3, classifier=classifier), torch.randn(2, 5, 2, 16, 16)
    silenced(model.generator)
    cues = model.cues(video)
    assert distillation_loss(cues, video[:, :2]).item() == 0
    assert distillation_loss(cues, video[:, :2] + 0.5).item() == pytest.approx(2.5)
    assert distillation_loss(cues, video[:, :2] + 0.5, weight=1.0).item() == pytest.approx(0.25)
    torch.testing.assert_close(model.eval().classify(model.encode_cues(cues)), model(video))


def test_flow_teaches_in_training_alone() -> None:
    spec = find_preset("dmc_stage").clip
    model, clips = DMCNet(num_classes=3, classifier=classifier), torch.randn(2, 7, 2, 16, 16)
    taught = model.studied(spec)
    assert (taught.modality, taught.channels) == ("vectors+residual+flow", 7)
    assert taught.mean[5:] == spec.mean[:2] == taught.mean[:2] and taught.std[5:] == spec.std[:2]
    assert replace(taught, modality=spec.modality, mean=spec.mean, std=spec.std) == spec
    logits, losses = model.eval().study(clips)
    torch.testing.assert_close(logits, model(clips[:, :5]))
    asked = DISTIL * (model.cues(clips[:, :5]) - clips[:, 5:]).square().mean()
    torch.testing.assert_close(losses, {"distillation": asked})
    losses["distillation"].backward()
    assert model.generator.predict.weight.grad is not None
    assert all(p.grad is None for p in model.classifier.parameters())


def test_without_distillation_no_flow_is_read() -> None:
    spec, video = find_preset("dmc_stage").clip, torch.randn(2, 5, 2, 16, 16)
    model = DMCNet(num_classes=3, classifier=classifier, distil=0).eval()
    assert model.studied(spec) is spec
    logits, losses = model.study(video)
    torch.testing.assert_close(logits, model(video))
    assert losses == {}
    with pytest.raises(ValueError, match=r"distil is -1\.0; it must be 0 or more"):
        DMCNet(num_classes=3, classifier=classifier, distil=-1.0)


def test_other_networks_study_what_they_are_fed() -> None:
    preset, video = find_preset("vectors_stage"), torch.randn(2, 2, 8, 32, 32)
    model = preset.mini.build(num_classes=3).eval()
    assert model.studied(preset.clip) is preset.clip
    logits, losses = model.study(video)
    torch.testing.assert_close(logits, model(video))
    assert losses == {}


def test_the_discriminator_has_the_released_shape() -> None:
    net = Discriminator()
    assert net.fc.in_features == 128 * 14 * 14
    widths = [m.out_channels for m in net.modules() if isinstance(m, torch.nn.Conv2d)]
    assert widths == [16] * 3 + [32] * 3 + [64] * 3 + [128] * 3
    with pytest.raises(ValueError, match="motion is 64 x 96 pixels; this discriminator was built for 224 x 224"):
        net(torch.zeros(1, 2, 64, 96))


def test_each_adversarial_loss_teaches_one_side() -> None:
    judge = Discriminator(side=16, widths=(4, 4), depth=1)
    cues, flow = torch.randn(2, 2, 3, 16, 16, requires_grad=True), torch.randn(2, 2, 3, 16, 16)
    fooling_loss(judge, cues).backward()
    assert cues.grad is not None and cues.grad.abs().sum() > 0
    assert all(p.grad is None for p in judge.parameters())
    cues.grad = None
    discriminator_loss(judge, cues, flow).backward()
    assert cues.grad is None and all(p.grad is not None for p in judge.parameters())


def test_losses_of_a_discriminator_that_does_not_know() -> None:
    judge, motion = Discriminator(side=16, widths=(4,), depth=1), torch.randn(1, 2, 1, 16, 16)
    torch.nn.init.zeros_(judge.fc.weight)
    torch.nn.init.zeros_(judge.fc.bias)
    coin = torch.log(torch.tensor(2.0)).item()
    assert fooling_loss(judge, motion).item() == pytest.approx(coin)
    assert discriminator_loss(judge, motion, motion).item() == pytest.approx(0.01 * coin)
    judge.fc.bias.data[:] = torch.tensor([0.0, 9.0])  # takes all for true
    assert fooling_loss(judge, motion).item() < 1e-3 < discriminator_loss(judge, motion, motion, weight=1.0).item()


def test_learning_by_distillation_brings_cues_nearer_to_flow() -> None:
    torch.manual_seed(0)
    generator, x = MotionCues(), torch.randn(4, 5, 12, 12)
    flow = x[:, :2] + 0.5 * x[:, 2:4]
    optimizer, losses = torch.optim.Adam(generator.parameters(), 1e-2), []
    for _ in range(60):
        loss = distillation_loss(generator(x).unsqueeze(2), flow.unsqueeze(2))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


def official_state() -> dict[str, Tensor]:
    """The names of the release, by hand; values tell where they came from."""
    rows = {"gen_flow_model.predict_flow": (2, 33, 3)}
    c_in = 5
    for i, width in enumerate((8, 8, 6, 4, 2)):
        rows[f"gen_flow_model.conv_{i}.0"] = (width, c_in, 3)
        c_in += width
    state = {}
    for name, (c_out, c, k) in rows.items():
        state |= {f"{name}.weight": torch.randn(c_out, c, k, k), f"{name}.bias": torch.randn(c_out)}

    def layer(conv: str, norm: str, c_out: int, c_in: int, k: int) -> None:
        state[f"base_model.{conv}.weight"] = torch.randn(c_out, c_in, k, k) * 0.01
        for part in ("weight", "bias", "running_mean", "running_var"):
            state[f"base_model.{norm}.{part}"] = torch.rand(c_out)

    layer("conv1", "bn1", 64, 2, 7)
    c_in = 64
    for i, width in enumerate((64, 128, 256, 512), start=1):
        for j in range(2):
            layer(f"layer{i}.{j}.conv1", f"layer{i}.{j}.bn1", width, c_in, 3)
            layer(f"layer{i}.{j}.conv2", f"layer{i}.{j}.bn2", width, width, 3)
            if c_in != width:
                layer(f"layer{i}.{j}.downsample.0", f"layer{i}.{j}.downsample.1", width, c_in, 1)
            c_in = width
    return state | {"base_model.fc.weight": torch.randn(51, 512), "base_model.fc.bias": torch.randn(51)}


def test_the_released_names_convert(tmp_path: Path) -> None:
    state = official_state()
    wrapped = {"state_dict": {f"module.{name}": x for name, x in state.items()}, "epoch": 3}
    torch.save(wrapped, tmp_path / "dmc.pth.tar")
    made = convert_weights(tmp_path / "dmc.pth.tar", tmp_path / "dmc.safetensors", preset="dmc_r18")
    assert (made.preset, made.release, made.classes) == ("dmc_r18", "DMC-Net", 51)
    model = create_model("dmc_r18", num_classes=51, weights=tmp_path / "dmc.safetensors")
    held = model.state_dict()
    assert torch.equal(held["generator.layers.layer3.conv.weight"], state["gen_flow_model.conv_3.0.weight"])
    assert torch.equal(held["generator.predict.bias"], state["gen_flow_model.predict_flow.bias"])
    shortcut = "classifier.encoder.stages.stage3.0.shortcut.norm.running_var"
    assert torch.equal(held[shortcut], state["base_model.layer3.0.downsample.1.running_var"])
    assert torch.equal(held["classifier.fc.weight"], state["base_model.fc.weight"])
