"""The client: class `S3`. What users call; it resolves names, plans, and leaves the moving to `s3nb.transfer`."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from s3nb import farewell
from s3nb.addressing import Addresses
from s3nb.client.asking import Asking
from s3nb.client.base import Progress
from s3nb.client.moving import Moving
from s3nb.client.reading import Reading
from s3nb.client.writing import PutResult, Writing
from s3nb.config import TransferConfig
from s3nb.core import Core
from s3nb.errors import InvalidURL
from s3nb.model import S3Object
from s3nb.run import root_from_config, run_root
from s3nb.text import Masked, visible
from s3nb.transfer.local import Store
from s3nb.transfer.wanted import Wanted
from s3nb.uri import Named, check_bucket, is_s3, parse
from s3nb.wire import Wire
from s3nb.wire.aws import Account

if TYPE_CHECKING:
    from s3nb.preview import Preview
    from s3nb.spread import Pools

__all__ = ["S3", "PutResult"]

# of boto3.Session.client and boto3.Session, what names something and tells nothing
_NO_SECRET = frozenset({"api_version", "profile_name", "region_name", "use_ssl", "verify"})


class S3(Reading, Asking, Writing, Moving):
    """Objects in S3, many at a time.

    Parameters
    ----------
    tmproot : path
        Folder in which the client makes its private temporary folder, when the first file is needed.
    bucket, prefix : str, optional
        A root, ``s3://bucket/prefix``; with ``run``, in place of the configured ones.
    run : object, optional
        Keep to the data of a run: a running flow (``run=self``), an object with ``.id`` and ``.parent.id``, or
        ``"Flow/RunID"``. See `s3nb.run`.
    s3root : str or S3Path, optional
        A root as an ``s3://`` URL. Keys are then relative to it; without any root, keys are full URLs.
    encryption : str, optional
        Server-side encryption of everything put, e.g. ``"AES256"``, ``"aws:kms"``.
    endpoint_url, region, profile : str, optional
        As in boto3; default: whatever the environment and the AWS config files say.
    anonymous : bool
        Do not sign: for public data.
    requester_pays : bool
        Say with each request that you pay for it: buckets that want this refuse others.
    session : boto3.Session, optional
        Where credentials and settings come from.
    engine : {"auto", "curl", "boto3"}
        What moves the bytes. ``"auto"``: libcurl; botocore where that is missing, or an in-process mock is active.
    config : TransferConfig
        Sizes, limits, patience.
    progress : bool, str or callable, optional
        False or ``"off"``: show none. ``"html"``, ``"bar"``, ``"lines"``: show it so. A callable gets a `Snapshot` eight times
        a second. None: HTML in a notebook, a bar in a terminal, sparse lines where nobody watches; ``S3NB_PROGRESS=off`` silences.
    role : str, optional
        ARN of a role to assume.
    client_params, session_vars : dict, optional
        Further arguments for ``boto3.Session.client`` and ``boto3.Session``.
    wire : Wire, optional
        Replaces the network, e.g. by `s3nb.testing.MemoryWire`.

    Raises
    ------
    InvalidURL
        ``run`` and ``s3root`` contradict each other, or the root is no ``s3://`` URL.
    LocalFileNotFound
        ``tmproot`` is no folder.
    """

    TYPE = "s3"

    def __init__(
        self,
        tmproot: str | os.PathLike[str] = ".",
        bucket: str | None = None,
        prefix: str | None = None,
        run: Any = None,
        s3root: str | Named | None = None,
        encryption: str | None = None,
        *,
        endpoint_url: str | None = None,
        region: str | None = None,
        profile: str | None = None,
        anonymous: bool = False,
        requester_pays: bool = False,
        session: Any = None,
        engine: str = "auto",
        config: TransferConfig | None = None,
        progress: Progress = None,
        role: str | None = None,
        client_params: Mapping[str, Any] | None = None,
        session_vars: Mapping[str, Any] | None = None,
        wire: Wire | None = None,
    ) -> None:
        client_params, session_vars = Masked(client_params or {}), Masked(session_vars or {})
        if is_s3(tmproot) or isinstance(tmproot, Named):
            raise InvalidURL(
                f"the first argument is a folder for temporary files: S3(s3root={visible(repr(str(tmproot)), 200)})"
            )
        if isinstance(s3root, Named):
            s3root = s3root.url
        if run and s3root:
            raise InvalidURL("run= and s3root= name two roots: give one of them")
        if s3root and (bucket or prefix):
            raise InvalidURL("s3root= and bucket=/prefix= name two roots: give one of them")
        if prefix and not bucket and not run:
            raise InvalidURL("prefix= needs bucket= (or run=)")
        if run:
            s3root = run_root(run, bucket, prefix)
        elif bucket:
            check_bucket(bucket)
            s3root = f"s3://{bucket}/{(prefix or '').strip('/')}"
        self._at = Addresses(s3root)
        self._config = config or TransferConfig()
        self._store = Store(tmproot, self._config)
        self._pools: Pools | None = None
        self._encryption = encryption
        self._progress = progress
        self._made = {
            "tmproot": os.path.abspath(os.fspath(tmproot)), "s3root": self._at.root, "encryption": encryption,
            "endpoint_url": endpoint_url, "region": region, "profile": profile, "anonymous": anonymous, "engine": engine,
            "requester_pays": requester_pays,
            "config": self._config, "role": role, "client_params": client_params, "session_vars": session_vars,
        }  # fmt: skip
        self._portable = session is None and wire is None
        account = Account(
            session=session,
            profile=profile,
            region=region,
            endpoint_url=endpoint_url,
            anonymous=anonymous,
            role=role,
            client_params=client_params,
            session_vars=session_vars,
            max_pool_connections=self._config.max_requests,
        )
        if requester_pays and anonymous:
            raise ValueError("requester_pays=True needs an account that pays: anonymous=True has none")
        self._core = Core(account, engine, self._config, wire, pays=requester_pays)
        self._core.look = _look

    # -- life -----------------------------------------------------------------------------

    def __enter__(self) -> S3:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop what runs, and remove the temporary files. Results keep their facts, not their bytes. May be called twice."""
        _close(self._pools, self._core, self._store)

    def __del__(self) -> None:
        if not hasattr(self, "_core") or (self._core.closed and self._store.closed):  # or the constructor has raised
            return
        if sys.is_finalizing():
            self._store.remove()  # threads have stopped wherever they were, with the locks that they held
        elif self._core.used or self._pools is not None or self._store.used:
            farewell.leave(partial(_close, self._pools, self._core, self._store))

    def __repr__(self) -> str:
        where = visible(self._at.root) if self._at.root else "full URLs"
        return f"<S3 {where}{' (closed)' if self._core.closed else ''}>"

    def __reduce__(self) -> tuple[Any, ...]:
        if not self._portable:
            raise TypeError(
                "a client with session= or wire= does not pickle: give profile=, region= or endpoint_url= instead"
            )
        for name in ("client_params", "session_vars"):
            given: Any = self._made[name]
            for key, value in given.items():
                if key not in _NO_SECRET or not isinstance(value, (str, bool)):
                    raise TypeError(f"a client with {visible(key, 60)} in {name}= does not pickle: it may be a secret")
        return _remade, (self._made,)

    @property
    def root(self) -> str | None:
        """The ``s3://`` URL that keys are relative to; None if keys are full URLs."""
        return self._at.root

    @classmethod
    def get_root_from_config(cls, echo: Any = None, create_on_absent: bool = True) -> str | None:
        """Return the configured data root for ``run=``, or None. The arguments are those of the client it replaces."""
        return root_from_config()


def _look(core: Core, item: S3Object, limit: int | None, rows: int | None) -> Preview:
    """Preview a result: from its bytes, if they were fetched, else by asking S3."""
    from s3nb.preview import fetch  # knows many formats, and few programs look at them

    limits = fetch.limited(limit, rows)
    part = item.range_info
    if item.downloaded and (part is None or part.request_length == part.total_size):
        return fetch.local(item, limits)
    bucket, key = parse(item.url)
    return fetch.preview(core, Wanted(bucket, key, item.url, version_id=item.version_id), limits)


def _close(pools: Pools | None, core: Core, store: Store) -> None:
    if pools is not None:
        pools.close()
    core.close()
    store.close()


def _remade(settings: dict[str, Any]) -> S3:
    return S3(**settings)
