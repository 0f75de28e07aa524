"""`S3Browser`: a widget that draws a `Browsing`. One ES module and one style sheet, no build step, nothing from elsewhere.

Only small things are synced: the path, the order, the filter. Rows go by message, when a view asks for them; questions carry
an id, and answers that come too late are dropped over there. Every callback may run on a thread of its own.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import anywidget
import traitlets
from IPython import display as ipython

from s3nb.browsing import still, words
from s3nb.browsing.advice import problem_of
from s3nb.browsing.level import SORTS
from s3nb.browsing.look import drawn, version_rows
from s3nb.browsing.match import MODES
from s3nb.browsing.program import program
from s3nb.browsing.session import Browsing
from s3nb.browsing.source import PATIENCE
from s3nb.browsing.tasks import Tasks
from s3nb.browsing.tree import Selection
from s3nb.client import S3
from s3nb.config import TransferConfig
from s3nb.errors import InvalidURL
from s3nb.html import Html
from s3nb.model import Results, S3Object
from s3nb.text import plural, visible
from s3nb.uri import is_s3

_HERE = Path(__file__).parent
_MOST_ROWS_ASKED = 1000  # rows of one answer
SMALL = 16 * 1024 * 1024  # bytes of an object that goes to somebody's computer by way of the kernel; larger: by link
LIFETIMES = {900: "15 minutes", 3600: "1 hour", 43200: "12 hours", 604800: "7 days"}  # that a presigned link may live
_STILL = 1.0  # seconds between updates of the snapshot


class S3Browser(anywidget.AnyWidget):
    """Browse S3 in a cell.

    Parameters
    ----------
    url : str, optional
        Where to begin: a bucket, a prefix, an object, or ``s3://`` for the buckets. Default: the client's root.
    s3 : S3, optional
        Whose account to use; it stays yours. Default: one of its own, made from ``options``.
    writable : bool
        Whether it may upload and delete. Deletes are counted, and asked for.
    height : int
        Pixels.
    **options
        For `S3`: ``profile``, ``endpoint_url``, ``anonymous``, ...

    Attributes
    ----------
    path : str
        The prefix that is shown. Setting it goes there; any ``s3://`` URL is taken.
    selected : Selection
        The URLs that are selected: a sequence; prefixes end in a slash. Setting it selects rows that are loaded.
    value : str
        The URL that is selected if it is exactly one, else empty. For `jslink`, which needs a text.
    sort : str
        ``"name"``, ``"size"``, ``"time"``, with ``-`` from the end; of the rows that are loaded.
    filter, mode : str
        What names are filtered by, and how: they ``"starts"`` with it (S3 does that), it ``"contains"`` it, or it is a
        shell ``"pattern"``; the last two search all that is below.

    Notes
    -----
    ``observe`` works with all of them; observers may be called on another thread than the cell's.
    """

    # as text: with a path anywidget watches the file, and keeps every browser ever made
    _esm = (_HERE / "browser.js").read_text("utf-8")

    path = traitlets.Unicode("s3://").tag(sync=True)
    value = traitlets.Unicode("").tag(sync=True)
    sort = traitlets.Enum(SORTS, "name").tag(sync=True)
    filter = traitlets.Unicode("").tag(sync=True)
    mode = traitlets.Enum(MODES, "starts").tag(sync=True)
    height = traitlets.Int(420).tag(sync=True)
    choices = traitlets.Int(0).tag(sync=True)  # set by views, in marimo: cells run again for what comes from the page
    style_sheet = traitlets.Unicode((_HERE / "browser.css").read_text("utf-8")).tag(
        sync=True
    )  # for its shadow root alone
    selected = traitlets.Any(Selection())  # never synced: it may be a million

    def __init__(
        self, url: str | None = None, *, s3: S3 | None = None, writable: bool = False, height: int = 420, **options: Any
    ) -> None:
        if s3 is not None and options:
            raise TypeError(f"s3= is a client that is made already: it takes no {sorted(options)[0]}=")
        self._own = s3 is None
        if s3 is None:
            config = options.pop("config", None) or TransferConfig()
            s3 = S3(**options, config=replace(config, first_patience=min(config.first_patience, PATIENCE)))
        self._s3 = s3
        self._quiet = threading.local()  # set while this object's own changes reach its traits
        self._ended = False
        self._still: Any = None
        self._still_timer: threading.Timer | None = None
        self._lock = threading.Lock()
        super().__init__(height=height)
        self._browsing = Browsing(self._s3, self._changed)
        self._tasks = Tasks(self._browsing, writable, lambda rows: self._tell("tasks", tasks=rows))
        self.observe(self._order_set, ["sort", "filter", "mode"])
        self.on_msg(self._received)
        start = url or self._s3.root or "s3://"
        if not isinstance(start, str):
            raise InvalidURL(f"an s3:// URL is a str, not {type(start).__name__}")
        self._browsing.go(start)

    # -- for programs ------------------------------------------------------------------------------

    @property
    def s3(self) -> S3:
        """The client that it uses."""
        return self._s3

    @property
    def writable(self) -> bool:
        """Whether it may change anything in S3."""
        return self._tasks.writable

    def objects(self) -> list[S3Object]:
        """Return the selected objects; of a prefix, all that are below it. One request per 1,000 below a prefix."""
        return list(self._browsing.objects())

    def get_many(self, return_info: bool = True) -> Results:
        """Get what is selected, as `S3.get_many` does; of a prefix, all that is below it."""
        return self._s3.get_many(self._browsing.objects(), return_info=return_info)

    def download(self, to: str = ".") -> Results:
        """Get what is selected into files of a folder, as `S3.download` does; names are relative to `path`."""
        return self._s3.download(self._browsing.objects(), to)

    def code(self) -> str:
        """Return the program that gets the same objects. It holds no secrets."""
        return program(self._browsing, self._browsing.selection)

    def go(self, url: str) -> None:
        """Show another bucket, prefix or object; returns at once."""
        self._browsing.go(url)

    def refresh(self) -> None:
        """List anew what is shown; returns at once."""
        self._browsing.refresh()

    def wait(self) -> S3Browser:
        """Wait until listings, downloads and the like that are under way are over; return the browser. For programs."""
        self._browsing.wait()
        self._tasks.wait()
        self._browsing.wait()
        return self

    def snapshot(self) -> Html:
        """Return what is shown now as HTML that stays: escaped, without links and without scripts."""
        return still.as_html(self._browsing)

    def close(self) -> None:
        """Stop all that runs, remove temporary files and the view, and leave a snapshot. May be called twice."""
        if getattr(self, "_ended", True):
            return  # closed already, or never made
        self._draw_still()
        self._ended = True
        with self._lock:
            timer, self._still_timer = self._still_timer, None
        if timer is not None:
            timer.cancel()
        self._tasks.close()
        self._browsing.close()
        self.unobserve_all()
        self.on_msg(self._received, remove=True)
        super().close()
        if self._own:
            self._s3.close()

    def __repr__(self) -> str:
        return f"<S3Browser {visible(self.path, 200)}{' (closed)' if self._ended else ''}>"

    # -- for notebooks ------------------------------------------------------------------------------

    def _ipython_display_(self) -> None:
        """Show it, with a snapshot below that is seen only where the browser is not (any more)."""
        bundle = self._repr_mimebundle_()
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle or {}, {})
        ipython.display({**data, "text/plain": repr(self)}, metadata=metadata, raw=True)  # type: ignore[no-untyped-call]
        text = f"{visible(self.path)} (a snapshot)"
        with self._lock:
            self._still = ipython.display(  # type: ignore[no-untyped-call]
                {"text/html": str(self.snapshot()), "text/plain": text}, raw=True, display_id=True
            )

    def _draw_still(self) -> None:
        with self._lock:
            self._still_timer = None
            handle = self._still
        if handle is not None and not self._ended:
            text = f"{visible(self.path)} (a snapshot)"
            handle.update({"text/html": str(self.snapshot()), "text/plain": text}, raw=True)

    def _draw_still_soon(self) -> None:
        with self._lock:
            if self._still is None or self._still_timer is not None or self._ended:
                return
            self._still_timer = threading.Timer(_STILL, self._draw_still)
            self._still_timer.daemon = True
            self._still_timer.start()

    # -- from the state to the traits and the views ---------------------------------------------------

    def _changed(self, first: int) -> None:
        """Tell views and traits of a change. Called with the state's lock held."""
        state = self._browsing.state()
        self._tell("state", first=first, **state)
        self._quiet.on = True
        try:
            selection = self._browsing.selection
            one = len(selection) == 1
            with self.hold_trait_notifications():
                self.path, self.sort, self.filter, self.mode = (state[n] for n in ("path", "sort", "filter", "mode"))
                self.value = selection[0] if one else ""
                if selection != self.selected or len(selection):
                    self.selected = selection
        finally:
            self._quiet.on = False
        self._draw_still_soon()

    def _tell(self, kind: str, buffers: Sequence[Any] | None = None, **fields: Any) -> None:
        if not self._ended:
            self.send({"kind": kind, **fields}, buffers=buffers)

    def _is_own(self) -> bool:
        return bool(getattr(self._quiet, "on", False))

    # Both traits change when the browser is there, not when it is told to go there: who observes them hears one truth.

    @traitlets.validate("path")
    def _path_asked(self, proposal: Any) -> str:
        if self._is_own():
            return str(proposal["value"])
        self._browsing.go(proposal["value"])
        return str(self.path)

    @traitlets.validate("selected")
    def _selection_asked(self, proposal: Any) -> Any:
        if self._is_own():
            return proposal["value"]
        urls: str | Iterable[str] = proposal["value"]
        self._browsing.select_urls([urls] if isinstance(urls, str) else list(urls))
        return self.selected

    def _order_set(self, change: Any) -> None:
        if self._is_own():
            return
        if change["name"] == "sort":
            self._browsing.sort_by(change["new"])
        else:
            self._browsing.filter_by(self.filter, self.mode)

    # -- from the views ---------------------------------------------------------------------------------

    def _received(self, _: Any, message: Any, buffers: list[Any]) -> None:
        """Do what a view asks for. Whatever goes wrong is told to it."""
        if not isinstance(message, dict):
            return
        kind, ask_id = message.get("kind"), message.get("id")
        action: Callable[..., Any] | None = getattr(self, f"_do_{kind}", None) if isinstance(kind, str) else None
        if action is None:
            self._tell("failed", id=ask_id, problem=problem_of(ValueError(f"no request {kind!r}"))._asdict())
            return
        try:
            answer = action(message, buffers) if kind == "upload_piece" else action(message)
            if ask_id is not None and answer is not _LATER:
                self._tell("answer", id=ask_id, **(answer or {}))
        except Exception as exc:
            self._tell("failed", id=ask_id, problem=problem_of(exc, self._browsing.path)._asdict())

    def _later(
        self, message: dict[str, Any], work: Callable[[], dict[str, Any] | tuple[dict[str, Any], list[Any]]]
    ) -> Any:
        """Answer from another thread: ``work`` asks S3."""
        ask_id = message.get("id")

        def run() -> None:
            try:
                done = work()
                answer, buffers = done if isinstance(done, tuple) else (done, [])
                self._tell("answer", buffers=buffers, id=ask_id, **answer)
            except Exception as exc:
                self._tell("failed", id=ask_id, problem=problem_of(exc, self._browsing.path)._asdict())

        self._browsing.crew.start(run)
        return _LATER

    def _do_hello(self, _: dict[str, Any]) -> dict[str, Any]:
        return {
            "state": self._browsing.state(), "tasks": self._tasks.rows(), "writable": self.writable,
            "lifetimes": list(LIFETIMES.items()),
            "reactive": "marimo" in sys.modules and sys.modules["marimo"].running_in_notebook(),
        }  # fmt: skip

    def _do_rows(self, message: dict[str, Any]) -> dict[str, Any]:
        start = max(0, int(message["start"]))
        stop = min(int(message["stop"]), start + _MOST_ROWS_ASKED)
        version, total, rows = self._browsing.rows(start, stop)
        self._browsing.near(rows)
        return {"version": version, "total": total, "start": start, "rows": [words.row(row) for row in rows]}

    def _do_pulse(self, _: dict[str, Any]) -> dict[str, Any]:
        return {"trouble": self._browsing.trouble}

    def _do_go(self, message: dict[str, Any]) -> None:
        self._browsing.go(str(message["url"]))

    def _do_open(self, message: dict[str, Any]) -> None:
        row = self._browsing.row(str(message["row"]))
        if row is not None and not row.exists:
            self._browsing.go(row.url)

    def _do_travel(self, message: dict[str, Any]) -> None:
        {
            "back": self._browsing.back, "forward": self._browsing.forward, "up": self._browsing.up,
            "refresh": self._browsing.refresh,
        }[message["way"]]()  # fmt: skip

    def _do_toggle(self, message: dict[str, Any]) -> None:
        self._browsing.toggle(str(message["row"]), message.get("expanded"))

    def _do_more(self, message: dict[str, Any]) -> None:
        self._browsing.more(int(message["level"]))

    def _do_all(self, _: dict[str, Any]) -> None:
        self._browsing.load_all()

    def _do_stop(self, _: dict[str, Any]) -> None:
        self._browsing.stop()

    def _do_sort(self, message: dict[str, Any]) -> None:
        self._browsing.sort_by(message["by"])

    def _do_filter(self, message: dict[str, Any]) -> None:
        self._browsing.filter_by(str(message["text"]), message["mode"])

    def _do_select(self, message: dict[str, Any]) -> None:
        self._browsing.select(int(message["start"]), int(message["stop"]), message["how"])

    def _do_select_all(self, message: dict[str, Any]) -> None:
        self._browsing.select_all(bool(message["value"]))

    def _do_describe(self, message: dict[str, Any]) -> Any:
        row = self._one(message)

        def work() -> tuple[dict[str, Any], list[Any]]:
            shown, pictures = drawn(self._s3.preview(row))
            return {"preview": shown}, pictures

        return self._later(message, work)

    def _do_versions(self, message: dict[str, Any]) -> Any:
        row = self._one(message)

        def work() -> dict[str, Any]:
            found = version_rows(self._browsing.source.versions(row.url))
            return {"versions": found, "title": plural(len(found), "version")}

        return self._later(message, work)

    def _do_copy(self, message: dict[str, Any]) -> dict[str, Any]:
        if message["what"] == "code":
            return {"text": self.code()}
        return {"text": "\n".join(self._browsing.selection) or self._browsing.path}

    def _do_link(self, message: dict[str, Any]) -> dict[str, Any]:
        """Answer with a presigned link. It is nowhere else: not in a trait, not in what is saved."""
        row = self._one(message)
        seconds = int(message["seconds"])
        if seconds not in LIFETIMES:
            raise ValueError(f"a link lives {', '.join(map(str, LIFETIMES))} seconds, not {seconds}")
        return {"url": self._s3.presign(row, expires=seconds)}

    def _do_save(self, message: dict[str, Any]) -> Any:
        """Answer with the bytes of a small object, for the computer that somebody sits at; of a large one, with a link."""
        row = self._one(message)
        name = row.url.rpartition("/")[2]
        if (row.size or 0) > SMALL:
            return {"url": self._s3.presign(row, expires=min(LIFETIMES)), "name": name}

        def work() -> tuple[dict[str, Any], list[Any]]:
            return {"name": name}, [self._s3.get(row).blob or b""]

        return self._later(message, work)

    def _one(self, message: dict[str, Any]) -> S3Object:
        row = self._browsing.row(str(message["row"]))
        if row is None or not row.exists:
            raise ValueError("that row is gone: select an object again")
        return row

    def _do_download(self, message: dict[str, Any]) -> None:
        self._tasks.download(self._browsing.selection, str(message["to"]))

    def _do_count(self, message: dict[str, Any]) -> None:
        row = self._browsing.row(str(message["row"]))
        url = row.url if row is not None else self._browsing.path
        if is_s3(url) and url != "s3://":
            self._tasks.count(url)

    def _do_delete(self, _: dict[str, Any]) -> None:
        self._tasks.delete(self._browsing.selection)

    def _do_answer(self, message: dict[str, Any]) -> None:
        self._tasks.answer(int(message["task"]), str(message["answer"]))

    def _do_taken(self, message: dict[str, Any]) -> Any:
        names = [str(name) for name in message["names"]]

        def work() -> dict[str, Any]:
            taken = self._tasks.taken(names)
            return {"taken": taken, "shown": [visible(name, 200) for name in taken[:5]]}

        return self._later(message, work)

    def _do_upload(self, message: dict[str, Any]) -> dict[str, Any]:
        name, size = str(message["name"]), int(message["size"])
        return {"handle": self._tasks.upload_begin(name, size, bool(message.get("overwrite")))}

    def _do_upload_piece(self, message: dict[str, Any], buffers: list[Any]) -> dict[str, Any]:
        return {"received": self._tasks.upload_piece(str(message["handle"]), buffers[0] if buffers else b"")}

    def _do_upload_end(self, message: dict[str, Any]) -> None:
        self._tasks.upload_end(str(message["handle"]))

    def _do_upload_failed(self, message: dict[str, Any]) -> None:
        self._tasks.upload_fail(str(message["handle"]), str(message["text"]))

    def _do_task(self, message: dict[str, Any]) -> None:
        {"stop": self._tasks.stop, "forget": self._tasks.forget}[message["what"]](int(message["task"]))


_LATER = object()  # an answer that another thread gives
