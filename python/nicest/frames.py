"""Data frames of pandas and polars, neither of which is imported here: their columns as numbers for the
library, and the library's numbers as columns of the same kind, with names, index, words and dates."""
from __future__ import annotations

import datetime
import numbers
import sys
from typing import Any, NamedTuple, Sequence

import numpy as np

from . import _header as header
from ._library import ArgumentError, lib, text

__all__ = ["Column", "column_names", "columns_of_data", "columns_of_model", "filled", "frame_columns", "is_frame",
           "is_pandas", "is_polars", "is_series", "like", "plain", "reasons_like", "shown", "table"]


def is_pandas(rows: Any) -> bool:
    """A pandas frame, without importing pandas."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(rows, pandas.DataFrame)


def is_polars(rows: Any) -> bool:
    """A polars frame, without importing polars."""
    polars = sys.modules.get("polars")
    return polars is not None and isinstance(rows, polars.DataFrame)


def is_frame(rows: Any) -> bool:
    """A data frame of either kind."""
    return is_pandas(rows) or is_polars(rows)


def is_series(values: Any) -> bool:
    """A column of either kind of frame."""
    return any(name in sys.modules and isinstance(values, sys.modules[name].Series) for name in ("pandas", "polars"))


def column_names(rows: Any) -> list[str] | None:
    """Names that a data frame brings; numbers are no names."""
    if is_pandas(rows) and all(isinstance(c, str) for c in rows.columns):
        return list(rows.columns)
    return list(rows.columns) if is_polars(rows) else None


def plain(rows: Any) -> bool:
    """Whether every column of a frame is of NumPy's numbers."""
    if is_polars(rows):
        return all(t.is_numeric() or str(t) == "Boolean" for t in rows.dtypes) and \
            not any(rows[name].null_count() for name in rows.columns)
    return all(isinstance(t, np.dtype) and t.kind in "iufb" for t in rows.dtypes)


# ---------------------------------------------------------------- columns to numbers

def _moments(column: np.ndarray) -> tuple[np.ndarray, tuple]:
    """Dates as days since 1970, others as seconds; NaT is NaN."""
    missing, seconds = np.isnat(column), column.astype("M8[us]").astype(np.int64) / 1e6
    days = not np.any(seconds[~missing] % 86400)
    values = np.where(missing, np.nan, seconds / 86400 if days else seconds)
    form = "YYYY-MM-DD" if days else "YYYY-MM-DDThh:mm:ss"
    return values, (header.NICEST_TIME, None, form if days or not np.any(seconds[~missing] % 1) else form + ".ffffff")


def _objects(column: Sequence[Any], name: Any) -> tuple[np.ndarray, tuple | None]:
    """Words as their places in the sorted list of them, dates, or numbers; None and NaN are missing."""
    import decimal
    given = [None if w is None or w != w else w for w in column]
    kinds = {type(w) for w in given if w is not None}
    if all(issubclass(k, (numbers.Real, decimal.Decimal, np.bool_)) for k in kinds) and kinds:
        return np.array([np.nan if w is None else float(w) for w in given]), None
    if all(issubclass(k, datetime.date) for k in kinds) and kinds:
        return _moments(np.array(["NaT" if w is None else w for w in given], "M8[us]"))
    if not all(issubclass(k, str) for k in kinds):
        what = ", ".join(sorted(k.__name__ for k in kinds))
        raise ArgumentError(f"column '{name}' of the data frame is neither numbers nor words nor times, but {what}: "
                            "convert it, or leave it out")
    words = sorted({w.encode("utf-8", "replace") for w in given if w is not None})
    place = {w: i for i, w in enumerate(words)}
    values = np.array([np.nan if w is None else place[w.encode("utf-8", "replace")] for w in given])
    return values, (header.NICEST_CATEGORY, words, None)


def _pandas_column(column: Any, name: Any) -> tuple[np.ndarray, tuple | None]:
    pandas = sys.modules["pandas"]
    types = pandas.api.types
    if isinstance(column.dtype, pandas.CategoricalDtype) and types.is_numeric_dtype(column.dtype.categories.dtype):
        column = column.astype(np.float64)
    if types.is_datetime64_any_dtype(column.dtype):
        return _moments(column.dt.tz_localize(None).to_numpy())
    if types.is_numeric_dtype(column.dtype) and not types.is_complex_dtype(column.dtype):
        bare = isinstance(column.dtype, np.dtype) and not column.hasnans
        return column.to_numpy() if bare else column.to_numpy(dtype=np.float64, na_value=np.nan), None
    try:
        codes, found = pandas.factorize(column)  # each word once
    except TypeError:  # what has no hash
        codes, found = np.arange(1), [column.iloc[0]] if len(column) else []
    values, kind = _objects(list(found), name)
    return np.append(values, np.nan)[codes], kind


def _polars_column(column: Any, name: Any) -> tuple[np.ndarray, tuple | None]:
    if column.dtype.is_numeric() or str(column.dtype) == "Boolean":
        return column.to_numpy(), None
    if column.dtype.is_temporal() and str(column.dtype) not in ("Time", "Duration") and \
            not str(column.dtype).startswith("Duration"):
        return _moments(column.to_numpy().astype("M8[us]"))
    return _objects(column.to_list(), name)


def frame_columns(rows: Any) -> tuple[list[np.ndarray], list[tuple | None]]:
    """Each column of a data frame as an array of numbers, and what these numbers are (None: numbers)."""
    columns, kinds = [], []
    for j, name in enumerate(rows.columns):
        values, kind = _pandas_column(rows.iloc[:, j], name) if is_pandas(rows) else _polars_column(rows[name], name)
        columns.append(np.asarray(values))
        kinds.append(kind)
    return columns, kinds


# ---------------------------------------------------------------- numbers to columns

class Column(NamedTuple):
    """What a column of a model or of data is."""

    name: str
    kind: int
    words: list[str]
    format: str | None


def _columns(source: Any, count: int, owner: str) -> list[Column]:
    import ctypes
    found = []
    for j in range(count):
        name, kind, words, form = (getattr(lib, f"nicest_{owner}_column_{what}") for what in
                                   ("name", "kind", "words", "format"))
        size = ctypes.c_size_t()
        listed = words(source, j, ctypes.byref(size))
        texts = ctypes.cast(listed, ctypes.POINTER(ctypes.c_char_p))
        found.append(Column(text(name(source, j)), kind(source, j), [text(texts[i]) for i in range(size.value)],
                            text(form(source, j))))
    return found


def columns_of_model(model: Any) -> list[Column]:
    """The columns of a model's handle."""
    return _columns(model, lib.nicest_model_columns(model), "model")


def columns_of_data(data: Any) -> list[Column]:
    """The columns of a data set's handle."""
    return _columns(data, lib.nicest_data_columns(data), "data")


def _decoded(column: Column, values: np.ndarray) -> np.ndarray:
    """Numbers as they are, words as an array of objects, times as datetime64."""
    missing = ~np.isfinite(values)
    if column.kind == header.NICEST_CATEGORY:
        words = np.array([*column.words, None], object)
        return words[np.where(missing, len(column.words), np.clip(np.rint(np.where(missing, 0, values)), 0,
                                                                  len(column.words))).astype(int)]
    if column.kind == header.NICEST_TIME and column.format and column.format.startswith("Y"):
        seconds = np.where(missing, 0, values) * (86400 if "h" not in column.format else 1)
        step = np.rint(seconds * 1e6) if "h" in column.format else np.rint(seconds / 86400) * 86400e6
        return np.where(missing, np.datetime64("NaT", "us"), step.astype(np.int64).astype("M8[us]"))
    return values


def shown(column: Column, value: float) -> Any:
    """One value as a person would write it: a number, a word, a date."""
    found = _decoded(column, np.array([value]))[0]
    if isinstance(found, np.datetime64):
        return found.astype("M8[D]" if "h" not in column.format else "M8[s]").item()
    return found if found is None or isinstance(found, str) else float(found)


def _whole(values: np.ndarray) -> bool:
    return bool(np.all(np.isfinite(values)) and np.all(values == np.rint(values)))


def _pandas_series(column: Column, values: np.ndarray, dtype: Any, index: Any, name: Any) -> Any:
    pandas = sys.modules["pandas"]
    series = pandas.Series(_decoded(column, values), index=index, name=name)
    if dtype is None:
        return series
    types = pandas.api.types
    if isinstance(dtype, pandas.DatetimeTZDtype):
        return series.dt.tz_localize(dtype.tz, ambiguous="NaT", nonexistent="shift_forward").astype(dtype)
    numbers = series.dtype.kind == "f"
    if types.is_integer_dtype(dtype) and not _whole(values) and not (
            types.is_extension_array_dtype(dtype) and _whole(values[~np.isnan(values)])):
        return series
    if types.is_bool_dtype(dtype) and numbers:
        return series if np.isnan(values).any() else (series >= 0.5).astype(dtype)
    if isinstance(dtype, pandas.CategoricalDtype) and numbers:
        return series.astype(dtype.categories.dtype, errors="ignore").astype(dtype)
    return series if dtype == object else series.astype(dtype)


def _polars_series(column: Column, values: np.ndarray, dtype: Any, name: str) -> Any:
    polars = sys.modules["polars"]
    found = _decoded(column, values)
    if found.dtype.kind == "f":
        series = polars.Series(name, found)
        if dtype is None or (dtype.is_integer() and not _whole(values)):
            return series
        return series >= 0.5 if str(dtype) == "Boolean" else series.cast(dtype)
    if found.dtype.kind == "O":
        return polars.Series(name, found.tolist(), dtype=dtype or polars.String)
    series = polars.Series(name, found)
    zone = getattr(dtype, "time_zone", None)
    series = series.dt.replace_time_zone(zone, ambiguous="null", non_existent="null") if zone else series
    return series.cast(dtype or (polars.Date if "h" not in column.format else polars.Datetime))


def table(values: np.ndarray, columns: Sequence[Column], template: Any, names: Sequence[Any] | None = None,
          index: Any = None) -> Any:
    """Stored rows [n, d] as a frame of the template's kind, whose columns `names` say the types.

    Parameters
    ----------
    template : data frame, or "pandas" or "polars"
    names : sequence, optional
        Names of the columns in the template; those of the columns by default.
    """
    names = [c.name for c in columns] if names is None else list(names)
    kind = template if isinstance(template, str) else "pandas" if is_pandas(template) else "polars"
    types = {} if isinstance(template, str) else dict(zip(template.columns, template.dtypes))
    if kind == "pandas":
        import pandas
        made = [_pandas_series(c, values[:, j], types.get(n), index, n)
                for j, (c, n) in enumerate(zip(columns, names))]
        frame = pandas.concat(made, axis=1)
        frame.columns = names
        return frame
    import polars
    return polars.DataFrame([_polars_series(c, values[:, j], types.get(n), n)
                             for j, (c, n) in enumerate(zip(columns, names))])


def filled(frame: Any, values: np.ndarray, columns: Sequence[Column], places: Sequence[int],
           hidden: np.ndarray) -> Any:
    """The frame with the cells `hidden` [n, d] of its columns number `places` from stored rows [n, d]."""
    frame = frame.copy() if is_pandas(frame) else frame.clone()
    for j, (column, place) in enumerate(zip(columns, places)):
        cells = hidden[:, j]
        if not cells.any():
            continue
        name, new = frame.columns[place], values[:, j]
        if column.words:
            new = np.minimum(new, len(column.words) - 1)
        if is_pandas(frame):
            old = frame.iloc[:, place]
            new = _pandas_series(column, new, old.dtype, frame.index, name)
            frame.isetitem(place, old.astype(new.dtype).where(~cells, new))
        else:
            polars = sys.modules["polars"]
            new = _polars_series(column, new, frame[name].dtype, name)
            frame = frame.with_columns(frame[name].cast(new.dtype).zip_with(polars.Series(~cells), new))
    return frame


def like(rows: Any, values: np.ndarray, columns: Sequence[str] | None = None, name: str = "logp") -> Any:
    """Results in the manner of the rows: a frame or a series with their index, else the array."""
    if is_pandas(rows):
        pandas = sys.modules["pandas"]
        if values.ndim == 1:
            return pandas.Series(values, index=rows.index, name=name)
        return pandas.DataFrame(values, index=rows.index, columns=columns)
    if is_polars(rows):
        polars = sys.modules["polars"]
        if values.ndim == 1:
            return polars.Series(name, values)
        return polars.DataFrame(values, schema=list(columns) if columns is not None else None)
    return values


def reasons_like(rows: Any, said: Sequence[Sequence[Any]]) -> Any:
    """Reasons of each row as a frame of the rows' kind."""
    lines = [(i, r) for i, reasons in enumerate(said) for r in reasons]
    fields = ("column", "value", "expected", "low", "high", "surprise")
    made = {name: [getattr(r, name) for _, r in lines] for name in fields}
    if is_pandas(rows):
        pandas = sys.modules["pandas"]
        return pandas.DataFrame(made, index=rows.index[[i for i, _ in lines]])
    polars = sys.modules["polars"]
    for name in fields[1:5]:
        if len({type(v) for v in made[name]}) > 1:  # numbers beside words
            made[name] = [None if v is None else str(v) for v in made[name]]
    return polars.DataFrame({"row": [i for i, _ in lines], **made})
