"""The table model of five spline couplings in nflows and in zuko, as their users build it: eager and compiled.

Answers bench/peers_spline.py on standard input. Both libraries get the weights of a nicest model file; zuko's
spline has other parameters, so its knots are set by nicest's formulas, and everything after them is zuko's."""
import os
import warnings

import numpy as np
import torch
import zuko
from nflows.distributions.normal import StandardNormal
from nflows.flows.base import Flow
from nflows.transforms.base import CompositeTransform
from nflows.transforms.coupling import PiecewiseRationalQuadraticCouplingTransform
from torch import nn
from torch.nn import functional as F
from zuko.flows.coupling import GeneralCouplingTransform

import common
import spline_model as spline

warnings.filterwarnings("ignore")
torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", os.cpu_count())))
torch._dynamo.config.recompile_limit = 64


def linear_layers(layers, slope_start):
    """The conditioner; `slope_start` is added to the biases of the logits of slopes, where a library does not."""
    made = []
    for number, (weight, bias) in enumerate(layers):
        bias = bias.copy()
        if number + 1 == len(layers):
            bias.reshape(-1, 3 * spline.BINS - 1)[:, 2 * spline.BINS:] += slope_start
        layer = nn.Linear(weight.shape[1], weight.shape[0])
        layer.weight.data, layer.bias.data = torch.from_numpy(weight.copy()), torch.from_numpy(bias)
        made += [layer, nn.ReLU()]
    return nn.Sequential(*made[:-1])


class Net(nn.Module):
    """nflows calls its conditioner with a context."""

    def __init__(self, layers):
        super().__init__()
        self.net = linear_layers(layers, spline.SLOPE_START)

    def forward(self, x, context=None):
        return self.net(x)


def nflows_flow(couplings, columns):
    transforms = []
    for i, layers in enumerate(couplings):
        mask = [j % 2 != i % 2 for j in range(columns)]  # True moves
        transforms.append(PiecewiseRationalQuadraticCouplingTransform(
            torch.tensor(mask, dtype=torch.float32), lambda n_in, n_out, layers=layers: Net(layers),
            num_bins=spline.BINS, tails="linear", tail_bound=spline.BOUND, min_bin_width=spline.LEAST,
            min_bin_height=spline.LEAST, min_derivative=spline.LEAST))
    return Flow(CompositeTransform(transforms), StandardNormal([columns]))


class Spline(zuko.transforms.MonotonicRQSTransform):
    """zuko's spline with nicest's knots."""

    def __init__(self, widths, heights, derivatives):
        zuko.transforms.Transform.__init__(self)

        def knots(logits):
            share = spline.LEAST + (1 - spline.LEAST * spline.BINS) * F.softmax(logits, -1)
            return spline.BOUND * (2 * F.pad(share, (1, 0)).cumsum(-1) - 1)
        self.horizontal, self.vertical = knots(widths), knots(heights)
        slopes = F.softplus(derivatives + spline.SLOPE_START) + spline.LEAST
        self.derivatives = F.pad(slopes, (1, 1), value=1.0)


def zuko_flow(couplings, columns):
    transforms = []
    for i, layers in enumerate(couplings):
        mask = [j % 2 == i % 2 for j in range(columns)]  # True is kept
        layer = GeneralCouplingTransform(columns, mask=mask, univariate=Spline,
                                         shapes=[(spline.BINS,), (spline.BINS,), (spline.BINS - 1,)],
                                         hidden_features=(1,))
        layer.hyper = linear_layers(layers, 0)
        transforms.append(layer)
    base = zuko.flows.UnconditionalDistribution(zuko.distributions.DiagNormal, torch.zeros(columns),
                                                torch.ones(columns), buffer=True)
    return zuko.flows.Flow(transforms, base)


class Peer:
    def __init__(self, mode, name, weights):
        self.model = common.MODELS[name]
        self.nflows, self.compiled = mode.startswith("nflows"), "compile" in mode
        self.flow = (nflows_flow if self.nflows else zuko_flow)(weights, self.model.columns)

    def built(self, function):
        return torch.compile(function, dynamic=False) if self.compiled else function

    def density(self, x):
        return self.flow.log_prob(x) if self.nflows else self.flow().log_prob(x)

    def draw(self, count):
        return self.flow.sample(count) if self.nflows else self.flow().sample((count,))

    def stepper(self, rows, rate):
        adam = torch.optim.Adam(self.flow.parameters(), lr=rate, betas=(common.BETA1, common.BETA2),
                                eps=common.EPSILON, fused=True)
        loss = self.built(lambda: -self.density(rows).mean())

        def step():
            adam.zero_grad(set_to_none=True)
            value = loss()
            value.backward()
            adam.step()
            return value.item()
        return step

    def works(self, wanted):
        m = self.model
        rows = torch.from_numpy(common.rows_of(m, m.many))
        score = self.built(self.density)

        def quiet(function):
            def run():
                with torch.no_grad():
                    return function()
            return run
        cut = {chunk: rows.split(chunk) for chunk in m.chunks}
        one, single, draw = rows[:1].clone(), self.density, self.draw
        if self.compiled and not self.nflows:  # nflows compiles for minutes, with a break at every spline
            single, draw = self.built(self.density), self.built(self.draw)
        return {"step": self.stepper(rows[:m.batch].clone(), common.RATE),
                "score": common.quickest({c: quiet(lambda p=p: [score(x) for x in p]) for c, p in cut.items()}),
                "one_row": quiet(lambda: single(one).item()),
                "sample": common.quickest({c: quiet(lambda c=c: [draw(c) for _ in range(m.many // c)])
                                           for c in m.chunks})}

    def log_prob(self, rows):
        with torch.no_grad():
            return self.built(self.density)(torch.from_numpy(rows)).numpy()

    def inverse_error(self, rows):
        x = torch.from_numpy(rows)
        with torch.no_grad():
            if self.nflows:
                latent, _ = self.flow._transform(x)
                back, _ = self.flow._transform.inverse(latent)
            else:
                transform = self.flow().transform
                back = transform.inv(transform(x))
        return (back - x).abs().max()

    def train(self, rows):
        step = self.stepper(torch.from_numpy(rows), common.CHECK_RATE)
        for _ in range(common.CHECK_STEPS):
            step()
        with torch.no_grad():
            return self.density(torch.from_numpy(rows)).mean()


if __name__ == "__main__":
    spline.prepare(common)
    common.serve(["nflows eager", "nflows compile", "zuko eager", "zuko compile"], Peer,
                 {"torch": torch.__version__, "nflows": "0.14", "zuko": zuko.__version__})
