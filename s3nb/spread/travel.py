"""How things are made ready to travel: functions, what they return, and values to be put."""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor
from typing import Any

from s3nb.errors import InvalidObject, S3Error
from s3nb.model import S3Object
from s3nb.spread.order import Value, python
from s3nb.text import visible

_STREAM = 64 << 20  # bytes of an open file that are read to be sent along
_PLAIN = (str, bytes, int, float, bool, type(None))


def pickled_function(function: Any, executor: Executor) -> tuple[bytes, str | None]:
    """Return a function as bytes: by name if it is in a module, else by value, as cloudpickle does it; then for what Python.

    Raises
    ------
    TypeError
        It cannot travel.
    """
    if not callable(function):
        raise TypeError(f"expected a function of one object, not {type(function).__name__}")
    name = visible(getattr(function, "__qualname__", None) or type(function).__name__, 100)
    by_name: bytes | None = None
    why: Exception | None = None
    try:
        by_name = pickle.dumps(function)
    except Exception as exc:
        why = exc
    if by_name is not None and (b"__main__" not in by_name or _has_main(executor)):
        return by_name, None
    try:
        import cloudpickle  # type: ignore[import-not-found, import-untyped, unused-ignore]
    except ImportError:
        if by_name is not None:
            raise TypeError(
                f"{name} is defined in __main__, which the other processes do not have: put it into a module, or install cloudpickle"
            ) from None
        raise TypeError(
            f"{name} cannot be sent to other processes ({why}): put it into a module, or install cloudpickle"
        ) from why
    try:
        return cloudpickle.dumps(function), python()
    except Exception as exc:
        raise TypeError(f"{name} cannot be sent to other processes: {exc}") from exc


def _has_main(executor: Executor) -> bool:
    """Say whether the processes import this program, and so find by name what is in it."""
    return isinstance(executor, ProcessPoolExecutor) and os.path.isfile(
        getattr(sys.modules["__main__"], "__file__", None) or ""
    )


def pickled_value(value: Any, name: Callable[[], str]) -> Any:
    """Return what a user's function returned, ready to travel; an error that says of what object, if it cannot."""
    if isinstance(value, (S3Object, S3Error)) or type(value) in _PLAIN:
        return value
    try:
        try:
            return Value(pickle.dumps(value))
        except Exception:
            cloudpickle = sys.modules.get("cloudpickle")
            if cloudpickle is None:
                raise
            return Value(cloudpickle.dumps(value))
    except Exception as exc:
        return S3Error(
            f"{name()}: what the function returned ({type(value).__name__}) cannot be sent back: {visible(str(exc), 300)}"
        )


def loaded_value(value: Any, name: Callable[[], str]) -> Any:
    """Return it again; an error if it does not load here."""
    if not isinstance(value, Value):
        return value
    try:
        return pickle.loads(value.data)  # noqa: S301  # made by the user's function
    except Exception as exc:
        return S3Error(
            f"{name()}: what the function returned does not load here: {type(exc).__name__}: {visible(str(exc), 300)}"
        )


def portable(value: Any) -> Any:
    """Return something to be put, so that it can travel: text, bytes, or an absolute path.

    Raises
    ------
    InvalidObject
        An open file of more than 64 MiB.
    """
    if value is None or isinstance(value, (str, bytes)):
        return value
    if isinstance(value, os.PathLike):
        return _Path(os.path.abspath(os.fspath(value)))
    if not callable(getattr(value, "read", None)):
        return bytes(value)
    if getattr(value, "seekable", lambda: False)():
        value.seek(0)
    data = value.read(_STREAM + 1)
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise InvalidObject(f"file to upload gives {type(data).__name__}, not bytes: open it in binary mode")
    if len(data) > _STREAM:
        raise InvalidObject(
            f"an open file of more than {_STREAM >> 20} MiB is not sent to other processes: give its path, or use put_files()"
        )
    return bytes(data)


class _Path(os.PathLike[str]):
    """A path that is a path for other kinds of Path than the user's, too."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __fspath__(self) -> str:
        return self._path


def weight(item: Any) -> int:
    """Return the bytes that an item carries along."""
    value = getattr(item, "source", None)
    return len(value) if isinstance(value, (str, bytes)) else 0
