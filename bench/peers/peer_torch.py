"""The standard models in PyTorch: eager, torch.compile, and both under bf16 autocast.

    peer_torch.py                 answers compare.py on standard input
    peer_torch.py MODEL ROW.npy   imports, loads, prints the log-likelihood of one row: the start-up"""
import contextlib
import os
import sys

import numpy as np
import torch
from torch import nn
from torch.nn.functional import softplus

import common

THREADS = int(os.environ.get("OMP_NUM_THREADS", os.cpu_count()))
torch.set_num_threads(THREADS)
# One process serves four models at several sizes; beyond 8 shapes torch.compile would give up and run eagerly.
torch._dynamo.config.recompile_limit = 64


class Nice(nn.Module):
    """Halves are split once; a coupling adds to one half what it makes of the other."""

    def __init__(self, weights, prior):
        super().__init__()
        self.prior = prior
        self.log_scale = nn.Parameter(torch.from_numpy(weights.log_scale.copy()))
        self.couplings = nn.ModuleList()
        for linear in weights.couplings:
            parts = []
            for weight, bias in linear:
                layer = nn.utils.skip_init(nn.Linear, weight.shape[1], weight.shape[0])
                layer.weight.data = torch.from_numpy(weight.copy())
                layer.bias.data = torch.from_numpy(bias.copy())
                parts += [layer, nn.ReLU(inplace=True)]
            self.couplings.append(nn.Sequential(*parts[:-1]))

    def latent(self, x):
        first, second = x[:, 0::2], x[:, 1::2]
        for i, mlp in enumerate(self.couplings):
            if i % 2:
                first = first + mlp(second)
            else:
                second = second + mlp(first)
        half = first.shape[1]
        scale = self.log_scale.exp()
        return first * scale[:half], second * scale[half:]

    def log_prior(self, h):
        if self.prior == "logistic":
            return -(h + 2 * softplus(-h)).sum(1)
        return -0.5 * (h * h).sum(1) - 0.5 * np.log(2 * np.pi) * h.shape[1]

    def log_prob(self, x):
        first, second = self.latent(x)
        return self.log_prior(first.float()) + self.log_prior(second.float()) + self.log_scale.sum()

    def inverse(self, first, second):
        half = first.shape[1]
        scale = (-self.log_scale).exp()
        first, second = first * scale[:half], second * scale[half:]
        for i, mlp in reversed(list(enumerate(self.couplings))):
            if i % 2:
                first = first - mlp(second)
            else:
                second = second - mlp(first)
        return torch.stack((first, second), 2).flatten(1)


class Peer:
    def __init__(self, mode, name, weights):
        self.model = common.MODELS[name]
        self.compiled, self.bf16 = "compile" in mode, "bf16" in mode
        self.nice = Nice(weights, self.model.prior)

    def precision(self):
        return torch.autocast("cpu", torch.bfloat16) if self.bf16 else contextlib.nullcontext()

    def built(self, function, freeze=True):
        if not self.compiled:
            return function
        return torch.compile(function, dynamic=False, options={"freezing": True} if freeze else None)

    def continuous(self, rows):
        """The model's door: noise for columns of bytes."""
        return (rows + torch.rand_like(rows)) / self.model.levels if self.model.levels else rows

    def stepper(self, rows, rate, door):
        adam = torch.optim.Adam(self.nice.parameters(), lr=rate, betas=(common.BETA1, common.BETA2),
                                eps=common.EPSILON, fused=True)

        def loss():
            with self.precision():
                return -self.nice.log_prob(door(rows)).mean()

        loss = self.built(loss, freeze=False)

        def step():
            adam.zero_grad(set_to_none=True)
            value = loss()
            value.backward()
            adam.step()
            return value.item()
        return step

    def scorer(self):
        def score(rows):
            with self.precision():
                return self.nice.log_prob(self.continuous(rows))
        return self.built(score)

    def sampler(self, count):
        half = self.model.columns // 2

        def draw():
            if self.model.prior == "normal":
                return torch.randn(count, half)
            u = torch.rand(count, half).clamp(1e-7, 1 - 1e-7)
            return u.log() - (-u).log1p()

        def sample():
            with self.precision():
                x = self.nice.inverse(draw(), draw()).float()
            levels = self.model.levels
            return (x * levels).floor().clamp(0, levels - 1) if levels else x
        return self.built(sample)

    def works(self, wanted):
        m, runs = self.model, {}
        if "step" in wanted:
            runs["step"] = self.stepper(torch.from_numpy(common.rows_of(m, m.batch)), common.RATE,
                                        self.continuous)
        rows = torch.from_numpy(common.rows_of(m, m.many))
        score = self.scorer()

        def quiet(function):  # no tape; freezing wants no_grad, eager is quickest without versions
            def run():
                with torch.no_grad() if self.compiled else torch.inference_mode():
                    return function()
            return run
        if "score" in wanted:
            cut = {chunk: rows.split(chunk) for chunk in m.chunks}
            runs["score"] = common.quickest({c: quiet(lambda p=p: [score(x) for x in p]) for c, p in cut.items()})
        if "one_row" in wanted:
            one, single = rows[:1].clone(), self.scorer()
            runs["one_row"] = quiet(lambda: single(one).item())
        if "sample" in wanted:
            made = {chunk: self.sampler(chunk) for chunk in m.chunks}
            runs["sample"] = common.quickest({c: quiet(lambda c=c, s=s: [s() for _ in range(m.many // c)])
                                              for c, s in made.items()})
        return runs

    def log_prob(self, rows):
        def plain(x):
            with self.precision():
                return self.nice.log_prob(x)
        with torch.no_grad():
            return self.built(plain)(torch.from_numpy(rows)).float().numpy()

    def inverse_error(self, rows):
        x = torch.from_numpy(rows)
        with torch.no_grad(), self.precision():
            return (self.nice.inverse(*self.nice.latent(x)).float() - x).abs().max()

    def train(self, rows):
        step = self.stepper(torch.from_numpy(rows), common.CHECK_RATE, lambda x: x)
        for _ in range(common.CHECK_STEPS):
            step()
        with torch.no_grad():
            return self.nice.log_prob(torch.from_numpy(rows)).mean()


MODES = ["torch eager", "torch compile", "torch bf16", "torch compile bf16"]

if __name__ == "__main__":
    if len(sys.argv) == 3:
        row = np.load(sys.argv[2]).astype(np.float32)
        prior = "logistic" if row.shape[1] == 784 else "normal"
        with torch.inference_mode():
            print(Nice(common.read_weights(sys.argv[1]), prior).log_prob(torch.from_numpy(row)).item())
    else:
        common.serve(MODES, Peer, {"torch": torch.__version__})
