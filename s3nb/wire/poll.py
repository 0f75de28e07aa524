"""Readiness of many descriptors, for a lane of `s3nb.wire.curl`."""

from __future__ import annotations

import select
import selectors


class Poll:
    """Readiness of many descriptors. Where there is epoll it is used bare: a descriptor comes and goes with every
    exchange, and `selectors` takes several times as long for that.
    """

    def __init__(self) -> None:
        self._epoll = select.epoll() if hasattr(select, "epoll") else None
        self._selector = None if self._epoll is not None else selectors.DefaultSelector()

    def set(self, fd: int, read: bool, write: bool, known: bool) -> None:
        """Watch a descriptor, or change what it is watched for."""
        if self._epoll is not None:
            mask = (select.EPOLLIN if read else 0) | (select.EPOLLOUT if write else 0)
            (self._epoll.modify if known else self._epoll.register)(fd, mask)
        elif self._selector is not None:
            mask = (selectors.EVENT_READ if read else 0) | (selectors.EVENT_WRITE if write else 0)
            (self._selector.modify if known else self._selector.register)(fd, mask)

    def drop(self, fd: int) -> None:
        """Watch a descriptor no more."""
        try:
            (self._epoll or self._selector).unregister(fd)  # type: ignore[union-attr]
        except (FileNotFoundError, KeyError):
            return  # closed before we were told

    def wait(self, timeout: float | None) -> list[tuple[int, bool, bool]]:
        """Return ``(descriptor, readable, writable)``; trouble on a descriptor counts as both."""
        if self._epoll is not None:
            events = self._epoll.poll(timeout)
            return [(fd, bool(mask & ~select.EPOLLOUT), bool(mask & ~select.EPOLLIN)) for fd, mask in events]
        assert self._selector is not None
        ready = self._selector.select(timeout)
        return [(key.fd, bool(m & selectors.EVENT_READ), bool(m & selectors.EVENT_WRITE)) for key, m in ready]

    def close(self) -> None:
        (self._epoll or self._selector).close()  # type: ignore[union-attr]
