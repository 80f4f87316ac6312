"""The estimators: scikit-learn's own checks without an exception, and what they promise beyond."""
import pickle

import numpy as np
import pytest

pytest.importorskip("sklearn", minversion="1.6")

import joblib  # noqa: E402
from sklearn.base import clone  # noqa: E402
from sklearn.exceptions import NotFittedError  # noqa: E402
from sklearn.model_selection import GridSearchCV  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402
from sklearn.utils.estimator_checks import parametrize_with_checks  # noqa: E402

import nicest  # noqa: E402

SMALL = dict(epochs=3, couplings=2, hidden=8)


@parametrize_with_checks([nicest.Flow(**SMALL), nicest.FlowOutlierDetector(**SMALL),
                          nicest.FlowOutlierDetector(contamination=0.1, **SMALL), nicest.FlowImputer(**SMALL),
                          nicest.ConditionalFlow(n_draws=16, **SMALL)])
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


def test_flow(moons):
    flow = nicest.Flow(random_state=0, **SMALL).fit(moons)
    assert flow.n_iter_ == 3 and len(flow.loss_curve_) == len(flow.validation_scores_) > 0
    assert flow.score(moons) == flow.score_samples(moons).mean()
    assert np.allclose(flow.inverse_transform(flow.transform(moons)), moons, atol=1e-5)
    assert np.array_equal(clone(flow).fit(moons).score_samples(moons), flow.score_samples(moons))
    assert np.array_equal(flow.set_params(n_jobs=1).fit(moons).sample(5, 1), clone(flow).fit(moons).sample(5, 1))
    assert not np.array_equal(flow.sample(5, 1), flow.sample(5, 2))


def test_warm_start_and_callbacks(moons):
    flow = nicest.Flow(warm_start=True, random_state=0, **SMALL).fit(moons)
    first, seen = flow.score(moons), []
    assert flow.set_params(callbacks=[seen.append]).fit(moons).score(moons) >= first and seen


def test_pickle_joblib_and_frames(moons, tmp_path):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(moons, columns=["a", "b"])
    flow = nicest.Flow(random_state=0, **SMALL).fit(frame)
    assert list(flow.feature_names_in_) == ["a", "b"] and flow.model_.column_names == ["a", "b"]
    expected = flow.score_samples(frame)
    assert np.array_equal(pickle.loads(pickle.dumps(flow)).score_samples(frame), expected)
    joblib.dump(flow, tmp_path / "flow.joblib")
    for mode in (None, "r"):
        assert np.array_equal(joblib.load(tmp_path / "flow.joblib", mmap_mode=mode).score_samples(frame), expected)
    parts = joblib.Parallel(n_jobs=2, backend="multiprocessing")(joblib.delayed(flow.score_samples)(p) for p in (frame[:300], frame[300:]))
    assert np.array_equal(np.concatenate(parts), expected)
    out = flow.set_output(transform="pandas").transform(frame)
    assert list(out.columns) == ["flow0", "flow1"] and (out.index == frame.index).all()


def test_in_a_pipeline_and_a_search(moons):
    pipe = make_pipeline(StandardScaler(), nicest.Flow(random_state=0, **SMALL))
    search = GridSearchCV(pipe, {"flow__couplings": [1, 2]}, cv=2).fit(moons)
    assert np.isfinite(search.best_score_)


def test_outliers():
    rows, fresh = nicest.toy("moons", n=12000), nicest.toy("moons", n=3000, seed=8)
    far = np.random.default_rng(1).uniform(5, 9, (300, 2))
    found = nicest.FlowOutlierDetector(false_alarms=0.05, random_state=0, **SMALL).fit(rows)
    assert (found.predict(far) == -1).all() and np.mean(found.predict(fresh) == -1) < 0.09
    chosen = found.select(np.vstack([fresh, far]), fdr=0.1)
    assert chosen[3000:].mean() > 0.95 and chosen[:3000].sum() < 0.2 * chosen.sum()
    assert not found.select(fresh, fdr=1e-9).any()
    share = nicest.FlowOutlierDetector(contamination=0.2, random_state=0, **SMALL).fit(rows)
    assert abs(np.mean(share.predict(rows) == -1) - 0.2) < 0.01
    for wrong in (dict(contamination=0.7), dict(false_alarms=0), dict(contamination="some")):
        with pytest.raises(ValueError):
            nicest.FlowOutlierDetector(**wrong, **SMALL).fit(rows)


def test_imputer(moons):
    holes = moons.copy()
    holes[::3, 1] = np.nan
    imputer = nicest.FlowImputer(random_state=0, **SMALL).fit(holes)
    filled = imputer.transform(holes)
    assert np.isfinite(filled).all() and np.array_equal(filled[1::3], moons[1::3])
    assert np.array_equal(imputer.transform(moons), moons)
    draws = imputer.draws(holes[:30], 4)
    assert draws.shape == (4, 30, 2) and np.ptp(draws[:, 0, 1]) > 0 and np.ptp(draws[:, 0, 0]) == 0
    spread = imputer.standard_deviations(holes[:30], 4)
    assert (spread[::3, 1] > 0).all() and (spread[1::3] == 0).all()


def test_displays(moons, model):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    flow = nicest.FlowOutlierDetector(random_state=0, **SMALL).fit(moons)
    density = nicest.DensityDisplay.from_estimator(model, moons, resolution=30)
    assert density.logp.shape == (30, 30) and density.ax_.get_xlabel() == "x1"
    assert len(nicest.LossCurveDisplay.from_estimator(flow).lines_) == 2
    shown = nicest.OutlierDisplay.from_estimator(flow, moons, y=np.arange(len(moons)) % 2)
    assert shown.line_.get_xdata()[0] == flow.offset_
    line = nicest.train(moons[:, :1], epochs=1)
    assert nicest.DensityDisplay.from_estimator(line).logp.ndim == 1
    matplotlib.pyplot.close("all")
    for show in (nicest.DensityDisplay, nicest.LossCurveDisplay):
        with pytest.raises(NotFittedError):
            show.from_estimator(nicest.Flow())
    with pytest.raises(ValueError, match="1 values"):
        nicest.OutlierDisplay.from_estimator(flow, moons, y=[1])
    assert "nats" in model._repr_html_() and "couplings" in repr(flow)


def test_pyod(moons):
    """What PyOD's own tests of each detector want."""
    pytest.importorskip("pyod")
    from nicest.pyod import NICE
    from pyod.utils.data import evaluate_print
    from scipy.stats import rankdata
    from sklearn.metrics import roc_auc_score
    far = np.random.default_rng(2).uniform(4, 8, (60, 2))
    train, test = np.vstack([moons[:540], far]), np.vstack([moons[540:], far[:20]])
    truth = np.arange(80) >= 60
    detector = NICE(contamination=0.1, epochs=4, options=dict(couplings=2, hidden=8), random_state=3).fit(train)
    for name in ("decision_scores_", "labels_", "threshold_", "_mu", "_sigma"):
        assert getattr(detector, name) is not None
    assert len(detector.decision_scores_) == 600 and detector.labels_.sum() == 60
    scores = detector.decision_function(test)
    assert scores.shape == (80,) and roc_auc_score(truth, scores) >= 0.8
    assert np.array_equal(detector.decision_function(train), detector.decision_scores_)
    evaluate_print("NICE", truth, scores)
    labels, confidence = detector.predict(test, return_confidence=True)
    assert set(labels) == {0, 1} and ((confidence >= 0) & (confidence <= 1)).all()
    for method in ("linear", "unify"):
        shares = detector.predict_proba(test, method=method)
        assert shares.shape == (80, 2) and shares.min() >= 0 and shares.max() <= 1
    with pytest.raises(ValueError):
        detector.predict_proba(test, method="something")
    ranks = detector._predict_rank(test, normalized=True)
    assert np.allclose(rankdata(ranks), rankdata(scores), atol=3) and ranks.min() >= 0 and ranks.max() <= 1
    assert np.array_equal(clone(detector).fit_predict(train), detector.labels_)
    assert clone(detector).get_params() == detector.get_params()
    assert np.array_equal(pickle.loads(pickle.dumps(detector)).decision_function(test), scores)
    seeded = [NICE(epochs=1, random_state=np.random.RandomState(4)).fit(test).decision_scores_ for _ in range(2)]
    assert np.array_equal(*seeded)
    for wrong in (0.0, 0.6):
        with pytest.raises(ValueError):
            NICE(contamination=wrong)
    with pytest.raises(ValueError):
        detector.decision_function(test[:, :1])


def test_rows_with_holes_are_judged_as_the_program_does():
    """Beside calibration rows with about as many holes: p-values, predictions and thresholds say the same."""
    random = np.random.default_rng(3)
    X = random.normal(size=(3000, 4)) + random.normal(size=(3000, 1))
    X[random.random(3000) < 0.5, 1:3] = np.nan
    flow = nicest.FlowOutlierDetector(epochs=1, random_state=0, rank_by="logp",
                                      options={"calibration_share": 0.5}).fit(X)
    fresh = random.normal(size=(600, 4)) * 2
    fresh[::2, 1:3] = np.nan
    flagged = flow.predict(fresh) == -1
    assert 20 < flagged.sum() < 580
    assert np.array_equal(flagged, flow.p_values(fresh) <= 0.05)
    assert np.array_equal(flagged, flow.decision_function(fresh) < 0)
    thresholds = flow.model_.thresholds(fresh, score="logp")
    assert len(np.unique(thresholds)) == 2 and flow.model_.threshold(score="logp") not in thresholds
    # 1500 calibration rows promise 0.1 %, a bin of half of them does not: as the program, flag none of its rows
    flow.false_alarms = 0.001
    assert np.isfinite(flow.model_.threshold(0.001, score="logp"))
    far = np.where(np.isnan(fresh), np.nan, 1e3)
    assert (flow.predict(far) == 1).all() and (flow.p_values(far) > 0.001).all()
