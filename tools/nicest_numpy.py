#!/usr/bin/env python3
"""log p of continuous rows under a model of nicest, in plain NumPy: docs/model-file.md as code.

    nicest_numpy.py MODEL.safetensors ROWS.npy      prints one log p a line, in nats

Everything is in double, so figures differ from nicest's in about the sixth digit. Stored rows of
quantised columns need noise first (nicest.h: nicest_encode). Left out: 'permute random', hidden
values, mass points and columns that follow others."""
import json
import sys
from statistics import NormalDist

import numpy as np

ACTIVATIONS = {"relu": lambda a: np.maximum(a, 0), "tanh": np.tanh,
               "silu": lambda a: a / (1 + np.exp(-a))}


def load(path):
    """Tensors by name, and the metadata."""
    try:
        from safetensors import safe_open
        with safe_open(path, "numpy") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata()
    except ImportError:  # the format is simple enough
        raw = open(path, "rb").read()
        body = 8 + int.from_bytes(raw[:8], "little")
        header = json.loads(raw[8:body])
        metadata = header.pop("__metadata__")
        return {name: np.frombuffer(raw[body:][slice(*t["data_offsets"])],
                                    {"F32": "<f4", "F64": "<f8"}[t["dtype"]]).reshape(t["shape"])
                for name, t in header.items()}, metadata


def marginal(frame, table, x):
    """Normal scores of one column, and log dy/dx: histogram or spline, with generalised Pareto tails."""
    score = np.vectorize(lambda p: NormalDist().inv_cdf(max(p, 1e-300)))
    log_normal = lambda y: -y**2 / 2 - np.log(2 * np.pi) / 2
    (origin, unit), count = frame[:4].reshape(2, 2).sum(1), int(frame[4])
    uneven, u = count > 65536, (x - origin) / unit
    n = count - 65536 if uneven else abs(count)
    if count > 0:
        start = table[2 * n + 2:4 * n + 4].reshape(2, n + 1).sum(0) if uneven else np.arange(n + 1.0)
        edge = table[:n + 1] + table[n + 1:2 * n + 2]
        below = np.where((edge > 0) | (np.arange(n + 1) == 0), edge, 1 + edge)
        above = np.where((edge < 0) | (np.arange(n + 1) == n), -edge, 1 - edge)
        k = np.clip(np.searchsorted(start, u, "right") - 1, 0, n - 1)
        width, mass = start[k + 1] - start[k], np.where(below[k] < 0.5, below[k + 1] - below[k], above[k] - above[k + 1])
        low, high = below[k] + mass * (u - start[k]) / width, above[k + 1] + mass * (start[k + 1] - u) / width
        y = np.where(low <= 0.5, score(low), -score(high))
        log_slope, ends, masses = np.log(mass / width) - log_normal(y), (start[0], start[n]), (below[0], above[n])
    else:
        knot, height, slope = table[:3 * n].reshape(3, n)
        k = np.clip(np.searchsorted(knot, u, "right") - 1, 0, n - 2)
        t, a, b = (u - knot[k]) / (knot[k + 1] - knot[k]), slope[k], slope[k + 1]
        rise = height[k + 1] - height[k]
        s = rise / (knot[k + 1] - knot[k])
        q = s + (a + b - 2 * s) * t * (1 - t)
        y = height[k] + rise * (s * t**2 + a * t * (1 - t)) / q
        log_slope = np.log(s**2 * np.abs(b * t**2 + 2 * s * t * (1 - t) + a * (1 - t)**2) / q**2)
        ends = knot[0], knot[-1]
        masses = NormalDist().cdf(height[0]), NormalDist().cdf(-height[-1])
    for sign, end, mass, (scale, shape) in zip((-1, 1), ends, masses, frame[5:].reshape(2, 2)):
        beyond = (u - end) * sign > 0
        if scale == 0:
            log_slope = np.where(beyond, -np.inf, log_slope)
            continue
        e = np.where(beyond, (u - end) * sign / scale, 0)
        steps = np.log1p(shape * e) / shape if shape > 0 else e
        far = -sign * score(mass * np.exp(-steps))
        log_slope = np.where(beyond, np.log(mass / scale) - (1 + shape) * steps - log_normal(far), log_slope)
        y = np.where(beyond, far, y)
    return y, log_slope - np.log(unit)


def entry(tensors, rows):
    """Values [n, d] without their centres; one-hot vectors of categories, a last place for unknown; what the
    density is given, in the same forms; and the log of the share of OTHER that counts never seen have."""
    get = lambda name: tensors.get(f"entry.{name}", np.zeros(rows.shape[1]))
    tables = np.split(tensors.get("entry.table", np.zeros(0)), np.cumsum(get("states")).astype(int))
    values, categories, given, shares = [], [], [], np.zeros(len(rows))
    for j, x in enumerate(rows.T):
        here = given if get("given")[j] else None
        if get("role")[j] == 1:
            classes = len(tables[j]) + (get("other")[j] > 0)
            k = np.where((x[:, None] == tables[j]).any(1), (x[:, None] == tables[j]).argmax(1), len(tables[j]))
            k = np.where(np.isnan(x), classes, k)
            if get("step")[j] > 0 and here is None:
                step, levels, bounds = get("step")[j], tables[j][~np.isnan(tables[j])], (get("least")[j], get("most")[j])
                at, span = np.rint((x - levels[0]) / step), np.rint((levels[-1] - levels[0]) / step)
                room = np.floor((levels[0] - bounds[0]) / step + 0.5) if bounds[0] < bounds[1] else np.inf
                share = 0.5 ** np.where(at < 0, -at, np.where(at > span, at - span, 1))
                share = np.where((abs((x - levels[0]) / step - at) < 1e-3) & (at >= -room), share, 0)
                every = (span + 1 - len(levels)) / 2 + 1 + 1 - 0.5 ** room
                shares += np.where(k == len(tables[j]), np.log(share / every), 0)
            (categories if here is None else here).append(np.eye(classes + 1)[k])
        else:
            factor = get("factor")[j] or 1 if here is not None else 1
            (values if here is None else here).append((x - get("centre")[j])[:, None] * factor)
    join = lambda parts: np.concatenate([np.zeros((len(rows), 0)), *parts], 1)
    return join(values), categories, join(given), shares


def categories_log_prob(logits, categories, other):
    """Of each category that is known, its logits one after the other; OTHER keeps a probability."""
    logp, at = np.zeros(len(logits)), 0
    for one_hot, e in zip(categories, other):
        classes = one_hot.shape[1] - 1
        a = logits[:, at:at + classes]
        p = np.exp(a - np.logaddexp.reduce(a, axis=1, keepdims=True)) * (1 - e)
        p[:, -1] += e
        logp, at = logp + np.log((p * one_hot[:, :-1]).sum(1) + one_hot[:, -1]), at + classes
    return logp


def net(tensor, name, option, depth, a, context):
    """The conditioner: maps 0 .. depth-1 with the activation between them, or residual blocks. The
    first reads the context, too, by a matrix of its own."""
    run = lambda l, a: a @ tensor(f"{name}.{l}.weight").T + tensor(f"{name}.{l}.bias")
    f = ACTIVATIONS[option["activation"]]
    a = run(0, a)
    if context.shape[1]:
        a = a + context @ tensor(f"{name}.context.weight").T
    if "blocks" in option:
        for l in range(1, depth - 1, 2):
            a = a + run(l + 1, f(run(l, f(a))))
        return run(depth - 1, a)
    for l in range(1, depth):
        a = run(l, f(a))
    return a


def convolution(tensor, name, option, x):
    """Columns of every place's cell that stay and that move, [places, ...] each; and the parameters
    of those that move, [n, places, moved, P]."""
    high, wide = map(int, option["size"].split("x"))
    channels, cell, (kind, parity) = int(option["channels"]), int(option["cell"]), option["keep"].split(":")
    y, ix = np.divmod(np.arange(cell * cell), cell)
    parities = {"checkerboard": y + ix, "rows": y, "columns": ix, "blocks": y // 2 + ix // 2}[kind] % 2
    cells = np.arange(high * wide * channels).reshape(high // cell, cell, wide // cell, cell, channels)
    cells = cells.transpose(0, 2, 1, 3, 4).reshape(-1, cell * cell, channels)
    kept, moved = (cells[:, parities == p].reshape(len(cells), -1) for p in (int(parity), 1 - int(parity)))
    grid, silu = (high // cell, wide // cell), ACTIVATIONS["silu"]

    def run(l, a):  # [n, high, wide, in]: windows of 3x3 places or of one, zeros outside of the grid
        weight = tensor(f"{name}.{l}.weight")
        if weight.shape[1] > a.shape[-1]:
            a = np.pad(a, ((0, 0), (1, 1), (1, 1), (0, 0)))
            a = np.concatenate([a[:, i:i + grid[0], j:j + grid[1]] for i in range(3) for j in range(3)], -1)
        return a @ weight.T + (tensor(f"{name}.{l}.bias") if l else 0)

    above = 1 / (1 + np.exp(-4 * (x[:, kept] - tensor(f"{name}.threshold"))))
    h = run(0, np.concatenate([x[:, kept], above], -1).reshape(len(x), *grid, -1)) + tensor(f"{name}.place").reshape(*grid, -1)
    blocks = int(option["hidden"].split("x")[1])
    for l in range(1, 2 * blocks, 2):
        v, g = np.split(run(l + 1, silu(run(l, silu(h)))), 2, -1)
        h = h + v / (1 + np.exp(-g))
    return moved, run(2 * blocks + 1, silu(h)).reshape(len(x), *moved.shape, -1)


def rule(option, theta, x):
    """x [n, d] moved by the parameters of each value, theta [n, d, P]; and log dy/dx."""
    if option["rule"] == "additive":
        return x + theta[..., 0], np.zeros(x.shape)
    box = float(option["bound"])
    if option["rule"] == "affine":
        s = box * np.tanh(theta[..., 1] / box)
        return x * np.exp(s) + theta[..., 0], s
    bins, softplus = int(option["bins"]), lambda a: np.logaddexp(0, a)
    edges = []
    for logit in (theta[..., :bins], theta[..., bins:2 * bins]):
        share = np.exp(logit - logit.max(-1, keepdims=True))
        size = 2 * box * (1e-3 + (1 - 1e-3 * bins) * share / share.sum(-1, keepdims=True))
        edges.append(np.insert(np.cumsum(size, -1), 0, 0, -1) - box)
    slope = 1e-3 + softplus(theta[..., 2 * bins:] + np.log(np.exp(1 - 1e-3) - 1))
    slope = np.concatenate([np.ones((*x.shape, 1)), slope, np.ones((*x.shape, 1))], -1)
    k = np.clip((x[..., None] >= edges[0]).sum(-1) - 1, 0, bins - 1)[..., None]
    x0, x1, y0, y1, a, b = (np.take_along_axis(v, k + i, -1)[..., 0]
                            for v in (*edges, slope) for i in (0, 1))
    inside, s, t = abs(x) <= box, (y1 - y0) / (x1 - x0), np.clip((x - x0) / (x1 - x0), 0, 1)
    q = s + (a + b - 2 * s) * t * (1 - t)
    y = y0 + (y1 - y0) * (s * t**2 + a * t * (1 - t)) / q
    rise = s**2 * (b * t**2 + 2 * s * t * (1 - t) + a * (1 - t)**2) / q**2
    return np.where(inside, y, x), np.where(inside, np.log(rise), 0)


def mixture(x, logit, part, start):
    """log of sum_k softmax(logit)_k N(x; (A'A)^-1): A (x - m) = z, its last map written out by rows."""
    d, terms = x.shape[1], []
    for weight, row, mean, scale in zip(logit, part, start[:, :d], start[:, d:]):
        a = np.diag(row[d:]) if row.size == 2 * d else np.zeros((d, d))
        a.T[np.triu_indices(d)] = a.T[np.triu_indices(d)] if row.size == 2 * d else row[d:]
        stretch = np.exp(np.diag(a))
        a = stretch[:, None] * (np.tril(a, -1) + np.diag(scale))
        z = (x - mean) @ a.T - stretch * row[:d]
        terms.append(weight + np.log(np.diag(a)).sum() - (z**2).sum(1) / 2 - d * np.log(2 * np.pi) / 2)
    return np.logaddexp.reduce(terms) - np.logaddexp.reduce(logit)


def log_prob(path, rows):
    tensors, metadata = load(path)
    tensor = lambda name: tensors[name].astype(float)
    x, categories, given, shares = entry(tensors, rows)
    logdet, d, context = shares, x.shape[1], np.concatenate([*categories, given], 1)
    *layers, prior = metadata["nicest.spec"].splitlines()[2:]
    masked, layers = "masked" in layers[:2], [l for l in layers if l.split()[0] not in ("context", "masked")]
    for i, line in enumerate(layers):
        kind, *words = line.split()
        option = dict(word.split("=") for word in words if "=" in word)
        if kind == "permute":
            x = x[:, {"odd-even": np.r_[0:d:2, 1:d:2], "reverse": np.arange(d)[::-1]}[words[0]]]
        elif kind in ("standardise", "scale"):
            log_scale = tensor(f"layers.{i}.log_scale")
            shift = tensor(f"layers.{i}.shift") if kind == "standardise" else 0
            x, logdet = (x - shift) * np.exp(log_scale), logdet + log_scale.sum()
        elif kind == "logit":
            width = 1 - 2 * float(option["margin"])
            z = np.clip(float(option["margin"]) + width * x, 1e-7, 1 - 1e-7)
            x, logdet = np.log(z / (1 - z)), logdet + np.log(width / z / (1 - z)).sum(1)
        elif kind == "marginal":
            frame, table = tensor(f"layers.{i}.frame"), tensor(f"layers.{i}.table")
            scores = [marginal(frame[j], table[j], x[:, j]) for j in range(d)]
            x, logdet = (np.stack([s[0] for s in scores], 1), logdet + sum(s[1] for s in scores))
        elif kind == "linear":
            log_scale = tensor(f"layers.{i}.log_scale")
            if option["form"] == "lu":  # the upper triangle is a lower one of the columns in reverse
                x = x[:, ::-1]
                x = (x * np.exp(log_scale) + x @ tensor(f"layers.{i}.upper.weight").T)[:, ::-1]
            scale = 1 if option["form"] == "lu" else np.exp(log_scale)
            x = x * scale + x @ tensor(f"layers.{i}.lower.weight").T + tensor(f"layers.{i}.lower.bias")
            logdet = logdet + log_scale.sum()
        elif kind == "regression":
            x = x - context @ tensor(f"layers.{i}.context.weight").T
        elif kind == "categories":
            name, inputs = f"layers.{i}.mlp", np.concatenate(categories, 1)
            depth = sum(f"{name}.{l}.bias" in tensors for l in range(65))
            logits = net(tensor, name, option, depth, inputs, given)
            logdet = logdet + categories_log_prob(logits, categories, tensor(f"layers.{i}.other"))
        elif kind == "elementwise":
            theta = tensor(f"layers.{i}.parameters").reshape(d, -1)
            x, log_slope = rule(option, np.broadcast_to(theta, (len(x), *theta.shape)), x)
            logdet = logdet + log_slope.sum(1)
        elif kind == "convolution":
            move, theta = convolution(tensor, f"layers.{i}.conv", option, x)
            x, moved = x.copy(), x[:, move]
            x[:, move], log_slope = rule(option, theta, moved)
            logdet = logdet + log_slope.sum((1, 2))
        elif kind in ("coupling", "autoregressive"):
            name, first, second = f"layers.{i}.mlp", slice(0, (d + 1) // 2), slice((d + 1) // 2, d)
            move, keep = (first, second) if option.get("move") == "first" else (second, first)
            if kind == "autoregressive":  # its masks are zeros of the weights
                move = keep = slice(0, d)
            a, depth = x[:, keep], sum(f"{name}.{l}.bias" in tensors for l in range(65))
            if masked and kind == "autoregressive":  # each value, and whether it is hidden: no
                a = np.stack([a, 0 * a], 2).reshape(len(x), 2 * d)
            behind = context
            if masked and kind == "coupling":  # behind the context, the same
                behind = np.concatenate([context, 0 * a], 1)
            x, moved = x.copy(), x[:, move]
            theta = net(tensor, name, option, depth, a, behind).reshape(*moved.shape, -1)
            x[:, move], log_slope = rule(option, theta, moved)
            logdet = logdet + log_slope.sum(1)
    if prior.startswith("prior mixture"):
        return mixture(x, tensor("prior.logit"), tensor("prior.part"), tensor("prior.start")) + logdet
    density = (-np.abs(x) - 2 * np.log1p(np.exp(-np.abs(x))) if prior == "prior logistic"
               else -x**2 / 2 - np.log(2 * np.pi) / 2)
    return density.sum(1) + logdet


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    print("\n".join(f"{value:.17g}" for value in log_prob(sys.argv[1], np.load(sys.argv[2]))))
