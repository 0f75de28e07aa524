"""What is in an object, without fetching it: its first bytes, decoded within hard limits, and all that S3 says of it.

`decode` and what it calls are pure functions of bytes; `s3nb.preview.fetch` is the one module that asks S3.
"""

from __future__ import annotations

from s3nb.preview.decode import decode
from s3nb.preview.model import Content, Grid, Limits, Picture, Text, Window
from s3nb.preview.show import Preview

__all__ = ["Content", "Grid", "Limits", "Picture", "Preview", "Text", "Window", "decode"]
