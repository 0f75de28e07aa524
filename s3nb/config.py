"""Every number that steers a transfer, with its default and its unit. They stand here and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass, fields

from s3nb.ranges import GIB, KIB, MAX_PART_SIZE, MIB, MIN_PART_SIZE


@dataclass(frozen=True, slots=True)
class TransferConfig:
    """How s3nb moves bytes. Immutable; `dataclasses.replace` makes a changed copy.

    Attributes
    ----------
    max_requests : int
        Requests in flight at once, for one client; the actual number adapts below it.
    start_requests : int
        Requests in flight at once at the start.
    lanes : int
        Threads that drive sockets. Small objects keep to the first; large ones, and parts, go where the fewest are under way.
    max_workers : int
        Threads for local work that may block: hashing, reading sources, finishing files.
    part_size : int
        Bytes in a part of a multipart upload, and largest part of a parallel download. Grows when
        10,000 parts would not suffice.
    multipart_threshold : int
        Objects of this many bytes or more are sent in parts.
    split_threshold : int
        Objects of this many bytes or more are fetched over several connections.
    smallest_split : int
        Smallest part of a parallel download, in bytes.
    split_ways : int
        Connections for one large object, at most.
    memory_object : int
        Results up to this many bytes stay in memory until a path is asked for.
    memory_budget : int
        Bytes that all results in memory may hold together; beyond it they become files.
    upload_budget : int
        Bytes in flight to S3 at once, and held for streams that cannot be read twice.
    connect_timeout : float
        Seconds until a connection must stand.
    stall_timeout : float
        A request that moves less than ``stall_bytes`` a second for this many seconds is given up and tried again.
    stall_bytes : int
        See ``stall_timeout``; bytes per second.
    attempts : int
        Tries of one request, at most, unless the fault is one that patience covers.
    patience : float
        Seconds for which throttling and refused connections are waited out, whatever ``attempts`` says.
    first_patience : float
        The same for refused connections as long as nothing has answered at all: more likely the address is wrong.
        Lines of ``%s3`` and ``s3nb`` wait 3 seconds, the browser 10; the shared client of `open`, paths and fsspec 5, unless it is given a
        ``config=``. Who comes after somebody has waited in vain waits one second.
    deadline : float
        Seconds after which one request is not tried again, whatever the fault.
    backoff_base, backoff_cap : float
        Seconds: first and longest pause between tries (full jitter).
    throttle_base : float
        Seconds: first pause after S3 asked for fewer requests.
    resume : bool
        Keep a journal beside large downloads, and go on where a killed process stopped.
    verify : bool
        Compare what was fetched, and what was stored, with the strongest digest that S3 has of it.
    upload_checksum : bool
        Send a CRC32 with every upload, for S3 to compare.
    sign_payload : bool or None
        Put the body's SHA-256 under the signature. None: over plain http only, as TLS does it otherwise.
    fsync : bool
        Flush downloaded files to the disk before they get their name (``download``, not results in temp).
    """

    max_requests: int = 256
    start_requests: int = 48
    lanes: int = 2
    max_workers: int = 4
    part_size: int = 16 * MIB
    multipart_threshold: int = 16 * MIB
    split_threshold: int = 16 * MIB
    smallest_split: int = 4 * MIB
    split_ways: int = 16
    memory_object: int = 1 * MIB
    memory_budget: int = 256 * MIB
    upload_budget: int = 256 * MIB
    connect_timeout: float = 5.0
    stall_timeout: float = 20.0
    stall_bytes: int = 1 * KIB
    attempts: int = 10
    patience: float = 60.0
    first_patience: float = 60.0
    deadline: float = 180.0
    backoff_base: float = 0.05
    backoff_cap: float = 20.0
    throttle_base: float = 1.0
    resume: bool = True
    verify: bool = True
    upload_checksum: bool = True
    sign_payload: bool | None = None
    fsync: bool = True

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name not in (
                "sign_payload",
                "upload_checksum",
                "verify",
                "resume",
                "fsync",
                "memory_object",
                "memory_budget",
            ) and (isinstance(value, bool) or not isinstance(value, (int, float)) or value <= 0):
                raise ValueError(f"TransferConfig.{field.name} must be a positive number, not {value!r}")
        if not MIN_PART_SIZE <= self.part_size <= MAX_PART_SIZE:
            raise ValueError(f"TransferConfig.part_size must be 5 MiB to 5 GiB, not {self.part_size!r} bytes")
        if self.multipart_threshold > 5 * GIB:
            raise ValueError("TransferConfig.multipart_threshold: one PUT takes at most 5 GiB")
        if self.start_requests > self.max_requests:
            object.__setattr__(self, "start_requests", self.max_requests)
