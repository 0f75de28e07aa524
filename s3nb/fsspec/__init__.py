"""A filesystem for fsspec, and so for pandas, dask, zarr, xarray, pyarrow, polars, duckdb: ``s3nb://bucket/key``.

After `register`, it serves ``s3://`` too. Synchronous calls run on s3nb's own core, without an event loop: they work in a
forked child, in threads, and inside a running loop. The coroutines (``_cat_file``, ``_info``, ...) await the same core's futures.

>>> import s3nb.fsspec, pandas
>>> s3nb.fsspec.register()
>>> pandas.read_parquet("s3://bucket/table.parquet", storage_options={"endpoint_url": "http://127.0.0.1:9000"})
"""

from __future__ import annotations

import asyncio
from typing import Any

from fsspec import register_implementation
from fsspec.compression import compr
from fsspec.utils import infer_compression, stringify_path

from s3nb.files import S3Reader
from s3nb.files import open as open_file
from s3nb.files.compress import codec_for
from s3nb.fsspec.files import AsyncFile, Blocks, Deferred, DeferredText, travels_with
from s3nb.fsspec.looking import NEEDLESS
from s3nb.fsspec.moving import Moving

__all__ = ["S3nbFileSystem", "register"]

_OURS = {"gzip": "gzip", "bz2": "bz2", "xz": "xz", "lzma": "xz", "zstd": "zstd", "lz4": "lz4"}


class S3nbFileSystem(Moving):
    """Objects in S3, for whoever speaks fsspec.

    Parameters
    ----------
    key, secret, token : str, optional
        Credentials; default: the environment's, as boto3 finds them.
    anon : bool
        Do not sign.
    endpoint_url, profile, region, role, session, engine, config
        As for `s3nb.S3`.
    client_kwargs : dict, optional
        ``endpoint_url``, ``region_name``, and further arguments for ``boto3.Session.client``.
    client : S3, optional
        In place of all these.
    directory_markers : bool
        ``mkdir`` and ``makedirs`` make markers, so that everybody sees empty directories. Off by default, as the libraries that
        call them write files there next, and some that read take a marker for a file: what they make is remembered here.
    use_listings_cache : bool
        Keep listings; off by default, as S3 answers with what is there now.
    listings_expiry_time : float, optional
        Seconds for which they are kept.

    Notes
    -----
    Arguments of s3fs about blocks and caches are taken and not needed. An unknown argument is an error.
    """

    # -- files -----------------------------------------------------------------------------------------

    def open(
        self,
        path: Any,
        mode: str = "rb",
        block_size: int | None = None,
        cache_options: Any = None,
        compression: str | None = None,
        **options: Any,
    ) -> Any:
        """Open a file, as `s3nb.open` does; block size and cache options are not needed.

        Text, and compression, are layers that know of failures: a ``with`` block that fails makes no object. Inside a
        ``transaction``, files that are written become objects when it ends.
        """
        for name in NEEDLESS:
            options.pop(name, None)
        autocommit = options.pop("autocommit", not self._intrans)
        options["compression"] = _codec(compression, path)
        writes = any(c in mode for c in "wxa+")
        if writes:
            self.invalidate_cache(path)
        target = self._path(path, options.pop("version_id", None))
        if autocommit or not writes:
            made = open_file(target, mode, client=self._client, version_id=target.version_id, **options)
            if isinstance(made, S3Reader) and made._remade is not None:
                travels_with(self, made, made._remade[1][0])
            return made
        text = {name: options.pop(name, None) for name in ("encoding", "errors", "newline")}
        below = open_file(
            target, mode.replace("t", "").replace("b", "") + "b", client=self._client, commit="explicit", **options
        )
        deferred: Any = Deferred(below)
        if "b" not in mode:
            deferred = DeferredText(deferred, **text)
        self.transaction.files.append(deferred)
        return deferred

    def _open(self, path: Any, mode: str = "rb", block_size: int | None = None, **options: Any) -> Any:
        if mode == "rb" and options.get("cache_type") == "none":
            return Blocks(self, self._strip_protocol(path), mode, block_size or "default", cache_type="none")
        return self.open(path, mode, block_size, **options)

    async def open_async(self, path: Any, mode: str = "rb", **options: Any) -> Any:
        """Open a file for reading by ``await file.read(n)``."""
        if mode != "rb" or options.get("compression"):
            raise ValueError("open_async reads bytes: mode 'rb', no compression")
        return AsyncFile(await asyncio.to_thread(self.open, path, "rb"))


def _codec(asked: str | None, path: Any) -> Any:
    """Return our name of a codec that fsspec calls ``asked``, or finds by a name's ending; of others, what makes its files."""
    if asked == "infer":
        name = str(stringify_path(path))
        asked = codec_for("infer", name) or infer_compression(name)  # type: ignore[assignment]  # by a name, a name
    if asked is None or asked in _OURS:
        return _OURS.get(asked or "")
    if asked not in compr:
        raise ValueError(
            f"compression must be None, 'infer' or one of {', '.join(sorted(filter(None, compr)))}, not {asked!r}"
        )
    return compr[asked]


def register(*protocols: str) -> None:
    """Have fsspec use this filesystem for ``s3nb://``, and for ``s3://`` and ``s3a://`` (or for the protocols given).

    In place of any other; until the process ends.
    """
    for protocol in protocols or ("s3", "s3a"):
        register_implementation(protocol, S3nbFileSystem, clobber=True)
    register_implementation("s3nb", S3nbFileSystem, clobber=True)
