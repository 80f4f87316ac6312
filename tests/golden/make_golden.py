"""Writes flow.h: what PyTorch says about three small flows, their gradients, and ten training steps.

    python3 tests/golden/make_golden.py > tests/golden/flow.h

Run it by hand, with torch and numpy. It shares no line with nicest: layers, priors and loss are
written anew here in float64, gradients are autograd's, the optimisers are torch.optim's. Parameters
and rows are numbers that float holds exactly, so both programs start from the same point."""

import math

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(20141030)
ROWS, STEPS, RATE, DECAY = 6, 10, 0.01, 0.5


def exact(*shape, scale=1.0):
    """Random numbers with few bits, held exactly by float and short in decimal."""
    return torch.round(torch.randn(*shape) * scale * 4096) / 4096


class Parameters:
    """One list in the order of nicest's parameter vector; weights decay, the others do not."""

    def __init__(self):
        self.trainable, self.weights, self.frozen = [], [], []

    def add(self, value, weight=False):
        value.requires_grad_(True)
        self.trainable.append(value)
        if weight:
            self.weights.append(value)
        return value

    def freeze(self, value):
        self.frozen.append(value)
        return value

    def vector(self, part):
        return torch.cat([p.detach().reshape(-1) for p in part]) if part else torch.zeros(0)


def coupling(p, d, move, hidden, activation):
    first = (d + 1) // 2
    one, two = slice(0, first), slice(first, d)
    keep, moved = (two, one) if move == "first" else (one, two)
    widths = [keep.stop - keep.start] + hidden + [moved.stop - moved.start]
    maps = [(p.add(exact(o, i, scale=1.2 / math.sqrt(i)), weight=True), p.add(exact(o, scale=0.3)))
            for i, o in zip(widths, widths[1:])]
    function = {"relu": torch.relu, "tanh": torch.tanh, "silu": torch.nn.functional.silu}[activation]

    def run(x, logdet):
        a = x[:, keep]
        for number, (w, b) in enumerate(maps):
            a = a @ w.T + b
            a = function(a) if number + 1 < len(maps) else a
        x = x.clone()
        x[:, moved] = x[:, moved] + a
        return x, logdet

    words = ",".join(map(str, hidden)) if hidden else "none"
    return f"coupling move={move} hidden={words} activation={activation} rule=additive", run


def scale(p, d):
    s = p.add(exact(d, scale=0.4))
    return "scale", lambda x, logdet: (x * torch.exp(s), logdet + s.sum())


def standardise(p, d):
    shift, log_scale = p.freeze(exact(d)), p.freeze(exact(d, scale=0.5))
    return "standardise", lambda x, logdet: ((x - shift) * torch.exp(log_scale),
                                             logdet + log_scale.sum())


def logit(p, d, margin):
    def run(x, logdet):
        z = margin + (1 - 2 * margin) * x
        slope = (1 - 2 * margin) / (z * (1 - z))
        return torch.log(z) - torch.log1p(-z), logdet + torch.log(slope).sum(1)
    return f"logit margin={margin}", run


def permute(p, d, kind):
    order = list(range(d))[::-1] if kind == "reverse" else \
        list(range(0, d, 2)) + list(range(1, d, 2))
    return f"permute {kind}", lambda x, logdet: (x[:, order], logdet)


def log_prior(name, h):
    if name == "normal":
        return (-h * h / 2 - math.log(2 * math.pi) / 2).sum(1)
    return (-torch.nn.functional.softplus(h) - torch.nn.functional.softplus(-h)).sum(1)


def density(layers, prior, x):
    logdet = torch.zeros(len(x))
    h = x
    for _, run in layers:
        h, logdet = run(h, logdet)
    return log_prior(prior, h) + logdet, logdet, h


def optimiser(kind, p):
    others = [q for q in p.trainable if not any(q is w for w in p.weights)]
    if kind == "adam":
        groups = [{"params": p.weights, "weight_decay": DECAY}, {"params": others}]
        return torch.optim.AdamW(groups, lr=RATE, betas=(0.9, 0.999), eps=1e-8, weight_decay=0)
    if kind == "rmsprop":
        return torch.optim.RMSprop(p.trainable, lr=RATE, alpha=0.95, eps=1e-4, momentum=0.5)
    return torch.optim.SGD(p.trainable, lr=RATE, momentum=0.9)


def train(kind, p, layers, prior, x):
    start = [q.detach().clone() for q in p.trainable]
    steps = optimiser(kind, p)
    for _ in range(STEPS):
        steps.zero_grad()
        (-density(layers, prior, x)[0].mean()).backward()
        steps.step()
    reached = p.vector(p.trainable)
    with torch.no_grad():
        for q, value in zip(p.trainable, start):
            q.copy_(value)
            q.grad = None
    return reached


def numbers(values, digits):
    text, line = [], "       "
    for value in values.reshape(-1).tolist():
        word = f" {value:.{digits}g},"
        if len(line) + len(word) > 100:
            text.append(line)
            line = "       "
        line += word
    return "\n".join(text + [line])


def write(name, d, prior, build, x):
    p = Parameters()
    layers = build(p, d)
    x = x.clone().requires_grad_(True)
    logp, logdet, h = density(layers, prior, x)
    (-logp.mean()).backward()
    gradient = torch.cat([q.grad.reshape(-1) for q in p.trainable])
    by_x = -x.grad * len(x)
    for q in p.trainable:
        q.grad = None
    x = x.detach()
    lines = ["nicest 1", f"columns {d}"] + [words for words, _ in layers] + [f"prior {prior}"]
    frozen = p.vector(p.frozen)
    print(f"static const double {name}_theta[] = {{\n{numbers(p.vector(p.trainable), 17)}\n}};")
    if len(frozen):
        print(f"static const double {name}_frozen[] = {{\n{numbers(frozen, 17)}\n}};")
    for what, value in (("rows", x), ("logp", logp.detach()), ("logdet", logdet.detach()),
                        ("latent", h.detach()), ("by_x", by_x), ("by_theta", gradient)):
        print(f"static const double {name}_{what}[] = {{\n{numbers(value, 17)}\n}};")
    for kind in ("adam", "rmsprop", "sgd"):
        reached = train(kind, p, layers, prior, x)
        print(f"static const double {name}_{kind}[] = {{\n{numbers(reached, 12)}\n}};")
    spec = "\n".join(f'     "{line}\\n"' for line in lines)
    rest = ", ".join(f"{name}_{what}" for what in ("rows", "logp", "logdet", "latent", "by_x"))
    rest += ",\n     " + ", ".join(f"{name}_{what}" for what in ("by_theta", "adam", "rmsprop", "sgd"))
    return (f"    {{{spec.strip()},\n     {d}, {len(gradient)}, {len(frozen)}, {name}_theta, "
            f"{name + '_frozen' if len(frozen) else 'NULL'},\n     {rest}}}")


def paper(p, d):
    return [permute(p, d, "odd-even"), coupling(p, d, "second", [6, 7], "relu"),
            coupling(p, d, "first", [6, 7], "relu"), coupling(p, d, "second", [6, 7], "relu"),
            coupling(p, d, "first", [6, 7], "relu"), scale(p, d)]


def table(p, d):
    return [standardise(p, d), permute(p, d, "reverse"), coupling(p, d, "first", [7], "silu"),
            scale(p, d), coupling(p, d, "second", [5, 4], "tanh"), permute(p, d, "odd-even"),
            coupling(p, d, "first", [], "relu"), scale(p, d)]


def picture(p, d):
    return [logit(p, d, 0.05), coupling(p, d, "second", [4], "tanh"), standardise(p, d),
            coupling(p, d, "first", [3], "relu"), scale(p, d)]


print("/* flow.h - written by make_golden.py with PyTorch; do not edit. */")
print(f"enum {{ GOLDEN_ROWS = {ROWS}, GOLDEN_STEPS = {STEPS} }};")
print(f"static const double GOLDEN_RATE = {RATE}, GOLDEN_DECAY = {DECAY};\n")
cases = [write("paper", 5, "logistic", paper, exact(ROWS, 5)),
         write("table", 4, "normal", table, exact(ROWS, 4, scale=1.5)),
         write("picture", 3, "logistic", picture,
               torch.round((0.02 + 0.96 * torch.rand(ROWS, 3)) * 4096) / 4096)]
print("\n/* by_x: of each row's log p; by_theta: of the mean of -log p; theta after GOLDEN_STEPS steps on "
      "all\n * rows: AdamW (0.9, 0.999, 1e-8, weight decay), RMSProp (0.95, 1e-4, momentum 0.5), SGD "
      "(0.9). */")
print("typedef struct golden_flow {\n    const char *spec;\n    size_t columns, parameters, "
      "constants;\n    const double *theta, *frozen, *rows, *logp, *logdet, *latent, *by_x, "
      "*by_theta;\n    const double *adam, *rmsprop, *sgd;\n} golden_flow;\n")
print("static const golden_flow golden_flows[] = {\n" + ",\n".join(cases) + "};")
