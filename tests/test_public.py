"""The public names and signatures are those of ``public.txt``: none changes by accident.

After a change that is meant: ``python -m tests.test_public`` writes the list anew; look at the difference, and say it in the changelog.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import s3nb

PINNED = Path(__file__).with_name("public.txt")


def _signature(thing: Any) -> str:
    try:
        found = inspect.signature(thing)
    except (TypeError, ValueError):
        return "(...)"
    bare = []
    for parameter in found.parameters.values():
        value = parameter.default
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            value = ...  # sizes and times may be tuned
        bare.append(parameter.replace(annotation=inspect.Parameter.empty, default=value))
    return str(found.replace(parameters=bare, return_annotation=inspect.Signature.empty))


def public() -> Iterator[str]:
    """Yield a line for each public name, and for each public member of a class."""
    names = sorted({*s3nb.__all__, *s3nb._LAZY})
    for name in names:
        thing = getattr(s3nb, name)
        if not inspect.isclass(thing):
            yield f"{name}{_signature(thing) if callable(thing) else ''}"
            continue
        bases = ", ".join(b.__name__ for b in thing.__bases__ if b is not object)
        yield f"class {name}({bases})"
        if issubclass(thing, BaseException):
            continue
        if thing.__init__ is not object.__init__ and thing.__module__.startswith("s3nb"):
            yield f"  {_signature(thing)}"
        members: dict[str, Any] = {}
        for kind in reversed(thing.__mro__):
            if kind.__module__.split(".")[0] == "s3nb":
                members |= vars(kind)
        for member, value in sorted(members.items()):
            if member.startswith("_"):
                continue
            value = getattr(value, "__func__", value)
            yield f"  {name}.{member}{_signature(value) if inspect.isfunction(value) else ''}"


def test_no_public_name_or_signature_has_changed() -> None:
    now, pinned = list(public()), PINNED.read_text("utf-8").splitlines()
    gone, new = sorted(set(pinned) - set(now)), sorted(set(now) - set(pinned))
    assert now == pinned, f"gone or changed: {gone}; new: {new}; if it is meant: python -m tests.test_public"


if __name__ == "__main__":
    PINNED.write_text("\n".join(public()) + "\n", "utf-8")


def test_dir_shows_what_is_public_and_no_more() -> None:
    shown = {name for name in dir(s3nb) if not name.startswith("__")}
    assert shown == {*s3nb.__all__, *s3nb._LAZY, *s3nb._MODULES, "load_ipython_extension", "unload_ipython_extension"}
