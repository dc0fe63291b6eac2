import torch
from torch import Tensor, nn

from marey.nn import BatchNormLSTM, BatchNormLstmHead

TOKENS = torch.randn(6, 5, 8)


def trained() -> BatchNormLSTM:
    """With statistics of its own for each of three steps."""
    lstm = BatchNormLSTM(8, 7, steps=3)
    for _ in range(20):
        lstm(TOKENS)
    return lstm.eval()


def test_without_its_norms_it_is_the_lstm_of_torch() -> None:
    lstm, torchs = BatchNormLSTM(8, 7, steps=1).eval().double(), nn.LSTM(8, 7, batch_first=True).double()
    scale = (1 + 1e-5) ** 0.5  # statistics of 0 and 1, but for the epsilon
    with torch.no_grad():
        for key in ("weight_ih", "weight_hh"):
            lstm.get_parameter(key).copy_(torchs.get_parameter(f"{key}_l0"))
        lstm.bias.copy_(torchs.get_parameter("bias_ih_l0") + torchs.get_parameter("bias_hh_l0"))
        for gain in (lstm.gain_ih, lstm.gain_hh, lstm.gain_c):
            gain.fill_(scale)
    torch.testing.assert_close(lstm(TOKENS.double()), torchs(TOKENS.double())[0], atol=1e-12, rtol=0)


def test_every_step_has_its_own_statistics_and_the_last_serve_all_that_follow() -> None:
    lstm = trained()
    means = lstm.get_buffer("mean_c")
    assert means.shape == (3, 7) and not torch.allclose(means[0], means[1]) and not torch.allclose(means[1], means[2])
    before = lstm(TOKENS)
    lstm.get_buffer("mean_ih")[2] += 1
    changed = (lstm(TOKENS) - before).abs().amax((0, 2)) > 1e-4
    assert changed.tolist() == [False, False, True, True, True]


def test_training_normalizes_over_the_clips() -> None:
    lstm = BatchNormLSTM(8, 7, steps=3).train()
    torch.testing.assert_close(lstm(TOKENS), lstm(100 * TOKENS), atol=1e-3, rtol=0)
    alone = lstm(TOKENS[:1])
    assert torch.equal(alone, lstm.eval()(TOKENS[:1]))


def test_parameters_are_those_of_the_formula() -> None:
    count = sum(p.numel() for p in BatchNormLSTM(8, 7, steps=9).parameters())
    assert count == 4 * 7 * (8 + 7 + 3) + 2 * 7


def streamed(head: BatchNormLstmHead, tokens: Tensor) -> Tensor:
    state, logits = None, []
    for token in tokens.unbind(1):
        answer, state = head.step(token, state)
        logits.append(answer)
        assert [x.shape for x in state[:2]] == [(6, 7)] * 2
    return torch.stack(logits, 1)


def test_the_head_answers_with_the_last_step_and_learns_from_all_and_streams() -> None:
    head = BatchNormLstmHead(dim=8, num_classes=3, hidden=7, steps=3).eval()
    steps = head.steps(TOKENS)
    torch.testing.assert_close(head(TOKENS), steps[:, -1])
    torch.testing.assert_close(streamed(head, TOKENS), steps)
    head.train()
    torch.testing.assert_close(head(TOKENS), head.steps(TOKENS).mean(1))
