import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from marey.nn import SameConv2d, SameConv3d, SameMaxPool2d, SameMaxPool3d
from marey.nn.same import same_padding

sizes = st.tuples(*[st.integers(1, 9)] * 3)
windows = st.tuples(*[st.integers(1, 5)] * 3)
steps = st.tuples(*[st.integers(1, 3)] * 3)


@given(sizes, windows, steps)
def test_outputs_are_size_over_stride_rounded_up(
    size: tuple[int, int, int], kernel: tuple[int, int, int], stride: tuple[int, int, int]
) -> None:
    x = torch.randn(1, 2, *size)
    want = tuple(-(-n // s) for n, s in zip(size, stride, strict=True))
    assert SameConv3d(2, 1, kernel, stride)(x).shape[2:] == want
    assert SameMaxPool3d(kernel, stride)(x).shape[2:] == want
    assert SameConv2d(2, 1, kernel[1:], stride[1:])(x[:, :, 0]).shape[2:] == want[1:]
    assert SameMaxPool2d(kernel[1:], stride[1:])(x[:, :, 0]).shape[2:] == want[1:]


def test_the_odd_element_is_after() -> None:
    assert same_padding(torch.Size((224, 64, 5)), (7, 3, 3), (2, 2, 1)) == [(2, 3), (0, 1), (1, 1)]


def test_convolution_is_that_of_the_padded_clip() -> None:
    x, conv = torch.randn(2, 3, 4, 6, 7), SameConv3d(3, 4, (3, 7, 5), (2, 2, 1))
    padded = F.pad(x, (2, 2, 2, 3, 0, 1))
    torch.testing.assert_close(conv(x), F.conv3d(padded, conv.weight, conv.bias, (2, 2, 1)))


def test_padding_is_never_the_maximum() -> None:
    """Neither where the layer pads (3, stride 1) nor where the clip is padded for it (3, stride 2, even sizes)."""
    x = -torch.ones(1, 1, 4, 6, 8)
    for stride in ((1, 1, 1), (2, 2, 2)):
        assert torch.equal(SameMaxPool3d((3, 3, 3), stride)(x).unique(), torch.tensor([-1.0]))
        assert torch.equal(SameMaxPool2d((3, 3), stride[1:])(x[:, :, 0]).unique(), torch.tensor([-1.0]))
