"""The shared client of whatever works by path: `open`, the directory functions, `S3Path`, fsspec.

One client per account, made at the first use and kept; never one per file. What makes an account is the options
given, the defaults set by `configure`, and the AWS variables of the environment as they are now. A client survives a
fork (it makes its engine anew in the child), and so does this cache.
"""

from __future__ import annotations

import atexit
import os
import tempfile
import threading
from collections import OrderedDict
from typing import Any

from s3nb.client import S3
from s3nb.config import TransferConfig
from s3nb.core import mocked
from s3nb.text import Masked

OPTIONS = ("profile", "region", "endpoint_url", "anonymous", "requester_pays", "role", "session", "engine", "config", "client_params",
           "session_vars")  # fmt: skip
# Whoever opens a file waits for it: where nothing has ever answered, the address is wrong more often than a server is late.
_CONFIG = TransferConfig(first_patience=5.0)
_KEPT = 32  # clients; those beyond live on as long as somebody holds them

_lock = threading.Lock()
_defaults: Masked = Masked()
_clients: OrderedDict[Any, S3] = OrderedDict()


def configure(**options: Any) -> None:
    """Set the defaults of the shared client: ``endpoint_url=``, ``profile=``, ``region=``, ``anonymous=``, ...

    They hold for `open`, the directory functions, `S3Path` and fsspec, in this process, from now on. None takes a
    default back. Options are those of `S3`; explicit ones at a call go first. No request is made.

    Raises
    ------
    TypeError
        An option that the shared client does not have.
    """
    _check(options)
    with _lock:
        for name, value in options.items():
            if value is None:
                _defaults.pop(name, None)
            else:
                _defaults[name] = value


def client(**options: Any) -> S3:
    """Return the shared client for these options, on top of the defaults. No request is made.

    Raises
    ------
    TypeError
        An option that the shared client does not have.
    """
    _check(options)
    with _lock:
        asked = Masked(_defaults | {name: value for name, value in options.items() if value is not None})
        key = (tuple((name, _identity(asked[name])) for name in sorted(asked)), _environment(), mocked())
        found = _clients.get(key)
        if found is None or found._core.closed:
            asked.setdefault("config", _CONFIG)
            found = _clients[key] = S3(tmproot=tempfile.gettempdir(), progress=False, **asked)
            if len(_clients) > _KEPT:
                _clients.popitem(last=False)
        _clients.move_to_end(key)
        return found


def _check(options: dict[str, Any]) -> None:
    unknown = sorted(set(options) - set(OPTIONS))
    if unknown:
        raise TypeError(f"no option {unknown[0]!r} for S3; there are {', '.join(OPTIONS)}")


def _identity(value: Any) -> Any:
    """Return what tells one value from another, and holds no secret."""
    if isinstance(value, dict):
        return hash(repr(sorted(dict(value).items(), key=lambda pair: str(pair[0]))))
    try:
        return hash(value), type(value)
    except TypeError:
        return id(value)


def _environment() -> int:
    return hash(tuple(sorted((k, v) for k, v in os.environ.items() if k.startswith("AWS_"))))


def _after_fork() -> None:
    global _lock
    _lock = threading.Lock()  # the parent's may be held by a thread that is not here


def _close_all() -> None:
    for found in _clients.values():
        found.close()
    _clients.clear()


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
