#!/usr/bin/env python3
"""log p of continuous rows under a model of nicest, in plain NumPy: docs/model-file.md as code.

    nicest_numpy.py MODEL.safetensors ROWS.npy      prints one log p a line, in nats

Everything is in double, so figures differ from nicest's in about the sixth digit. Stored rows of
quantised columns need noise first (nicest.h: nicest_encode). 'permute random' is left out."""
import json
import sys

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


def log_prob(path, rows):
    tensors, metadata = load(path)
    tensor = lambda name: tensors[name].astype(float)
    x, logdet, d = rows - tensor("entry.centre"), np.zeros(len(rows)), rows.shape[1]
    *layers, prior = metadata["nicest.spec"].splitlines()[2:]
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
        elif kind == "coupling":
            first, second = slice(0, (d + 1) // 2), slice((d + 1) // 2, d)
            move, keep = (first, second) if option["move"] == "first" else (second, first)
            a, depth = x[:, keep], sum(f"layers.{i}.mlp.{l}.bias" in tensors for l in range(65))
            for l in range(depth):
                a = a @ tensor(f"layers.{i}.mlp.{l}.weight").T + tensor(f"layers.{i}.mlp.{l}.bias")
                a = ACTIVATIONS[option["activation"]](a) if l < depth - 1 else a
            x = x.copy()
            x[:, move] += a
    density = (-np.abs(x) - 2 * np.log1p(np.exp(-np.abs(x))) if prior == "prior logistic"
               else -x**2 / 2 - np.log(2 * np.pi) / 2)
    return density.sum(1) + logdet


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    print("\n".join(f"{value:.17g}" for value in log_prob(sys.argv[1], np.load(sys.argv[2]))))
