"""s3nb: objects in S3, many at a time, fast, in a notebook or a pipeline.

>>> from s3nb import S3
>>> with S3(s3root="s3://bucket/data") as s3:
...     for obj in s3.get_many(["a.csv", "b.csv"]):
...         print(obj.key, obj.size, obj.path)

In a notebook: ``%load_ext s3nb``, then ``%s3 help``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from s3nb.client import S3, PutResult
from s3nb.config import TransferConfig
from s3nb.errors import (
    AccessDenied,
    BucketNotFound,
    BulkError,
    ClientClosed,
    ConnectionFailed,
    CredentialsError,
    DirectoryNotEmpty,
    IntegrityError,
    InvalidObject,
    InvalidRange,
    InvalidURL,
    IsADirectory,
    ListError,
    LocalFileError,
    LocalFileNotFound,
    NotADirectory,
    NotFound,
    ObjectChanged,
    ObjectExists,
    ObjectNotFound,
    PreconditionFailed,
    RequestTimeout,
    S3Error,
    ServerError,
    Throttled,
    UnfitWorker,
    UnsafeKey,
)
from s3nb.model import RangeInfo, Results, S3GetObject, S3Object, S3PutObject
from s3nb.progress import Snapshot

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from s3nb.files import BytesInTextModeWarning, ConditionsIgnoredWarning, S3Reader, S3TextFile, S3Writer, open_many
    from s3nb.files import open as open
    from s3nb.fs import (
        copy,
        copytree,
        exists,
        find,
        glob,
        isdir,
        isfile,
        join,
        listdir,
        makedirs,
        mkdir,
        move,
        path_exists,
        remove,
        rename,
        rmdir,
        rmtree,
        scandir,
        stat,
        touch,
        walk,
    )
    from s3nb.jobs import Job
    from s3nb.path import S3Path
    from s3nb.preview import Preview
    from s3nb.sync import Synced

__version__ = "0.1.0"

__all__ = [
    "S3",
    "AccessDenied",
    "BucketNotFound",
    "BulkError",
    "BytesInTextModeWarning",
    "ClientClosed",
    "ConditionsIgnoredWarning",
    "ConnectionFailed",
    "CredentialsError",
    "DirectoryNotEmpty",
    "IntegrityError",
    "InvalidObject",
    "InvalidRange",
    "InvalidURL",
    "IsADirectory",
    "Job",
    "ListError",
    "LocalFileError",
    "LocalFileNotFound",
    "NotADirectory",
    "NotFound",
    "ObjectChanged",
    "ObjectExists",
    "ObjectNotFound",
    "PreconditionFailed",
    "Preview",
    "PutResult",
    "RangeInfo",
    "RequestTimeout",
    "Results",
    "S3Error",
    "S3GetObject",
    "S3Object",
    "S3Path",
    "S3PutObject",
    "S3Reader",
    "S3TextFile",
    "S3Writer",
    "ServerError",
    "Snapshot",
    "Synced",
    "Throttled",
    "TransferConfig",
    "UnfitWorker",
    "UnsafeKey",
    "copy",
    "copytree",
    "exists",
    "find",
    "glob",
    "isdir",
    "isfile",
    "join",
    "listdir",
    "makedirs",
    "mkdir",
    "move",
    "open_many",  # and "open", which `from s3nb import *` leaves to the builtin
    "path_exists",
    "remove",
    "rename",
    "rmdir",
    "rmtree",
    "scandir",
    "stat",
    "touch",
    "walk",
]

# loaded at the first look, by their module
_FILES = (
    "BytesInTextModeWarning", "ConditionsIgnoredWarning", "S3Reader", "S3TextFile", "S3Writer", "open", "open_many",
)  # fmt: skip
_LAZY = {
    "S3Path": "s3nb.path",
    "Job": "s3nb.jobs",
    "Preview": "s3nb.preview",
    "Synced": "s3nb.sync",
    "PresignedURL": "s3nb.presigned",
    **dict.fromkeys(("Plan", "Usage"), "s3nb.commands.results"),  # what lines of %s3 return
    "Sandbox": "s3nb.sandbox",
    "S3Browser": "s3nb.notebook.widget",
    **dict.fromkeys((name for name in __all__ if name.islower()), "s3nb.fs"),
    **dict.fromkeys(_FILES, "s3nb.files"),
}

_MODULES = (
    "errors",
    "fs",
    "fsspec",
    "session",
    "testing",
)  # so that `import s3nb` is enough for `s3nb.session.configure()`


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Make ``%s3`` known to a notebook: ``%load_ext s3nb``."""
    from s3nb.notebook import load

    load(shell)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """Take ``%s3`` back: ``%unload_ext s3nb``."""
    from s3nb.notebook import unload

    unload(shell)


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        import importlib

        found = globals()[name] = getattr(importlib.import_module(_LAZY[name]), name)
        return found
    if name in _MODULES:
        import importlib

        return importlib.import_module(f"s3nb.{name}")
    raise AttributeError(f"module 's3nb' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(
        {
            *__all__,
            *_LAZY,
            *_MODULES,
            *(name for name in globals() if name.startswith("__")),
            "load_ipython_extension",
            "unload_ipython_extension",
        }
    )
