"""The names of Metaflow's S3 client, for programs that change one import and go on.

>>> from s3nb.metaflow import S3, MetaflowS3NotFound  # instead of: from metaflow.plugins.datatools.s3 import ...
"""

from __future__ import annotations

from s3nb.client import S3
from s3nb.errors import AccessDenied as MetaflowS3AccessDenied
from s3nb.errors import InvalidObject as MetaflowS3InvalidObject
from s3nb.errors import InvalidRange as MetaflowS3InvalidRange
from s3nb.errors import InvalidURL as MetaflowS3URLException
from s3nb.errors import LocalFileError as MetaflowS3InsufficientDiskSpace
from s3nb.errors import NotFound as MetaflowS3NotFound
from s3nb.errors import S3Error as MetaflowS3Exception
from s3nb.model import RangeInfo, S3GetObject, S3Object, S3PutObject

__all__ = [
    "S3",
    "MetaflowS3AccessDenied",
    "MetaflowS3Exception",
    "MetaflowS3InsufficientDiskSpace",
    "MetaflowS3InvalidObject",
    "MetaflowS3InvalidRange",
    "MetaflowS3NotFound",
    "MetaflowS3URLException",
    "RangeInfo",
    "S3GetObject",
    "S3Object",
    "S3PutObject",
]
