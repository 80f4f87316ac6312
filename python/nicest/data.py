"""Rows for the library: arrays where they lie, data frames, files, toys."""
from __future__ import annotations

import ctypes
import os
import sys
from typing import Any, Sequence

import numpy as np

from . import _header as header
from ._library import ArgumentError, address, as_dict, check, encoded, handle, lib, names, text, whole
from .frames import column_names, frame_columns, is_pandas, is_polars, plain

__all__ = ["Data", "Writer", "open", "toy", "toy_names", "toy_log_density"]

_TYPES = frozenset("uint8 int8 uint16 int16 uint32 int32 uint64 int64 float32 float64".split())


class Data:
    """A data set that the library reads: rows of numbers, with names, picture size and labels.

    Made by :func:`nicest.open`, :func:`nicest.toy` or from anything that looks like an array; every
    function of the package takes one wherever it takes rows.

    Parameters
    ----------
    rows : array_like of shape (n_rows, n_columns), data frame, or pictures (n, height, width[, channels])
        Borrowed without a copy where the type is an integer, float32 or float64 of this machine and the
        strides are positive (columns of a data frame too, where all have one type); else converted to
        float64. NaN is a missing value.
    names : sequence of str, optional
        Names of the columns. Data frames bring their own.
    image : tuple of int, optional
        (height, width) or (height, width, channels) of the pictures that the rows are.
    labels : array_like of shape (n_rows,), optional
        One number a row.

    Examples
    --------
    >>> import numpy as np, nicest
    >>> rows = nicest.Data(np.arange(6, dtype=np.uint8).reshape(3, 2), names=["a", "b"])
    >>> rows.shape, rows.names, rows.dtype
    ((3, 2), ['a', 'b'], dtype('uint8'))
    """

    def __init__(self, rows: Any, *, names: Sequence[str] | None = None,
                 image: Sequence[int] | None = None, labels: Any = None):
        self._handle = handle()
        self._keep: list[Any] = []
        view = header.nicest_view()
        _fill(view, rows, self._keep)
        if names is None:
            names = column_names(rows)
        if names is not None:
            if len(names) != view.columns:
                raise ArgumentError(f"{len(names)} names for {view.columns} columns")
            twice = {str(n) for n in names if list(names).count(n) > 1} if len({*names}) < len(names) else ()
            if twice:
                raise ArgumentError(f"names of columns stand twice: {', '.join(sorted(twice))}")
            array = (ctypes.c_char_p * len(names))(*[encoded(str(n)) for n in names])
            view.names = ctypes.cast(array, ctypes.c_void_p)
            self._keep.append(array)
        if image is not None:
            view.height, view.width, view.channels = _picture(image)
        if labels is not None:
            labels = np.ascontiguousarray(labels, dtype=np.float64)
            if labels.shape != (view.rows,):
                raise ArgumentError(f"labels of shape {labels.shape} for {view.rows} rows")
            view.labels = address(labels)
            self._keep.append(labels)
        check(lib.nicest_data_view(ctypes.byref(self._handle), ctypes.byref(view)))

    @classmethod
    def _of(cls, made: ctypes.c_void_p, keep: Sequence[Any] = ()) -> "Data":
        data = cls.__new__(cls)
        data._handle, data._keep = made, list(keep)
        return data

    def __del__(self):
        made, self._handle = getattr(self, "_handle", None), None
        if made:
            lib.nicest_data_free(made)

    def __len__(self) -> int:
        return lib.nicest_data_rows(self._handle)

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns); a label is no column."""
        return len(self), lib.nicest_data_columns(self._handle)

    @property
    def names(self) -> list[str]:
        """Names of the columns, "x1", "x2", ... where the data has none."""
        return [text(lib.nicest_data_column_name(self._handle, j)) for j in range(self.shape[1])]

    @property
    def kind(self) -> str:
        """"csv", "npy", "npz", "idx", "png", "toy" or "memory"."""
        return text(lib.nicest_data_kind(self._handle))

    @property
    def dtype(self) -> np.dtype:
        """Type of the stored values."""
        return np.dtype(text(lib.nicest_data_type(self._handle)))

    @property
    def image(self) -> tuple[int, int, int] | None:
        """(height, width, channels), or None where the rows are no pictures."""
        size = [ctypes.c_uint() for _ in range(3)]
        lib.nicest_data_image(self._handle, *[ctypes.byref(s) for s in size])
        return tuple(s.value for s in size) if size[0].value else None

    @property
    def labels(self) -> np.ndarray | None:
        """One a row: numbers, or the words of the file; None where there are none."""
        pointer = lib.nicest_data_labels(self._handle)
        if not pointer:
            return None
        values = np.ctypeslib.as_array(ctypes.cast(pointer, ctypes.POINTER(ctypes.c_double)), (len(self),))
        words = [lib.nicest_data_label_text(self._handle, i) for i in range(len(self))]
        if any(w is not None for w in words):
            return np.array([text(w) for w in words], dtype=object)
        return values.copy()

    def facts(self) -> list[dict[str, Any]]:
        """What each column is like: rows, missing, levels, least, median, most, mean, deviation, `what` it is,
        `advice` where it tells a density nothing, and what training has it `taken` for (`point`: a mass point)."""
        found = (header.nicest_column_facts * max(self.shape[1], 1))()
        check(lib.nicest_data_facts(self._handle, found))
        return [dict(name=name, **as_dict(one)) for name, one in zip(self.names, found)]

    def numpy(self, first: int = 0, count: int | None = None) -> np.ndarray:
        """Rows as float64, of shape (count, columns); all of them by default."""
        n, d = self.shape
        first = whole(first, "first")
        count = max(n - first, 0) if count is None else whole(count, "count")
        out = np.empty((count, d))
        check(lib.nicest_data_read(self._handle, first, count, address(out)))
        return out

    def __array__(self, dtype=None, copy=None):
        out = self.numpy()
        return out if dtype is None else out.astype(dtype)

    def select(self, index: Any) -> "Data":
        """Rows `index` (numbers, or a mask) as data of their own; the values are shared."""
        index = np.atleast_1d(np.arange(len(self))[index].astype(np.uintp))
        if index.ndim != 1:
            raise IndexError(f"expected a list of rows, got an index of shape {index.shape}")
        made = handle()
        check(lib.nicest_data_select(ctypes.byref(made), self._handle, address(index), len(index)))
        return Data._of(made, [self])

    def beside(self, other: "Data") -> "Data":
        """All columns of these rows, then all of the other's as many rows."""
        made, other = handle(), as_data(other)
        check(lib.nicest_data_beside(ctypes.byref(made), self._handle, other._handle))
        return Data._of(made, [self, other])

    def save(self, path: str | os.PathLike) -> None:
        """Writes by extension: .csv .tsv (.gz) .npy .npz -idx?-ubyte(.gz) .png."""
        check(lib.nicest_data_save(self._handle, encoded(path)))

    def __repr__(self) -> str:
        n, d = self.shape
        picture = "" if self.image is None else ", pictures of %dx%dx%d" % self.image
        return f"<nicest.Data: {n} rows of {d} columns, {self.dtype} from {self.kind}{picture}>"


# ---------------------------------------------------------------- what looks like an array

def _describe(kinds: list[tuple | None], keep: list[Any]) -> ctypes.Array:
    """Kinds of columns for the library."""
    described = (header.nicest_column * len(kinds))()
    for at, (kind, words, form) in ((described[j], k) for j, k in enumerate(kinds) if k is not None):
        at.kind = kind
        if words is not None:
            texts = (ctypes.c_char_p * len(words))(*words)
            at.words, at.word_count = ctypes.cast(texts, ctypes.c_void_p), len(words)
            keep.append(texts)
        if form is not None:
            at.format = form.encode()
    keep.append(described)
    return described


def unmasked(rows: Any) -> Any:
    """A masked array with NaN for what is masked; anything else as it is."""
    masked = sys.modules.get("numpy.ma")
    return rows.astype(np.float64).filled(np.nan) if masked and isinstance(rows, masked.MaskedArray) else rows


def _usable(array: np.ndarray) -> np.ndarray:
    """The array, or a copy of it that the library can read."""
    if np.iscomplexobj(array):
        raise ArgumentError("Complex data not supported")
    if array.dtype.kind in "mMV":
        raise ArgumentError(f"an array of {array.dtype}: a data frame says what its columns are; else convert it to numbers")
    if array.dtype == bool:
        array = array.view(np.uint8)
    if array.dtype.name not in _TYPES or not array.dtype.isnative:
        array = array.astype(np.float64)
    if any(stride < 0 for stride in array.strides):
        array = np.ascontiguousarray(array)
    return array


def _fill(view: header.nicest_view, rows: Any, keep: list[Any]) -> None:
    """Describes the rows; what must stay alive goes into `keep`."""
    if is_polars(rows) or (is_pandas(rows) and rows.shape[1] and not (plain(rows) and len(set(rows.dtypes)) == 1)):
        columns, kinds = frame_columns(rows)
        columns = [_usable(c) for c in columns]
        if any(kinds):
            view.kinds = ctypes.cast(_describe(kinds, keep), ctypes.c_void_p)
        if len({c.dtype for c in columns}) == 1 and len({c.strides for c in columns}) == 1:
            pointers = (ctypes.c_void_p * len(columns))(*[address(c) for c in columns])
            view.column = ctypes.cast(pointers, ctypes.c_void_p)
            view.row_stride = columns[0].strides[0]
            view.rows, view.columns = len(columns[0]), len(columns)
            view.type = columns[0].dtype.name.encode()
            keep += [pointers, *columns]
            return
        rows = np.column_stack([c.astype(np.float64, copy=False) for c in columns])
    if is_pandas(rows):
        rows = rows.to_numpy()
    rows = unmasked(rows)
    array = _usable(np.asarray(rows))
    if array.ndim in (3, 4):
        view.height, view.width, view.channels = (*array.shape[1:], 1)[:3]
        array = array.reshape(len(array), -1)
    if array.ndim != 2:
        raise ArgumentError(f"Expected 2D array [rows, columns], got an array of shape {array.shape}. "
                            "Reshape your data: array.reshape(-1, 1) is one column, "
                            "array.reshape(1, -1) one row")
    view.rows, view.columns = array.shape
    view.type = array.dtype.name.encode()
    view.values = address(array)
    view.row_stride, view.column_stride = array.strides
    keep.append(array)


class Writer:
    """Rows into a file in batches, in bounded memory where the format is text or .npy.

    The file appears, whole, when the `with` statement ends; an error in it leaves the old one.

    Parameters
    ----------
    path : str or path
        As of :meth:`Data.save`.
    like : array_like, data frame or Data
        Has the columns, their names and kinds; its rows are not written.

    Examples
    --------
    >>> import nicest, os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "rows.csv")
    >>> rows = nicest.toy("moons", n=10)
    >>> with nicest.Writer(path, rows) as out:
    ...     out.add(rows[:4])
    ...     out.add(rows[4:])
    >>> len(nicest.open(path))
    10
    """

    def __init__(self, path: str | os.PathLike, like: Any):
        self._handle, self._like = handle(), as_data(like)
        check(lib.nicest_writer_open(ctypes.byref(self._handle), encoded(path), self._like._handle))

    def add(self, rows: Any) -> None:
        """Writes rows with the columns of `like`, in their order."""
        if not self._handle:
            raise ArgumentError("the writer is closed")
        data = as_data(rows)
        check(lib.nicest_writer_add(self._handle, data._handle))

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, kind: Any, *_: Any) -> None:
        made, self._handle = self._handle, None
        if kind is not None:
            lib.nicest_writer_abandon(made)
        else:
            check(lib.nicest_writer_close(made))

    def __del__(self):
        made, self._handle = getattr(self, "_handle", None), None
        if made:
            lib.nicest_writer_abandon(made)


def as_data(rows: Any) -> Data:
    """Whatever a caller has, as data."""
    if isinstance(rows, Data):
        return rows
    if isinstance(rows, (str, os.PathLike)):
        return open(rows)
    if hasattr(rows, "toarray") and hasattr(rows, "nnz"):
        raise TypeError("Sparse data is not supported: a density needs every value; use .toarray()")
    return Data(rows)


def as_rows(rows: Any) -> np.ndarray:
    """Whatever a caller has, as float64 rows in order."""
    rows = unmasked(rows)
    if isinstance(rows, np.ndarray) and rows.ndim == 2 and rows.dtype == np.float64 and \
            rows.flags.c_contiguous:
        return rows
    return as_data(rows).numpy()


# ---------------------------------------------------------------- files and toys

def open(source: str | os.PathLike, *, columns: str | None = None, drop: str | None = None,
         label: str | None = None, where: str | None = None,
         image: Sequence[int] | None = None, **reading: Any) -> Data:
    """Opens what the program calls DATA.

    Parameters
    ----------
    source : str or path
        "toy:NAME[,n=..][,seed=..]", FILE.csv or .tsv (.gz), FILE.npy, FILE.npz[:ARRAY],
        FILE-idx?-ubyte (.gz), a folder of PNGs; a slice "[a:b]" may follow.
    columns, drop : str, optional
        Keep or leave out these columns: names, or numbers from 1, "a,b,3-7".
    label : str, optional
        This column is a label.
    where : str, optional
        "COLUMN=VALUE": keep only these rows.
    image : tuple of int, optional
        (height, width) or (height, width, channels).
    **reading
        Further fields of the library's nicest_data_options.

    Returns
    -------
    Data

    Examples
    --------
    >>> import nicest
    >>> nicest.open("toy:moons,n=100[0:10]").shape
    (10, 2)
    """
    options = header.nicest_data_options(columns=encoded(columns), drop=encoded(drop), label=encoded(label),
                                         where=encoded(where))
    for name, value in reading.items():
        if name not in dict(header.nicest_data_options._fields_):
            raise TypeError(f"open() got an unexpected keyword argument '{name}'")
        setattr(options, name, encoded(value) if isinstance(value, str) else value)
    if image is not None:
        options.height, options.width, options.channels = _picture(image)
    made = handle()
    check(lib.nicest_data_open(ctypes.byref(made), encoded(source), ctypes.byref(options)))
    return Data._of(made)


def _picture(size: Sequence[int]) -> tuple[int, int, int]:
    """Height, width, channels."""
    if len(size) not in (2, 3):
        raise ArgumentError(f"image {size!r}: expected (height, width) or (height, width, channels)")
    return tuple(whole(n, "image", 2 ** 31 - 1) for n in (*size, 1)[:3])


def toy_names() -> list[str]:
    """Names of the toy densities."""
    return names(lib.nicest_toy_names)


def toy(name: str, n: int = 1000, seed: int = 1) -> np.ndarray:
    """Rows of a toy density in the plane.

    Parameters
    ----------
    name : str
        One of :func:`toy_names`; parameters may follow, "moons,noise=0.2".
    n, seed : int
        Rows, and the seed that they follow from.

    Returns
    -------
    ndarray of shape (n, 2)

    Examples
    --------
    >>> import nicest
    >>> nicest.toy("moons", n=5).shape
    (5, 2)
    """
    return open(f"toy:{name},n={n},seed={seed}").numpy()


def toy_log_density(name: str, rows: Any) -> np.ndarray:
    """True log density of a toy at rows [n, 2], in nats; -inf where there are never any."""
    rows = as_rows(rows)
    if rows.shape[1] != 2:
        raise ArgumentError(f"toys have 2 columns, not {rows.shape[1]}")
    out = np.empty(len(rows))
    check(lib.nicest_toy_log_density(encoded(name), address(rows), len(rows), address(out)))
    return out
