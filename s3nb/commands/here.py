"""Verbs about this session itself: where it looks, what it runs, what it is set to."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from s3nb import bars, styled
from s3nb.commands import settings
from s3nb.commands.parser import Parser, Verb, count
from s3nb.commands.results import Facts
from s3nb.commands.session import Here
from s3nb.config import TransferConfig
from s3nb.errors import CredentialsError, S3Error
from s3nb.jobs import Job
from s3nb.plain import fact_lines
from s3nb.text import plural, visible
from s3nb.uri import split_root

_GROUP = "this session"


def _use(parser: Parser) -> None:
    parser.take(
        "url",
        "prefix",
        "s3://bucket/prefix, or one below the current; .. is one up; default: show it",
        nargs="?",
        metavar="URL",
    )
    parser.add_argument("--none", action="store_true", help="no current prefix any more: keys are full URLs")


def _run_use(here: Here, url: Any, none: bool) -> Facts:
    session = here.session
    if none:
        session.root = None
        session.origins.pop("default_prefix", None)
    elif url is not None:
        root = here.root or ""
        name = getattr(url, "url", url)
        if name == "..":
            if root.count("/") < 3:
                raise here.usage(f"{visible(root, 200) or 'no current prefix'} has nothing above it")
            session.set("default_prefix", root.rpartition("/")[0], here.name)
        else:
            session.set("default_prefix", split_root(here.url(name))[0], here.name)
    # options of the line stay, as whoever says them here means the bucket, not one command
    for option, value in here.command.client.items():
        session.set(option, value, here.name)
    return Facts(
        {
            "prefix": session.root or "none: keys are full URLs",
            **{k: v for k, v in session.options.items() if k != "session"},
        }
    )


def _nothing(parser: Parser) -> None:
    """Take no arguments."""


def _run_config(here: Here) -> Facts:
    from s3nb import __version__

    session, line = here.session, here.command.client
    found = Facts({"s3nb": __version__, "prefix": here.root or "none: keys are full URLs"})
    options = {**session.options, **line}
    s3 = here.client()
    found["endpoint"], found["region"], found["profile"], found["credentials"] = account(s3, options)
    config = session.config
    found["workers"] = config.max_requests
    found["transfer"] = _changed(config) or "as usual"
    found["progress"] = os.environ.get("S3NB_PROGRESS") or bars.chosen() or "auto"
    found["preview_bytes"] = session.preview_bytes
    found["settings"] = session.filed or f"none ([tool.s3nb] of pyproject.toml; {_short(settings.home_file())})"
    found.update(session.facts())
    names = {"prefix": "default_prefix", "endpoint": "endpoint_url"}
    for shown in ("prefix", "endpoint", "region", "profile", "workers", "transfer", "progress", "preview_bytes"):
        name = names.get(shown, shown)
        given = "this line" if name in line or (name == "default_prefix" and here.command.root) else ""
        origin = given or session.origins.get(name) or settings.of_environment(name)
        if origin and found[shown] != "-":
            found.origins[shown] = origin
    return found


def _short(file: Path) -> str:
    """Return a path as people write it, with ~ for their home."""
    home = Path.home()
    return f"~/{file.relative_to(home)}" if file.is_relative_to(home) else str(file)


def _changed(config: TransferConfig) -> str:
    """Return the numbers that are not the usual ones, but for those that are shown by themselves."""
    usual = TransferConfig(max_requests=config.max_requests)
    return ", ".join(
        f"{field.name}={getattr(config, field.name)!r}"
        for field in fields(config)
        if getattr(config, field.name) != getattr(usual, field.name)
    )


def account(s3: Any, options: dict[str, Any]) -> tuple[str, str, str, str]:
    """Return endpoint, region, profile and where credentials come from, without a secret among them."""
    known = s3._core.account
    try:
        session = known.session
        where = known.client.meta.endpoint_url
        region = known.client.meta.region_name or "-"
        profile = options.get("profile") or session.profile_name
    except S3Error as exc:
        return "-", "-", str(options.get("profile") or "-"), str(exc)
    if known.anonymous:
        return where, region, profile, "none: requests are not signed"
    try:
        keys = known.credentials()
    except CredentialsError as exc:
        return where, region, profile, str(exc)
    source = session.get_credentials()
    hint = f"{keys.access_key[:4]}…{keys.access_key[-4:]}" if keys is not None and len(keys.access_key) >= 16 else "set"
    return where, region, profile, f"{hint} (from {getattr(source, 'method', 'somewhere')})"


def _jobs(parser: Parser) -> None:
    parser.add_argument("number", nargs="?", type=count, metavar="NUMBER", help="one of them: gives the job itself")
    parser.add_argument("--cancel", action="store_true", help="stop it; without a number: all")


class JobList(list[Job]):
    """Jobs, shown as a table."""

    def __str__(self) -> str:
        if not self:
            return "no jobs: --bg on a line starts one"
        return fact_lines(self._pairs())

    def _pairs(self) -> list[tuple[str, str]]:
        return [(f"{job.number}", f"{visible(job.title, 60)}: {job.status()}") for job in self]

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return styled.bundle(str(self), styled.facts(self._pairs() or [("", str(self))]))

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))


def _run_jobs(here: Here, number: int | None, cancel: bool) -> Job | JobList:
    jobs = here.session.jobs
    if number is None:
        found = JobList(jobs)
        if cancel:
            for job in found:
                job.cancel()
        return found
    try:
        job = jobs[number]
    except KeyError:
        raise here.usage(f"no job {number}; there are {plural(len(jobs), 'job')}") from None
    if cancel:
        job.cancel()
    return job


def _browse(parser: Parser) -> None:
    parser.take(
        "url",
        "prefix",
        "s3:// URL, or one below the current prefix; default: that, else the buckets",
        nargs="?",
        metavar="URL",
    )
    parser.add_argument("--writable", action="store_true", help="allow it to upload and delete")
    parser.add_argument("--height", type=count, default=420, metavar="PIXELS", help="420 (default)")


def _run_browse(here: Here, url: Any, writable: bool, height: int) -> Any:
    where = here.url(getattr(url, "url", url)) if url is not None else here.root
    s3 = here.client()
    if here.session.browse is not None:
        return here.session.browse(s3, where, writable=writable, height=height)
    from s3nb.browsing.still import print_pages

    return print_pages(s3, where or "s3://")


def _sandbox(parser: Parser) -> None:
    parser.add_argument("--stop", action="store_true", help="stop it; what it held is gone")


def _run_sandbox(here: Here, stop: bool) -> Any:
    from s3nb import sandbox

    session = here.session
    if session.lazy:
        return sandbox.main()
    stopped = session.leave_sandbox()
    if stop:
        return Facts({"sandbox": "stopped" if stopped else "there was none"})
    started = sandbox.Sandbox().start()
    session.enter_sandbox(started)
    return Facts(
        {
            "sandbox": started.endpoint_url,
            "prefix": session.root,
            "buckets": f"{started.bucket}, {started.versioned_bucket}",
            "used by": "%s3, S3(), open(), boto3, and ! in this kernel, until %s3 sandbox --stop",
        }
    )


def _help(parser: Parser) -> None:
    parser.add_argument("verb", nargs="*", metavar="VERB", help="one of them")


def _run_help(here: Here, verb: Sequence[str]) -> None:
    """The parser answers before this."""


def _completion(parser: Parser) -> None:
    parser.add_argument("shell", choices=("bash", "zsh", "fish"), metavar="SHELL", help="bash, zsh or fish")


def _run_completion(here: Here, shell: str) -> str:
    from s3nb.commands.shells import script

    return script(shell)


VERBS = (
    Verb("use", _GROUP, "set, or show, the prefix that keys are relative to", _use, _run_use,
         ("use s3://bucket/data", "use s3://open-data --no-sign-request", "use .."), where="notebook", background=False),
    Verb("browse", _GROUP, "look around: in a notebook with the mouse", _browse, _run_browse,
         ("browse s3://bucket/logs", "browse"), background=False),
    Verb("jobs", _GROUP, "what runs in the background", _jobs, _run_jobs,
         ("jobs", "jobs 1", "jobs 1 --cancel"), where="notebook", background=False),
    Verb("config", _GROUP, "what is in force: endpoint, region, credentials' source", _nothing, _run_config,
         ("config", "config --profile other"), background=False),
    Verb("sandbox", _GROUP, "an S3 server of your own with sample data", _sandbox, _run_sandbox,
         ("sandbox",), background=False),
    Verb("completion", _GROUP, "print what makes a shell complete words", _completion, _run_completion,
         ("completion bash",), where="shell", background=False),
    Verb("help", _GROUP, "this; or what there is to know of one verb", _help, _run_help,
         ("help get_many",), background=False),
)  # fmt: skip
