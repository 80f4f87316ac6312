"""What strangers hand over: every shape and type is taken, or refused in a sentence by the error one expects."""
import datetime
import decimal
import pickle

import numpy as np
import pytest

pytest.importorskip("sklearn", minversion="1.6")
pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
sparse = pytest.importorskip("scipy.sparse")

import nicest  # noqa: E402
from conftest import memory_in_use  # noqa: E402

SMALL = dict(epochs=2, couplings=2, hidden=8, random_state=0)
N = 120
RNG = np.random.default_rng(0)
X = RNG.normal(size=N)
ROWS = RNG.normal(size=(N, 2))


def beside(column):
    return pandas.DataFrame({"a": column, "b": X})


def locked():
    rows = ROWS.copy()
    rows.flags.writeable = False
    return rows


def unaligned():
    rows = np.zeros(N, [("byte", "u1"), ("row", "f8", 2)])
    rows["row"] = ROWS
    return rows["row"]


TAKEN = {
    "a column of NaN": np.column_stack([X, np.full(N, np.nan)]), "only None": beside([None] * N),
    "two rows": ROWS[:2], "one column": ROWS[:, :1], "constant": np.ones((N, 2)), "equal rows": np.tile(ROWS[:1], (N, 1)),
    "huge ints": RNG.integers(2 ** 60, 2 ** 62, (N, 2)), "uint64": RNG.integers(0, 2 ** 63, (N, 2)).astype(np.uint64) * 2,
    "python ints": [[10 ** 30 + i, i % 7] for i in range(N)], "texts of numbers": np.array([[str(a), a] for a in X], object),
    "bool": ROWS > 0, "int8": (30 * ROWS).astype(np.int8), "float16": ROWS.astype(np.float16),
    "longdouble": ROWS.astype(np.longdouble), "counts": np.column_stack([np.arange(N), ROWS]), "wide": RNG.normal(size=(20, 200)),
    "locked": locked(), "unaligned": unaligned(), "masked": np.ma.masked_array(ROWS, ROWS > 1), "backwards": ROWS[::-1, ::-1], "Fortran": np.asfortranarray(ROWS),
    "numbers as names": pandas.DataFrame(ROWS), "nullable": beside(pandas.array([None, *range(N - 1)], dtype="Int64")),
    "nullable truths": beside(pandas.array([True, None] * (N // 2), dtype="boolean")),
    "category of numbers": beside(pandas.Categorical(RNG.integers(0, 3, N))), "decimals": beside([decimal.Decimal(i) / 3 for i in range(N)]),
    "dates": beside([datetime.date(2024, 1, 1) + datetime.timedelta(int(i)) for i in RNG.integers(0, 50, N)]),
    "zones": beside(pandas.date_range("2024-03-30", periods=N, freq="h", tz="Europe/Berlin")),
    "sparse column": beside(pandas.arrays.SparseArray(np.where(X > 1, X, 0))), "texts": beside([f"w{i}" for i in range(N)]),
    "odd words": pandas.DataFrame({'é,"': RNG.choice(["naïve", "日本", "a,b\n"], N), "": X}),
    "enum": polars.DataFrame({"a": polars.Series(["u", "v"] * (N // 2), dtype=polars.Enum(["u", "v"])), "b": X}),
    "polars decimals": polars.DataFrame({"a": [decimal.Decimal(i) for i in range(N)], "b": X}),
}


@pytest.mark.parametrize("rows", TAKEN.values(), ids=TAKEN)
def test_taken(rows):
    flow = nicest.Flow(**SMALL).fit(rows)
    assert np.isfinite(np.asarray(flow.score_samples(rows))).all() and flow.sample(3).shape == (3, flow.model_.columns)
    assert type(flow.score_samples(rows)) is {pandas.DataFrame: pandas.Series, polars.DataFrame: polars.Series}.get(type(rows), np.ndarray)
    found = nicest.FlowOutlierDetector(**SMALL).fit(rows)
    assert len(found.predict(rows)) == len(rows)
    filled = nicest.FlowImputer(**SMALL).fit(rows).transform(rows)
    assert np.shape(filled) == np.shape(rows) and isinstance(filled, (type(rows), np.ndarray))


REFUSED = {
    "no rows": ROWS[:0], "one row": ROWS[:1], "no columns": ROWS[:, :0], "empty frame": pandas.DataFrame(), "one axis": X, "three axes": np.zeros((N, 2, 2)),
    "infinity": np.where(ROWS > 1, np.inf, ROWS), "beyond the numbers": ROWS * 1e300,
    "complex": ROWS + 1j, "array of dates": np.zeros((N, 2), "M8[D]") + np.arange(N)[:, None], "array of spans": np.zeros((N, 2), "m8[s]"),
    "structures": np.zeros(N, [("a", "f8"), ("b", "f8")]), "words": np.array([["a", "b"]] * N), "sparse": sparse.csr_matrix(ROWS), "names twice": pandas.DataFrame(ROWS, columns=["a", "a"]),
    "names of two kinds": pandas.DataFrame(ROWS, columns=["a", 1]), "lists": beside([[1]] * N), "bytes": beside([b"u", b"v"] * (N // 2)),
    "words and numbers": beside(["u", 1] * (N // 2)), "intervals": beside(pandas.cut(X, 3)), "infinity in a frame": beside(["u"] * N).assign(b=np.inf),
    "spans": beside(pandas.to_timedelta(X, unit="s")), "polars lists": polars.DataFrame({"a": [[1]] * N}), "lazy": polars.DataFrame({"b": X}).lazy(),
    "a series": pandas.Series(X), "nothing": None, "a name": "nowhere", "a number": 5, "a generator": (i for i in range(3)),
}


@pytest.mark.parametrize("rows", REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("kind", ["Flow", "FlowOutlierDetector", "FlowImputer"])
def test_refused(kind, rows):
    with pytest.raises((ValueError, TypeError)) as error:
        getattr(nicest, kind)(**SMALL).fit(rows)
    assert len(str(error.value)) > 20 and not isinstance(error.value, (AttributeError, UnicodeError))


@pytest.mark.parametrize("name, value", [
    ("epochs", -1), ("epochs", 1.5), ("epochs", 10 ** 30), ("couplings", -3), ("hidden", "x"), ("hidden", [1.5]), ("hidden", 0),
    ("batch", -1), ("learning_rate", "fast"), ("learning_rate", -1.0), ("time", "soon"), ("time", -3), ("valid_share", 2.0),
    ("n_jobs", "all"), ("n_jobs", 10 ** 6), ("preset", 3), ("image", (2, 2)), ("activation", "gelu"), ("prior", 1), ("spec", "nicest 1\nx"),
    ("patience", "x"), ("optimizer", "zzz"), ("random_state", "x"), ("random_state", -1), ("random_state", 2 ** 70),
])
def test_wrong_parameters(name, value):
    with pytest.raises(ValueError):
        nicest.Flow(**{**SMALL, name: value}).fit(ROWS)


@pytest.mark.parametrize("name, value", [("rank_by", "zzz"), ("rank_by", 3), ("false_alarms", "x"), ("false_alarms", None),
                                         ("contamination", np.nan), ("contamination", None)])
def test_wrong_parameters_of_the_detector(name, value):
    with pytest.raises(ValueError):
        nicest.FlowOutlierDetector(**{**SMALL, name: value}).fit(ROWS)


def test_wrong_calls():
    flow = nicest.Flow(**SMALL).fit(ROWS)
    with pytest.raises(ValueError, match="3 features"):
        flow.score_samples(np.zeros((3, 3)))
    with pytest.raises(ValueError):
        flow.sample(-1)
    with pytest.raises(TypeError):
        flow.sample(1.5)
    with pytest.raises(MemoryError):
        flow.sample(10 ** 12)
    found = nicest.FlowOutlierDetector(**SMALL).fit(ROWS)
    for wrong in (lambda: found.select(ROWS, fdr=2), lambda: found.explain(ROWS, most=0), lambda: found.explain(ROWS, most=-1)):
        with pytest.raises(ValueError):
            wrong()
    imputer = nicest.FlowImputer(**SMALL).fit(ROWS)
    assert np.isfinite(imputer.transform(np.full((2, 2), np.nan))).all()
    with pytest.raises(ValueError, match="draws"):
        imputer.draws(np.full((2, 2), np.nan), 0)
    with pytest.raises(ValueError, match="zzz"):
        nicest.FlowImputer(method="zzz", **SMALL).fit(ROWS).transform(np.full((2, 2), np.nan))


def test_what_is_masked_is_missing():
    rows, holes = np.ma.masked_array(ROWS, ROWS > 1), np.where(ROWS > 1, np.nan, ROWS)
    model = nicest.train(holes, epochs=1, couplings=1, hidden=4)
    assert nicest.train(rows, epochs=1, couplings=1, hidden=4).to_bytes() == model.to_bytes()
    for work in (model.score, model.encode, lambda x: model.impute(x).filled):
        assert np.array_equal(work(rows), work(holes), equal_nan=True)


@pytest.mark.parametrize("kind", [pandas.DataFrame, lambda rows: polars.DataFrame(rows, schema=["a", "b"])], ids=["pandas", "polars"])
def test_one_figure_of_a_frame(kind):
    rows = kind(ROWS)
    for flow in (nicest.Flow(**SMALL).fit(rows), nicest.Flow(**SMALL).fit(ROWS)):
        assert flow.score(rows) == np.mean(np.asarray(flow.score_samples(rows)))
    flow = nicest.ConditionalFlow(n_draws=8, **SMALL).fit(rows[[rows.columns[0]]], rows[[rows.columns[1]]])
    assert np.isfinite(flow.score(rows[[rows.columns[0]]], rows[[rows.columns[1]]]))


def test_arguments_that_are_no_such_thing(tmp_path):
    """The type or the range is refused in Python's classes, nothing is cut off on its way to C."""
    model, data = nicest.train(ROWS, epochs=1, couplings=1, hidden=4), nicest.Data(ROWS)
    run = nicest.Trainer(ROWS, epochs=1, couplings=1, hidden=4)
    for seed in (-1, 2 ** 64):
        for call in (model.score, model.encode, model.verify, model.calibrate, model.p_values, model.explain, model.impute):
            with pytest.raises(ValueError, match="seed"):
                call(ROWS, seed=seed)
        for call in (lambda: model.sample(2, seed=seed), lambda: model.sample(2, first=seed), lambda: model.density(seed=seed),
                     lambda: nicest.detect([0, 1], [1, 0], seed=seed), lambda: data.numpy(seed), lambda: data.numpy(0, seed),
                     lambda: model.outlier_scores(ROWS, group=seed), lambda: nicest.Data(ROWS, image=(seed, 1)), lambda: run.step(steps=seed),
                     lambda: nicest.Model.from_bytes(model.to_bytes(), threads=seed)):
            with pytest.raises(ValueError):
                call()
    for wrong in (lambda: model.score(ROWS, seed="x"), lambda: model.score(ROWS, seed=1.5), lambda: model.sample(2, temperature="x" * 0 or None),
                  lambda: model.threshold(None), lambda: model.threshold(score=5), lambda: model.outlier_scores(ROWS, score=5), lambda: model.p_values(ROWS, score=5),
                  lambda: model.baseline_scores(ROWS, 5), lambda: model.impute(ROWS, method=5), lambda: model.impute(ROWS, recipe=5),
                  lambda: nicest.toy_log_density(5, ROWS), lambda: nicest.open("toy:moons", label=5), lambda: nicest.train(ROWS, init=5),
                  lambda: nicest.Model.from_bytes(model.to_bytes(), threads=None), lambda: run.step(steps=1.5), lambda: run.step(seconds="x")):
        with pytest.raises(TypeError):
            wrong()
    for wrong in (lambda: model.frame(ROWS, like=5), lambda: model.frame(ROWS, like=""), lambda: nicest.Data(ROWS, image=(1,)), lambda: run.step(seconds=-1),
                  lambda: model.save(tmp_path / "a\0b"), lambda: nicest.Data(ROWS, names=["a\0b", "c"]), lambda: model.baseline_scores(ROWS, None)):
        with pytest.raises(ValueError):
            wrong()
    for index in (None, 1.5, [N], np.zeros(N - 1, bool)):
        with pytest.raises(IndexError):
            data.select(index)
    assert data.select(-1).shape == (1, 2) and data.beside(ROWS).shape == (N, 4) and not [*tmp_path.iterdir()]


def test_targets_of_all_kinds():
    def learn(x, y):
        return nicest.ConditionalFlow(n_draws=8, **SMALL).fit(x, y)
    y = ROWS[:, 0] ** 2
    for taken in (y > 1, (5 * y).astype(int), y.tolist(), np.column_stack([y, X]), pandas.Series(y), polars.Series("t", y)):
        assert np.isfinite(np.asarray(learn(ROWS, taken).predict(ROWS[:3]), float)).all()
    line = np.linspace(0, 9, N)[:, None]  # rises, but is what y is given
    assert np.isfinite(learn(line, y).predict(line[:3])).all()
    assert np.isfinite(learn(np.where(ROWS > 1, np.nan, ROWS), y).predict(np.full((2, 2), np.nan))).all()
    with pytest.warns(nicest.NicestWarning, match="left out"):
        learn(beside([f"w{i}" for i in range(N)]), y)
    for wrong in (np.ones(N), np.arange(N), np.where(y > 1, np.nan, y), y[:5], y.reshape(N, 1, 1), np.empty((N, 0)), None,
                  np.array(["u", "v"] * (N // 2))):
        with pytest.raises(ValueError):
            learn(ROWS, wrong)
    with pytest.raises(TypeError, match="[Ss]parse"):
        learn(ROWS, sparse.csr_matrix(y[:, None]))
    with pytest.raises(ValueError, match="n_samples"):
        learn(ROWS, y).sample(ROWS, -1)
    with pytest.raises(ValueError, match="2 columns"):
        learn(ROWS, y).log_prob(ROWS, np.column_stack([y, y]))


def test_estimators_leave_nothing_behind():
    """Fits, frames, errors: no growth."""
    frame = beside(["u", "v"] * (N // 2))

    def rounds(n):
        for _ in range(n):
            found = nicest.FlowOutlierDetector(epochs=1, couplings=1, hidden=4, n_jobs=1, rank_by="logp", contamination=0.1).fit(frame[:30])
            pickle.loads(pickle.dumps(found)).predict(frame)
            with pytest.raises(ValueError):
                found.predict(frame.assign(b="w"))
        return memory_in_use()
    rounds(20)
    before = rounds(20)
    assert rounds(100) - before < 100_000  # bytes
