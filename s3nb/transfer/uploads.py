"""Multipart uploads that were begun and not ended: found, looked into, aborted. These calls wait for their replies."""

from __future__ import annotations

from collections.abc import Iterator

from s3nb.transfer.attempt import Scope
from s3nb.wire import Request
from s3nb.wire.xml import StoredPart, Upload, parse_parts_page, parse_uploads_page


def uploads(scope: Scope, bucket: str, prefix: str) -> Iterator[Upload]:
    """Yield the uploads under way to keys with a prefix. One request per 1,000."""
    key_marker: str | None = None
    upload_marker: str | None = None
    while True:
        # without encoding-type: some servers then encode the keys, but not the markers, and do not say so
        query = [("prefix", prefix), ("uploads", "")]
        if key_marker is not None:
            query.append(("key-marker", key_marker))
            if upload_marker:
                query.append(("upload-id-marker", upload_marker))
        request = Request("ListMultipartUploads", "GET", bucket, query=query)
        page, *following = scope.engine.request(scope, request, lambda r: parse_uploads_page(r.body)).result()
        yield from (upload for upload in page if upload.key.startswith(prefix))
        if following[0] is None or following == [key_marker, upload_marker]:
            return
        key_marker, upload_marker = following


def parts(scope: Scope, bucket: str, key: str, upload_id: str) -> Iterator[StoredPart]:
    """Yield the parts that an upload has, by number. One request per 1,000."""
    marker: int | None = None
    while True:
        query = [("uploadId", upload_id)]
        if marker is not None:
            query.append(("part-number-marker", str(marker)))
        request = Request("ListParts", "GET", bucket, key, query=query)
        page, following = scope.engine.request(scope, request, lambda r: parse_parts_page(r.body)).result()
        yield from page
        if following is None or following == marker:
            return
        marker = following


def abort(scope: Scope, bucket: str, key: str, upload_id: str) -> None:
    """Abort one upload."""
    query = (("uploadId", upload_id),)
    request = Request("AbortMultipartUpload", "DELETE", bucket, key, query=query)
    scope.engine.request(scope, request, lambda _: None).result()
