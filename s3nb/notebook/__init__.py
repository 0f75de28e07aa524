"""The notebook side: what ``%load_ext s3nb`` brings."""

from __future__ import annotations

from s3nb.notebook.magic import load, unload

__all__ = ["load", "unload"]
