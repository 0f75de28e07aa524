"""What a browser does in the background: downloads, uploads, deletes, counts. Each can be looked at, and stopped."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from s3nb.browsing.advice import problem_of
from s3nb.browsing.crew import Crew
from s3nb.browsing.session import Browsing
from s3nb.browsing.source import Counted
from s3nb.browsing.tree import Selection
from s3nb.errors import AccessDenied, BulkError, UnsafeKey
from s3nb.jobs import Job
from s3nb.many import typed
from s3nb.meter import Meter
from s3nb.model import S3Object
from s3nb.text import plural, size_text, visible, visible_lines
from s3nb.uri import is_s3, key_to_path, parse

_TELL = 0.25  # seconds between looks at what runs
_KEPT = 20  # tasks that are remembered when they are over
MOST_DELETED = 1_000_000  # keys that one confirmation may be about


class Task:
    """One thing that runs, or ran.

    Parameters
    ----------
    kind : str
        ``"download"``, ``"upload"``, ``"delete"``, ``"count"``, ``"save"``.
    title : str
        What it is about; any text.
    """

    _numbers = itertools.count(1)

    def __init__(self, kind: str, title: str) -> None:
        self.number = next(self._numbers)
        self.kind = kind
        self.title = title
        self.state = "running"
        self.text = ""
        self.fraction: float | None = None
        self.stop_asked = threading.Event()
        self.job: Job | None = None
        self.question: dict[str, Any] | None = None  # that it ends with
        self._meter = Meter()
        self._lock = threading.Lock()

    def stop(self) -> None:
        """Stop it. What is half done is undone by whoever does it."""
        self.stop_asked.set()
        if self.job is not None:
            self.job.cancel()

    def look(self) -> None:
        """Bring the numbers up to date."""
        with self._lock:
            now = None if self.job is None or self.state != "running" else self.job.progress
            if now is not None and now.verb != "list":
                view = self._meter.look(now)
                self.text, self.fraction = view.words(), view.share

    def end(self, state: str, text: str) -> None:
        """Note how it ended."""
        self.state, self.text, self.fraction = state, text, None

    def row(self) -> dict[str, Any]:
        """Return what is shown of it."""
        self.look()
        stopping = self.state == "running" and self.stop_asked.is_set()
        told = "stopping… " if stopping else "failed: " if self.state == "failed" else ""
        return {
            "number": self.number, "kind": self.kind, "title": visible(self.title), "text": f"{told}{visible_lines(self.text)}",
            "fraction": self.fraction, "state": self.state,
            "question": self.question if self.state == "asking" else None,
        }  # fmt: skip


class Upload:
    """A file on its way from somebody's computer: its pieces come in order, into a temporary file."""

    def __init__(self, folder: str, key: str, size: int, overwrite: bool, task: Task) -> None:
        self.key = key
        self.size = size
        self.overwrite = overwrite
        self.task = task
        self.path = os.path.join(folder, f"upload-{task.number}")
        self._file: BinaryIO | None = open(self.path, "xb")  # noqa: SIM115  # pieces come one by one
        self.received = 0

    def piece(self, data: bytes | memoryview) -> int:
        """Take the next piece; return how many bytes are here."""
        assert self._file is not None
        self._file.write(data)
        self.received += len(data)
        self.task.fraction = self.received / self.size if self.size else None
        self.task.text = f"{size_text(self.received)} of {size_text(self.size)} to the kernel"
        return self.received

    def close(self) -> None:
        """Close the file; it stays."""
        if self._file is not None:
            self._file.close()
            self._file = None


class Tasks:
    """The tasks of one browser.

    Parameters
    ----------
    browsing : Browsing
    writable : bool
        Whether anything in S3 may be changed.
    notify : callable
        Called with the rows of all tasks when they have changed; on any thread.

    Notes
    -----
    A task may end with a question, in its row: ``title``; ``names``, some of what it is about; ``choices``, pairs of an answer and
    its words, the first of which loses something; ``no``, the words for doing nothing. `answer` takes the answer.
    """

    def __init__(self, browsing: Browsing, writable: bool, notify: Callable[[list[dict[str, Any]]], object]) -> None:
        self.browsing = browsing
        self.source = browsing.source
        self.writable = writable
        self._notify = notify
        self._tasks: dict[int, Task] = {}
        self._crew = Crew("s3nb-browser-task")
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._folder: str | None = None
        self._uploads: dict[str, Upload] = {}
        self._answers: dict[int, Mapping[str, Callable[[], Task]]] = {}  # what is done, by the number of the question

    # -- what they do ----------------------------------------------------------------------------

    def download(self, selection: Selection, to: str) -> Task:
        """Get what is selected into files of a folder on the kernel's machine, under names relative to the path shown.

        If there are files of these names, it asks first: ``"replace"`` them, or ``"keep"`` them and get the others.
        """
        folder = os.path.abspath(os.path.expanduser(to or "."))
        here = os.path.join(".", os.path.relpath(folder)) if folder.startswith(os.getcwd() + os.sep) else folder
        task = Task("download", f"{_named(selection)} to {here}")

        def get(found: list[S3Object]) -> str:
            Path(folder).mkdir(parents=True, exist_ok=True)
            done = self.source.s3.download(found, folder)
            return f"{plural(len(done), 'object')}, {size_text(sum(o.size or 0 for o in done))}, verified"

        def call() -> str:
            found = list(self.browsing.objects(selection))
            new = [o for o in found if not _is_there(folder, o.key)]
            there = len(found) - len(new)
            if not there:
                return get(found)
            kept = {id(o) for o in new}
            choices = {"replace": (f"Replace {plural(there, 'file')}", partial(self._get, task.title, get, found))}
            if new:
                choices["keep"] = (f"Get the other {len(new):,}", partial(self._get, task.title, get, new))
            title = f"{there:,} of {plural(len(found), 'file')} {'is' if there == 1 else 'are'} there already"
            self._question(task, title, [o.key for o in found if id(o) not in kept], choices)
            return f"{plural(there, 'file')} there already: waiting for your answer"

        return self._run(task, call)

    def _get(self, title: str, get: Callable[[list[S3Object]], str], objects: list[S3Object]) -> Task:
        return self._run(Task("download", title), lambda: get(objects))

    def count(self, url: str) -> Task:
        """Count what is below a prefix."""
        task = Task("count", url)

        def tell(now: Counted) -> None:
            task.text = f"{plural(now.objects, 'object')}, {size_text(now.size)} so far"

        def call() -> str:
            found = self.source.count(url, tell)
            return f"{plural(found.objects, 'object')}, {size_text(found.size)}"

        return self._run(task, call)

    def delete(self, selection: Selection) -> Task:
        """Find what deleting a selection would delete, and ask; the answer ``"delete"`` deletes exactly that.

        Raises
        ------
        AccessDenied
            This browser may only read.
        """
        self._may_write()
        task = Task("delete", _named(selection))

        def call() -> str:
            urls: list[str] = []
            size = prefixes = 0
            for level, index in selection.places():
                url = level.row_url(index)
                if not level.is_prefix(index):
                    urls.append(url)
                    size += level.sizes[index]
                    continue
                prefixes += 1
                bucket = parse(url).bucket
                for page in self.source.below(url):
                    urls += [f"s3://{bucket}/{o.key}" for o in page]
                    size += sum(o.size for o in page)
                    if len(urls) > MOST_DELETED:
                        raise ValueError(
                            f"more than {MOST_DELETED:,} objects: delete them with s3.delete_recursive(...) in a cell"
                        )
                    task.text = f"{plural(len(urls), 'object')}, {size_text(size)} so far"
            what = plural(len(urls), "object")
            below = f" in and below {plural(prefixes, 'prefix')}" if prefixes else ""
            self._question(
                task, f"Delete {what} ({size_text(size)}){below}?", urls,
                {"delete": (f"Delete {what}", lambda: self._delete(urls))}, no="Keep",
            )  # fmt: skip
            return f"{what}, {size_text(size)}: waiting for your answer"

        return self._run(task, call)

    def _delete(self, urls: list[str]) -> Task:
        def call() -> str:
            done = self.source.s3.delete_many(S3Object(None, url) for url in urls)
            return f"{plural(len(done), 'object')} deleted"

        return self._run(Task("delete", plural(len(urls), "object")), call, refresh=True)

    def _question(
        self, task: Task, title: str, names: list[str], choices: Mapping[str, tuple[str, Callable[[], Task]]],
        no: str = "Cancel",
    ) -> None:  # fmt: skip
        self._answers[task.number] = {answer: action for answer, (_, action) in choices.items()}
        rest = len(names) - 5
        task.question = {
            "title": title, "no": no, "choices": [[a, words] for a, (words, _) in choices.items()],
            "names": [*(visible(name, 200) for name in names[:5]), *([f"and {rest:,} more"] if rest > 0 else [])],
        }  # fmt: skip

    def answer(self, number: int, answer: str) -> Task | None:
        """Do what was asked for under this number, once; any other answer than those offered: nothing."""
        action = self._answers.pop(number, {}).get(answer)
        self.forget(number)
        return None if action is None else action()

    # -- from somebody's computer ----------------------------------------------------------------

    def taken(self, names: list[str]) -> list[str]:
        """Return which of some names there are below the path shown. One request each."""
        self._may_write()
        path = self._bucket_path()
        found = self.source.s3.info_many([self.name(path + name) for name in names], return_missing=True)
        return [name for name, info in zip(names, found, strict=True) if info.exists]

    def upload_begin(self, name: str, size: int, overwrite: bool = False) -> str:
        """Begin to take a file that is to be stored as ``name`` below the path shown; return its handle.

        An object that is there stays unless ``overwrite``.
        """
        self._may_write()
        path = self._bucket_path()
        if self._folder is None:
            self._folder = tempfile.mkdtemp(prefix="s3nb-upload-")
        task = Task("upload", f"{name} to {path}")
        self._add(task)
        upload = Upload(self._folder, path + name, size, overwrite, task)
        handle = str(task.number)
        self._uploads[handle] = upload
        return handle

    def upload_piece(self, handle: str, data: bytes | memoryview) -> int | None:
        """Take the next piece of a file; None if it is not wanted any more."""
        upload = self._uploads.get(handle)
        if upload is None:
            return None
        if upload.task.stop_asked.is_set():
            self._drop(handle, "cancelled", "Stopped. Nothing was stored.")
            return None
        try:
            received = upload.piece(data)
        except OSError as exc:
            self._drop(handle, "failed", f"No room for it on the kernel's machine: {exc.strerror}")
            return None
        if received > upload.size:
            self._drop(handle, "failed", "The file has changed while it was read. Nothing was stored.")
            return None
        return received

    def upload_end(self, handle: str) -> Task | None:
        """Store a file whose pieces are all here."""
        upload = self._uploads.get(handle)
        if upload is None:
            return None
        upload.close()
        if upload.received != upload.size:
            self._drop(handle, "failed", "The file has changed while it was read. Nothing was stored.")
            return None

        def call() -> str:
            sent = typed([(self.name(upload.key), upload.path)])
            stored = self.source.s3.put_files(sent, overwrite=upload.overwrite)
            if stored.skipped:
                raise FileExistsError("there is one of this name already, which was left alone")
            return f"{size_text(upload.size)} stored"

        return self._run(upload.task, call, refresh=True, over=lambda: self._forget_file(handle))

    def upload_fail(self, handle: str, text: str) -> None:
        """Note that the file could not be read over there."""
        if handle in self._uploads:
            self._drop(handle, "failed", visible(text, 200))

    def name(self, url: str) -> str:
        """Return how the client calls an object: a full URL, or its key below the client's root."""
        root = self.source.s3.root
        return url if root is None else url.removeprefix(root).removeprefix("/") if url.startswith(f"{root}/") else url

    def _bucket_path(self) -> str:
        path = self.browsing.path
        if not is_s3(path) or path == "s3://":
            raise ValueError("files are stored in a bucket: open one first")
        return path

    def _drop(self, handle: str, state: str, text: str) -> None:
        upload = self._uploads[handle]
        upload.close()
        upload.task.end(state, text)
        self._forget_file(handle)
        self._tell()

    def _forget_file(self, handle: str) -> None:
        upload = self._uploads.pop(handle, None)
        if upload is not None:
            upload.close()
            with contextlib.suppress(FileNotFoundError):
                os.unlink(upload.path)

    # -- all of them -----------------------------------------------------------------------------

    def stop(self, number: int) -> None:
        """Stop a task."""
        task = self._tasks.get(number)
        if task is not None:
            task.stop()
            if str(number) in self._uploads and task.job is None:
                self._drop(str(number), "cancelled", "Stopped. Nothing was stored.")
            self._tell()

    def forget(self, number: int) -> None:
        """Show a task no longer that is over."""
        task = self._tasks.get(number)
        if task is not None and task.state != "running":
            self._forget_file(str(number))
            self._answers.pop(number, None)
            with self._lock:
                self._tasks.pop(number, None)
            self._tell()

    def rows(self) -> list[dict[str, Any]]:
        """Return what is shown of each, the latest first."""
        with self._lock:
            tasks = list(self._tasks.values())
        return [task.row() for task in reversed(tasks)]

    def close(self) -> None:
        """Stop all of them, wait for them, and remove temporary files. May be called twice."""
        self._closed.set()
        with self._lock:
            tasks = list(self._tasks.values())
        for task in tasks:
            task.stop()
        for task in tasks:
            if task.job is not None:
                task.job.wait(5)
        self._crew.join(5)
        for handle in list(self._uploads):
            self._forget_file(handle)
        self._answers.clear()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def wait(self) -> None:
        """Wait until none runs. For programs and tests."""
        self._crew.wait()

    def _may_write(self) -> None:
        if not self.writable:
            raise AccessDenied("this browser may only read: open it with writable=True to change anything in S3")

    def _add(self, task: Task) -> None:
        with self._lock:
            self._tasks[task.number] = task
            over = [n for n, t in self._tasks.items() if t.state != "running" and str(n) not in self._uploads]
            for number in over[: max(0, len(self._tasks) - _KEPT)]:
                del self._tasks[number]
        self._tell()

    def _run(
        self,
        task: Task,
        call: Callable[[], str],
        *,
        refresh: bool = False,
        over: Callable[[], object] = lambda: None,
    ) -> Task:
        task.job = Job(call, task.title, task.number)
        if task.stop_asked.is_set():
            task.job.cancel()
        if task.number not in self._tasks:
            self._add(task)

        def watch() -> None:
            job = task.job
            assert job is not None
            while not job.wait(_TELL):
                self._tell()
            error = job.exception()
            if error is None:
                task.end("asking" if task.question else "done", job.result())
            else:
                task.end(*_outcome(task, error))
            over()
            if refresh and task.state != "cancelled" and not self._closed.is_set():
                self.browsing.refresh()
            self._tell()

        self._crew.start(watch)
        return task

    def _tell(self) -> None:
        if not self._closed.is_set():
            self._notify(self.rows())


def _outcome(task: Task, error: BaseException) -> tuple[str, str]:
    if isinstance(error, CancelledError) or task.stop_asked.is_set():
        return "cancelled", "Stopped."
    if isinstance(error, BulkError):
        return "failed", "\n".join(visible(line, 300) for line in str(error).splitlines()[:8])
    problem = problem_of(error)
    return "failed", f"{problem.title}. {problem.advice}\n{problem.detail}"


def _is_there(folder: str, key: str) -> bool:
    """Say whether there is a file where an object is to go. A key without a safe name has no file: its download fails by name."""
    try:
        return os.path.lexists(key_to_path(folder, key))
    except UnsafeKey:
        return False


def _named(selection: Selection) -> str:
    """Return what a selection is called: the name of one, or the numbers."""
    if len(selection) == 1:
        return selection[0]
    counts = selection.summary()
    prefixes = f"{counts['prefixes']:,} prefix{'' if counts['prefixes'] == 1 else 'es'}" if counts["prefixes"] else ""
    objects = plural(counts["objects"], "object") if counts["objects"] else ""
    return ", ".join(filter(None, (objects, prefixes)))
