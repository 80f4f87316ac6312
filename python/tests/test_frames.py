"""Mixed data frames of pandas and polars: what comes back is of the same kind, with names, index, words and
dates. And the density of y given X."""
import pickle

import numpy as np
import pytest

pytest.importorskip("sklearn", minversion="1.6")
pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")

import nicest  # noqa: E402

SMALL = dict(epochs=4, couplings=2, hidden=16, random_state=0)
N = 400


def mixed(holes=True):
    """Numbers, whole numbers, words of two kinds, dates, moments with a zone, truths; some missing."""
    rng = np.random.default_rng(7)
    colour = rng.choice(["blue", "green", "red"], N)
    frame = pandas.DataFrame({
        "x": rng.normal(size=N) + 3 * (colour == "red"),
        "colour": colour,
        "size": pandas.Categorical(rng.choice(["S", "M", "L"], N), categories=["S", "M", "L", "XL"], ordered=True),
        "day": pandas.Timestamp("2024-01-01") + pandas.to_timedelta(rng.integers(0, 90, N), "D"),
        "at": pandas.to_datetime(1.7e9 + rng.uniform(0, 1e6, N), unit="s", utc=True),
        "count": rng.poisson(40, N),
        "paid": rng.random(N) < 0.3,
    }, index=[f"row{i}" for i in range(N)])
    if holes:
        frame.loc[frame.index[::9], "x"] = np.nan
        frame.loc[frame.index[4::11], "colour"] = None
        frame.loc[frame.index[2::13], "day"] = pandas.NaT
    return frame


def as_polars(frame):
    return polars.DataFrame({name: polars.Series(name, [None if m else v for v, m in zip(frame[name], frame[name].isna())])
                             if name in ("colour", "size") else polars.Series(name, frame[name].tolist(), nan_to_null=True)
                             for name in ("x", "colour", "size", "count", "paid")})


def test_density_of_a_mixed_frame():
    frame = mixed()
    flow = nicest.Flow(**SMALL).fit(frame)
    logp = flow.score_samples(frame)
    assert isinstance(logp, pandas.Series) and (logp.index == frame.index).all() and np.isfinite(logp).all()
    assert flow.score(frame) == logp.mean()
    assert np.array_equal(flow.score_samples(frame[::-1])[::-1], logp)
    drawn = flow.sample(500)
    assert (drawn.dtypes == frame.dtypes).all() or set(drawn.columns[drawn.dtypes != frame.dtypes]) <= {"count"}
    assert set(drawn["colour"].dropna()) == {"red", "green", "blue"} and drawn["day"].dropna().dt.normalize().eq(drawn["day"].dropna()).all()
    assert abs(drawn["at"].mean() - frame["at"].mean()) < pandas.Timedelta("2D")
    red, other = drawn["x"][drawn.colour == "red"].mean(), drawn["x"][drawn.colour == "blue"].mean()
    assert red > other + 0.3
    again = pickle.loads(pickle.dumps(flow))
    assert again.score_samples(frame).equals(logp) and again.sample(500).equals(drawn)
    with pytest.raises(ValueError, match="feature names"):
        flow.score_samples(frame.drop(columns="x"))
    with pytest.raises(ValueError, match="infinity"):
        flow.score_samples(frame.assign(x=np.inf))
    with pytest.raises(ValueError, match="0 sample"):
        flow.score_samples(frame[:0])


def test_missing_values_need_to_be_learnt():
    frame = mixed(holes=False)[["x", "count"]]
    flow = nicest.Flow(**SMALL).fit(frame)
    with pytest.raises(ValueError, match="NaN"):
        flow.score_samples(frame.assign(x=np.nan))
    holes = frame.to_numpy(float, copy=True)
    holes[::5, 0] = np.nan
    assert np.isfinite(nicest.Flow(**SMALL).fit(holes).score_samples(holes)).all()


def test_outliers_of_a_mixed_frame():
    frame = mixed(holes=False)
    found = nicest.FlowOutlierDetector(rank_by="logp", contamination=0.1, **SMALL).fit(frame)
    odd = frame[:6].assign(x=[60.0] * 6)
    said = found.predict(odd)
    assert isinstance(said, pandas.Series) and (said == -1).all() and (said.index == odd.index).all()
    assert (frame[found.predict(frame) == -1].shape[0] - 40) ** 2 <= 4
    reasons = found.explain(odd, most=2)
    first = reasons[~reasons.index.duplicated()]
    assert list(first.index) == list(odd.index) and (first["column"] == "x").all() and (first["value"] == 60).all()
    strange = frame[:3].assign(colour="mauve")
    words = found.explain(strange, most=7, enough=2).query("column == 'colour'")
    assert set(words["expected"]) <= {"red", "green", "blue"}
    other = nicest.FlowOutlierDetector(rank_by="logp", contamination=0.1, **SMALL).fit(as_polars(frame))
    assert isinstance(other.predict(as_polars(frame)), polars.Series)
    assert set(other.explain(as_polars(frame)[:4]).columns) >= {"row", "column", "value", "surprise"}


def test_holes_of_a_mixed_frame():
    frame = mixed()
    imputer = nicest.FlowImputer(**SMALL).fit(frame)
    frame = frame[:60]
    done = imputer.transform(frame)
    assert not done.isna().any(axis=None) and (done.index == frame.index).all()
    seen = frame.notna()
    assert all((done[c][seen[c]] == frame[c][seen[c]]).all() for c in frame)
    assert (done.dtypes == frame.dtypes).all() and set(done["colour"]) == {"red", "green", "blue"}
    draws = imputer.draws(frame, 3)
    assert len(draws) == 3 and all(not d.isna().any(axis=None) for d in draws)
    spread = imputer.standard_deviations(frame, 3)
    assert (spread["x"][frame["x"].isna()] > 0).all() and (spread["count"] == 0).all()
    table = as_polars(frame)
    filled = nicest.FlowImputer(**SMALL).fit(table).transform(table)
    assert filled.schema == table.schema and sum(filled[c].null_count() for c in filled.columns) == 0
    assert filled["colour"].equals(table["colour"].zip_with(table["colour"].is_not_null(), filled["colour"]))


def test_a_column_that_only_counts_stays_beside():
    rng = np.random.default_rng(1)
    rows = np.column_stack([np.arange(N), rng.normal(size=(N, 2))])
    rows[::7, 1] = np.nan
    imputer = nicest.FlowImputer(**SMALL).fit(rows)
    assert imputer.model_.columns == 2
    filled = imputer.transform(rows)
    assert filled.shape == rows.shape and np.array_equal(filled[:, 0], rows[:, 0]) and np.isfinite(filled).all()
    flow = nicest.Flow(**SMALL).fit(rows[1::7])
    assert flow.transform(rows[1::7]).shape == (len(rows[1::7]), 2) == flow.inverse_transform(flow.transform(rows[1::7])).shape
    assert list(flow.get_feature_names_out()) == ["flow0", "flow1"]


def test_polars_samples():
    table = as_polars(mixed())
    flow = nicest.Flow(**SMALL).fit(table)
    drawn = flow.sample(50)
    assert isinstance(drawn, polars.DataFrame) and drawn.schema == table.schema
    assert isinstance(flow.score_samples(table), polars.Series)


# ---------------------------------------------------------------- y given X

def branches(n, seed=3):
    """Two branches, y = +-x with noise 0.1: the mean is 0, and nothing is there."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(1, 3, n)
    return x[:, None], x * rng.choice([-1, 1], n) + 0.1 * rng.normal(size=n)


def test_conditional_density():
    X, y = branches(3000)
    flow = nicest.ConditionalFlow(epochs=40, hidden=32, random_state=0).fit(X, y)
    fresh_X, fresh_y = branches(1000, seed=4)
    best = -np.log(2) - 0.5 * np.log(2 * np.pi * np.e * 0.01)
    assert best - 0.4 < flow.score(fresh_X, fresh_y) < best + 0.1
    at = np.array([[1.5], [2.5]])
    grid = np.linspace(-5, 5, 2001)
    for x in at:  # mass one for each x
        mass = np.exp(flow.log_prob(np.full((2001, 1), x), grid)).sum() * 0.005
        assert abs(mass - 1) < 0.02
    assert np.abs(flow.predict(at)).max() < 0.4
    low, high = flow.predict_interval(at, 0.9).T
    assert np.allclose(low, [-1.6, -2.6], atol=0.3) and np.allclose(high, [1.6, 2.6], atol=0.3)
    draws = flow.sample(at, 400, random_state=1)
    assert draws.shape == (400, 2) and np.abs(np.abs(draws).mean(axis=0) - [1.5, 2.5]).max() < 0.1
    assert flow.sample(at).shape == (2,) == flow.predict(at, "median").shape
    assert flow.predict_quantiles(at, [0.1, 0.5, 0.9]).shape == (2, 3)
    again = pickle.loads(pickle.dumps(flow))
    assert np.array_equal(again.predict(at), flow.predict(at))
    for wrong in (dict(method="mode"),):
        with pytest.raises(ValueError):
            flow.predict(at, **wrong)
    with pytest.raises(ValueError, match="between 0 and 1"):
        flow.predict_quantiles(at, [1.0])


def test_several_y_with_words_and_names():
    frame = mixed()
    X, Y = frame[["colour", "size", "count"]], frame[["x", "at"]].assign(x=frame["x"].fillna(0))
    flow = nicest.ConditionalFlow(n_draws=64, **SMALL).fit(X, Y)
    assert flow.model_.given == ["colour", "size", "count"] and flow.n_targets_ == 2
    assert flow.log_prob(X, Y).index.equals(X.index)
    drawn = flow.sample(X[:5])
    assert (drawn.dtypes == Y.dtypes).all() and list(drawn.index) == list(X.index[:5])
    said = flow.predict(X[:5])
    assert list(said.columns) == ["x", "at"] and said["at"].dt.year.eq(2023).all()
    with pytest.raises(ValueError, match="words or dates"):
        flow.predict_interval(X)
    word = nicest.ConditionalFlow(n_draws=64, **SMALL).fit(frame[["x"]].fillna(0), mixed(holes=False)["colour"])
    guess = word.predict(frame[["x"]].fillna(0))
    assert guess.name == "colour" and set(guess) <= {"red", "green", "blue"}
    assert (guess == mixed(holes=False)["colour"]).mean() > 0.4
    with pytest.raises(ValueError, match="NaN"):
        word.fit(frame[["x"]], frame["colour"])
    with pytest.raises(ValueError, match="both have"):
        word.fit(frame[["x"]], frame["x"].fillna(0))


def test_given_names_may_have_commas():
    X, y = branches(300)
    frame = pandas.DataFrame(np.column_stack([X, np.random.default_rng(0).normal(size=(300, 2))]), columns=["a,b", "a", "b"])
    flow = nicest.ConditionalFlow(n_draws=16, **SMALL).fit(frame, y)
    assert flow.model_.given == ["a,b", "a", "b"]


def test_what_follows_from_another_needs_no_place():
    X, y = branches(300)
    words = np.where(X[:, 0] > 2, "far", "near")
    frame = pandas.DataFrame({"words": words, "same": words, "x": X[:, 0], "one": 1.0})
    flow = nicest.ConditionalFlow(n_draws=16, **SMALL).fit(frame, y)
    assert set(flow.model_.given) == {"words", "x"} and np.isfinite(flow.log_prob(frame, y)).all()
    assert np.isfinite(flow.predict(frame[:3])).all()
