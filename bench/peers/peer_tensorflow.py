"""The standard models in TensorFlow: tf.function, the same compiled by XLA, and as bijectors of TensorFlow
Probability (the framework the assignment was written for).

    peer_tensorflow.py                 answers compare.py on standard input
    peer_tensorflow.py MODEL ROW.npy   imports, loads, prints the log-likelihood of one row: the start-up"""
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

import common

THREADS = int(os.environ.get("OMP_NUM_THREADS", os.cpu_count()))
tf.config.threading.set_intra_op_parallelism_threads(THREADS)
tf.config.threading.set_inter_op_parallelism_threads(THREADS)
tfb, tfd = tfp.bijectors, tfp.distributions


def mlp(linear, a):
    for w, b in linear[:-1]:
        a = tf.nn.relu(tf.nn.bias_add(tf.matmul(a, w), b))
    w, b = linear[-1]
    return tf.nn.bias_add(tf.matmul(a, w), b)


class Nice(tf.Module):
    """Halves are split once; a coupling adds to one half what it makes of the other."""

    def __init__(self, weights, model):
        super().__init__()
        self.model = model
        self.couplings = [[(tf.Variable(w.T), tf.Variable(b)) for w, b in linear]
                          for linear in weights.couplings]
        self.log_scale = tf.Variable(weights.log_scale)

    def latent(self, x):
        first, second = x[:, 0::2], x[:, 1::2]
        for i, linear in enumerate(self.couplings):
            if i % 2:
                first = first + mlp(linear, second)
            else:
                second = second + mlp(linear, first)
        half, scale = self.model.columns // 2, tf.exp(self.log_scale)
        return first * scale[:half], second * scale[half:]

    def log_prior(self, h):
        if self.model.prior == "logistic":
            return -tf.reduce_sum(h + 2 * tf.nn.softplus(-h), 1)
        return -0.5 * tf.reduce_sum(h * h, 1) - 0.5 * np.log(2 * np.pi) * (self.model.columns // 2)

    def log_prob(self, x):
        first, second = self.latent(x)
        return self.log_prior(first) + self.log_prior(second) + tf.reduce_sum(self.log_scale)

    def inverse(self, first, second):
        half, scale = self.model.columns // 2, tf.exp(-self.log_scale)
        first, second = first * scale[:half], second * scale[half:]
        for i, linear in reversed(list(enumerate(self.couplings))):
            if i % 2:
                first = first - mlp(linear, second)
            else:
                second = second - mlp(linear, first)
        return tf.reshape(tf.stack((first, second), 2), (-1, self.model.columns))

    def round_trip(self, x):
        return self.inverse(*self.latent(x))

    def draw(self, count):
        shape = (count, self.model.columns // 2)
        if self.model.prior == "normal":
            return tf.random.normal(shape)
        u = tf.random.uniform(shape, 1e-7, 1 - 1e-7)
        return tf.math.log(u) - tf.math.log1p(-u)

    def sample(self, count):
        return self.inverse(self.draw(count), self.draw(count))


class Bijectors(tf.Module):
    """The same as a TransformedDistribution: permutation, four RealNVP without scale, Scale."""

    def __init__(self, weights, model):
        super().__init__()
        self.couplings = [[(tf.Variable(w.T), tf.Variable(b)) for w, b in linear]
                          for linear in weights.couplings]
        self.log_scale = tf.Variable(weights.log_scale)
        d = model.columns
        parts = [tfb.Permute([*range(0, d, 2), *range(1, d, 2)])]
        for i, linear in enumerate(self.couplings):
            def shift(kept, width, linear=linear, **_):
                return mlp(linear, kept), None
            parts.append(tfb.RealNVP(num_masked=-(d // 2) if i % 2 else d // 2,
                                     shift_and_log_scale_fn=shift, is_constant_jacobian=True))
        parts.append(tfb.Scale(log_scale=self.log_scale))
        prior = tfd.Logistic(0., 1.) if model.prior == "logistic" else tfd.Normal(0., 1.)
        self.forward = tfb.Chain(parts[::-1])  # data to latent; Chain applies the last first
        self.distribution = tfd.TransformedDistribution(tfd.Sample(prior, d), tfb.Invert(self.forward))

    def log_prob(self, x):
        return self.distribution.log_prob(x)

    def round_trip(self, x):
        return self.forward.inverse(tf.identity(self.forward.forward(x)))

    def sample(self, count):
        return self.distribution.sample(count)


class Peer:
    def __init__(self, mode, name, weights):
        self.model = common.MODELS[name]
        self.nice = (Bijectors if "tfp" in mode else Nice)(weights, self.model)
        self.xla = "xla" in mode

    def built(self, function):
        return tf.function(function, jit_compile=self.xla, autograph=False)

    def continuous(self, rows):
        if not self.model.levels:
            return rows
        return (rows + tf.random.uniform(tf.shape(rows))) / self.model.levels

    def stepper(self, rows, rate, door):
        import tf_keras
        adam = tf_keras.optimizers.legacy.Adam(rate, common.BETA1, common.BETA2, common.EPSILON)
        variables, rows = self.nice.trainable_variables, tf.constant(rows)
        # The slots are made outside of the graph. (Its epsilon is added to the root of the corrected
        # moment up to the correction itself; speed and the check are not touched by that.)
        adam.apply_gradients((tf.zeros_like(v), v) for v in variables)
        adam.iterations.assign(0)

        @self.built
        def step():
            with tf.GradientTape() as tape:
                loss = -tf.reduce_mean(self.nice.log_prob(door(rows)))
            adam.apply_gradients(zip(tape.gradient(loss, variables), variables))
            return loss
        return lambda: float(step())

    def works(self, wanted):
        m, runs = self.model, {}
        if "step" in wanted:
            runs["step"] = self.stepper(common.rows_of(m, m.batch), common.RATE, self.continuous)
        rows = tf.constant(common.rows_of(m, m.many))
        score = self.built(lambda x: self.nice.log_prob(self.continuous(x)))
        if "score" in wanted:
            cut = {chunk: tf.split(rows, m.many // chunk) for chunk in m.chunks}
            runs["score"] = common.quickest({c: lambda parts=parts: [score(x).numpy() for x in parts]
                                             for c, parts in cut.items()})
        if "one_row" in wanted:
            one = rows[:1]
            runs["one_row"] = lambda: float(score(one)[0])
        if "sample" in wanted:
            def sample(count):
                x = self.nice.sample(count)
                return tf.clip_by_value(tf.floor(x * m.levels), 0, m.levels - 1) if m.levels else x
            made = {c: self.built(lambda c=c: sample(c)) for c in m.chunks}
            runs["sample"] = common.quickest({
                c: lambda c=c, s=s: [s().numpy() for _ in range(m.many // c)] for c, s in made.items()})
        return runs

    def log_prob(self, rows):
        return self.built(self.nice.log_prob)(tf.constant(rows)).numpy()

    def inverse_error(self, rows):
        return tf.reduce_max(tf.abs(self.nice.round_trip(tf.constant(rows)) - rows))

    def train(self, rows):
        step = self.stepper(rows, common.CHECK_RATE, lambda x: x)
        for _ in range(common.CHECK_STEPS):
            step()
        return tf.reduce_mean(self.nice.log_prob(tf.constant(rows)))


if __name__ == "__main__":
    if len(sys.argv) == 3:
        row = np.load(sys.argv[2]).astype(np.float32)
        model = common.MODELS["paper256" if row.shape[1] == 784 else "toy"]
        print(float(Nice(common.read_weights(sys.argv[1]), model).log_prob(tf.constant(row))[0]))
    else:
        common.serve(["tf graph", "tf xla", "tfp graph"], Peer,
                     {"tensorflow": tf.__version__, "tensorflow-probability": tfp.__version__})
