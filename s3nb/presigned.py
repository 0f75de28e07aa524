"""A URL that works without credentials, shown without what makes it work."""

from __future__ import annotations

import re
import time
from typing import Any

from s3nb import styled
from s3nb.text import visible


class PresignedURL(str):
    """A URL that lets whoever has it do one thing for a while. It is a secret: a notebook shows it without its signature.

    ``print`` shows all of it.
    """

    expires_at: float

    def __new__(cls, url: str, expires: float) -> PresignedURL:
        made = super().__new__(cls, url)
        made.expires_at = time.time() + expires
        return made

    def masked(self) -> str:
        """Return it without what signs it."""
        return re.sub(
            r"(?i)((?:signature|credential|token|expires|accesskeyid)=)[^&]*", r"\1…", visible(str(self), 2000)
        )

    def __repr__(self) -> str:
        until = time.strftime("%H:%M:%S", time.localtime(self.expires_at))
        return f"<URL valid until {until}: {self.masked()} (print() shows all of it)>"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """Show it without what makes it work, in IPython: what is shown is saved."""
        until = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self.expires_at))
        shown = (
            ("url", self.masked()),
            ("valid until", until),
            ("to have it all", "print() it, or copy it: it is a str"),
        )
        return styled.bundle(repr(self), styled.facts(shown))

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(repr(self))

    def __reduce__(self) -> tuple[Any, ...]:
        return PresignedURL, (str(self), self.expires_at - time.time())
