"""What botocore knows, asked once and kept: sessions, credentials, where a bucket lives, trust.

No request goes through botocore for this. To learn where a bucket lives, a HEAD of it is prepared
by a real client and caught before it is sent: whatever rules apply (virtual host or path, dualstack,
accelerate, FIPS, access points, custom endpoints), the prepared URL and signature scope are the answer.
"""

from __future__ import annotations

import gc
import os
import re
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from s3nb.errors import CredentialsError, InvalidURL, S3Error
from s3nb.text import Masked, visible
from s3nb.wire.redact import keep_secrets
from s3nb.wire.signing import Keys

if TYPE_CHECKING:
    import boto3

# Credentials that refresh do so 10 to 15 minutes before they expire (botocore), so a look
# every so often is enough; it happens on a thread of its own.
_RECHECK = 20.0


_AMAZON = (".amazonaws.com", ".amazonaws.com.cn")


@dataclass(frozen=True)
class Endpoint:
    """Where the requests for one bucket go.

    Attributes
    ----------
    scheme, host : str
        ``host`` as in the Host header, with a port unless it is the scheme's own.
    base : str
        Encoded path in front of ``/key``; empty for virtual hosts.
    region, service : str
        Signature scope.
    portable : bool
        Only botocore speaks what this bucket needs (directory buckets, multi-region access points).
    """

    scheme: str
    host: str
    base: str
    region: str
    service: str
    portable: bool = False

    @cached_property
    def aws(self) -> bool:
        """Whether this is Amazon's own S3, which compares what it is sent with its checksums."""
        return self.host.rpartition(":")[0].endswith(_AMAZON) or self.host.endswith(_AMAZON)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Hold the collector of garbage off: botocore's models are a hundred thousand objects, none of them garbage, which it would go
    through again and again, for a fifth of the time to a first reply. Whoever else switches it meanwhile loses no more than time.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if not gc.get_freeze_count():  # what somebody else has frozen stays so
            # straight to the oldest generation, which is seldom looked through: else it would be on the way there, three times
            gc.freeze()
            gc.unfreeze()
        if enabled:
            gc.enable()


class _Services(Sequence[str]):
    """The services that a loader of botocore knows: whether one is there is seen from its folder, without a look into 400 others."""

    def __init__(self, loader: Any, kind: str) -> None:
        self._loader = loader
        self._kind = kind

    def __contains__(self, name: object) -> bool:
        from botocore.exceptions import DataNotFoundError

        try:
            return bool(self._loader.list_api_versions(name, self._kind))
        except DataNotFoundError:
            return False

    @cached_property
    def _all(self) -> list[str]:
        found: list[str] = type(self._loader).list_available_services(self._loader, self._kind)
        return found

    def __len__(self) -> int:
        return len(self._all)

    def __getitem__(self, index: Any) -> Any:
        return self._all[index]


class _Session:
    """What is asked of a boto3 session, of botocore alone: importing boto3 takes a quarter of the time to a first reply."""

    def __init__(self, core: Any) -> None:
        self._session = core

    @classmethod
    def of(cls, profile: str | None, params: Mapping[str, Any]) -> _Session:
        """Make one as ``boto3.Session`` would, of the profile, and of region and keys among a client's parameters."""
        import botocore.session

        core: Any = botocore.session.get_session()
        if profile is not None:
            core.set_config_variable("profile", profile)
        if params.get("region_name"):
            core.set_config_variable("region", params["region_name"])  # STS and SSO want one as well
        keys = [params.get(name) for name in ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")]
        if any(keys):
            core.set_credentials(*keys)
        core.get_config_variable("region")  # finds out whether there is such a profile
        loader = core.get_component("data_loader")
        loader.list_available_services = lambda type_name: _Services(loader, type_name)
        return cls(core)

    @property
    def region_name(self) -> str | None:
        region: str | None = self._session.get_config_variable("region")
        return region

    @property
    def profile_name(self) -> str:
        return self._session.profile or "default"

    def get_credentials(self) -> Any:
        return self._session.get_credentials()

    def client(self, name: str, **params: Any) -> Any:
        return self._session.create_client(name, **params)


class Account:
    """Who asks, and where: a boto3 session and the client settings on top. Thread-safe.

    Parameters are those of `s3nb.S3`; ``client_params`` are arguments for ``Session.client``.
    """

    def __init__(
        self,
        *,
        session: Any = None,
        profile: str | None = None,
        region: str | None = None,
        endpoint_url: str | None = None,
        anonymous: bool = False,
        role: str | None = None,
        client_params: Mapping[str, Any] | None = None,
        session_vars: Mapping[str, Any] | None = None,
        max_pool_connections: int = 64,
    ) -> None:
        self._params = Masked(client_params or {})
        if endpoint_url is not None:
            self._params["endpoint_url"] = endpoint_url
        if region is not None:
            self._params["region_name"] = region
        self._given_session = session
        self._profile = profile
        self._role = role
        self._session_vars = Masked(session_vars or {})
        self._pool = max_pool_connections
        self.anonymous = anonymous
        self._lock = threading.RLock()
        self._session: boto3.Session | _Session | None = None
        self._client: Any = None
        self._settings: Any = None  # the Config that all clients of this account end up with
        self._endpoints: dict[str, Endpoint] = {}
        self._regions: dict[str, str] = {}
        self._keys: Keys | None = None
        self._recheck_at = 0.0
        self._rechecking = False
        self._clock = timedelta(0)

    def __repr__(self) -> str:
        return f"<Account {self._params.get('endpoint_url') or 'AWS'}>"

    def after_fork(self) -> None:
        """Take a new lock in a child process; the old one may be held by a thread that is not there."""
        self._lock = threading.RLock()
        self._rechecking = False

    # -- sessions and clients ---------------------------------------------------------

    @property
    def session(self) -> boto3.Session | _Session:
        """The session; made at the first look."""
        with self._lock:
            if self._session is None:
                self._session = self._make_session()
            return self._session

    def _make_session(self) -> boto3.Session | _Session:
        import botocore.exceptions

        keep_secrets()
        given = self._given_session
        session: boto3.Session | _Session
        try:
            if given is not None:
                session = given if hasattr(given, "resource") else _Session(given)
            elif not self._session_vars:
                with _uncollected():
                    session = _Session.of(self._profile, self._params)
            else:
                import boto3

                kwargs = Masked(self._session_vars)
                if self._profile is not None:
                    kwargs["profile_name"] = self._profile
                if "region_name" in self._params:
                    kwargs.setdefault("region_name", self._params["region_name"])  # STS and SSO want one as well
                for name in ("aws_access_key_id", "aws_secret_access_key", "aws_session_token"):
                    if name in self._params:
                        kwargs[name] = self._params[name]
                session = boto3.Session(**kwargs)
        except botocore.exceptions.ProfileNotFound as exc:
            asked = self._profile or os.environ.get("AWS_PROFILE") or os.environ.get("AWS_DEFAULT_PROFILE")
            raise CredentialsError(f"no profile {visible(repr(asked), 80)} in the AWS config files") from exc
        return self._assume(session, self._role) if self._role else session

    @staticmethod
    def _assume(session: boto3.Session | _Session, role: str) -> _Session:
        import botocore.session
        from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials

        fetcher = AssumeRoleCredentialFetcher(
            client_creator=lambda name, **kwargs: session.client(name, **kwargs),
            source_credentials=session.get_credentials(),
            role_arn=role,
        )
        core: Any = botocore.session.get_session()
        core._credentials = DeferredRefreshableCredentials(  # the documented constructor takes none
            method="assume-role", refresh_using=fetcher.fetch_credentials
        )
        core.set_config_variable("region", session.region_name)
        return _Session(core)

    @property
    def client(self) -> Any:
        """A boto3 S3 client that tries once, and neither adds nor checks checksums by itself."""
        with self._lock:
            if self._client is None:
                self._client = self.make_client()
            return self._client

    def make_client(self, **overrides: Any) -> Any:
        """Make a new boto3 S3 client with this account's settings."""
        import botocore
        import botocore.exceptions
        from botocore.config import Config

        config = Config(
            retries={"total_max_attempts": 1, "mode": "standard"},
            max_pool_connections=self._pool,
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            **({"signature_version": botocore.UNSIGNED} if self.anonymous else {}),
        )
        params = Masked(self._params | overrides)
        for given in (overrides.get("config"), self._params.get("config")):
            if given is not None:
                config = given.merge(config)
        params["config"] = config
        if not params.get("region_name") and not self.session.region_name:
            params["region_name"] = "us-east-1"
        try:
            return self.session.client("s3", **params)
        except (botocore.exceptions.BotoCoreError, ValueError) as exc:
            # a profile that names another that is not there, an endpoint that is no URL
            error = S3Error(f"S3 client cannot be made: {visible(str(exc), 300)}")
            if "endpoint" in str(exc) and "://" not in str(exc):
                error.add_note("an endpoint begins with http:// or https://")
            raise error from exc

    @property
    def verify(self) -> str | bool:
        """Path of the CA bundle, True for the default one, False for no verification at all."""
        value = self._params.get("verify")
        if value is None:
            value = self.session._session.get_config_variable("ca_bundle")
        return True if value is None else value

    @property
    def proxies(self) -> dict[str, str]:
        """Proxies of the client's Config by scheme, which the environment has no say in."""
        return dict(self._config.proxies or {})

    @property
    def client_cert(self) -> str | tuple[str, str] | None:
        """The client certificate of the client's Config."""
        cert: str | tuple[str, str] | None = self._config.client_cert
        return cert

    @property
    def _config(self) -> Any:
        if self._settings is None:
            self._settings = self.client.meta.config
        return self._settings

    @property
    def scheme(self) -> str:
        """The scheme of all requests. Whoever knows an endpoint has it: a client that is made to ask takes 30 ms."""
        with self._lock:
            known = next((e for e in self._endpoints.values() if not e.portable), None)
        return (known or self.endpoint("")).scheme

    def now(self) -> datetime:
        """Return the time to sign with: that of the server, if it has complained."""
        return datetime.now(UTC) + self._clock

    def set_clock(self, ahead: float) -> None:
        """Note that the server's clock is so many seconds ahead of ours."""
        self._clock = timedelta(seconds=ahead)

    # -- credentials --------------------------------------------------------------------

    def credentials(self) -> Keys | None:
        """Return the current credentials; None for anonymous access. Quick after the first call.

        The first call may ask the network (SSO, instance metadata). Later ones answer at once; what
        expires is renewed in the background, well before.

        Raises
        ------
        CredentialsError
            Nothing is configured; says what was looked for.
        """
        if self.anonymous:
            return None
        keys = self._keys
        if keys is not None:
            if time.monotonic() < self._recheck_at or self._rechecking:
                return keys
            self._rechecking = True
            threading.Thread(target=self._recheck, name="s3nb-credentials", daemon=True).start()
            return keys
        with self._lock:
            if self._keys is None:
                self._keys = self._load()
                self._recheck_at = time.monotonic() + _RECHECK
            return self._keys

    def _recheck(self) -> None:
        try:
            with self._lock:
                self._keys = self._load()
        except CredentialsError:
            # What we hold may still be good; if it is not, S3 says so and the request fails by name.
            return
        finally:
            self._recheck_at = time.monotonic() + _RECHECK
            self._rechecking = False

    def refresh(self, seen: Keys) -> Keys:
        """Return credentials other than ``seen``, or ``seen`` again if there are no others.

        However many requests ask, one renewal happens: whoever comes second finds it done.
        """
        with self._lock:
            if self._keys is not None and self._keys != seen:
                return self._keys
            source = self.session.get_credentials()
            renew = getattr(source, "_protected_refresh", None)  # there is no public way to renew before the time
            if renew is not None:
                renew(is_mandatory=True)
            elif self._given_session is None:
                self._session = self._make_session()  # keys in files may have been replaced
                self._client = None
            self._keys = self._load()
            self._recheck_at = time.monotonic() + _RECHECK
            return self._keys

    def _load(self) -> Keys:
        import botocore.exceptions

        try:
            source = self.session.get_credentials()
            frozen = None if source is None else source.get_frozen_credentials()
        except botocore.exceptions.BotoCoreError as exc:
            raise CredentialsError(f"credentials cannot be loaded: {visible(str(exc), 300)}") from exc
        if frozen is None or not frozen.access_key or not frozen.secret_key:
            raise CredentialsError(self._nothing_found())
        return Keys(frozen.access_key, frozen.secret_key, frozen.token or None)

    def _nothing_found(self) -> str:
        profile = self._profile or os.environ.get("AWS_PROFILE") or "default"
        shared = os.environ.get("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials")
        config = os.environ.get("AWS_CONFIG_FILE", "~/.aws/config")
        metadata = (
            "instance metadata (switched off by AWS_EC2_METADATA_DISABLED)"
            if os.environ.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true"
            else "instance metadata"
        )
        return (
            "no AWS credentials found. Looked for: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment; "
            f"profile {profile!r} in {shared} and {config} (keys, role, SSO, process); container credentials; {metadata}. "
            "For public data use anonymous=True (--no-sign-request)."
        )

    # -- endpoints ----------------------------------------------------------------------

    def endpoint(self, bucket: str) -> Endpoint:
        """Return where requests for ``bucket`` go ("" for the service itself). Makes no request."""
        found = self._endpoints.get(bucket)
        if found is None:
            with self._lock:
                found = self._endpoints.get(bucket)
                if found is None:
                    if self.anonymous or self._keys is None:
                        self.credentials()  # a clear error of ours rather than botocore's; it may ask the network
                    with _uncollected():
                        found = self._endpoints[bucket] = self._ask(bucket)
        return found

    def region(self, bucket: str) -> str | None:
        """Return the region that a bucket was found to be in; None if it is where it was looked for."""
        return self._regions.get(bucket)

    def move(self, bucket: str, region: str) -> bool:
        """Remember that ``bucket`` lives in ``region``; False if that is what was believed already."""
        if not re.fullmatch(r"[a-z0-9-]{3,40}", region):
            return False
        with self._lock:
            if self._endpoints.get(bucket, None) is not None and self._endpoints[bucket].region == region:
                return False
            self._regions[bucket] = region
            self._endpoints[bucket] = self._ask(bucket)
            return True

    def _ask(self, bucket: str) -> Endpoint:
        import botocore.exceptions
        from botocore.awsrequest import AWSResponse
        from botocore.compat import HTTPHeaders

        if bucket.endswith("--x-s3") or ".mrap" in bucket:
            return Endpoint("https", "", "", self.client.meta.region_name, "s3", portable=True)
        caught: list[Any] = []

        def catch(request: Any, **_: Any) -> Any:
            caught.append(request)
            return AWSResponse(request.url, 200, HTTPHeaders(), _NoBody())

        region = self._regions.get(bucket)
        # signed with keys that are nobody's: what is signed goes nowhere, but botocore writes it to its log
        nobody = {"aws_access_key_id": "nobody", "aws_secret_access_key": "nobody", "aws_session_token": None}
        client = self.make_client(**nobody, **({"region_name": region} if region else {}))
        self._settings = client.meta.config
        client.meta.events.register_first("before-send.s3.*", catch)
        try:
            if bucket:
                client.head_bucket(Bucket=bucket)
            else:
                client.list_buckets()
        except botocore.exceptions.ParamValidationError as exc:
            raise InvalidURL(f"not a bucket name: {visible(repr(bucket), 100)}", bucket=bucket) from exc
        except botocore.exceptions.BotoCoreError as exc:
            raise S3Error(f"no endpoint for bucket {visible(repr(bucket), 100)}: {visible(str(exc), 200)}") from exc
        request = caught[0]
        parts = urlsplit(request.url)
        scope = re.search(
            r"Credential=[^/]*/\d{8}/([^/]+)/([^/]+)/aws4_request", _text(request.headers.get("Authorization"))
        )
        found_region, service = (scope[1], scope[2]) if scope else (client.meta.region_name, "s3")
        default = {"http": ":80", "https": ":443"}.get(parts.scheme, "")
        host = parts.netloc.rpartition("@")[2].removesuffix(default)
        return Endpoint(parts.scheme, host, parts.path.rstrip("/"), found_region, service)


class _NoBody:
    """The empty body of a reply that no server sent."""

    def stream(self, **_: Any) -> list[bytes]:
        return [b""]

    def read(self, *_: Any) -> bytes:
        return b""


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else (value or "")
