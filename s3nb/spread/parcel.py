"""Bodies of results on their way back: through one file a chunk if both sides see the folder, else with the results."""

from __future__ import annotations

import os
import secrets
from typing import Any

from s3nb.errors import S3Error
from s3nb.model import S3Object
from s3nb.spread.order import Outcome
from s3nb.text import visible
from s3nb.transfer.local import Store

_INLINE = 64 << 20  # bytes of an object that are sent back with the results


def pack(outcome: Outcome, folder: str | None) -> None:
    """Put the bodies of results where the other side finds them; on the worker."""
    parcel: Any = None
    offset = 0
    try:
        for place, found in enumerate(outcome.results):
            if not isinstance(found, S3Object) or found._store is None or not found.downloaded:
                continue
            if found._data is None and found._given:
                continue  # a file of the user's: it stays where it is
            if folder is None:
                outcome.results[place] = _inline(found)
            elif found._data is not None:
                if parcel is None:
                    outcome.parcel = os.path.join(folder, f"parcel-{secrets.token_hex(8)}")
                    parcel = open(outcome.parcel, "xb", buffering=1 << 20)  # noqa: SIM115  # closed below
                size = len(found._data)
                parcel.write(found._data)
                outcome.places.append((place, offset, size))
                offset += size
                found.release()
            elif found._path is not None:
                path = os.path.join(folder, f"{secrets.token_hex(8)}-{os.path.basename(found._path)}")
                os.replace(found._path, path)
                found._path, found._given = None, True
                outcome.files.append((place, path))
    finally:
        if parcel is not None:
            parcel.close()


def _inline(found: S3Object) -> S3Object | S3Error:
    if found._data is not None:
        return found
    if (found.size or 0) > _INLINE:
        error = S3Error(
            f"{visible(found.url)}: {found.size} bytes are too many to be sent back: use download() to a folder that "
            "both machines see, or map()"
        )
        found.release()
        return error
    store, path = found._store, found._path
    found._data = found.blob
    found._path = found._store = None
    if store is not None and path is not None:
        store.discard(path)
    return found


def unpack(outcome: Outcome, store: Store) -> None:
    """Take in the bodies; where the user is."""
    if outcome.parcel is not None:
        fd = os.open(outcome.parcel, os.O_RDONLY)
        try:
            for place, offset, size in outcome.places:
                found = outcome.results[place]
                data = os.pread(fd, size, offset)
                if len(data) != size:
                    raise S3Error(f"{visible(found.url)}: a worker's result is short")
                _house(found, data, store)
        finally:
            os.close(fd)
            os.unlink(outcome.parcel)
    for place, path in outcome.files:
        found = outcome.results[place]
        mine = store.new_path(found.object_key)
        os.replace(path, mine)
        found._path, found._store, found._given = mine, store, False
    for found in outcome.results:
        if isinstance(found, S3Object) and found._data is not None and found._store is not store:
            _house(found, found._data, store)


def _house(found: S3Object, data: bytes, store: Store) -> None:
    """Give a body its place with us: in memory if there is room, else in a file."""
    found._store, found._given = store, False
    if store.hold(len(data)):
        found._data = data
        return
    path = store.new_path(found.object_key)
    fd = store.create(path, len(data))
    with os.fdopen(fd, "wb") as file:
        file.write(data)
    found._data, found._path = None, path
