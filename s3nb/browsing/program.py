"""The program that makes the selection which somebody has clicked together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from s3nb.browsing.session import Browsing
from s3nb.browsing.tree import Selection
from s3nb.client import S3

_LISTED = 200  # URLs that are spelled out
_TOLD = (
    "endpoint_url",
    "region",
    "profile",
    "anonymous",
    "requester_pays",
    "engine",
)  # settings of a client that are no secrets
_USUAL = {"anonymous": False, "requester_pays": False, "engine": "auto"}


def program(browsing: Browsing, selection: Selection) -> str:
    """Return Python that gets what is selected. It holds no credentials; every name in it is a Python literal."""
    lines = ["from s3nb import S3", "", f"with S3({_options(browsing.source.s3)}) as s3:"]
    prefixes = [level.row_url(i) for level, i in selection.places() if level.is_prefix(i)]
    levels = selection.whole_levels()
    if not len(selection):
        body = (
            [f"objects = s3.list_paths([{browsing.path!r}])"] if browsing.path != "s3://" else ["print(s3.buckets())"]
        )
    elif len(levels) == 1 and len(selection) == len(levels[0]) > 1 and not (levels[0].buckets or levels[0].starts):
        body = _everything(browsing)
    else:
        body = []
        objects = [level.row_url(i) for level, i in selection.places() if not level.is_prefix(i)]
        if objects:
            body += [f"objects = s3.get_many({_list(objects)})"]
        if prefixes:
            body += [f"{'more' if objects else 'objects'} = s3.get_recursive({_list(prefixes)})"]
    return "\n".join([*lines, *(f"    {line}" for entry in body for line in entry.splitlines())]) + "\n"


def _everything(browsing: Browsing) -> list[str]:
    path, text = browsing.path, browsing.filter
    if not browsing.searching:
        return [f"objects = s3.get_recursive([{path!r}])"]
    if browsing.mode == "pattern":
        deep = text if "/" in text else f"**/{text}"
        return [f"objects = s3.get_many(s3.iter_list({path!r}, match={deep!r}))"]
    return [
        f"text = {text.lower()!r}",
        f"found = s3.iter_list({path!r})",
        "objects = s3.get_many(o for o in found if text in o.key.lower())",
    ]


def _list(urls: list[str]) -> str:
    if len(urls) == 1:
        return f"[{urls[0]!r}]"
    shown = "".join(f"    {url!r},\n" for url in urls[:_LISTED])
    if len(urls) > _LISTED:
        shown += f"    # and {len(urls) - _LISTED:,} more: b.selected has all of them\n"
    return f"[\n{shown}]"


def _options(s3: S3) -> str:
    made: Mapping[str, Any] = s3._made
    options = {name: made[name] for name in _TOLD if made.get(name) and made[name] != _USUAL.get(name)}
    return ", ".join(f"{name}={value!r}" for name, value in options.items())
