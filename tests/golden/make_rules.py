"""Writes rules.h: what NumPy says about flows of the rules affine and spline, of the layers
elementwise and autoregressive, and of residual conditioners.

    python3 tests/golden/make_rules.py > tests/golden/rules.h

Run it by hand. It shares no line with nicest: every value is moved on its own, by the formulas as
Dinh et al. (2017), Durkan et al. (2019, section 3.1), Germain et al. (2015) and Papamakarios et al.
(2017) print them. Gradients are complex steps (Squire and Trapp, 1998): Im f(x + ih)/h with h =
1e-30 has no difference that could cancel. Parameters and rows are numbers that float holds exactly."""

import math

import numpy as np

random = np.random.default_rng(20190604)
STEP, ROWS, LEAST = 1e-30, 6, 1e-3


def exact(*shape, scale=1.0):
    return np.round(random.standard_normal(shape) * scale * 4096) / 4096


def softplus(a):
    return np.log1p(np.exp(a))


class Affine:
    count = 2

    def __init__(self, bound=2.0):
        self.bound, self.text = bound, f"rule=affine bound={bound:g}"

    def move(self, x, p):
        s = self.bound * np.tanh(p[1] / self.bound)
        return x * np.exp(s) + p[0], s


class Spline:
    def __init__(self, bins=8, bound=5.0):
        self.bins, self.bound, self.count = bins, bound, 3 * bins - 1
        self.text = f"rule=spline bins={bins} bound={bound:g}"

    def knots(self, logits):
        size = np.exp(logits - max(logits.real))
        size = LEAST + (1 - LEAST * self.bins) * size / sum(size)
        at = -self.bound + 2 * self.bound * np.cumsum(np.concatenate([[0], size]))
        at[-1] = self.bound
        return at

    def slopes(self, logits):
        shift = math.log(math.exp(1 - LEAST) - 1)
        return np.array([1] + [LEAST + softplus(a + shift) for a in logits] + [1])

    def move(self, x, p):
        if abs(x.real) > self.bound:
            return x, 0
        xs, ys = self.knots(p[:self.bins]), self.knots(p[self.bins:2 * self.bins])
        d = self.slopes(p[2 * self.bins:])
        k = max(i for i in range(self.bins) if xs[i].real <= x.real)
        w, h = xs[k + 1] - xs[k], ys[k + 1] - ys[k]
        s, t = h / w, (x - xs[k]) / w
        under = s + (d[k + 1] + d[k] - 2 * s) * t * (1 - t)
        y = ys[k] + h * (s * t * t + d[k] * t * (1 - t)) / under
        top = s * s * (d[k + 1] * t * t + 2 * s * t * (1 - t) + d[k] * (1 - t)**2)
        return y, np.log(top / under**2)


def activate(name, a):
    return {"relu": lambda: np.where(a.real > 0, a, 0), "tanh": lambda: np.tanh(a),
            "silu": lambda: a / (1 + np.exp(-a))}[name]()


class Flow:
    """Layers are functions of (theta, x) -> (x, logdet), for one row; theta is one list."""

    def __init__(self, columns):
        self.columns, self.lines, self.layers = columns, [], []
        self.theta = np.zeros(0)

    def add(self, values):
        place = slice(len(self.theta), len(self.theta) + values.size)
        self.theta = np.concatenate([self.theta, values.ravel()])
        return lambda theta: theta[place].reshape(values.shape)

    def net(self, widths, activation, blocks=0, masks=None, last=None):
        maps = []
        for number, (i, o) in enumerate(zip(widths, widths[1:])):
            weight, bias = exact(o, i, scale=1.2 / math.sqrt(i)), exact(o, scale=0.4)
            mask = 1 if masks is None else masks[number]
            if last is not None and number == len(widths) - 2:
                weight, bias = 0 * weight, last
            maps.append((self.add(weight * mask), mask, self.add(bias)))

        def run(theta, a):
            maps_now = [(w(theta) * mask, b(theta)) for w, mask, b in maps]
            layer = lambda number, v: maps_now[number][0] @ v + maps_now[number][1]
            a = layer(0, a)
            if blocks:
                for l in range(1, 2 * blocks, 2):
                    a = a + layer(l + 1, activate(activation, layer(l, activate(activation, a))))
                return layer(len(maps) - 1, a)
            for l in range(1, len(maps)):
                a = layer(l, activate(activation, a))
            return a
        return run

    def moved(self, rule, x, places, parameters):
        y, logdet = x.copy(), 0
        for place, p in zip(places, parameters.reshape(-1, rule.count)):
            y[place], log_slope = rule.move(x[place], p)
            logdet = logdet + log_slope
        return y, logdet

    def coupling(self, move, hidden, activation, rule, blocks=0, last=None):
        half = (self.columns + 1) // 2
        one, two = list(range(half)), list(range(half, self.columns))
        keep, places = (two, one) if move == "first" else (one, two)
        inner = hidden * (2 * blocks + 1) if blocks else hidden
        run = self.net([len(keep)] + inner + [len(places) * rule.count], activation, blocks,
                       last=last)
        self.lines.append(f"coupling move={move} hidden={','.join(map(str, hidden))} "
                          f"activation={activation}{f' blocks={blocks}' if blocks else ''} "
                          f"{rule.text}")
        self.layers.append(lambda theta, x: self.moved(rule, x, places, run(theta, x[keep])))
        return self

    def autoregressive(self, hidden, activation, rule):
        """Degrees by Germain et al.: an input j has j + 1; units share 1 .. d - 1, ascending."""
        d = self.columns
        degrees = [np.arange(1, d + 1)]
        degrees += [1 + np.arange(width) * (d - 1) // width for width in hidden]
        degrees.append(np.repeat(np.arange(d), rule.count))
        masks = [after[:, None] >= before[None] for before, after in zip(degrees, degrees[1:])]
        run = self.net([d] + hidden + [d * rule.count], activation, masks=masks)
        self.lines.append(f"autoregressive hidden={','.join(map(str, hidden))} "
                          f"activation={activation} {rule.text}")
        self.layers.append(lambda theta, x: self.moved(rule, x, range(d), run(theta, x)))
        return self

    def elementwise(self, rule, values=None):
        values = exact(self.columns * rule.count) if values is None else values
        own = self.add(values)
        self.lines.append(f"elementwise {rule.text}")
        self.layers.append(
            lambda theta, x: self.moved(rule, x, range(self.columns), own(theta)))
        return self

    def run(self, theta, x):
        logdet = 0
        for layer in self.layers:
            x, more = layer(theta, x)
            logdet = logdet + more
        return x, logdet, sum(-x * x / 2 - math.log(2 * math.pi) / 2) + logdet

    def slope(self, theta, x):
        """d log p along the imaginary part of theta or x, which is STEP somewhere."""
        return self.run(theta, x)[2].imag / STEP


def numbers(values):
    lines, line = [], "   "
    for value in np.ravel(values).tolist():
        word = f" {value:.17g},"
        if len(line) + len(word) > 100:
            lines.append(line)
            line = "   "
        line += word
    return "\n".join(lines + [line])


def write(name, flow, rows, float_bound, smooth=True):
    """Where `smooth` is false rows lie on knots: there log p has no slope, only one to each side."""
    runs = [flow.run(flow.theta + 0j, row + 0j) for row in rows]
    unit = lambda n, i: (np.arange(n) == i) * STEP * 1j
    d, count = flow.columns, len(flow.theta)
    arrays = {"theta": flow.theta, "rows": rows, "latent": [r[0].real for r in runs],
              "logdet": [np.real(r[1]) for r in runs], "logp": [np.real(r[2]) for r in runs]}
    if smooth:
        arrays["by_x"] = [[flow.slope(flow.theta + 0j, row + unit(d, j)) for j in range(d)]
                          for row in rows]
        arrays["by_theta"] = [-np.mean([flow.slope(flow.theta + unit(count, i), row + 0j)
                                        for row in rows]) for i in range(count)]
    for what, values in arrays.items():
        print(f"static const double {name}_{what}[] = {{\n{numbers(values)}\n}};")
    spec = "\n     ".join(f'"{line}\\n"' for line in
                          ["nicest 1", f"columns {d}", *flow.lines, "prior normal"])
    places = ["theta", "rows", "logp", "logdet", "latent", "by_x", "by_theta"]
    places = [f"{name}_{w}" if w in arrays else "NULL" for w in places]
    places = ", ".join(places[:4]) + ",\n     " + ", ".join(places[4:])
    return f"    {{{spec},\n     {d}, {count}, {float_bound},\n     {places}}}"


def edges():
    """A spline whose parameters are the same for all rows, on what is not smooth or nearly empty."""
    rule = Spline(4)
    first = np.zeros(rule.count)  # the identity: knots at -5, -2.5, 0, 2.5, 5
    second = exact(rule.count)
    second[:4] = [0, -20, 1, 0]   # widths: the second bin is nearly empty
    second[4:8] = [1, 0, -20, 0]  # heights: the third is
    second[8:] = [-20, -20, 8]    # slopes: two at the minimum, one steep
    flow = Flow(4).coupling("second", [3], "tanh", rule, last=np.concatenate([first, second]))
    knots = rule.knots(second[:4] + 0j).real
    middle = (knots[1] + knots[2]) / 2
    rows = exact(ROWS, 4)
    rows[:, 2] = [-5, 5, -2.5, 0, 5.25, -5 - 2**-20]
    rows[:, 3] = np.round(np.array([middle, knots[1] - 0.25, -5, 5, knots[2] + 1, -1e6]) * 2**20) / 2**20
    return flow, rows


def between():
    """The same extremes where log p has slopes: inside bins, and outside of the box."""
    rule = Spline(4, 3)
    last = exact(2 * rule.count)
    last[:8] = [0, -6, 1, 0, 1, 0, -6, 0]
    last[8:11] = [-9, -9, 5]
    flow = Flow(4).coupling("second", [3], "tanh", rule, last=last)
    knots = rule.knots(last[:4] + 0j).real
    rows = exact(ROWS, 4)
    rows[:, 2] = np.round(np.array([(knots[0] + knots[1]) / 2, (knots[1] + knots[2]) / 2,
                                    (knots[2] + knots[3]) / 2, (knots[3] + 3) / 2,
                                    3.5, -40]) * 2**16) / 2**16
    rows[:, 3] = [-2.75, -1, 0.125, 1.5, 2.875, -3.125]
    return flow, rows


print("/* rules.h - written by make_rules.py with NumPy; do not edit. */")
print(f"enum {{ RULES_ROWS = {ROWS} }};\n")
cases = [write("affine", Flow(5).coupling("second", [6, 4], "silu", Affine())
               .coupling("first", [5], "tanh", Affine(0.75)), exact(ROWS, 5), "3e-6"),
         write("spline", Flow(4).coupling("second", [6], "tanh", Spline(3, 2))
               .coupling("first", [4], "silu", Spline()), exact(ROWS, 4, scale=1.5), "3e-5"),
         write("residual", Flow(3).coupling("second", [5], "silu", Affine(), blocks=2)
               .coupling("first", [4], "relu", Spline(2, 3), blocks=1), exact(ROWS, 3), "3e-5"),
         write("autoregressive", Flow(4).autoregressive([7, 5], "silu", Spline(4, 3))
               .autoregressive([6], "tanh", Affine(1.5)), exact(ROWS, 4), "3e-5"),
         write("elementwise", Flow(3).elementwise(Spline(6, 4)).elementwise(Affine()),
               exact(ROWS, 3, scale=1.5), "3e-5"),
         write("between", *between(), "1e-4"),
         write("edges", *edges(), "2e-4", smooth=False)]
print("\n/* by_x: of each row's log p; by_theta: of the mean of -log p; NULL where a row lies on a knot."
      "\n * Errors are below float_bound max(1, |value|) in float: a knot's place is a float. */")
print("typedef struct golden_rule {\n    const char *spec;\n    size_t columns, parameters;\n"
      "    double float_bound;\n    const double *theta, *rows, *logp, *logdet, *latent, *by_x, "
      "*by_theta;\n} golden_rule;\n")
print("static const golden_rule golden_rules[] = {\n" + ",\n".join(cases) + "};")
