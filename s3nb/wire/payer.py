"""Requests to buckets whose reader pays for them: each says that it knows."""

from __future__ import annotations

from s3nb.wire import Pending, Request, Sink, Wire

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/ObjectsinRequesterPaysBuckets.html
_PAYER = ("x-amz-request-payer", "requester")


class Payer:
    """A wire on top of another, whose requests say that the requester pays."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def send(self, request: Request, sink: Sink | None = None) -> Pending:
        headers = request.common
        if request.bucket and _PAYER not in headers:  # which have it when they are sent again
            request.common = (*headers, _PAYER) if isinstance(headers, tuple) else [*headers, _PAYER]
        return self._wire.send(request, sink)

    def presign(self, request: Request, expires: int) -> str:
        request.query = (*request.query, _PAYER)  # there it is a parameter: whoever has the URL sends no headers
        return self._wire.presign(request, expires)

    def checks_uploads(self, bucket: str) -> bool:
        return self._wire.checks_uploads(bucket)

    def signs_payload(self, bucket: str) -> bool:
        return self._wire.signs_payload(bucket)

    def close(self) -> None:
        self._wire.close()
