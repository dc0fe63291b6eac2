"""An LSTM with batch normalization inside its steps (Cooijmans et al., ICLR 2017, arXiv:1603.09025), and its head.

        i, f, n, o = norm(W x) + norm(U h) + b          c = sigmoid(f) c + sigmoid(i) tanh(n)
        h = sigmoid(o) tanh(norm(c))

The gains and shifts of the norms are the same in every step, their statistics each step's own: those of the first steps
are others than those of later ones. A clip longer than any seen uses the last step's. Gains begin at 0.1.
Axes: b clips, t frames, d features, k classes.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from .temporal import Logits, StreamingHead, Token, Tokens

GAIN = 0.1  # the paper's: greater ones saturate tanh, whose gradients then vanish
State = tuple[Tensor, Tensor, int]  # h and c, each (b, hidden), and the number of steps done


class BatchNormLSTM(nn.Module):
    """`steps` is how many steps have statistics of their own. 4 hidden (dim + hidden + 3) + 2 hidden parameters.

    A single clip in training is normalized by the running statistics, as there is nothing to take its own over.
    """

    def __init__(self, dim: int, hidden: int, *, steps: int) -> None:
        super().__init__()
        self.hidden, self.steps = hidden, steps
        self.weight_ih, self.weight_hh = (nn.Parameter(torch.empty(4 * hidden, n)) for n in (dim, hidden))
        for weight in (self.weight_ih, self.weight_hh):
            for gate in weight.data.chunk(4):
                nn.init.orthogonal_(gate)
        self.bias = nn.Parameter(torch.zeros(4 * hidden))
        self.gain_ih, self.gain_hh = (nn.Parameter(torch.full((4 * hidden,), GAIN)) for _ in range(2))
        self.gain_c, self.shift_c = nn.Parameter(torch.full((hidden,), GAIN)), nn.Parameter(torch.zeros(hidden))
        for name, width in (("ih", 4 * hidden), ("hh", 4 * hidden), ("c", hidden)):
            self.register_buffer(f"mean_{name}", torch.zeros(steps, width))
            self.register_buffer(f"var_{name}", torch.ones(steps, width))

    def step(self, x: Token, state: State | None = None) -> tuple[Float[Tensor, "b hidden"], State]:
        """The output for one frame more, and the state after it."""
        zeros = x.new_zeros(len(x), self.hidden)
        h, c, done = (zeros, zeros, 0) if state is None else state
        of_x = self._normalized("ih", F.linear(x, self.weight_ih), done, self.gain_ih, None)
        of_h = self._normalized("hh", F.linear(h, self.weight_hh), done, self.gain_hh, None)
        i, f, new, o = (of_x + of_h + self.bias).chunk(4, 1)
        c = f.sigmoid() * c + i.sigmoid() * new.tanh()
        h = o.sigmoid() * self._normalized("c", c, done, self.gain_c, self.shift_c).tanh()
        return h, (h, c, done + 1)

    def forward(self, tokens: Tokens) -> Float[Tensor, "b t hidden"]:
        """The outputs for all frames in order, from a state of zeros."""
        state, outputs = None, []
        for x in tokens.unbind(1):
            output, state = self.step(x, state)
            outputs.append(output)
        return torch.stack(outputs, 1)

    def _normalized(
        self, name: str, x: Float[Tensor, "b n"], done: int, gain: Tensor, shift: Tensor | None
    ) -> Float[Tensor, "b n"]:
        step = min(done, self.steps - 1)
        mean, var = self.get_buffer(f"mean_{name}")[step], self.get_buffer(f"var_{name}")[step]
        return F.batch_norm(x, mean, var, gain, shift, training=self.training and len(x) > 1)


class BatchNormLstmHead(StreamingHead):
    """The head of the CNN + LSTM baseline of Carreira and Zisserman, CVPR 2017, arXiv:1705.07750.

    In training the logits are the mean of all steps', in evaluation the last step's. (The paper has a loss at each
    step, ours is one on the mean.) `steps` as in `BatchNormLSTM`.
    """

    def __init__(self, *, dim: int, num_classes: int, hidden: int = 512, steps: int = 25, dropout: float = 0.0) -> None:
        super().__init__()
        self.lstm = BatchNormLSTM(dim, hidden, steps=steps)
        self.drop, self.fc = nn.Dropout(dropout), nn.Linear(hidden, num_classes)

    def steps(self, tokens: Tokens) -> Float[Tensor, "b t k"]:
        return self.fc(self.drop(self.lstm(tokens)))

    def step(self, token: Token, state: State | None = None) -> tuple[Logits, State]:
        output, state = self.lstm.step(token, state)
        return self.fc(self.drop(output)), state

    def forward(self, tokens: Tokens) -> Logits:
        logits = self.steps(tokens)
        return logits.mean(1) if self.training else logits[:, -1]
