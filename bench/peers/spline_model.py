"""The table model of `nicest bench --models spline`: 8 columns, five rational-quadratic spline couplings of
2 x 128 with 8 bins on [-5, 5], odd and even columns in turn. Its weights as a nicest model file, and from one."""
import numpy as np

BINS, BOUND, LEAST, SLOPE_START = 8, 5.0, 1e-3, 0.53974241723693724
COUPLINGS = 5


def model_of(common):
    return common.Model(8, 512, [128] * 2, "normal", 0, 32768, [32768, 4096])


def write_model(path, model, seed=1):
    """Random weights, none of them zero: values fall into all bins and outside of the box."""
    from safetensors.numpy import save_file
    rng, d = np.random.default_rng(seed), model.columns
    spec = ["nicest 1", f"columns {d}", "permute odd-even"]
    tensors = {f"entry.{name}": np.zeros(d) for name in
               ("origin", "step", "levels", "offset", "unit", "centre")}
    widths = [d // 2, *model.hidden, d // 2 * (3 * BINS - 1)]
    for i in range(COUPLINGS):
        spec.append(f"coupling move={'first' if i % 2 else 'second'} hidden={','.join(map(str, model.hidden))} "
                    f"activation=relu rule=spline bins={BINS} bound={BOUND:g}")
        for l, (n_in, n_out) in enumerate(zip(widths, widths[1:])):
            bound = np.sqrt(6 / n_in) * (0.1 if l == len(model.hidden) else 1)
            name = f"layers.{i + 1}.mlp.{l}"
            tensors[name + ".weight"] = rng.uniform(-bound, bound, (n_out, n_in)).astype(np.float32)
            tensors[name + ".bias"] = rng.uniform(-0.1, 0.1, n_out).astype(np.float32)
    save_file(tensors, path, {"format": "nicest", "nicest.version": "1",
                              "nicest.spec": "\n".join([*spec, "prior normal"]) + "\n"})


def read_weights(path):
    """[[(weight [out, in], bias [out])]] of the couplings."""
    from safetensors import safe_open
    with safe_open(path, "numpy") as file:
        return [[(file.get_tensor(f"layers.{i}.mlp.{l}.weight"), file.get_tensor(f"layers.{i}.mlp.{l}.bias"))
                 for l in range(3)] for i in range(1, COUPLINGS + 1)]


def prepare(common):
    """Makes `common`, which the peers of the additive models use, that of this model."""
    common.MODELS = {"spline": model_of(common)}
    common.read_weights = read_weights
