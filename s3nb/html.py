"""The one place that writes HTML: text is escaped, elements and attributes are known ones, anything else is an error.

What is built here is an `Html`, which is put into other elements as it is; every other string is text, and is
escaped. An `Html` that was taken apart, added to or formatted is an ordinary string again, and is escaped too: a
slip shows as visible tags, never as live ones.
"""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Iterable
from typing import TypeAlias
from urllib.parse import urlsplit

from s3nb.text import visible, visible_lines


class Html(str):
    """HTML made by this module."""

    __slots__ = ()

    def __html__(self) -> str:
        """Return itself: the protocol by which template engines know finished HTML."""
        return str(self)


Child: TypeAlias = str | Iterable["Child"] | None  # it names itself

_TAGS = frozenset({
    "a", "b", "button", "caption", "code", "dd", "details", "div", "dl", "dt", "em", "figcaption", "figure", "hr", "img", "kbd",
    "li", "ol", "p", "pre", "progress", "small", "span", "strong", "summary", "table", "tbody", "td", "th", "thead", "tr", "ul",
})  # fmt: skip
_VOID = frozenset({"hr", "img"})
# Names that take text. "href", "src" and "style" are checked by value; "on..." and "srcdoc" are not here at all.
_ATTRIBUTES = frozenset({
    "alt", "class", "colspan", "dir", "height", "hidden", "id", "lang", "max", "open", "rel", "role", "rowspan", "scope", "tabindex",
    "target", "title", "type", "value", "width",
})  # fmt: skip
_LINKS = frozenset({"http", "https", "s3"})
_IMAGES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
_STYLE = re.compile(r"[\w\s#%.,:;()-]*\Z", re.ASCII)  # no quotes, no backslashes, no slashes: no URL, no way out


def esc(text: object, limit: int | None = None) -> str:
    """Return text that HTML shows to the letter, between tags as well as between quotes.

    Control, bidirectional and zero-width characters are written as escapes, as `s3nb.text.visible` does.

    Parameters
    ----------
    limit : int, optional
        Longest text in characters; what is longer is cut in the middle with ``…``.
    """
    return html.escape(visible(str(text), limit), quote=True)


def el(tag: str, *children: Child, **attributes: object) -> Html:
    """Return an element.

    Parameters
    ----------
    tag : str
        One of the known tags; nothing that runs, embeds or submits.
    *children : str, Html, None or iterable of these
        What is inside, in order. A `str` is text, and is escaped; None is nothing.
    **attributes : str, int, bool or None
        ``class_`` is ``class``, ``aria_label`` is ``aria-label``. True is an attribute without value; None and False
        leave it out. ``href`` takes http, https and s3 addresses only, ``src`` what `image` makes.

    Raises
    ------
    ValueError
        A tag, an attribute or an address that has no business here.
    """
    if tag not in _TAGS:
        raise ValueError(f"no element {tag!r} is written here")
    words = [tag]
    for name, value in attributes.items():
        if value is None or value is False:
            continue
        name = name.rstrip("_").replace("_", "-")
        words.append(name if value is True and _known(name) else f'{name}="{_value(name, value)}"')
    start = f"<{' '.join(words)}>"
    if tag in _VOID:
        return Html(start)
    return Html(f"{start}{join(children)}</{tag}>")


def join(children: Iterable[Child]) -> Html:
    """Return children one after the other, text escaped."""
    parts = []
    for child in children:
        if child is None:
            continue
        if isinstance(child, Html):
            parts.append(str(child))
        elif isinstance(child, str):
            parts.append(esc(child))
        else:
            parts.append(str(join(child)))
    return Html("".join(parts))


def pre(text: str, **attributes: object) -> Html:
    """Return text of many lines as it is: lines and tabs stay, all else that does not print is made visible."""
    # a parser drops the first newline of a <pre>
    lines = html.escape(visible_lines(text), quote=True)
    return el("pre", Html("\n" + lines if lines.startswith("\n") else lines), **attributes)


def link(url: str, text: str | None = None) -> Html:
    """Return a link that opens elsewhere and tells nobody where it was clicked; plain text for other schemes."""
    try:
        return el("a", text or url, href=url, rel="noopener noreferrer", target="_blank")
    except ValueError:
        return join([text or url])


def image(data: bytes, mime: str, *, alt: str, **attributes: object) -> Html:
    """Return a picture with its bytes inside.

    Raises
    ------
    ValueError
        A type other than PNG, JPEG, GIF and WebP. (SVG is a program.)
    """
    if mime not in _IMAGES:
        raise ValueError(f"no picture of type {mime!r} is shown")
    return el("img", src=f"data:{mime};base64,{base64.b64encode(data).decode('ascii')}", alt=alt, **attributes)


def style(css: str) -> Html:
    """Return a style sheet: ours, never one made of data.

    Raises
    ------
    ValueError
        It could end itself, or load something.
    """
    if "<" in css or "url(" in css or "@import" in css:
        raise ValueError("a style sheet stays within itself")
    return Html(f"<style>{css}</style>")


def _known(name: str) -> bool:
    if name in _ATTRIBUTES or name.startswith(("aria-", "data-s3nb-")):
        return True
    raise ValueError(f"no attribute {name!r} is written here")


def _value(name: str, value: object) -> str:
    text = str(value)
    if name == "href":
        if urlsplit(text).scheme.lower() not in _LINKS or visible(text) != text:
            raise ValueError(f"no link to {visible(text, 80)!r}")
    elif name == "src":
        kind, _, data = text.removeprefix("data:").partition(";base64,")
        if kind not in _IMAGES or not re.fullmatch(r"[A-Za-z0-9+/]*=*", data):
            raise ValueError("no address to load from, only bytes of a picture")
    elif name == "style":
        if not _STYLE.match(text) or "url" in text.lower():
            raise ValueError(f"no style {visible(text, 80)!r}")
    else:
        _known(name)
    return esc(text)
