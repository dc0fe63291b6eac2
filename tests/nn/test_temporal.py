import pytest
import torch

from marey.nn import (
    AttentionHead,
    DifferenceHead,
    LinearHead,
    LstmHead,
    MeanHead,
    StandardLinear,
    TcnHead,
    TemporalHead,
)

TOKENS = torch.randn(2, 6, 8)


@pytest.mark.parametrize("head", [MeanHead, LinearHead, AttentionHead, DifferenceHead, LstmHead, TcnHead])
def test_heads_take_any_number_of_frames_from_their_least(head: type[TemporalHead]) -> None:
    built = head(dim=8, num_classes=3).eval()
    for frames in (built.min_frames, 6, 11):
        assert built(torch.randn(2, frames, 8)).shape == (2, 3)


@pytest.mark.parametrize("head, blind", [(MeanHead, True), (AttentionHead, True), (LstmHead, False), (TcnHead, False)])
def test_which_heads_see_the_order_of_frames(head: type[TemporalHead], blind: bool) -> None:
    built = head(dim=8, num_classes=3).eval()
    assert torch.allclose(built(TOKENS), built(TOKENS.flip(1)), atol=1e-5) == blind


def test_differences_are_the_same_backwards_and_differ_when_frames_are_shuffled() -> None:
    head = DifferenceHead(dim=8, num_classes=3).eval()
    torch.testing.assert_close(head(TOKENS), head(TOKENS.flip(1)))
    assert not torch.allclose(head(TOKENS), head(TOKENS[:, [0, 3, 1, 5, 2, 4]]), atol=1e-5)


def test_attention_weights_sum_to_one_over_the_clip() -> None:
    weights = AttentionHead(dim=8, num_classes=3).weights(TOKENS)
    torch.testing.assert_close(weights.sum(1), torch.ones(2))


def test_a_step_of_the_recurrent_head_does_not_know_later_frames() -> None:
    head = LstmHead(dim=8, num_classes=3).eval()
    changed = TOKENS.clone()
    changed[:, 4:] += 1
    torch.testing.assert_close(head.steps(TOKENS)[:, :4], head.steps(changed)[:, :4])
    assert not torch.allclose(head.steps(TOKENS)[:, 4:], head.steps(changed)[:, 4:])


def test_one_argument_chooses_last_step_or_every_step() -> None:
    last, every = LstmHead(dim=8, num_classes=3).eval(), LstmHead(dim=8, num_classes=3, per_frame=True).eval()
    every.load_state_dict(last.state_dict())
    steps = last.steps(TOKENS)
    assert steps.shape == (2, 6, 3)
    torch.testing.assert_close(last(TOKENS), steps[:, -1])
    torch.testing.assert_close(every(TOKENS), steps.mean(1))


def test_three_dilated_layers_see_fifteen_frames() -> None:
    head = TcnHead(dim=8, num_classes=3).eval()
    x = torch.zeros(1, 128, 31, requires_grad=True)
    y = x
    for layer in head.layers:
        y = y + layer(y)
    y[0, :, 15].sum().backward()
    assert x.grad is not None
    (seen,) = x.grad.abs().sum((0, 1)).nonzero(as_tuple=True)
    assert (seen.min().item(), seen.max().item()) == (8, 22)


def test_a_standard_linear_layer_sees_numbers_of_any_scale_alike() -> None:
    small, numbers = StandardLinear(4, 3), torch.randn(50, 4)
    large = StandardLinear(4, 3)
    torch.nn.init.normal_(small.fc.weight)
    large.fc.load_state_dict(small.fc.state_dict())
    small.measure(numbers)
    large.measure(1000 * numbers + 7)
    torch.testing.assert_close(small(numbers), large(1000 * numbers + 7), atol=1e-4, rtol=1e-4)


def test_a_number_that_never_varies_is_only_centred() -> None:
    layer, numbers = StandardLinear(2, 3), torch.tensor([[5.0, 1.0], [5.0, 3.0]])
    layer.measure(numbers)
    assert layer.std.tolist() == [1.0, 1.0] and layer.mean.tolist() == [5.0, 2.0]


def test_the_linear_head_measures_the_mean_of_the_tokens() -> None:
    head = LinearHead(dim=8, num_classes=3)
    head.measure(TOKENS)
    torch.testing.assert_close(head.fc.mean, TOKENS.mean((0, 1)))


def test_the_recurrent_head_streams_with_a_state_that_does_not_grow() -> None:
    head = LstmHead(dim=8, num_classes=3, hidden=5, layers=2).eval()
    state, logits = None, []
    for token in TOKENS.unbind(1):
        answer, state = head.step(token, state)
        logits.append(answer)
        assert [x.shape for x in state] == [(2, 2, 5)] * 2
    torch.testing.assert_close(torch.stack(logits, 1), head.steps(TOKENS))
