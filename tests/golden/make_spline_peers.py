"""Writes spline_peers.h: log p of nflows and zuko under spline flows whose weights are given.

    python3 -m venv build/spline-venv
    build/spline-venv/bin/pip install -r bench/peers/requirements-spline.txt
    build/spline-venv/bin/python tests/golden/make_spline_peers.py > tests/golden/spline_peers.h

Run it by hand. nflows' couplings, masked nets and splines are its own, in double. zuko's couplings, masked nets and
flows are, too, but its knots are set by nicest's formulas, as its splines have other parameters; both have to agree
to 1e-12. What nflows adds or leaves out: the slope of a zero logit (a bias here), the order of hidden units (its
degrees go round, nicest's rise), a mask in place of zeros. Weights are whole numbers over 4096."""
import warnings

import numpy as np
import torch
import zuko
from nflows.transforms.autoregressive import MaskedPiecewiseRationalQuadraticAutoregressiveTransform
from nflows.transforms.coupling import PiecewiseRationalQuadraticCouplingTransform
from torch import nn
from torch.nn import functional as F
from zuko.flows.autoregressive import MaskedAutoregressiveTransform
from zuko.flows.coupling import GeneralCouplingTransform

COLUMNS, ROWS, BINS, BOUND, LEAST = 4, 64, 8, 5.0, 1e-3
SLOPE_START = float(np.log(np.expm1(1 - LEAST)))
NUMBERS = 3 * BINS - 1
SPLINE = {"num_bins": BINS, "tails": "linear", "tail_bound": BOUND, "min_bin_width": LEAST, "min_bin_height": LEAST,
          "min_derivative": LEAST}
SHAPES = {"univariate": None, "shapes": [(BINS,), (BINS,), (BINS - 1,)]}
warnings.filterwarnings("ignore")
random = np.random.default_rng(20190604)
torch.set_default_dtype(torch.float64)


class Spline(zuko.transforms.MonotonicRQSTransform):
    def __init__(self, widths, heights, derivatives):
        zuko.transforms.Transform.__init__(self)

        def knots(logits):
            share = LEAST + (1 - LEAST * BINS) * F.softmax(logits, -1)
            return BOUND * (2 * F.pad(share, (1, 0)).cumsum(-1) - 1)
        self.horizontal, self.vertical = knots(widths), knots(heights)
        self.derivatives = F.pad(F.softplus(derivatives + SLOPE_START) + LEAST, (1, 1), value=1.0)


SHAPES["univariate"] = Spline


def layers_of(widths, masks=None):
    """[(weight, bias)] of a conditioner; the last weights are smaller, as those of bench/peers_spline.py."""
    made = []
    for i, (n_in, n_out) in enumerate(zip(widths, widths[1:])):
        last = i + 2 == len(widths)
        weight = random.uniform(-1, 1, (n_out, n_in)) * np.sqrt(6 / n_in) * (0.1 if last else 1)
        pair = [np.round(4096 * a) / 4096 for a in (weight, random.uniform(-0.1, 0.1, n_out))]
        made.append((pair[0] * masks[i] if masks else pair[0], pair[1]))
    return made


def put(modules, layers, slope_start):
    for number, (module, (weight, bias)) in enumerate(zip(modules, layers)):
        bias = bias.copy()
        if number + 1 == len(layers):
            bias.reshape(-1, NUMBERS)[:, 2 * BINS:] += slope_start
        module.weight.data, module.bias.data = torch.from_numpy(weight.copy()), torch.from_numpy(bias)


class Net(nn.Module):
    def __init__(self, n_in, n_out, layers):
        super().__init__()
        sizes = [n_in, *(len(bias) for _, bias in layers)]
        assert sizes[-1] == n_out
        self.maps = nn.ModuleList(nn.Linear(a, b) for a, b in zip(sizes, sizes[1:]))
        put(self.maps, layers, SLOPE_START)

    def forward(self, x, context=None):
        for map_ in self.maps[:-1]:
            x = torch.relu(map_(x))
        return self.maps[-1](x)


def coupling(i):
    """The first half moves where i is odd, the second where it is even."""
    half, hidden = COLUMNS // 2, 16
    layers = layers_of([half, hidden, hidden, half * NUMBERS])
    moves = [(j >= half) == (i % 2 == 0) for j in range(COLUMNS)]
    ours = PiecewiseRationalQuadraticCouplingTransform(
        torch.tensor(moves, dtype=torch.float64), lambda a, b: Net(a, b, layers), **SPLINE)
    theirs = GeneralCouplingTransform(COLUMNS, mask=[not m for m in moves], hidden_features=(hidden, hidden), **SHAPES)
    put([m for m in theirs.hyper if hasattr(m, "weight")], layers, 0)
    line = f"coupling move={'first' if i % 2 else 'second'} hidden=16x2 activation=relu rule=spline bins=8 bound=5"
    return line, layers, ours, theirs


def autoregressive(i):
    """Hidden units by rising degree here, in turns there: unit k of theirs is unit place[k] of ours."""
    hidden = 18
    degree = 1 + np.arange(hidden) * (COLUMNS - 1) // hidden
    theirs_degree = 1 + np.arange(hidden) % (COLUMNS - 1)
    place = np.empty(hidden, int)
    for k in range(1, COLUMNS):
        place[theirs_degree == k] = np.flatnonzero(degree == k)
    column, number = np.arange(1, COLUMNS + 1), np.repeat(np.arange(1, COLUMNS + 1), NUMBERS)
    masks = [degree[:, None] >= column, degree[:, None] >= degree, number[:, None] > degree]
    layers = layers_of([COLUMNS, hidden, hidden, COLUMNS * NUMBERS], masks)
    (w0, b0), (w1, b1), (w2, b2) = layers
    moved = [(w0[place], b0[place]), (w1[place][:, place], b1[place]), (w2[:, place], b2)]
    nflows = MaskedPiecewiseRationalQuadraticAutoregressiveTransform(
        COLUMNS, hidden, num_blocks=1, use_residual_blocks=False, **SPLINE)
    net = nflows.autoregressive_net
    put([net.initial_layer, net.blocks[0].linear, net.final_layer], moved, SLOPE_START)
    theirs = MaskedAutoregressiveTransform(COLUMNS, hidden_features=(hidden, hidden), **SHAPES)
    put([m for m in theirs.hyper if hasattr(m, "weight")], moved, 0)
    return "autoregressive hidden=18x2 activation=relu rule=spline bins=8 bound=5", layers, nflows, theirs


def ints(values, digits=4096):
    text = [str(int(v)) for v in np.round(np.concatenate([np.ravel(v) for v in values]) * digits)]
    lines = [""]
    for number in text:
        if len(lines[-1]) + len(number) > 94:
            lines.append("")
        lines[-1] += number + ", "
    return "\n".join("    " + line.rstrip() for line in lines)


def case(name, make, count):
    spec, theta, rows = ["nicest 1", f"columns {COLUMNS}"], [], np.round(random.standard_normal((ROWS, COLUMNS)) * 8192)
    rows /= 4096
    x = y = torch.from_numpy(rows)
    logp = by_zuko = torch.zeros(ROWS)
    for i in range(count):
        line, layers, nflows, theirs = make(i)
        if make is autoregressive and i:
            spec.append("permute reverse")
            x, y = x.flip(1), y.flip(1)
        spec.append(line)
        theta += [a for pair in layers for a in pair]
        with torch.no_grad():
            x, logdet = nflows(x)
            y, other = theirs().call_and_ladj(y)
        logp, by_zuko = logp + logdet, by_zuko + (other if other.dim() == 1 else other.sum(-1))
    normal = lambda h: (-h**2 / 2 - np.log(2 * np.pi) / 2).sum(1)
    logp, by_zuko = logp + normal(x), by_zuko + normal(y)
    assert (logp - by_zuko).abs().max() < 1e-12, (logp - by_zuko).abs().max()
    text = "\\n\"\n    \"".join([*spec, "prior normal"])
    print(f"static const short {name}_theta[] = {{\n{ints(theta)}\n}};\n")
    print(f"static const short {name}_rows[] = {{\n{ints([rows])}\n}};\n")
    values = "\n".join(f"    {v:.17g}," for v in logp.tolist())
    print(f"static const double {name}_logp[] = {{\n{values}\n}};\n")
    return (f"    {{\"{text}\\n\",\n     sizeof {name}_theta / sizeof *{name}_theta, {name}_theta, {name}_rows, "
            f"{name}_logp}}")


if __name__ == "__main__":
    print("/* spline_peers.h - written by make_spline_peers.py with nflows 0.14 and zuko 1.6; do not edit. */")
    print("/* clang-format off */")
    print(f"enum {{ PEER_ROWS = {ROWS}, PEER_COLUMNS = {COLUMNS} }};\n")
    cases = [case("coupling", coupling, 4), case("autoregressive", autoregressive, 3)]
    print("/* theta and rows in units of 1/4096 */\ntypedef struct golden_peer {\n    const char *spec;\n"
          "    size_t parameters;\n    const short *theta, *rows;\n    const double *logp;\n} golden_peer;\n")
    print("static const golden_peer golden_peers[] = {\n" + ",\n".join(cases) + "};")
