"""Files and directories: the functions of `os`, `os.path`, `shutil` and `glob`, for ``s3://`` URLs, `S3Path`, and local paths.

A local path goes to the standard library, so the same code serves both. In S3, a directory is what keys have before a
slash: it is there while something is below it, if only its marker, which `mkdir` makes. Nothing is cached, unless in a
`cached` block: S3 answers with what is there now.

>>> from s3nb import listdir, isdir, join
>>> for name in listdir("s3://bucket/data"):
...     print(name, isdir(join("s3://bucket/data", name)))

Every function takes ``client=``, an `S3`, in place of the one that they share. Errors are those of `os`, and `s3nb.S3Error`
as well, with ``errno``, ``filename``, S3's ``code``, ``status`` and ``request_id``.
"""

from __future__ import annotations

from s3nb.fs.ask import StatResult
from s3nb.fs.change import join, makedirs, mkdir, remove, rmdir, rmtree, touch, unlink
from s3nb.fs.globs import glob, iglob
from s3nb.fs.keeping import cached
from s3nb.fs.look import exists, getmtime, getsize, isdir, isfile, path_exists, samefile, stat
from s3nb.fs.moving import copy, copytree, move, rename, replace
from s3nb.fs.tree import Entry, find, listdir, scandir, walk

__all__ = [
    "Entry",
    "StatResult",
    "cached",
    "copy",
    "copytree",
    "exists",
    "find",
    "getmtime",
    "getsize",
    "glob",
    "iglob",
    "isdir",
    "isfile",
    "join",
    "listdir",
    "makedirs",
    "mkdir",
    "move",
    "path_exists",
    "remove",
    "rename",
    "replace",
    "rmdir",
    "rmtree",
    "samefile",
    "scandir",
    "stat",
    "touch",
    "unlink",
    "walk",
]
