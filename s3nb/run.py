"""Where the data of a run lives: ``run=`` and the data root it builds on.

The layout and the names of the settings are those of Metaflow's S3 client, so that data written by one is
found by the other. Metaflow itself is used if it is loaded, and not needed if it is not.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from s3nb.errors import InvalidURL
from s3nb.text import visible
from s3nb.uri import is_s3, split_root


def root_from_config() -> str | None:
    """Return the configured data root, or None.

    Looked for, first wins: ``S3NB_ROOT``, ``METAFLOW_DATATOOLS_S3ROOT``, ``METAFLOW_DATASTORE_SYSROOT_S3`` + ``/data`` in
    the environment; the same two names in a ``.metaflow/config.json`` of this folder or one above, then in
    ``$METAFLOW_HOME/config.json`` (``config_PROFILE.json`` with ``METAFLOW_PROFILE``; default ``~/.metaflowconfig``).
    """
    if os.environ.get("S3NB_ROOT"):
        return os.environ["S3NB_ROOT"]
    for settings in (os.environ, *map(_read, _files())):
        root = settings.get("METAFLOW_DATATOOLS_S3ROOT")
        if root:
            return str(root)
        sysroot = settings.get("METAFLOW_DATASTORE_SYSROOT_S3")
        if sysroot:
            suffix = settings.get("METAFLOW_DATATOOLS_SUFFIX") or "data"
            return f"{str(sysroot).rstrip('/')}/{suffix}"
    return None


def _files() -> list[Path]:
    here = Path.cwd()
    files = [folder / ".metaflow" / "config.json" for folder in (here, *here.parents)]
    home = Path(os.environ.get("METAFLOW_HOME", "~/.metaflowconfig")).expanduser()
    profile = os.environ.get("METAFLOW_PROFILE")
    files.append(home / (f"config_{profile}.json" if profile else "config.json"))
    return files


def _read(file: Path) -> dict[str, Any]:
    try:
        text = file.read_text("utf-8")
    except OSError:
        return {}
    try:
        found = json.loads(text)
    except ValueError as exc:
        raise InvalidURL(f"settings are not JSON: {visible(str(file))}: {exc}") from exc
    return found if isinstance(found, dict) else {}


def run_root(run: Any, bucket: str | None, prefix: str | None) -> str:
    """Return ``s3://BUCKET/PREFIX/FLOW/RUNID`` for a run.

    Parameters
    ----------
    run : object
        A flow that is running (``self``), anything with ``.id`` and ``.parent.id`` such as a past run, or
        ``"Flow/RunID"``.
    bucket, prefix : str, optional
        In place of those of the data root.

    Raises
    ------
    InvalidURL
        No data root is configured and no bucket given, or ``run`` is nothing of the kind.
    """
    flow, run_id = _names(run)
    if bucket is None or prefix is None:
        configured = root_from_config()
        if configured is None and bucket is None:
            raise InvalidURL(
                "run= needs a data root: set S3NB_ROOT or METAFLOW_DATATOOLS_S3ROOT to an s3:// URL, or give bucket= and prefix="
            )
        if configured is not None:
            if not is_s3(configured):
                raise InvalidURL(f"the configured data root is no s3:// URL: {visible(repr(configured), 200)}")
            root = split_root(configured)[0][5:]
            own_bucket, _, own_prefix = root.partition("/")
            bucket = own_bucket if bucket is None else bucket
            prefix = own_prefix if prefix is None else prefix
    parts = [f"s3://{bucket}", (prefix or "").strip("/"), flow, run_id]
    return "/".join(p for p in parts if p)


def _names(run: Any) -> tuple[str, str]:
    if isinstance(run, str):
        flow, slash, run_id = run.strip("/").partition("/")
        if not slash or not flow or not run_id or "/" in run_id:
            raise InvalidURL(f"run= as a string is 'Flow/RunID', not {visible(repr(run), 100)}")
        return flow, run_id
    parent = getattr(getattr(run, "parent", None), "id", None)
    own = getattr(run, "id", None)
    if own is not None and parent is not None:
        return str(parent), str(own)
    if "metaflow" in sys.modules and isinstance(run, getattr(sys.modules["metaflow"], "FlowSpec", ())):
        current = sys.modules["metaflow"].current
        if getattr(current, "flow_name", None) and getattr(current, "run_id", None):
            return str(current.flow_name), str(current.run_id)
        raise InvalidURL("run=self works inside a running flow only: no run is under way")
    raise InvalidURL(
        f"run= is a running flow, an object with .id and .parent.id, or 'Flow/RunID', not {visible(repr(run), 100)}"
    )
