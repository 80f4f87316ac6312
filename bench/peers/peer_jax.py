"""The standard models in JAX under jit: parameters and moments are donated, Adam is fused by the compiler.

    peer_jax.py                 answers compare.py on standard input
    peer_jax.py MODEL ROW.npy   imports, loads, prints the log-likelihood of one row: the start-up"""
import sys

import numpy as np
import jax
import jax.numpy as jnp

import common


def parameters_of(weights):
    """Weights as [in, out]; the transposition is done once, here."""
    return {"couplings": [[(jnp.asarray(w.T.copy()), jnp.asarray(b)) for w, b in linear]
                          for linear in weights.couplings],
            "log_scale": jnp.asarray(weights.log_scale)}


def mlp(linear, a):
    for w, b in linear[:-1]:
        a = jax.nn.relu(a @ w + b)
    w, b = linear[-1]
    return a @ w + b


def latent(p, x):
    first, second = x[:, 0::2], x[:, 1::2]
    for i, linear in enumerate(p["couplings"]):
        if i % 2:
            first = first + mlp(linear, second)
        else:
            second = second + mlp(linear, first)
    scale, half = jnp.exp(p["log_scale"]), first.shape[1]
    return first * scale[:half], second * scale[half:]


def log_prior(prior, h):
    if prior == "logistic":
        return -(h + 2 * jax.nn.softplus(-h)).sum(1)
    return -0.5 * (h * h).sum(1) - 0.5 * np.log(2 * np.pi) * h.shape[1]


def log_prob(prior, p, x):
    first, second = latent(p, x)
    return log_prior(prior, first) + log_prior(prior, second) + p["log_scale"].sum()


def inverse(p, first, second):
    scale, half = jnp.exp(-p["log_scale"]), first.shape[1]
    first, second = first * scale[:half], second * scale[half:]
    for i, linear in reversed(list(enumerate(p["couplings"]))):
        if i % 2:
            first = first - mlp(linear, second)
        else:
            second = second - mlp(linear, first)
    return jnp.stack((first, second), 2).reshape(first.shape[0], -1)


class Peer:
    def __init__(self, mode, name, weights):
        self.model = common.MODELS[name]
        self.weights = weights
        self.key = jax.random.key(0, impl="rbg")  # quicker than the default generator

    def continuous(self, key, rows):
        if not self.model.levels:
            return rows
        return (rows + jax.random.uniform(key, rows.shape)) / self.model.levels

    def stepper(self, rows, rate, door):
        prior, rows = self.model.prior, jnp.asarray(rows)
        b1, b2, eps = common.BETA1, common.BETA2, common.EPSILON

        def update(state, rows):
            p, m, v, t = state
            key = jax.random.fold_in(self.key, t)
            loss, g = jax.value_and_grad(lambda q: -log_prob(prior, q, door(key, rows)).mean())(p)
            t = t + 1
            m = jax.tree.map(lambda m, g: b1 * m + (1 - b1) * g, m, g)
            v = jax.tree.map(lambda v, g: b2 * v + (1 - b2) * g * g, v, g)
            c1, c2 = 1 - b1 ** t.astype(jnp.float32), 1 - b2 ** t.astype(jnp.float32)
            p = jax.tree.map(lambda p, m, v: p - rate * (m / c1) / (jnp.sqrt(v / c2) + eps), p, m, v)
            return (p, m, v, t), loss

        step = jax.jit(update, donate_argnums=0)
        p = parameters_of(self.weights)
        state = [(p, jax.tree.map(jnp.zeros_like, p), jax.tree.map(jnp.zeros_like, p), jnp.int32(0))]

        def run():
            state[0], loss = step(state[0], rows)
            jax.block_until_ready(state[0])
            return float(loss)
        run.state = state
        return run

    def works(self, wanted):
        m, runs = self.model, {}
        if "step" in wanted:
            runs["step"] = self.stepper(common.rows_of(m, m.batch), common.RATE, self.continuous)
        p, rows = parameters_of(self.weights), jnp.asarray(common.rows_of(m, m.many))
        score = jax.jit(lambda p, key, x: log_prob(m.prior, p, self.continuous(key, x)))
        if "score" in wanted:
            cut = {chunk: jnp.split(rows, m.many // chunk) for chunk in m.chunks}
            runs["score"] = common.quickest({
                c: lambda parts=parts: jax.block_until_ready([score(p, self.key, x) for x in parts])
                for c, parts in cut.items()})
        if "one_row" in wanted:
            one = rows[:1]
            runs["one_row"] = lambda: float(score(p, self.key, one)[0])
        if "sample" in wanted:
            draw = jax.random.logistic if m.prior == "logistic" else jax.random.normal

            def sample(p, key, count):
                a, b = jax.random.split(key)
                x = inverse(p, draw(a, (count, m.columns // 2)), draw(b, (count, m.columns // 2)))
                return jnp.clip(jnp.floor(x * m.levels), 0, m.levels - 1) if m.levels else x
            sample = jax.jit(sample, static_argnums=2)
            runs["sample"] = common.quickest({
                c: lambda c=c: jax.block_until_ready([sample(p, self.key, c) for _ in range(m.many // c)])
                for c in m.chunks})
        return runs

    def log_prob(self, rows):
        return jax.jit(lambda p, x: log_prob(self.model.prior, p, x))(parameters_of(self.weights), rows)

    def inverse_error(self, rows):
        p = parameters_of(self.weights)
        return jnp.abs(inverse(p, *latent(p, rows)) - rows).max()

    def train(self, rows):
        step = self.stepper(rows, common.CHECK_RATE, lambda key, x: x)
        for _ in range(common.CHECK_STEPS):
            step()
        return log_prob(self.model.prior, step.state[0][0], rows).mean()


if __name__ == "__main__":
    if len(sys.argv) == 3:
        row = np.load(sys.argv[2]).astype(np.float32)
        prior = "logistic" if row.shape[1] == 784 else "normal"
        score = jax.jit(lambda p, x: log_prob(prior, p, x))
        print(float(score(parameters_of(common.read_weights(sys.argv[1])), row)[0]))
    else:
        common.serve(["jax jit"], Peer, {"jax": jax.__version__})
