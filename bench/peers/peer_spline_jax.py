"""The table model of five spline couplings in JAX under jit, with distrax's spline.

Answers bench/peers_spline.py on standard input."""
import distrax
import jax
import jax.numpy as jnp
import numpy as np

import common
import peer_jax
import spline_model as spline


def moved(layers, kept):
    """distrax's spline of the moved half. It takes K + 1 slopes, of which those at the ends are 1."""
    raw = peer_jax.mlp(layers, kept).reshape(len(kept), -1, 3 * spline.BINS - 1)
    end = jnp.zeros(raw.shape[:-1] + (1,))
    raw = jnp.concatenate([raw[..., :2 * spline.BINS], end, raw[..., 2 * spline.BINS:], end], -1)
    return distrax.RationalQuadraticSpline(raw, -spline.BOUND, spline.BOUND, boundary_slopes="identity",
                                           min_bin_size=2 * spline.BOUND * spline.LEAST,
                                           min_knot_slope=spline.LEAST)


def latent(p, x):
    first, second, logdet = x[:, 0::2], x[:, 1::2], 0
    for i, layers in enumerate(p["couplings"]):
        if i % 2:
            first, slope = moved(layers, second).forward_and_log_det(first)
        else:
            second, slope = moved(layers, first).forward_and_log_det(second)
        logdet = logdet + slope.sum(1)
    return first, second, logdet


def log_prob(prior, p, x):
    first, second, logdet = latent(p, x)
    return peer_jax.log_prior(prior, first) + peer_jax.log_prior(prior, second) + logdet


def inverse(p, first, second):
    for i, layers in reversed(list(enumerate(p["couplings"]))):
        if i % 2:
            first = moved(layers, second).inverse(first)
        else:
            second = moved(layers, first).inverse(second)
    return jnp.stack((first, second), 2).reshape(first.shape[0], -1)


def inverse_error(self, rows):
    p = peer_jax.parameters_of(self.weights)
    return jnp.abs(inverse(p, *latent(p, rows)[:2]) - rows).max()


# The loop of training, scoring and sampling is the one of the additive models.
peer_jax.parameters_of = lambda couplings: {"couplings": [
    [(jnp.asarray(w.T.copy()), jnp.asarray(b)) for w, b in layers] for layers in couplings]}
peer_jax.log_prob, peer_jax.inverse = log_prob, inverse
peer_jax.Peer.inverse_error = inverse_error

if __name__ == "__main__":
    spline.prepare(common)
    common.serve(["distrax jit"], peer_jax.Peer, {"jax": jax.__version__, "distrax": distrax.__version__})
