"""The model and training from Python: the same bits as the program and C, the errors one expects, nothing
left behind."""
import ast
import gc
import glob
import os
import pickle
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import nicest
from nicest import _header
from conftest import QUICK, memory_in_use


def test_every_call_has_the_arguments_of_the_header():
    """ctypes lets too many arguments pass: the header may have changed under us."""
    seen = 0
    for path in glob.glob(os.path.join(os.path.dirname(nicest.__file__), "*.py")):
        with open(path, encoding="utf-8") as file:
            tree = ast.parse(file.read())
        for call in (n for n in ast.walk(tree) if isinstance(n, ast.Call)):
            name, given = getattr(call.func, "attr", ""), len(call.args)
            if name in ("_run", "_call") and isinstance(call.args[0], ast.Attribute):
                # _run adds the workspace and the number of rows
                name, given = call.args[0].attr, len(call.args) - 1 + 2 * (name == "_run")
            if name in _header.FUNCTIONS and not any(isinstance(a, ast.Starred) for a in call.args):
                assert given == len(_header.FUNCTIONS[name][1]), f"{path}: {name} has {given} arguments"
                seen += 1
    assert seen > 30


# ---------------------------------------------------------------- the same bits

def test_forms_of_the_same_rows(model, moons):
    expected = model.score(moons)
    wide = np.zeros((len(moons), 5))
    wide[:, 1:4:2] = moons
    for rows in (np.asfortranarray(moons), wide[:, 1:4:2], moons[::-1][::-1], moons.astype(object),
                 moons.tolist(), moons.astype(">f8"), nicest.Data(moons)):
        assert np.array_equal(model.score(rows), expected)
    floats = moons.astype(np.float32)
    assert np.array_equal(model.score(floats), model.score(floats.astype(np.float64)))
    assert np.array_equal(np.concatenate([model.score(r) for r in np.array_split(moons, 7)]), expected)
    assert np.array_equal([model.score(r[None])[0] for r in moons[:20]], expected[:20])


def test_frames_come_back_as_they_were(moons):
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    frame = pandas.DataFrame(moons, columns=["a", "b"], index=np.arange(len(moons)) + 7)
    model = nicest.train(frame, **QUICK)
    assert model.column_names == ["a", "b"]
    logp = model.score(frame)
    assert isinstance(logp, pandas.Series) and (logp.index == frame.index).all()
    assert np.array_equal(logp, model.score(moons))
    assert np.array_equal(model.score(polars.DataFrame(moons, schema=["a", "b"])), logp)
    mixed = pandas.DataFrame({"a": moons[:, 0].astype(np.float32), "b": moons[:, 1]})
    assert np.array_equal(model.score(mixed), model.score(mixed.to_numpy(np.float64)))
    with pytest.raises(nicest.MismatchError):
        model.score(frame.rename(columns={"a": "z"}))
    with pytest.raises(ValueError, match="'?b'?"):
        model.score(pandas.DataFrame({"a": moons[:, 0], "b": ["word"] * len(moons)}))
    assert np.array_equal(model.score(frame[["b", "a"]].assign(more=1)), logp)
    holes = frame.copy()
    holes.iloc[3, 1] = np.nan
    filled = model.impute(holes).filled
    assert isinstance(filled, pandas.DataFrame) and np.isfinite(filled.iloc[3, 1])
    assert (filled.drop(index=10) == frame.drop(index=10)).all(axis=None)


def test_words_and_dates_as_in_a_file(tmp_path):
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    rng = np.random.default_rng(3)
    frame = pandas.DataFrame({"x": rng.normal(size=300), "colour": rng.choice(["red", "blue", "green"], 300),
                              "day": pandas.Timestamp("2024-01-01") + pandas.to_timedelta(rng.integers(0, 90, 300), "D")})
    frame.to_csv(tmp_path / "t.csv", index=False)
    text = nicest.open(tmp_path / "t.csv")
    mine = nicest.Data(frame)
    assert np.array_equal(mine.numpy(), text.numpy()) and mine.names == text.names
    other = polars.DataFrame({"x": frame.x.to_numpy(), "colour": frame.colour.tolist(),
                              "day": frame.day.dt.date.tolist()})
    assert np.array_equal(nicest.Data(other).numpy(), text.numpy())
    model = nicest.train(text, **QUICK)
    assert np.array_equal(model.score(frame), model.score(text))
    assert np.array_equal(model.score(frame.astype({"colour": "category"})), model.score(text))
    part = frame[frame.colour != "blue"]  # other words, other codes: matched by the word
    assert np.array_equal(model.score(part), model.score(frame)[part.index])
    with pytest.raises(ValueError, match="neither"):
        nicest.Data(frame.assign(odd=[[1]] * 300))


def test_pictures_of_bytes_are_not_copied(bytes_rows):
    data = nicest.Data(bytes_rows)
    assert data.shape == (300, 16) and data.image == (4, 4, 1) and data.dtype == np.uint8
    assert any(k is bytes_rows or getattr(k, "base", None) is bytes_rows for k in data._keep)
    model = nicest.train(bytes_rows, **QUICK)
    assert model.image == (4, 4, 1)
    flat = bytes_rows.reshape(300, 16)
    assert np.array_equal(model.score(data), model.score(flat.astype(np.float64)))
    assert np.isfinite(model.bits_per_dim(model.score(data)[0]))


def test_the_program_agrees(model, moons, program, tmp_path):
    model.save(tmp_path / "m.safetensors")
    np.save(tmp_path / "rows.npy", moons)
    subprocess.run([program, "score", tmp_path / "m.safetensors", tmp_path / "rows.npy", "-q", "-o",
                    tmp_path / "out.npy"], check=True)
    out = np.load(tmp_path / "out.npy")
    assert np.array_equal(out[:, 0], model.score(moons))
    assert np.array_equal(out[:, 1], model.p_values(moons))
    again = subprocess.run([program, "train", f"{tmp_path}/rows.npy", "--epochs", "3", "--couplings", "2", "--hidden", "16",
                            "-q", "-o", tmp_path / "p.safetensors"], check=True)
    assert again.returncode == 0
    assert (tmp_path / "p.safetensors").read_bytes() == nicest.train(moons, **QUICK).to_bytes()


def test_bytes_files_and_pickles(model, moons, tmp_path):
    data = model.to_bytes()
    model.save(tmp_path / "m.safetensors")
    assert (tmp_path / "m.safetensors").read_bytes() == data
    for again in (nicest.Model.load(tmp_path / "m.safetensors"), nicest.Model.from_bytes(data),
                  pickle.loads(pickle.dumps(model)), nicest.Model.from_bytes(memoryview(data))):
        assert np.array_equal(again.score(moons), model.score(moons))
        assert again.to_bytes() == data
    with pytest.raises(nicest.FormatError):
        nicest.Model.from_bytes(data[:-1])
    with pytest.raises(OSError, match="nowhere"):
        nicest.Model.load(tmp_path / "nowhere.safetensors")
    tensors = model.tensors()
    assert sum(t.size for t in tensors.values()) > 0
    with pytest.raises(ValueError):
        next(iter(tensors.values()))[0] = 1


def test_from_many_threads_and_after_a_fork(model, moons):
    expected, found = model.score(moons), [None] * 8

    def work(i):
        for _ in range(20):
            found[i] = model.score(moons)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert all(np.array_equal(f, expected) for f in found)
    child = os.fork()
    if not child:
        os._exit(0 if np.array_equal(model.score(moons), expected) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


# ---------------------------------------------------------------- what a model can

def test_the_neighbours_of_log_p(model, moons):
    logp, slope = model.gradient(moons[:50])
    assert np.array_equal(logp, model.log_prob(moons[:50]))
    step = 1e-4 * np.array([1.0, 0.0])
    numeric = (model.log_prob(moons[:50] + step) - model.log_prob(moons[:50] - step)) / 2e-4
    assert np.allclose(slope[:, 0], numeric, atol=2e-2)
    latent, logdet = model.forward(moons)
    rows, back = model.inverse(latent)
    assert np.allclose(rows, moons, atol=1e-5) and np.allclose(logdet, -back, atol=1e-5)
    assert np.array_equal(model.sample(10, seed=3)[4:], model.sample(6, seed=3, first=4))
    proof = model.verify(moons)
    assert 1 <= proof.spread_max < 1.25 and proof.spread_column in (0, 1) and np.isnan(proof.marginal_gap)
    assert proof.ok and abs(proof.integral - 1) < 0.01
    grid, box = model.density(width=40, height=30)
    assert grid.shape == (30, 40) and box.shape == (4,)
    area = (box[1] - box[0]) * (box[3] - box[2]) / grid.size
    assert abs(np.exp(grid).sum() * area - 1) < 0.05


def test_p_values_keep_their_promise():
    rows = nicest.toy("moons", n=4000)
    model = nicest.train(rows, **QUICK)
    fresh = nicest.toy("moons", n=4000, seed=9)
    p = model.p_values(fresh)
    assert ((p > 0) & (p <= 1)).all() and np.mean(p <= 0.1) < 0.15
    below = model.outlier_scores(fresh) < model.threshold(0.1)
    assert abs(below.mean() - np.mean(p <= 0.1)) < 0.02
    before = model.p_values(fresh)
    model.calibrate(nicest.toy("moons", n=2000, seed=11), train=rows)
    assert not np.array_equal(before, model.p_values(fresh))
    assert set(nicest.score_names()) >= {"logp", "typicality"}
    assert np.isfinite(model.outlier_scores(fresh, score="typicality")).all()
    assert model.default_score in nicest.score_names()


def test_a_shifted_column_is_the_reason():
    rows = np.random.default_rng(3).normal(size=(1000, 4))
    model = nicest.train(rows, **QUICK)
    bad = rows[:8].copy()
    bad[:, 2] += 9
    found = model.explain(bad, most=2)
    assert [len(reasons) for reasons in found].count(0) == 0
    for row, reasons in zip(bad, found):
        first = reasons[0]
        assert first.column == "x3" and first.value == row[2] and first.surprise > 10
        assert first.low < first.expected < first.high < row[2]
    assert all(len(reasons) == 2 for reasons in model.explain(bad, most=2, enough=2))


def test_holes_are_filled(model, moons):
    rows = moons[:40].copy()
    rows[::2, 1] = np.nan
    done = model.impute(rows)
    assert np.array_equal(done.filled[1::2], moons[1:40:2]) and np.isfinite(done.filled).all()
    draws = model.impute(rows, method="langevin", draws=3, steps=20)
    assert draws.filled.shape == (3, 40, 2) and (draws.spread[::2, 1] > 0).all()
    rows[0, 0] = np.inf  # stays, and says nothing of the value beside it
    beyond = model.impute(rows)
    assert beyond.filled[0, 0] == np.inf and np.isfinite(beyond.filled[0, 1]) and beyond.summary["hidden"] == 20
    assert np.array_equal(beyond.filled[1:], done.filled[1:]) and beyond.spread[0, 0] == 0
    hidden = model.impute(moons[:40], hidden=np.isnan(rows))
    assert hidden.summary["hidden"] == 20 and np.isfinite(hidden.summary["rmse"])


def test_data_forms(tmp_path):
    (tmp_path / "t.csv").write_text("a,b,kind\n1,2,x\n3,4,y\n5,6,x\n")
    data = nicest.open(tmp_path / "t.csv", label="kind")
    assert data.shape == (3, 2) and data.names == ["a", "b"] and list(data.labels) == ["x", "y", "x"]
    assert np.array_equal(data, [[1, 2], [3, 4], [5, 6]]) and len(data) == 3
    assert np.array_equal(data.select([2, 0]).numpy(), [[5, 6], [1, 2]])
    assert np.array_equal(nicest.open(tmp_path / "t.csv", columns="b", where="kind=x").numpy(), [[2], [6]])
    data.save(tmp_path / "again.csv")
    assert nicest.open(tmp_path / "again.csv", label="label").shape == (3, 2)
    part = nicest.Data(np.arange(6.0).reshape(3, 2), labels=[1, 2, 3]).select(np.array([True, False, True]))
    gc.collect()
    assert np.array_equal(part.numpy(), [[0, 1], [4, 5]]) and list(part.labels) == [1, 3]
    density = nicest.toy_log_density("moons", nicest.toy("moons", n=50))
    assert np.isfinite(density).all() and "moons" in nicest.toy_names()
    with pytest.raises(TypeError, match="sperator"):
        nicest.open(tmp_path / "t.csv", sperator=",")


# ---------------------------------------------------------------- training

def test_pieces_are_the_whole(moons, model):
    run = nicest.Trainer(moons, **QUICK)
    while run.step(steps=5):
        assert run.progress.step % 5 == 0
    assert not run.look().calibrated
    assert run.model().to_bytes() == model.to_bytes()


def test_going_on(moons, model):
    more = nicest.toy("moons", n=600, seed=4)
    next_model = nicest.train(more, init=model, epochs=3)
    assert next_model.spec == model.spec
    assert next_model.score(more).mean() > model.score(more).mean()


def test_options_are_named_and_checked(moons):
    assert {"epochs", "learning_rate", "seconds"} <= set(nicest.train_options())
    with pytest.raises(TypeError, match="did you mean 'epochs'"):
        nicest.train(moons, epoch=3)
    with pytest.raises(nicest.ArgumentError, match="adam"):
        nicest.train(moons, optimizer="adamw")
    with pytest.raises(ValueError, match="preset"):
        nicest.train(moons, preset="best")
    with pytest.raises(nicest.ArgumentError, match="time"):
        nicest.train(moons, time="3 weeks")
    assert nicest.train(moons, time="0.2s", hidden=(8, 8), couplings=2).result["seconds"] < 2


def test_callbacks(moons):
    seen = []
    nicest.train(moons, callback=seen.append, **QUICK)
    assert seen and isinstance(seen[0], nicest.Progress) and seen[-1].done == 1
    stopped = nicest.train(moons, callback=lambda now: now.step > 30, epochs=100000, hidden=8)
    assert stopped.result["interrupted"] and stopped.result["epochs"] < 100000

    def broken(now):
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        nicest.train(moons, callback=broken, **QUICK)


def test_ctrl_c_keeps_the_best_weights(moons):
    begun = threading.Event()

    def interrupt():  # once training is on its way, from outside
        begun.wait(60)
        time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.warns(nicest.NicestWarning, match="interrupted"):
        model = nicest.train(moons, time="1000s", couplings=2, hidden=8, callback=lambda now: begun.set())
    assert model.result["interrupted"] and np.isfinite(model.score(moons)).all()
    begun.clear()
    run = nicest.Trainer(moons, time="1000s", couplings=2, hidden=8, callback=lambda now: begun.set())
    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        run.step()
    step = run.progress.step
    assert step > 0 and run.step(steps=3) and run.progress.step == step + 3


def test_ctrl_c_while_stacks_are_tried():
    """That comes before the first step, and may take most of the time."""
    begun = threading.Event()

    def interrupt():
        begun.wait(60)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.warns(nicest.NicestWarning, match="interrupted"):
        model = nicest.train(nicest.toy("moons", n=200), calibration_share=0, callback=lambda now: begun.set())
    assert model.result["interrupted"] and np.isfinite(model.score([[0.5, 0.5]])).all()


def test_what_was_chosen(moons):
    run = nicest.Trainer(moons, **QUICK)
    assert run.chosen["recipe"]["epochs"] == 3 and run.chosen["spec"].startswith("nicest 1") and run.chosen["chosen"]
    assert {"epochs", "time", "hidden", "checkpoint"} <= set(nicest.train_options()) and "init" not in nicest.train_options()


# ---------------------------------------------------------------- detection and files

def test_detection():
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(3)
    outlier = rng.random(300) < 0.2
    scores = np.round(rng.normal(size=300) - 1.5 * outlier, 1)  # with ties
    found = nicest.detect(scores, outlier, threshold=-1)
    assert np.isclose(found.auroc, metrics.roc_auc_score(outlier, -scores))
    assert np.isclose(found.auprc, metrics.average_precision_score(outlier, -scores))
    assert np.isclose(found.recall, np.mean(scores[outlier] < -1))
    alarms, recall, _ = metrics.roc_curve(outlier, -scores, drop_intermediate=False)
    assert np.allclose(found.curve["alarms"], alarms) and np.allclose(found.curve["recall"], recall)
    assert nicest.detect(scores, outlier).f1 == found.best_f1
    with pytest.raises(nicest.DataError, match="NaN"):
        nicest.detect([np.nan, 1], [0, 1])
    with pytest.raises(ValueError, match="2 scores"):
        nicest.detect([0, 1], [1])


def test_baselines(model, moons):
    for name in nicest.baseline_names():
        if name != "compressed":
            single = model.baseline_scores(moons[:10], name)
            assert np.allclose(model.baseline_scores(moons[:10], name, group=5)[:5], single[:5].mean())
    with pytest.raises(ValueError, match="baseline"):
        model.baseline_scores(moons, "median")


def test_writer(tmp_path, moons):
    data = nicest.Data(moons, names=["a", "b"])
    for name in ("r.csv", "r.npy", "r.csv.gz"):
        data.save(tmp_path / f"once-{name}")
        with nicest.Writer(tmp_path / name, data) as out:
            for part in np.array_split(moons, 7):
                out.add(part)
            assert not (tmp_path / name).exists()
        assert (tmp_path / name).read_bytes() == (tmp_path / f"once-{name}").read_bytes()
    with pytest.raises(KeyError):
        with nicest.Writer(tmp_path / "never.csv", data) as out:
            out.add(moons)
            raise KeyError
    assert not (tmp_path / "never.csv").exists()
    with pytest.raises(ValueError, match="closed"):
        out.add(moons)
    with pytest.raises(nicest.MismatchError, match="columns"), nicest.Writer(tmp_path / "w.csv", data) as out:
        out.add(np.ones((2, 3)))


@pytest.mark.parametrize("rows, error", [
    (np.zeros((0, 2)), ValueError), (np.zeros((1, 2)), ValueError), (np.zeros((5, 0)), ValueError),
    (np.zeros(5), ValueError), (np.full((9, 2), np.nan), nicest.DataError),
    (np.zeros((9, 2), complex), ValueError), ([["a", "b"]] * 9, ValueError), (None, ValueError),
    ("nowhere.csv", OSError),
])
def test_wrong_rows(rows, error):
    with pytest.raises((error, TypeError) if rows is None else error):
        nicest.train(rows, **QUICK)


def test_wrong_calls(model, moons):
    with pytest.raises(nicest.MismatchError, match="columns"):
        model.score(np.asfortranarray(np.ones((3, 4))))
    with pytest.raises(ValueError, match="columns"):
        model.forward(np.ones((3, 4)))
    with pytest.raises(TypeError):
        nicest.Model()
    with pytest.raises(ValueError, match="1 or 2 columns|grid"):
        nicest.train(np.random.default_rng(0).normal(size=(60, 3)), **QUICK).density()
    with pytest.raises(ValueError):
        model.outlier_scores(moons, score="nothing")
    assert np.isnan(model.score([[np.nan, 1.0]]))[0]
    assert model.score(np.empty((0, 2))).shape == (0,)


def test_sparse_rows_are_refused(model):
    sparse = pytest.importorskip("scipy.sparse")
    with pytest.raises(TypeError, match="Sparse"):
        model.score(sparse.csr_matrix(np.eye(2)))


def test_nothing_is_left_behind(moons):
    """A thousand fits, models and errors: no growth."""
    def rounds(n):
        for _ in range(n):
            model = nicest.train(moons[:40], epochs=1, couplings=1, hidden=4, calibration_share=0, threads=1)
            model.score(moons)
            pickle.loads(pickle.dumps(model))
            with pytest.raises(ValueError):
                model.score(np.ones((2, 5)))
        return memory_in_use()
    rounds(50)
    before = rounds(50)
    assert rounds(1000) - before < 100_000  # bytes


def test_importing_is_quick():
    """Beside NumPy, whose time says how busy the machine is."""
    code = ("import sys, time; t = time.perf_counter(); import numpy; u = time.perf_counter(); import nicest; "
            "nicest.Model; print((time.perf_counter() - u) / (u - t), {'sklearn', 'pandas'} & sys.modules.keys())")
    found = [subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
             .stdout.split(maxsplit=1) for _ in range(4)]
    assert min(float(f[0]) for f in found) < 0.6 and found[0][1].strip() == "set()"


@pytest.mark.parametrize("work", ["score", "outlier_scores", "p_values", "sample", "log_prob", "explain"])
def test_ctrl_c_ends_long_calls(model, moons, work):
    rows = np.broadcast_to(moons[:1], (20_000_000, 2))  # far longer than it takes to stop them, and no memory
    call = dict(sample=lambda: model.sample(20_000_000), log_prob=lambda: model.log_prob(np.tile(moons[:1], (4_000_000, 1))),
                explain=lambda: model.explain(np.tile(moons[:1], (200_000, 1))))

    def interrupt(*_):
        raise KeyboardInterrupt
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        with pytest.raises(KeyboardInterrupt):
            call.get(work, lambda: getattr(model, work)(rows))()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert np.isfinite(model.score(moons)).all()


def test_no_rows(model, moons):
    none = moons[:0]
    for work in ("score", "log_prob", "outlier_scores", "p_values"):
        assert getattr(model, work)(none).shape == (0,)
    assert model.explain(none) == [] and model.sample(0).shape == (0, 2)
    for wrong in (lambda: model.verify(none), lambda: model.calibrate(none), lambda: model.calibrate(moons, train=none),
                  lambda: nicest.train(none), lambda: nicest.train(moons, valid=none, epochs=1)):
        with pytest.raises(nicest.DataError):
            wrong()
