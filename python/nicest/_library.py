"""libnicest by ctypes: the library is found, its functions get their types, its statuses become errors.

No other module knows ctypes' loader, nor how Ctrl-C reaches a call that is long. The prototypes are made from nicest.h (`_header.py`). ctypes gives
the interpreter lock away for the length of every call.
"""
from __future__ import annotations

import ctypes
import operator
import os
import threading
from typing import Any, Callable

import numpy as np

from . import _header as header


class NicestError(Exception):
    """What the library refuses, in its own sentence. Every error below is one too."""


class FormatError(NicestError, ValueError):
    """A file or a block of bytes is not what it should be."""


class DataError(NicestError, ValueError):
    """The data cannot serve: too few rows, missing values, ..."""


class MismatchError(NicestError, ValueError):
    """Model and data (or checkpoint and options) do not belong together."""


class ArgumentError(NicestError, ValueError):
    """An argument is not one that the function takes."""


class FileError(NicestError, OSError):
    """A file could not be opened, read or written."""


class DivergedError(NicestError, ArithmeticError):
    """Training diverged in spite of all retries."""


class UnsupportedError(NicestError, NotImplementedError):
    """This build or this processor cannot do it."""


class OutOfMemoryError(NicestError, MemoryError):
    """Memory ran out."""


class InterruptedTrainingError(NicestError, RuntimeError):
    """A callback asked to stop when there was nothing to keep."""


class NicestWarning(UserWarning):
    """Something that went otherwise than one may expect, and cost no result."""


_ERRORS = {
    header.NICEST_E_MEMORY: OutOfMemoryError,
    header.NICEST_E_ARGUMENT: ArgumentError,
    header.NICEST_E_IO: FileError,
    header.NICEST_E_FORMAT: FormatError,
    header.NICEST_E_DATA: DataError,
    header.NICEST_E_MISMATCH: MismatchError,
    header.NICEST_E_DIVERGED: DivergedError,
    header.NICEST_E_INTERRUPTED: InterruptedTrainingError,
    header.NICEST_E_UNSUPPORTED: UnsupportedError,
}


def _find() -> str:
    """NICEST_LIBRARY names another build; else the one that was installed beside this file."""
    given = os.environ.get("NICEST_LIBRARY")
    if given:
        return given
    here = os.path.dirname(os.path.abspath(__file__))
    for name in ("libnicest.so", "libnicest.dylib", "nicest.dll"):
        path = os.path.join(here, name)
        if os.path.exists(path):
            return path
    raise ImportError(f"{here}: libnicest is not here: install the package (pip install .), or let "
                      "NICEST_LIBRARY name the library")


lib = ctypes.CDLL(_find())
for _name, (_result, _arguments) in header.FUNCTIONS.items():
    _function = getattr(lib, _name)
    _function.restype = _result
    _function.argtypes = _arguments


def check(status: int) -> None:
    """Raises the library's sentence as the error that fits the status."""
    if status != header.NICEST_OK:
        sentence = (lib.nicest_error() or b"").decode("utf-8", "replace")
        raise _ERRORS.get(status, NicestError)(sentence or lib.nicest_status_name(status).decode())


PIECE = 0.1  # seconds between two looks at callbacks and interrupts


def aside(call: Callable[[], int], stop: Callable[[], Any], every: Callable[[], Any] = lambda: None) -> None:
    """A call of the library in a thread of its own, while this one hears interrupts and calls `every` now and then.

    Python hears nothing inside a call. What is raised meanwhile calls `stop`, and is raised when the call has returned.
    """
    errors: list[BaseException] = []
    done = threading.Event()  # (an interrupted join takes a thread for ended: gh-90230)

    def work():
        try:
            check(call())
        except BaseException as error:
            errors.append(error)
        finally:
            done.set()
    threading.Thread(target=work).start()
    while True:
        try:
            while not done.wait(PIECE):
                if not errors:
                    every()
            break
        except BaseException as error:  # raised below
            errors.insert(0, error)
            stop()
    if errors:
        raise errors[0]


def watched(call: Callable[[Any], int], rows: int | None = None) -> None:
    """A long call that takes a tick: Ctrl-C ends it. Few rows are not worth a thread."""
    if rows is not None and rows < 1000 or threading.current_thread() is not threading.main_thread():
        return check(call(header.nicest_tick()))
    asked: list[bool] = []
    tick = header.nicest_tick(lambda *_: len(asked))
    return aside(lambda: call(tick), lambda: asked.append(True))


def handle() -> ctypes.c_void_p:
    """A place for a handle that a function makes."""
    return ctypes.c_void_p()


def text(value: bytes | None) -> str | None:
    """A text of the library."""
    return None if value is None else value.decode("utf-8", "replace")


def encoded(value: object) -> bytes | None:
    """A text for the library; paths as the file system spells them."""
    found = None if value is None else os.fsencode(os.fspath(value))
    if found is not None and b"\0" in found:
        raise ArgumentError(f"{value!r}: a text with a zero in it")
    return found


def whole(value: Any, name: str, most: int = 2 ** 64 - 1) -> int:
    """A whole number that the library's type holds: ctypes would cut off what it does not."""
    found = operator.index(value)
    if not 0 <= found <= most:
        raise ArgumentError(f"{name}: expected a whole number from 0 to {most}, got {found}")
    return found


def address(array: np.ndarray | None) -> int | None:
    """Where the values of an array begin. A quick way for arrays in C order, which a row a call counts."""
    if array is None:
        return None
    try:
        return ctypes.addressof(ctypes.c_byte.from_buffer(array))
    except (TypeError, ValueError, BufferError):  # read-only, strided, empty
        return array.ctypes.data


def names(function) -> list[str]:
    """A list of names that ends with NULL."""
    pointer = ctypes.cast(function(), ctypes.POINTER(ctypes.c_char_p))
    found = []
    while pointer[len(found)] is not None:
        found.append(pointer[len(found)].decode())
    return found


def as_dict(structure: ctypes.Structure) -> dict:
    """The fields of a result, texts decoded."""
    found = {}
    for field, kind in structure._fields_:
        value = getattr(structure, field)
        if isinstance(value, bytes):
            value = value.decode("utf-8", "replace")
        elif isinstance(value, ctypes.Array):
            value = list(value)
        found[field] = value
    return found
