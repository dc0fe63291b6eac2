import pytest
import torch

from marey.models import SoundNet
from marey.presets import count, find_preset


def test_sizes_that_the_documentation_tells() -> None:
    convolutions = sum(9 * a * b for a, b in ((1, 64), (64, 128), (128, 256), (256, 256), (256, 512), (512, 512)))
    norms = 2 * (64 + 128 + 256 + 256 + 512 + 512)
    assert count(find_preset("sound_cnn")).params == convolutions + norms + 2048 * 400 + 400 == 5_321_040
    assert count(find_preset("sound_stage")).gmacs < 0.05


@pytest.mark.parametrize("steps", [16, 97, 400])
def test_sounds_of_any_length_are_heard(steps: int) -> None:
    net = SoundNet(num_classes=3, widths=(2, 3, 4, 5)).eval()
    assert net(torch.randn(2, 1, 1, 64, steps)).shape == (2, 3)
    maps = net.features(torch.randn(1, 1, 1, 64, steps))
    assert maps["stage4"].shape == (1, 5, 1, 4, steps // 16)


def test_pitch_matters() -> None:
    net = SoundNet(num_classes=3, widths=(2, 3, 4, 5)).eval()
    sound = torch.randn(1, 1, 1, 64, 64)
    assert not torch.allclose(net(sound), net(sound.flip(3)), atol=1e-6)


def test_two_frames_are_no_sound() -> None:
    with pytest.raises(ValueError, match="video has 2 frames; this network was built for exactly 1"):
        SoundNet(num_classes=3)(torch.zeros(1, 1, 2, 64, 64))
