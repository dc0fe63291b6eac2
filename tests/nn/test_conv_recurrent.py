from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from marey.nn import BuildRecurrence, ConvGRU, ConvLSTM, ConvRecurrence, ConvRNN

C, D = 3, 5
CELLS: dict[str, Callable[..., ConvRecurrence]] = {
    "gru": ConvGRU,
    "gru reset after": lambda c, d, *, kernel=3: ConvGRU(c, d, kernel=kernel, reset_after=True),
    "lstm": ConvLSTM,
    "lstm peephole": lambda c, d, *, kernel=3: ConvLSTM(c, d, kernel=kernel, peephole=True),
    "rnn": ConvRNN,
}
PARAMS = {  # with k, c, d
    "gru": lambda k, c, d: 3 * (k * k * (c + d) * d + d),
    "gru reset after": lambda k, c, d: 3 * (k * k * (c + d) * d + d) + 3 * d,
    "lstm": lambda k, c, d: 4 * (k * k * (c + d) * d + d),
    "lstm peephole": lambda k, c, d: 4 * (k * k * (c + d) * d + d) + 3 * d,
    "rnn": lambda k, c, d: k * k * (c + d) * d + d,
}


def stirred(cell: nn.Module) -> nn.Module:
    """Biases and peepholes that are not zero."""
    for p in cell.parameters():
        if p.ndim == 1:
            nn.init.normal_(p, std=0.3)
    return cell.double()


@pytest.mark.parametrize("name", CELLS)
def test_steps_give_what_the_whole_clip_gives_with_a_state_that_does_not_grow(name: str) -> None:
    cell, maps = stirred(CELLS[name](C, D)), torch.randn(2, C, 7, 5, 4, dtype=torch.float64)
    assert isinstance(cell, ConvRecurrence)
    state, outputs, sizes = None, [], set[int]()
    for x in maps.unbind(2):
        output, state = cell.step(x, state)
        outputs.append(output)
        sizes.add(sum(s.numel() for s in tree_leaves(state)))
    torch.testing.assert_close(cell(maps), torch.stack(outputs, 2))
    assert cell(maps).shape == (2, D, 7, 5, 4) and len(sizes) == 1


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("kernel", [1, 3, 5])
def test_parameters_are_those_of_the_formula(name: str, kernel: int) -> None:
    assert sum(p.numel() for p in CELLS[name](C, D, kernel=kernel).parameters()) == PARAMS[name](kernel, C, D)


def pixels(cell: ConvRecurrence, torchs: nn.RNNBase) -> ConvRecurrence:
    """The cell with the weights of torch's, for maps of one pixel."""
    for key, x in cell.named_parameters():
        source = torchs.get_parameter(f"{key}_l0").data
        x.data = source[:, :, None, None] if source.ndim == 2 else source
    if cell.bias_hh is None if isinstance(cell, ConvGRU) else True:
        cell.get_parameter("bias_ih").data = torchs.bias_ih_l0.data + torchs.bias_hh_l0.data  # pyright: ignore
    return cell


@pytest.mark.parametrize(
    "cell, torchs",
    [
        (ConvGRU(C, D, kernel=1, reset_after=True), nn.GRU(C, D, batch_first=True)),
        (ConvLSTM(C, D, kernel=1), nn.LSTM(C, D, batch_first=True)),
        (ConvRNN(C, D, kernel=1), nn.RNN(C, D, batch_first=True)),
    ],
)
def test_on_one_pixel_it_is_the_cell_of_torch(cell: ConvRecurrence, torchs: nn.RNNBase) -> None:
    torchs.double()
    pixels(cell.double(), torchs)
    tokens = torch.randn(4, 9, C, dtype=torch.float64)
    out = cell(tokens.transpose(1, 2)[..., None, None])[..., 0, 0].transpose(1, 2)
    torch.testing.assert_close(out, torchs(tokens)[0], atol=1e-14, rtol=0)


def by_hand(cell: ConvGRU, maps: Tensor) -> Tensor:
    """The paper's equations, gate by gate, in its own order: the candidate's share is the gate."""
    pad = cell.weight_ih.shape[-1] // 2
    w, u, b = cell.weight_ih.chunk(3), cell.weight_hh.chunk(3), cell.bias_ih.chunk(3)
    h = torch.zeros(maps.shape[0], cell.width, *maps.shape[3:], dtype=maps.dtype)
    conv = nn.functional.conv2d
    for x in maps.unbind(2):
        r = torch.sigmoid(conv(x, w[0], b[0], padding=pad) + conv(h, u[0], padding=pad))
        share = torch.sigmoid(-conv(x, w[1], b[1], padding=pad) - conv(h, u[1], padding=pad))
        h = (1 - share) * h + share * torch.tanh(conv(x, w[2], b[2], padding=pad) + conv(r * h, u[2], padding=pad))
    return h


def test_the_reset_gate_comes_before_the_hidden_product_unless_asked() -> None:
    cell, maps = stirred(ConvGRU(C, D)), torch.randn(2, C, 4, 5, 6, dtype=torch.float64)
    assert isinstance(cell, ConvGRU)
    torch.testing.assert_close(cell(maps)[:, :, -1], by_hand(cell, maps))
    after = ConvGRU(C, D, reset_after=True).double()
    after.load_state_dict({**cell.state_dict(), "bias_hh": torch.zeros(3 * D)})
    torch.testing.assert_close(after(maps)[:, :, 0], cell(maps)[:, :, 0])  # the state is zero: no product to reset
    assert (after(maps)[:, :, -1] - cell(maps)[:, :, -1]).abs().max() > 1e-3


def test_an_open_gate_freezes_the_state_and_a_constant_input_converges() -> None:
    cell, state = ConvGRU(C, D), torch.randn(1, D, 6, 6)
    x = torch.randn(1, C, 6, 6) / 3
    with torch.no_grad():
        cell.weight_hh *= 0.3  # a contraction
        before = settled = cell.step(x)[1]
        for _ in range(100):
            before, (_, settled) = settled, cell.step(x, settled)
        torch.testing.assert_close(settled, before)
        assert not torch.allclose(settled, cell.step(x)[1], atol=1e-2)
        cell.bias_ih[D : 2 * D] = 1e4  # z = 1
        assert torch.equal(cell.step(x, state)[0], state)


@pytest.mark.parametrize("name", CELLS)
def test_fresh_kernels_are_orthogonal_gate_by_gate(name: str) -> None:
    cell = CELLS[name](C, D)
    for weight in (cell.get_parameter("weight_ih"), cell.get_parameter("weight_hh")):
        for gate in weight.split(D):
            rows = gate.flatten(1)
            torch.testing.assert_close(rows @ rows.T, torch.eye(D), atol=1e-5, rtol=0)


def test_the_forget_gate_begins_open() -> None:
    assert ConvLSTM(C, D).bias_ih.view(4, D).mean(1).tolist() == [0, 1, 0, 0]


def test_an_even_kernel_is_refused() -> None:
    build: BuildRecurrence = ConvGRU
    with pytest.raises(ValueError, match="kernel is 2; a state keeps its size under odd ones only"):
        build(C, D, kernel=2)
