"""Temporal heads: from one token a frame to the logits of the clip.

Axes: b clips, t frames, d features, k classes. Every head is `head(tokens (b, t, d)) -> logits (b, k)`.
"""

from abc import ABC, abstractmethod
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from .standard_linear import StandardLinear

Tokens = Float[Tensor, "b t d"]
Token = Float[Tensor, "b d"]
Logits = Float[Tensor, "b k"]


class TemporalHead(nn.Module, ABC):
    """From tokens to logits; needs at least `min_frames` tokens."""

    min_frames: int = 1

    @abstractmethod
    def forward(self, tokens: Tokens) -> Logits: ...

    def measure(self, tokens: Tokens) -> None:
        """Told all training tokens before the head learns, by heads that standardize; most do not."""


class StreamingHead(TemporalHead, ABC):
    """A head that reads the frames in order, and so has logits after each, however many there will be."""

    @abstractmethod
    def steps(self, tokens: Tokens) -> Float[Tensor, "b t k"]:
        """Logits after each frame; those after frame i know frames 0 to i only."""

    @abstractmethod
    def step(self, token: Token, state: Any = None) -> tuple[Logits, Any]:
        """The same for one frame more, and the state after it, which does not grow; None is the state before all."""


class MeanHead(TemporalHead):
    """One linear classifier on every frame; the clip's logits are the frames' mean."""

    def __init__(self, *, dim: int, num_classes: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.drop, self.fc = nn.Dropout(dropout), nn.Linear(dim, num_classes)

    def forward(self, tokens: Tokens) -> Logits:
        return self.fc(self.drop(tokens)).mean(1)


class LinearHead(TemporalHead):
    """One linear classifier on the standardized mean of the tokens: the plain probe of fixed features."""

    def __init__(self, *, dim: int, num_classes: int) -> None:
        super().__init__()
        self.fc = StandardLinear(dim, num_classes)

    def measure(self, tokens: Tokens) -> None:
        self.fc.measure(tokens.mean(1))

    def forward(self, tokens: Tokens) -> Logits:
        return self.fc(tokens.mean(1))


class AttentionHead(TemporalHead):
    """Attentive pooling: a small network scores every frame, the softmax of the scores weights their mean.

    The gate-less form of Ilse et al., ICML 2018, arXiv:1802.04712: a_t = softmax_t(w . tanh(V x_t)).
    """

    def __init__(self, *, dim: int, num_classes: int, hidden: int = 128, dropout: float = 0.0) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.score = nn.Sequential(nn.Linear(dim, hidden), nn.Tanh(), nn.Linear(hidden, 1, bias=False))
        self.drop, self.fc = nn.Dropout(dropout), nn.Linear(dim, num_classes)

    def weights(self, tokens: Tokens) -> Float[Tensor, "b t"]:
        """How much each frame counts; sums to 1 over the clip."""
        return self.score(self.norm(tokens)).squeeze(-1).softmax(1)

    def forward(self, tokens: Tokens) -> Logits:
        pooled = torch.einsum("bt,btd->bd", self.weights(tokens), self.norm(tokens))
        return self.fc(self.drop(pooled))


class DifferenceHead(TemporalHead):
    """What the clip looks like and how much it changes: mean of the tokens beside the mean of |x_{t+1} - x_t|.

    Each half is layer-normalized, since differences are several times smaller than the features themselves.
    """

    min_frames = 2

    def __init__(self, *, dim: int, num_classes: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.norm_mean, self.norm_change = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.drop, self.fc = nn.Dropout(dropout), nn.Linear(2 * dim, num_classes)

    def forward(self, tokens: Tokens) -> Logits:
        change = (tokens[:, 1:] - tokens[:, :-1]).abs().mean(1)
        both = torch.cat([self.norm_mean(tokens.mean(1)), self.norm_change(change)], 1)
        return self.fc(self.drop(both))


class LstmHead(StreamingHead):
    """A recurrent network reads the frames in order (Donahue et al., CVPR 2015, arXiv:1411.4389).

    `per_frame` False: the logits of the last step. True: every step gives logits, their mean is the clip's.
    """

    def __init__(
        self,
        *,
        dim: int,
        num_classes: int,
        hidden: int = 256,
        layers: int = 1,
        per_frame: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.per_frame = per_frame
        self.lstm = nn.LSTM(dim, hidden, layers, batch_first=True)
        self.drop, self.fc = nn.Dropout(dropout), nn.Linear(hidden, num_classes)

    def steps(self, tokens: Tokens) -> Float[Tensor, "b t k"]:
        return self.fc(self.drop(self.lstm(tokens)[0]))

    def step(self, token: Token, state: tuple[Tensor, Tensor] | None = None) -> tuple[Logits, tuple[Tensor, Tensor]]:
        output, after = self.lstm(token.unsqueeze(1), state)
        return self.fc(self.drop(output[:, 0])), after

    def forward(self, tokens: Tokens) -> Logits:
        if self.per_frame:
            return self.steps(tokens).mean(1)
        return self.fc(self.drop(self.lstm(tokens)[0][:, -1]))


class TcnHead(TemporalHead):
    """Dilated temporal convolutions with residuals (Lea et al., CVPR 2017, arXiv:1611.05267), then the mean over time.

    Dilation doubles from layer to layer: three layers of kernel 3 see 15 frames. Not causal.
    """

    def __init__(self, *, dim: int, num_classes: int, width: int = 128, layers: int = 3, dropout: float = 0.0) -> None:
        super().__init__()
        self.norm, self.reduce = nn.LayerNorm(dim), nn.Conv1d(dim, width, 1)
        self.layers = nn.ModuleList(nn.Conv1d(width, width, 3, padding=2**i, dilation=2**i) for i in range(layers))
        self.act, self.drop, self.fc = nn.ReLU(), nn.Dropout(dropout), nn.Linear(width, num_classes)

    def forward(self, tokens: Tokens) -> Logits:
        x = self.reduce(self.norm(tokens).transpose(1, 2))
        for layer in self.layers:
            x = x + self.act(layer(x))
        return self.fc(self.drop(x.mean(2)))
