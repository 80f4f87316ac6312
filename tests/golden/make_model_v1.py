#!/usr/bin/env python3
"""Writes the two models of format version 1 in tests/fixtures/, and what they must say for ever.

    make_model_v1.py            writes ../fixtures/v1*.safetensors and model_v1.h beside itself

It shares no line with nicest: the file format, the random numbers (Philox4x32-10), the door, the
layers and the priors are written anew here, in double, one number at a time. Run it again only to see
that it still gives the same bytes: files of version 1 must load as they are."""
import json
import math
import os
import random
import struct

HERE = os.path.dirname(os.path.abspath(__file__))
FIXTURES = os.path.join(HERE, "..", "fixtures")

SPEC_TABLE = """nicest 1
columns 5
standardise
permute random:7
coupling move=second hidden=8x2 activation=relu rule=additive
coupling move=first hidden=6 activation=tanh rule=additive
scale
permute reverse
coupling move=second hidden=4,3 activation=silu rule=additive
scale
prior logistic
"""
SPEC_PICTURE = """nicest 1
columns 4
logit margin=0.05
standardise
permute odd-even
coupling move=second hidden=none activation=relu rule=additive
coupling move=first hidden=5 activation=relu rule=additive
scale
prior normal
"""
# origin, step, levels, offset, unit, centre
ENTRY_TABLE = [(0, 1, 17, 0, 1, 8.25), (-3, 0.5, 0, -3, 0.5, 1.125), (0, 0, 0, 0, 0, 1e9),
               (0, 0, 0, 0, 0, 0), (2, 2, 4, 2, 2, 5)]
ENTRY_PICTURE = [(0, 1, 256, 0, 1 / 256, 0)] * 4


def f32(value):
    return struct.unpack("<f", struct.pack("<f", value))[0]


# ---------------------------------------------------------------- random numbers

def philox(counter, key):
    c, k = list(counter), list(key)
    for _ in range(10):
        high0, low0 = divmod(c[0] * 0xD2511F53, 1 << 32)
        high1, low1 = divmod(c[2] * 0xCD9E8D57, 1 << 32)
        c = [high1 ^ c[1] ^ k[0], low1, high0 ^ c[3] ^ k[1], low0]
        k = [(k[0] + 0x9E3779B9) % (1 << 32), (k[1] + 0xBB67AE85) % (1 << 32)]
    return c


def words(seed, purpose, draw, row, block):
    return philox((block, draw, row % (1 << 32), row >> 32 | purpose << 24),
                  (seed % (1 << 32), seed >> 32))


def uniform(seed, purpose, draw, row, n):
    return [(words(seed, purpose, draw, row, j // 4)[j % 4] >> 8) / 2**24 for j in range(n)]


def permutation(seed, n):
    order = []
    for i in range(n):
        w = words(seed, 1, 0xFFFFFFFF, 0, i // 2)
        high, low = w[i % 2 * 2], w[i % 2 * 2 + 1]
        bound = i + 1
        other = (high * bound + (low * bound >> 32)) >> 32
        order.append(i)
        order[i] = order[other]
        order[other] = i
    return order


# ---------------------------------------------------------------- the model

def forward(model, x):
    """(h, log |det|) of one row from which the centre was subtracted."""
    d, logdet = len(x), 0.0
    lines = model["spec"].split("\n")[2:-2]
    for i, line in enumerate(lines):
        kind, tensors = line.split()[0], model["layers"][i]
        if kind == "permute":
            what = line.split()[1]
            order = (permutation(int(what[7:]), d) if what.startswith("random:")
                     else list(range(d))[::-1] if what == "reverse"
                     else [j for j in range(d) if j % 2 == 0] + [j for j in range(d) if j % 2])
            x = [x[j] for j in order]
        elif kind in ("standardise", "scale"):
            shift = tensors.get("shift", [0.0] * d)
            x = [(x[j] - shift[j]) * math.exp(tensors["log_scale"][j]) for j in range(d)]
            logdet += sum(tensors["log_scale"])
        elif kind == "logit":
            margin = float(line.split("margin=")[1])
            z = [margin + (1 - 2 * margin) * v for v in x]
            x = [math.log(v) - math.log(1 - v) for v in z]
            logdet += sum(math.log(1 - 2 * margin) - math.log(v) - math.log(1 - v) for v in z)
        elif kind == "coupling":
            half = (d + 1) // 2
            second = "move=second" in line
            a = x[:half] if second else x[half:]
            name = line.split("activation=")[1].split()[0]
            act = {"relu": lambda v: max(v, 0.0), "tanh": math.tanh,
                   "silu": lambda v: v / (1 + math.exp(-v))}[name]
            count = sum(key.endswith("bias") for key in tensors)
            for layer in range(count):
                weight, bias = tensors[f"mlp.{layer}.weight"], tensors[f"mlp.{layer}.bias"]
                a = [sum(w * v for w, v in zip(row, a)) + b for row, b in zip(weight, bias)]
                if layer < count - 1:
                    a = [act(v) for v in a]
            moved = [v + m for v, m in zip(x[half:] if second else x[:half], a)]
            x = x[:half] + moved if second else moved + x[half:]
    return x, logdet


def log_prob(model, row):
    h, logdet = forward(model, [v - e[5] for v, e in zip(row, model["entry"])])
    if model["spec"].endswith("prior logistic\n"):
        return logdet + sum(-abs(v) - 2 * math.log1p(math.exp(-abs(v))) for v in h), h
    return logdet + sum(-v * v / 2 - math.log(2 * math.pi) / 2 for v in h), h


def content_number(model, row):
    """A row's number in the stream of scoring: a hash of its levels, and of the rest as floats."""
    number = 0
    for v, (origin, step, *_) in zip(row, model["entry"]):
        value = round((v - origin) / step) + 1.5 * 2**52 if step else f32(v) + 0.0
        number ^= struct.unpack("<Q", struct.pack("<d", value))[0]
        number = number * 0x9E3779B97F4A7C15 % (1 << 64)
        number ^= number >> 32
    number = number * 0xD6E8FEB86659FD93 % (1 << 64)
    return (number ^ number >> 32) >> 8


def encode(model, row, seed):
    """Stored -> continuous; the noise of column j in the middle of its cell of 24 bits."""
    noise = uniform(seed, 5, 0, content_number(model, row), len(row))
    return [offset + unit * ((v - origin) / step + u + 2**-25) if step else v
            for v, u, (origin, step, _, offset, unit, _) in zip(row, noise, model["entry"])]


def make_model(spec, entry, source):
    lines, layers, d = spec.split("\n")[2:-2], [], len(entry)
    draw = lambda size: f32(source.gauss(0, size))
    for line in lines:
        kind, tensors = line.split()[0], {}
        if kind == "standardise":
            tensors["shift"] = [draw(0.3) for _ in range(d)]
        if kind in ("standardise", "scale"):
            tensors["log_scale"] = [draw(0.3) for _ in range(d)]
        if kind == "coupling":
            half, hidden = (d + 1) // 2, line.split("hidden=")[1].split()[0]
            widths = {"8x2": [8, 8], "6": [6], "4,3": [4, 3], "none": [], "5": [5]}[hidden]
            second = "move=second" in line
            sizes = [half if second else d - half] + widths + [d - half if second else half]
            for i in range(len(sizes) - 1):
                tensors[f"mlp.{i}.weight"] = [[draw(1 / math.sqrt(sizes[i])) for _ in range(sizes[i])]
                                              for _ in range(sizes[i + 1])]
                tensors[f"mlp.{i}.bias"] = [draw(0.3) for _ in range(sizes[i + 1])]
        layers.append(tensors)
    return {"spec": spec, "entry": entry, "layers": layers}


# ---------------------------------------------------------------- the file

def write_model(path, model, entries, arrays):
    tensors = [("entry." + name, "<d", [float(e[i]) for e in model["entry"]])
               for i, name in enumerate(["origin", "step", "levels", "offset", "unit", "centre"])]
    tensors += [("extra." + name, "<d", values) for name, values in sorted(arrays.items())]
    tensors += [(f"layers.{i}.{name}", "<f", values)
                for i, layer in enumerate(model["layers"]) for name, values in layer.items()]
    metadata = {"format": "nicest", "nicest.version": "1", "nicest.spec": model["spec"],
                **dict(sorted(entries.items()))}
    header, body = {"__metadata__": metadata}, b""
    for name, code, values in tensors:
        matrix = isinstance(values[0], list)
        flat = [v for row in values for v in row] if matrix else values
        data = b"".join(struct.pack(code, v) for v in flat)
        header[name] = {"dtype": {"<d": "F64", "<f": "F32"}[code],
                        "shape": [len(values), len(values[0])] if matrix else [len(values)],
                        "data_offsets": [len(body), len(body) + len(data)]}
        body += data
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + body)


def c_array(name, rows):
    flat = [v for row in rows for v in row] if isinstance(rows[0], list) else rows
    text = ",\n    ".join(v.hex() if isinstance(v, float) else str(v) for v in flat)
    return f"static const double {name}[{len(flat)}] = {{\n    {text}}};\n"


def golden(prefix, model, stored, seed):
    continuous = [encode(model, row, seed) for row in stored]
    logp, latent = zip(*(log_prob(model, row) for row in continuous))
    return (c_array(prefix + "_STORED", [[float(v) for v in row] for row in stored]) +
            c_array(prefix + "_CONTINUOUS", continuous) + c_array(prefix + "_LATENT", list(latent)) +
            c_array(prefix + "_LOGP", list(logp)))


def main():
    source = random.Random(20261123)
    table = make_model(SPEC_TABLE, ENTRY_TABLE, source)
    picture = make_model(SPEC_PICTURE, ENTRY_PICTURE, source)
    schema = lambda names, image, kind: json.dumps({"names": names, "image": image, "type": kind},
                                                   separators=(",", ":"), ensure_ascii=False)
    write_model(os.path.join(FIXTURES, "v1.safetensors"), table,
                {"nicest.schema": schema(["wide", "höhe", "a \"quote\"", "x4", "new\nline"], None,
                                         "float64"),
                 "nicest.training": '{"rows":123}'},
                {"columns.mean": [1.0, 2.0, 3.0, 4.0, 5.0], "calibration.scores": [-1.5]})
    write_model(os.path.join(FIXTURES, "v1-picture.safetensors"), picture,
                {"nicest.schema": schema(None, [2, 2, 1], "uint8")}, {})
    rows = [[source.randrange(17), -3 + 0.5 * source.randrange(12), 1e9 + source.gauss(0, 1),
             source.gauss(0, 1), 2 + 2 * source.randrange(4)] for _ in range(9)]
    pictures = [[source.randrange(256) for _ in range(4)] for _ in range(8)] + [[0, 255, 0, 255]]
    with open(os.path.join(HERE, "model_v1.h"), "w", encoding="utf-8") as file:
        file.write("/* model_v1.h - what the models tests/fixtures/v1*.safetensors must say. Written by\n"
                   " * make_model_v1.py; noise is that of GOLDEN_SEED. */\n"
                   "#ifndef NICEST_TESTS_MODEL_V1_H\n#define NICEST_TESTS_MODEL_V1_H\n\n"
                   "/* clang-format off */\n"
                   "#define GOLDEN_SEED 12345678901234567ULL\n"
                   "enum { GOLDEN_ROWS = 9 };\n\n")
        file.write(golden("TABLE", table, rows, 12345678901234567) + "\n")
        file.write(golden("PICTURE", picture, pictures, 12345678901234567))
        file.write("/* clang-format on */\n\n#endif\n")


if __name__ == "__main__":
    main()
