"""Operations over many objects: in order, lazily, one failure never stopping the others."""

from __future__ import annotations

import errno
import os
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, Future
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from s3nb import listings
from s3nb.addressing import Addresses, Prefix
from s3nb.config import TransferConfig
from s3nb.core import Core, Operation
from s3nb.errors import CredentialsError, LocalFileError, LocalFileNotFound, S3Error, UnsafeKey
from s3nb.mime import type_of
from s3nb.model import Results, S3Object, S3PutObject
from s3nb.text import visible
from s3nb.transfer.attempt import Scope
from s3nb.transfer.delete import DeleteTask, Doomed, batches
from s3nb.transfer.download import GetTask
from s3nb.transfer.journal import left_over
from s3nb.transfer.local import Store, Target, cut_name, make_folder, sync_folder
from s3nb.transfer.placed import Placed, Stored
from s3nb.transfer.source import Source, source_of
from s3nb.transfer.task import Settled, Task
from s3nb.transfer.upload import PutTask
from s3nb.transfer.wanted import Wanted
from s3nb.uri import collisions, key_to_path

Maker = Callable[[Scope, Any], Task]


class Outgoing(NamedTuple):
    """One object to be put: the key as the user gave it, the place, the source."""

    key: Any
    place: Placed
    source: Source


def hopeless(error: BaseException | None) -> bool:
    """Say whether what failed one object will fail all others too: no identity, no room on the disk."""
    return isinstance(error, CredentialsError) or (
        isinstance(error, LocalFileError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    )


def run(
    core: Core,
    verb: str,
    items: Iterable[Any],
    make: Maker,
    setting: Any,
    *,
    total: int | None = None,
    value: Callable[[Any], Any] | None = None,
) -> Results:
    """Run a task for each item and return the results in order; raise a `BulkError` if any failed."""
    results, failed = _run(core, verb, items, make, setting, total, value)
    return settled(verb, results, failed, lambda some: _run(core, verb, some, make, setting, len(some), value))


Do = Callable[[list[Any]], tuple[list[Any], dict[int, Any]]]  # items -> results, and by place the items that failed


def settled(verb: str, results: list[Any], failed: dict[int, Any], do: Do) -> Results:
    """Return the results, with ``do`` for those that are tried again; raise a `BulkError` if any failed."""
    done = Results(results, verb=verb, retry=_again(failed, do))
    done.raise_failed()
    return done


def _again(failed: dict[int, Any], do: Do) -> Callable[[Results], Results]:
    """Return what does the failed ones again, and puts what comes into the old places."""

    def again(before: Results) -> Results:
        places = list(failed)
        fresh, still = do([failed[n] for n in places])
        for place, result in zip(places, fresh, strict=True):
            before[place] = result
            del failed[place]
        failed.update({places[n]: item for n, item in still.items()})
        before.raise_failed()
        return before

    return again


def _run(
    core: Core,
    verb: str,
    items: Iterable[Any],
    make: Maker,
    setting: Any,
    total: int | None,
    value: Callable[[Any], Any] | None,
) -> tuple[list[Any], dict[int, Any]]:
    results: list[Any] = []
    failed: dict[int, Any] = {}
    with Operation(core, verb, total, setting) as operation:
        scope = operation.scope
        window = operation.window(items, lambda item: make(scope, item))
        try:
            for task in window.ordered():
                if task.error is None:
                    result = task.result if value is None else value(task.result)
                    if isinstance(result, S3Error):
                        failed[len(results)] = task.item
                    results.append(result)
                    continue
                if hopeless(task.error) or isinstance(task.error, CancelledError):
                    raise task.error
                failed[len(results)] = task.item
                results.append(task.error)
        except BaseException as exc:
            # stopped halfway: what is done is not lost, whoever catches this finds it
            rest = [task.result for task in window.finished if task.error is None]
            results += rest if value is None else map(value, rest)
            exc.s3nb_partial = Results(results, verb=verb)  # type: ignore[attr-defined]  # see s3nb.jobs.partial_of
            raise
    return results, failed


def iterate(
    core: Core, verb: str, items: Iterable[Any], make: Maker, setting: Any, *, total: int | None, ordered: bool
) -> Iterator[Any]:
    """Yield the results one by one; raise the first failure."""
    with Operation(core, verb, total, setting) as operation:
        scope = operation.scope
        window = operation.window(items, lambda item: make(scope, item))
        for task in window.ordered() if ordered else window.completed():
            if task.error is not None:
                raise task.error
            result, task.result = task.result, None
            yield result


class Handle(Future[Any]):
    """The future of one object's job; ``cancel()`` stops the job, also while it runs."""

    def __init__(self, scope: Scope, owner: object) -> None:
        super().__init__()
        self._scope = scope
        self._owner = owner  # kept from being collected, and closed, while the job runs

    def cancel(self) -> bool:
        if self._scope.engine.forked or self.done():
            return self.cancelled()
        self._scope.progress.cancel()
        return True

    def settle(self, task: Task) -> None:
        """Take the task's outcome."""
        self._scope.progress.finish()
        self._owner = None
        if isinstance(task.error, CancelledError):
            super().cancel()
            self.set_running_or_notify_cancel()
        elif task.error is not None:
            self.set_exception(task.error)
        else:
            self.set_result(task.result)


def submit(task: Task, owner: object) -> Future[Any]:
    """Start a task; return its future."""
    handle = Handle(task.scope, owner)
    task.on_end = lambda ended: handle.settle(ended)
    task.begin()
    return handle


def applied(function: Callable[[S3Object], Any], found: S3Object) -> Any:
    """Return what a user's function makes of an object; an error of its own becomes the object's."""
    try:
        result = function(found)
        if result is not found:
            found.release()
        return result
    except Exception as exc:
        error = S3Error(f"{visible(found.url)}: the function raised {type(exc).__name__}: {visible(str(exc), 300)}")
        error.add_note("".join(traceback.format_exception(exc)).strip())
        return error


# -- put ------------------------------------------------------------------------------------


def put(
    core: Core, verb: str, items: Iterable[Outgoing], setting: Any, *, total: int | None, resume: bool = False
) -> Results:
    """Put what is given; ``(key, url)`` in order, without what was skipped."""

    def make(scope: Scope, item: Outgoing) -> Task:
        return PutTask(scope, item.place, item.source, resume=resume)

    keys: list[Any] = []
    urls: list[str] = []

    def noted() -> Iterator[Outgoing]:
        for item in items:
            keys.append(item.key)
            urls.append(item.place.url)
            yield item

    try:
        results, failed = _run(core, verb, noted(), make, setting, total, None)
    except BaseException as exc:
        done = getattr(exc, "s3nb_partial", None)
        if done is not None:
            names = dict(zip(urls, keys, strict=True))
            done[:] = [(names[r.url], r.url) if isinstance(r, Stored) else r for r in done]
        raise

    def do(some: list[Any]) -> tuple[list[Any], dict[int, Any]]:
        return _run(core, verb, some, make, setting, len(some), None)

    return settled_put(verb, keys, results, failed, do)


def settled_put(verb: str, keys: list[Any], results: list[Any], failed: dict[int, Any], do: Do) -> Results:
    """Return what became of ``keys``: ``(key, url)``, those that were left alone apart."""

    def paired() -> Results:
        done = Results(verb=verb, retry=again)
        for key, stored in zip(keys, results, strict=True):
            if isinstance(stored, Stored) and stored.skipped:
                done.skipped.append(key)
            else:
                done.append((key, stored.url) if isinstance(stored, Stored) else stored)
        done.raise_failed()
        return done

    def again(_: Results) -> Results:
        """Put the failed ones again; what comes takes the old places."""
        places = list(failed)
        fresh, still = do([failed.pop(n) for n in places])
        for place, result in zip(places, fresh, strict=True):
            results[place] = result
        failed.update({places[n]: item for n, item in still.items()})
        return paired()

    return paired()


def put_each(core: Core, items: list[Outgoing], setting: Any, *, resume: bool = False) -> Results:
    """Put what is given; a `Stored` each, in order. A source may be a path that is not there: a failure of that object."""

    def make(scope: Scope, item: Outgoing) -> Task:
        try:
            return PutTask(scope, item.place, source_of(item.source), resume=resume)
        except S3Error as exc:
            exc.bucket, exc.key = item.place.bucket, item.place.key
            exc.message = f"{visible(item.place.url)}: {exc.message}"
            return Settled(scope, exc)

    return run(core, "put", items, make, setting, total=len(items))


# -- delete ---------------------------------------------------------------------------------


def delete(core: Core, items: Iterable[Doomed], setting: Any) -> Results:
    """Delete in batches; URLs in order, refusals as errors."""
    results, failed = _delete(core, items, setting)
    return settled("delete", results, failed, lambda some: _delete(core, some, setting))


def _delete(core: Core, items: Iterable[Doomed], setting: Any) -> tuple[list[Any], dict[int, Doomed]]:
    results: list[Any] = []
    failed: dict[int, Doomed] = {}
    with Operation(core, "delete", None, setting) as operation:
        scope = operation.scope
        window = operation.window(batches(items), lambda batch: DeleteTask(scope, batch))
        try:
            for task in window.ordered():
                if hopeless(task.error) or isinstance(task.error, CancelledError):
                    raise task.error  # type: ignore[misc]  # not None: hopeless() said so
                outcome = [task.error] * len(task.item) if task.error is not None else task.result
                for item, error in zip(task.item, outcome, strict=True):
                    if error is not None:
                        failed[len(results)] = item
                    results.append(item.url if error is None else error)
        except BaseException as exc:
            for task in window.finished:
                if task.error is None:
                    results += [i.url if e is None else e for i, e in zip(task.item, task.result, strict=True)]
            exc.s3nb_partial = Results(results, verb="delete")  # type: ignore[attr-defined]  # see s3nb.jobs.partial_of
            raise
    return results, failed


# -- download -------------------------------------------------------------------------------


def local_name(key: Any, at: Addresses) -> str:
    """Return the relative name under which an object is stored: its key below the root, or below what was listed."""
    if isinstance(key, S3Object):
        return key.key if key.prefix is not None else key.object_key
    wanted = at.wanted(key)
    return wanted.url[len(at.root) + 1 :] if at.root is not None else wanted.key


def below(core: Core, prefixes: Sequence[Prefix]) -> Iterator[tuple[Wanted, str]]:
    """Yield what is below the prefixes, with its name relative to its prefix."""
    for prefix in prefixes:
        for found in listings.objects(core, prefix):
            if found.key.endswith("/") and found.size == 0:
                continue  # a marker that makes a folder show up in consoles; it holds nothing
            wanted = Wanted(prefix.bucket, found.key, f"s3://{prefix.bucket}/{found.key}", prefix.base)
            yield wanted, found.key[len(prefix.key) :]


class Landing:
    """Where downloads go: safe names below one folder, each given once; its parts are made as needed."""

    def __init__(self, to: Path, config: TransferConfig, met: Mapping[str, str] | None = None) -> None:
        self._to = to
        self._config = config
        self._met = met or {}  # names that meet others on disk
        self._seen: set[str] = set()
        self._folders: dict[str, dict[str, str]] = {}  # and what earlier processes have left in them

    def refused(self, wanted: Wanted, name: str) -> UnsafeKey | None:
        """Return why an object does not get a name, if another one has it; to be asked once for each, in order."""
        if name in self._met and (self._met[name] != name or name in self._seen):
            return UnsafeKey(
                f"{visible(wanted.url)}: would be stored under the same name as {visible(self._met[name], 200)}",
                bucket=wanted.bucket, key=wanted.key,
            )  # fmt: skip
        self._seen.add(name)
        return None

    def target(self, wanted: Wanted, name: str, mtime: float | None = None) -> Target | S3Error:
        """Return the file for an object, or why there is none."""
        try:
            path = key_to_path(self._to, name)
            if (refused := self.refused(wanted, name)) is not None:
                return refused
            folder, file = os.path.split(path)
            if folder not in self._folders:
                make_folder(self._to, Path(folder))
                self._folders[folder] = left_over(folder) if self._config.resume else {}
            leftover = self._folders[folder].pop(cut_name(file), None)
            return Target(path, fsync=self._config.fsync, leftover=leftover, mtime=mtime)
        except UnsafeKey as exc:
            exc.bucket, exc.key = wanted.bucket, wanted.key
            return exc
        except OSError as exc:
            error = LocalFileError(
                f"{visible(wanted.url)}: no folder for it: {exc.strerror}: {visible(str(exc.filename))}", errno=exc.errno,
                bucket=wanted.bucket, key=wanted.key,
            )  # fmt: skip
            error.__cause__ = exc
            return error

    def task(self, scope: Scope, wanted: Wanted, name: str, store: Store, mtime: float | None = None) -> Task:
        """Return the task that gets one object here."""
        target = self.target(wanted, name, mtime)
        return Settled(scope, target) if isinstance(target, S3Error) else GetTask(scope, wanted, store, target)

    def close(self) -> None:
        """Put the new names on the disk."""
        if self._config.fsync:
            for folder in self._folders:
                sync_folder(folder)


def download(core: Core, items: Iterable[tuple[Wanted, str]], to: Path, store: Store, setting: Any) -> Results:
    """Get objects into files below ``to``."""
    listed = list(items)
    return land(core, listed, Landing(to, core.config, collisions(name for _, name in listed)), store, setting)


def land(
    core: Core, items: Sequence[tuple[Wanted, str | S3Error]], landing: Landing, store: Store, setting: Any
) -> Results:
    """Get objects where ``landing`` says; in place of a name there may be the reason why there is none."""

    def make(scope: Scope, item: tuple[Wanted, str | S3Error]) -> Task:
        wanted, name = item
        return Settled(scope, name) if isinstance(name, S3Error) else landing.task(scope, wanted, name, store)

    try:
        return run(core, "download", items, make, setting, total=len(items))
    finally:
        landing.close()


def local_target(path: str | os.PathLike[str], name: str, config: TransferConfig) -> Target:
    """Return where one object goes: ``path``, or below it if it is a folder. A slash at its end says that it is one: it is made."""
    text = os.fspath(path)
    path = Path(path)
    if text.endswith(("/", os.sep)) and not path.is_dir():
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise_local(exc)
    if path.is_dir():
        path = Path(key_to_path(path, name.rpartition("/")[2] or name))
    elif not path.parent.is_dir():
        raise LocalFileNotFound(f"no such folder: {visible(str(path.parent))}")
    leftover = left_over(path.parent).get(cut_name(path.name)) if config.resume else None
    return Target(path, fsync=config.fsync, leftover=leftover)


def local_files(source: str | os.PathLike[str], prefix: str | None) -> Iterator[tuple[str, Path]]:
    """Yield key and path of a file, or of all files below a folder, by name."""
    base = Path(source)
    below = (prefix or "").rstrip("/")
    if not base.is_dir():
        yield (f"{below}/{base.name}" if below else base.name), base
        return
    for folder, folders, names in os.walk(base, onerror=raise_local):
        folders.sort()
        for name in sorted(names):
            path = Path(folder, name)
            relative = path.relative_to(base).as_posix()
            yield (f"{below}/{relative}" if below else relative), path


def typed(pairs: Iterable[tuple[str, str | Path]]) -> Iterator[S3PutObject]:
    """Yield what is to be put, with the content type that each key says."""
    for key, path in pairs:
        yield S3PutObject(key, path=path, content_type=type_of(key))


def raise_local(error: OSError) -> NoReturn:
    """Raise what `os.walk` met, instead of passing it over."""
    raise LocalFileError(f"{error.strerror}: {visible(os.fspath(error.filename))}", errno=error.errno) from error
