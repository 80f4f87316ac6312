"""Writes layers.h: what NumPy and SciPy say about the layers marginal, linear and convolution.

    python3 tests/golden/make_layers.py > tests/golden/layers.h

Run it by hand. It shares no line with nicest: histograms are cumulated and interpolated, the spline
is evaluated by the formulas of Gregory and Delbourgo (1982) as they print them, tails are SciPy's
genpareto, normal scores SciPy's ndtri, convolutions SciPy's correlate2d of one channel with another.
Parameters and rows are numbers that float holds exactly."""

import math

import numpy as np
from scipy import stats
from scipy.signal import correlate2d
from scipy.special import ndtr, ndtri

random = np.random.default_rng(20141030)
ROWS = 7


def exact(*shape, scale=1.0):
    return np.round(random.standard_normal(shape) * scale * 4096) / 4096


def two_floats(value):
    first = np.float32(value)
    return [float(first), float(np.float32(value - float(first)))]


class Histogram:
    """Levels with masses; open ends have genpareto tails of the scale and shape given."""

    def __init__(self, origin, unit, masses, lower, upper, scale, shape):
        self.origin, self.unit, self.scale, self.shape = origin, unit, scale, shape
        total = sum(masses) + lower + upper
        below = np.cumsum([lower] + list(masses)) / total
        above = (np.cumsum([upper] + list(masses)[::-1]) / total)[::-1]
        edges = [two_floats(b if b <= 0.5 and i < len(masses) else -a)
                 for i, (b, a) in enumerate(zip(below, above))]
        self.edges = [sum(e) for e in edges]
        self.table = [e[0] for e in edges] + [e[1] for e in edges]
        self.count, self.open = len(masses), lower > 0

    def frame(self):
        tail = [self.scale, self.shape] if self.open else [0, 0]
        return two_floats(self.origin) + two_floats(self.unit) + [self.count] + tail + tail

    def y_and_log_slope(self, x):
        u, last = (x - self.origin) / self.unit, self.count
        cumulated = [e if e > 0 or i == 0 else 1 + e for i, e in enumerate(self.edges)]
        if u < 0 or u > last:
            mass = self.edges[0] if u < 0 else -self.edges[-1]
            excess = -u if u < 0 else u - last
            tail = stats.genpareto(self.shape, scale=self.scale)
            y = ndtri(mass * tail.sf(excess))
            y, density = (y if u < 0 else -y), mass * tail.pdf(excess)
        else:
            k = min(int(u), last - 1)
            y = ndtri(np.interp(u, range(last + 1), cumulated))
            density = cumulated[k + 1] - cumulated[k]
        return y, math.log(density / self.unit) - stats.norm.logpdf(y)


class Spline:
    def __init__(self, origin, unit, x, y, slope, lower, upper):
        self.origin, self.unit, self.lower, self.upper = origin, unit, lower, upper
        self.x, self.y, self.slope = ([float(np.float32(v)) for v in a] for a in (x, y, slope))
        self.table = self.x + self.y + self.slope

    def frame(self):
        return (two_floats(self.origin) + two_floats(self.unit) + [-len(self.x)] +
                list(self.lower) + list(self.upper))

    def y_and_log_slope(self, value):
        u = (value - self.origin) / self.unit
        x, y, d = self.x, self.y, self.slope
        if u < x[0] or u > x[-1]:
            scale, shape = self.lower if u < x[0] else self.upper
            mass, excess = (ndtr(y[0]), x[0] - u) if u < x[0] else (ndtr(-y[-1]), u - x[-1])
            tail = stats.genpareto(shape, scale=scale)
            score = ndtri(mass * tail.sf(excess))
            score = score if u < x[0] else -score
            return score, math.log(mass * tail.pdf(excess) / self.unit) - stats.norm.logpdf(score)
        k = max(i for i in range(len(x) - 1) if x[i] <= u)
        h, delta = x[k + 1] - x[k], (y[k + 1] - y[k]) / (x[k + 1] - x[k])
        t = (u - x[k]) / h
        q = delta + (d[k + 1] + d[k] - 2 * delta) * t * (1 - t)
        score = y[k] + (y[k + 1] - y[k]) * (delta * t**2 + d[k] * t * (1 - t)) / q
        slope = delta**2 * (d[k + 1] * t**2 + 2 * delta * t * (1 - t) + d[k] * (1 - t)**2) / q**2
        return score, math.log(slope / self.unit)


def marginal():
    """Two columns of each kind; the rows visit every piece, the tails too."""
    short = lambda values: [float(np.float32(v)) for v in values]
    columns = [Histogram(0, 1 / 17, random.random(17) + 0.01, 0, 0, 0, 0),
               Spline(1e9 + 0.1, 3e-3, [-2, -0.5, 0.25, 1.5], [-2.25, -0.75, 0.5, 2.25],
                      [1.25, 0.5, 2.0, 0.75], short([0.5, 0.25]), short([0.75, 0])),
               Histogram(-3.5, 0.5, [3, 0.05, 7, 20, 0.05], 0.05, 0.1, *short([1.5, 0.1])),
               Spline(-2, 4, [-1, 1], [-1.5, 1.25], [0.125, 3.0], short([2, 0]), short([0.5, 0.5]))]
    width = max(2 * 18, 3 * 4)
    rows = np.column_stack([
        np.round((np.arange(ROWS) * 2.5 % 17 + 0.3) / 17 * 2**24) / 2**24,
        1e9 + 0.1 + 3e-3 * np.array([-9, -2.5, -1, 0.1, 0.3, 1.4, 40]),
        [-1e3, -3.6, -3.3, -2.4, -1.2, -0.8, 7.0], [-60, -8, -5.9, -2, 1, 2.5, 3e7]])
    score, log_slope = np.vectorize(lambda j, v: columns[j].y_and_log_slope(v))(
        np.arange(4)[None], rows)
    frozen = [v for c in columns for v in c.frame()]
    frozen += [v for c in columns for v in c.table + [0] * (width - len(c.table))]
    return "marginal levels=17 knots=4", [], frozen, rows, score, log_slope.sum(1)


def linear(form, d=5):
    """Dense matrices and NumPy's determinant; the parameters in the order of nicest's vector."""
    lower = np.tril(exact(d, d, scale=0.5), -1)
    turned = np.tril(exact(d, d, scale=0.5), -1) if form == "lu" else None
    bias, log_scale, rows = exact(d), exact(d, scale=0.4), exact(ROWS, d, scale=1.5)
    if form == "lu":
        flip = np.eye(d)[::-1]
        matrix = (np.eye(d) + lower) @ flip @ (turned + np.diag(np.exp(log_scale))) @ flip
    else:
        matrix = lower + np.diag(np.exp(log_scale))
    theta = ([turned.ravel()] if form == "lu" else []) + [lower.ravel(), bias, log_scale]
    logdet = np.full(ROWS, np.linalg.slogdet(matrix)[1])
    return (f"linear form={form} start=whiten", np.concatenate(theta), [], rows,
            rows @ matrix.T + bias, logdet)


def convolution(keep, stays, high, wide, channels, cell, hidden, blocks, bound):
    """Channel by channel; `bound` None is the additive rule."""
    rows, theta = exact(ROWS, high * wide * channels), []
    picture = rows.reshape(ROWS, high, wide, channels).copy()
    pixels = [(y, x) for y in range(cell) for x in range(cell)]
    channel = lambda moves: [picture[:, y::cell, x::cell, k] for y, x in pixels
                             if bool(stays(y, x)) != moves for k in range(channels)]

    def weights(*shape):
        theta.append(exact(*shape, scale=shape[-1] ** -0.5 / 2))
        return theta[-1]

    def convolved(x, out, side=3, w=None):
        bias = w is None
        w = weights(out, side, side, x.shape[1]) if bias else w
        y = np.array([[sum(correlate2d(image, w[o, :, :, i], "same") for i, image in enumerate(row))
                       for o in range(out)] for row in x])
        return y + weights(out)[:, None, None] if bias else y

    silu = lambda a: a / (1 + np.exp(-a))
    x = np.stack(channel(False), 1)
    first = weights(hidden, 3, 3, 2 * x.shape[1])
    place, threshold = weights(x[0, 0].size, hidden), weights(x[0, 0].size, x.shape[1])
    x = np.concatenate([x, 1 / (1 + np.exp(-4 * (x - threshold.T.reshape(x.shape[1:]))))], 1)
    h = convolved(x, hidden, w=first) + place.T.reshape(hidden, *x.shape[2:])
    for _ in range(blocks):
        v, g = np.split(convolved(silu(convolved(silu(h), hidden)), 2 * hidden, 1), 2, 1)
        h = h + v / (1 + np.exp(-g))
    moved, logdet = channel(True), np.zeros(ROWS)
    numbers_each = 1 if bound is None else 2
    parameters = convolved(silu(h), numbers_each * len(moved))
    for j, x in enumerate(moved):  # views of the picture
        s = 0 * x if bound is None else bound * np.tanh(parameters[:, 2 * j + 1] / bound)
        x[...] = x * np.exp(s) + parameters[:, numbers_each * j]
        logdet += s.sum((1, 2))
    rule = "rule=additive" if bound is None else f"rule=affine bound={bound}"
    line = (f"convolution size={high}x{wide} channels={channels} cell={cell} keep={keep} "
            f"hidden={hidden}x{blocks} {rule}")
    theta = np.concatenate([t.ravel() for t in theta])
    return line, theta, [], rows, picture.reshape(ROWS, -1), logdet


def numbers(values):
    lines, line = [], "   "
    for value in np.ravel(values).tolist():
        word = f" {value:.17g},"
        if len(line) + len(word) > 100:
            lines.append(line)
            line = "   "
        line += word
    return "\n".join(lines + [line])


def write(name, layer):
    spec, theta, frozen, rows, latent, logdet = layer
    density = (-latent**2 / 2 - math.log(2 * math.pi) / 2).sum(1) + logdet
    arrays = {"theta": theta, "frozen": frozen, "rows": rows, "latent": latent, "logdet": logdet,
              "logp": density}
    for what, values in arrays.items():
        if len(values):
            print(f"static const double {name}_{what}[] = {{\n{numbers(values)}\n}};")
    places = [f"{name}_{what}" if len(values) else "NULL" for what, values in arrays.items()]
    spec = f'"nicest 1\\ncolumns {rows.shape[1]}\\n{spec}\\nprior normal\\n"'
    return (f"    {{{spec}, {rows.shape[1]}, {len(theta)}, {len(frozen)},\n     "
            f"{', '.join(places)}}}")


print("/* layers.h - written by make_layers.py with NumPy and SciPy; do not edit. */")
print(f"enum {{ GOLDEN_ROWS = {ROWS} }};\n")
cases = [write("marginal", marginal()), write("triangular", linear("triangular")),
         write("lu", linear("lu")),
         write("checkerboard", convolution("checkerboard:1", lambda y, x: (y + x) % 2, 6, 4, 1, 2, 3, 2, 1.5)),
         write("blocks", convolution("blocks:0", lambda y, x: (y // 2 + x // 2) % 2 == 0, 4, 8, 2, 4, 2, 1, None))]
print("\ntypedef struct golden_layer {\n    const char *spec;\n    size_t columns, parameters, constants;"
      "\n    const double *theta, *frozen, *rows, *latent, *logdet, *logp;\n} golden_layer;\n")
print("static const golden_layer golden_layers[] = {\n" + ",\n".join(cases) + "};")
