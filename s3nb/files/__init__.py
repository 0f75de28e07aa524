"""`open()` for objects in S3: reader, writer, text, modes."""

from s3nb.files.asking import ConditionsIgnoredWarning
from s3nb.files.opening import open, open_many
from s3nb.files.reader import S3Reader
from s3nb.files.spool import S3Spool
from s3nb.files.stats import Stats
from s3nb.files.text import BytesInTextModeWarning, S3TextFile
from s3nb.files.writer import S3Writer

__all__ = [
    "BytesInTextModeWarning",
    "ConditionsIgnoredWarning",
    "S3Reader",
    "S3Spool",
    "S3TextFile",
    "S3Writer",
    "Stats",
    "open",
    "open_many",
]
