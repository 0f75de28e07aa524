"""Long listings: complete, in order, lazily, whatever the keys look like and however they are cut."""

from __future__ import annotations

import fnmatch
import random
import re
import threading
from concurrent.futures import Future
from pathlib import Path
from queue import SimpleQueue

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3nb import S3, TransferConfig
from s3nb.errors import ListError
from s3nb.listings import skipper, translate
from s3nb.testing import Fault, MemoryWire
from s3nb.transfer import listing
from s3nb.transfer.keyspace import KeySpace
from s3nb.wire import Headers, Reply, Request, xml

from .conftest import Server
from .test_xml import ETAG, a_page, a_row, written

RANDOM = random.Random(7)
KEYS = {
    "numbers": [f"{n:06d}" for n in range(5000)],
    "numbers of any length": [f"part-{n}" for n in range(3000)],
    "hashes": [f"{RANDOM.getrandbits(128):032x}" for _ in range(5000)],
    "days": [f"year={y}/month={m:02d}/day={d:02d}/{n:03d}.parquet" for y in (2024, 2025) for m in range(1, 13)
             for d in range(1, 29) for n in range(7)],
    "folders of all sizes": [f"{a}{b}/{n}" for a in "abcxyz" for b in ("one", "two", "Zoë") for n in range(RANDOM.randrange(700))],
    "scripts": [f"{chr(RANDOM.randrange(0x4E00, 0x9000))}{chr(RANDOM.randrange(0x390, 0x3FF))}/{n}" for n in range(3000)],
    "one beside a crowd": ["a", *[f"m/deep/deeper/{n:09d}" for n in range(3000)], "z", "z/\U0010fffd", "\U0001f9ea"],
}  # fmt: skip


@pytest.fixture(autouse=True)
def short_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages of 50 keys: a few thousand are many then. And they count as slow, however fast they come."""
    monkeypatch.setattr(listing, "PAGE", 50)
    monkeypatch.setattr(listing, "_WAITS", ((2, -1e9),))


def in_order(keys: list[str]) -> list[str]:
    return sorted(set(keys), key=str.encode)


def memory(tmp_path: Path, keys: list[str]) -> tuple[MemoryWire, S3]:
    wire = MemoryWire({"bucket": dict.fromkeys(keys, b"")})
    return wire, S3(tmp_path, s3root="s3://bucket", wire=wire)


@pytest.mark.parametrize("kind", KEYS)
def test_a_long_listing_is_complete_and_in_order_and_costs_few_requests_more(kind: str, tmp_path: Path) -> None:
    keys = in_order(KEYS[kind])
    wire, s3 = memory(tmp_path, keys)
    with s3:
        assert [o.object_key for o in s3.list_recursive()] == keys
        pages = -(-len(keys) // 50)
        assert wire.requests("ListObjectsV2") <= 3 * pages + 20


def test_many_requests_are_under_way_at_once(tmp_path: Path) -> None:
    wire, _ = memory(tmp_path, KEYS["hashes"])
    under_way: set[int] = set()
    most = 0

    class Watched(MemoryWire):
        def send(self, request: Request, sink: object = None) -> object:  # type: ignore[override]
            nonlocal most
            future = wire.send(request, sink)  # type: ignore[arg-type]
            under_way.add(id(future))
            most = max(most, len(under_way))
            future.add_done_callback(lambda _: under_way.discard(id(future)))
            return future

    with S3(tmp_path, s3root="s3://bucket", wire=Watched()) as watched:
        assert sum(1 for _ in watched.iter_list()) == 5000
    assert most >= 8


@pytest.mark.parametrize(("count", "requests"), [(0, 1), (7, 1), (50, 1), (51, 2), (100, 2)])
def test_a_short_listing_costs_no_request_more(count: int, requests: int, tmp_path: Path) -> None:
    wire, s3 = memory(tmp_path, [f"{n:03d}" for n in range(count)])
    with s3:
        assert len(s3.list_recursive()) == count
        assert wire.requests("ListObjectsV2") == requests


def test_who_reads_little_asks_little(tmp_path: Path) -> None:
    wire, s3 = memory(tmp_path, KEYS["hashes"])
    with s3:
        found = s3.iter_list()
        for _ in range(3):
            next(found)
        found.close()  # type: ignore[attr-defined]
        assert wire.requests("ListObjectsV2") <= 2


def test_a_limit_is_pushed_down(tmp_path: Path) -> None:
    wire, s3 = memory(tmp_path, KEYS["numbers"])
    with s3:
        assert [o.key for o in s3.iter_list(limit=3)] == ["000000", "000001", "000002"]
        assert wire.requests("ListObjectsV2") == 1
        assert len(list(s3.iter_list(limit=120))) == 120
        assert wire.requests("ListObjectsV2") <= 1 + 3
        assert list(s3.iter_list(limit=0)) == []
        with pytest.raises(ValueError, match="limit"):
            s3.iter_list(limit=-1)


def test_a_listing_that_is_used_slowly_holds_few_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "_AHEAD", 10)
    wire, s3 = memory(tmp_path, KEYS["numbers"])
    with s3:
        found = s3.iter_list()
        for n in range(1, 5001):
            next(found)
            if n == 2000:
                assert wire.requests("ListObjectsV2") <= 1.5 * (2000 / 50 + 10)
        assert next(found, None) is None


@settings(max_examples=60, deadline=None)
@given(
    keys=st.sets(st.text(st.sampled_from("ab01/\x00é\U0001f9ea~"), min_size=1, max_size=6), max_size=400),
    after=st.text(st.sampled_from("ab01/é~"), max_size=3),
    page=st.integers(1, 7),
)
def test_any_keys_are_listed_once_and_in_order(
    keys: set[str], after: str, page: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    kept, listing.PAGE = listing.PAGE, page
    try:
        wire = MemoryWire({"bucket": dict.fromkeys(keys, b"")})
        with S3(tmp_path_factory.getbasetemp(), s3root="s3://bucket", wire=wire) as s3:
            expected = [k for k in in_order(list(keys)) if k > after]
            assert [o.object_key for o in s3.iter_list(start_after=after)] == expected
    finally:
        listing.PAGE = kept


@pytest.mark.parametrize("pattern", ["year=2024/month=0[1-3]/**", "*/month=02/day=01/00?.parquet", "year=2025*/*/*/000.parquet",
                                     "**/day=05/*", "*", "year=2024/*/*"])  # fmt: skip
def test_a_pattern_finds_what_matches_and_lists_less(pattern: str, tmp_path: Path) -> None:
    keys = in_order(KEYS["days"])
    wire, s3 = memory(tmp_path, keys)
    expected = [k for k in keys if re.fullmatch(translate(pattern), k)]
    with s3:
        assert [o.object_key for o in s3.glob(pattern)] == expected
        assert [o.object_key for o in s3.iter_list(match=pattern)] == expected
        least = {"*": 30, "year=2024/month=0[1-3]/**": 120}  # of 2 * 95 pages
        assert wire.requests("ListObjectsV2") < least.get(pattern, 600)


def test_what_cannot_match_is_passed_over() -> None:
    skip = skipper("in/", "a*/b/*.txt")
    assert skip is not None
    assert skip("in/a1/b/c") is None
    assert skip("in/a1/x/c") == "in/a1/x/\U0010ffff"
    assert skip("in/z/b/c.txt") == "in/z/\U0010ffff"
    assert skip("in/a1/b/c/d") == "in/a1/b/c/\U0010ffff"
    assert skipper("in/", "**/x") is None


@pytest.mark.parametrize("pattern", ["[b-a]", "[]", "[a&&b]", "[+--]", "[a||b]", "[[:a]", "[!a-c]", "[\\d]", "[]a]", "[!]a]", "[a-]",
                                     "[~~]", "[a", "[c-ax]"])  # fmt: skip
def test_classes_of_characters_are_those_of_a_shell(pattern: str) -> None:
    chars = [chr(code) for code in range(32, 127) if chr(code) != "/"]
    ours = [c for c in chars if re.fullmatch(translate(pattern), c)]
    assert ours == [c for c in chars if fnmatch.fnmatchcase(c, pattern)]


def test_a_server_that_ignores_start_after_is_listed_to_its_end_all_the_same(tmp_path: Path) -> None:
    keys = in_order(KEYS["hashes"])

    class Old(MemoryWire):
        def send(self, request: Request, sink: object = None) -> object:  # type: ignore[override]
            request.query = [pair for pair in request.query if pair[0] != "start-after"]
            return super().send(request, sink)  # type: ignore[arg-type]

    with S3(tmp_path, s3root="s3://bucket", wire=Old({"bucket": dict.fromkeys(keys, b"")})) as s3:
        assert [o.object_key for o in s3.iter_list()] == keys
        assert [o.object_key for o in s3.iter_list(start_after=keys[4000])] == keys[4001:]


@pytest.mark.parametrize("known", [True, False], ids=["from the first page", "found out"])
def test_a_bucket_without_an_order_is_listed_whole(known: bool, tmp_path: Path) -> None:
    """As a directory bucket is (S3 Express): keys come in any order, and start-after is not known."""
    bucket = "express--use1-az4--x-s3" if known else "bucket"
    keys = random.Random(3).sample(KEYS["hashes"], 1000)

    class Unordered(MemoryWire):
        def send(self, request: Request, sink: object = None) -> object:  # type: ignore[override]
            if request.operation != "ListObjectsV2":
                return super().send(request, sink)  # type: ignore[arg-type]
            at = int(dict(request.query).get("continuation-token", "0"))
            rest = at + 50 < len(keys)
            rows = "".join(a_row(key, etag=ETAG) for key in keys[at : at + 50])
            body = a_page(rows, name=bucket, truncated=str(rest).lower(), token=str(at + 50) if rest else None)
            future: Future[Reply] = Future()
            future.set_result(Reply(200, Headers(), body))
            return future

    with S3(tmp_path, s3root=f"s3://{bucket}", wire=Unordered()) as s3:
        assert [o.object_key for o in s3.iter_list()] == keys
        after = sorted(keys)[500]
        assert [o.object_key for o in s3.iter_list(start_after=after)] == [k for k in keys if k > after]


def test_a_listing_that_fails_far_ahead_fails(tmp_path: Path) -> None:
    wire, s3 = memory(tmp_path, KEYS["numbers"])
    calls = iter(range(10_000))

    class Late(Fault):
        def strikes(self, request: Request) -> bool:
            return next(calls) >= 20

    wire.faults.append(Late(body=b"<html>not a listing</html>", times=None))
    with s3, pytest.raises(ListError):
        s3.list_recursive()


def test_a_long_listing_on_real_servers(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "PAGE", 10)
    keys = in_order(
        [f"d{n % 7}/{n * 7919 % 1000:03d}-ü +%{n}" for n in range(240)] + [f"{n:02x}" for n in range(40)] + ["日本/1"]
    )
    s3.put_many((key, b"") for key in keys)
    assert [o.key for o in s3.list_recursive()] == keys
    assert [o.key for o in s3.iter_list("d3", start_after="5")] == [k[3:] for k in keys if "d3/5" < k < "d4"]
    assert [o.key for o in s3.glob("d[25]/1*")] == [k for k in keys if k[:4] in ("d2/1", "d5/1")]
    assert [o.key for o in s3.glob("*")] == [k for k in keys if "/" not in k]


# -- how fast pages come, and are used ---------------------------------------------------------------


class Clock:
    """A time that passes by as much at each look."""

    def __init__(self, step: float) -> None:
        self.now, self.step = 0.0, step

    def __call__(self) -> float:
        self.now += self.step
        return self.now


@pytest.mark.parametrize("step", [0.0, 0.005, 0.03], ids=["at once", "after 5 ms", "after 30 ms"])
def test_only_a_listing_that_has_to_be_waited_for_is_cut(
    step: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(listing, "PAGE", 50)
    monkeypatch.setattr(listing, "monotonic", Clock(step))
    wire, s3 = memory(tmp_path, KEYS["hashes"])
    with s3:
        assert [o.object_key for o in s3.iter_list()] == in_order(KEYS["hashes"])
    cut = next((n for n, r in enumerate(wire.log) if dict(r.query).get("start-after")), None)
    if step:
        assert cut is not None
        assert (2 <= cut < 8) if step == 0.03 else (8 <= cut < 90)
    else:
        assert cut is None
        assert wire.requests("ListObjectsV2") == 100  # and none more


def test_the_next_page_is_on_its_way_while_one_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wire, s3 = memory(tmp_path, [f"{n:03}" for n in range(100)])
    wire.gate = threading.Event()
    second = threading.Event()

    class Queue(SimpleQueue):  # type: ignore[type-arg]
        def get(self, *arguments: object, **options: object) -> object:
            wire.gate.set()  # type: ignore[union-attr]
            return super().get(*arguments, **options)  # type: ignore[arg-type]

    class Watched(Fault):
        def strikes(self, request: Request) -> bool:
            if len(wire.log) == 2:
                second.set()
            return False

    def rows(raw: bytes) -> None:
        assert second.wait(10)

    wire.faults.append(Watched())
    monkeypatch.setattr(listing, "SimpleQueue", Queue)
    monkeypatch.setattr(xml, "_rows", rows)
    with s3:
        assert len(s3.list_recursive()) == 100


class Changing(MemoryWire):
    """A row of each sixth page cannot be read at first, and the bucket changes before it is asked for again."""

    def _ListObjectsV2(self, request: Request, *arguments: object) -> tuple[int, dict[str, str], bytes]:
        status, headers, body = super()._ListObjectsV2(request, *arguments)  # type: ignore[arg-type]
        if self.requests() % 6 == 2:
            body = body.replace(b"<LastModified>2026", b"<LastModified>soon", 1)
            first = body[body.find(b"<Key>") + 5 : body.find(b"</Key>")].decode()
            self.store("bucket", first + "+", b"")
        return status, headers, body


@pytest.mark.parametrize("wait", [-1e9, 1e9], ids=["cut", "one after the other"])
def test_a_page_with_rows_that_cannot_be_read_is_asked_for_again(
    wait: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "_WAITS", ((2, wait),))
    wire = Changing({"bucket": dict.fromkeys(KEYS["numbers"], b"")})
    with S3(tmp_path, s3root="s3://bucket", wire=wire, config=TransferConfig(backoff_base=0.001)) as s3:
        found = [o.object_key for o in s3.iter_list()]
    assert found == in_order(found)
    assert not set(KEYS["numbers"]) - set(found)


def test_a_page_with_rows_that_can_never_be_read_fails_the_listing(tmp_path: Path) -> None:
    wire, s3 = memory(tmp_path, KEYS["numbers"])
    bad = a_page(a_row("a"), a_row("b", size="x"), encoding=None)
    wire.faults.append(Fault(body=bad, times=None))
    with s3, pytest.raises(ListError, match="not a number"):
        s3.list_recursive()


# -- versions ------------------------------------------------------------------------------------


class Skipping(MemoryWire):
    """Leaves out the first version behind a key-marker that is no key, as moto does."""

    def _ListObjectVersions(
        self, request: Request, query: dict[str, str], *rest: object
    ) -> tuple[int, dict[str, str], bytes]:
        after = query.get("key-marker", "")
        if after and "version-id-marker" not in query and after not in self.buckets[request.bucket]:
            keys = [k for k in in_order([*self.buckets[request.bucket]]) if k > after]
            if keys:
                query = query | {
                    "key-marker": keys[0],
                    "version-id-marker": self.buckets[request.bucket][keys[0]][-1].version_id,
                }
        return super()._ListObjectVersions(request, query, *rest)


class Inclusive(MemoryWire):
    """Begins with all versions but the newest of a key-marker that is a key."""

    def _ListObjectVersions(
        self, request: Request, query: dict[str, str], *rest: object
    ) -> tuple[int, dict[str, str], bytes]:
        versions = self.buckets[request.bucket].get(query.get("key-marker", ""))
        if versions and "version-id-marker" not in query:
            query = query | {"version-id-marker": versions[-1].version_id}
        return super()._ListObjectVersions(request, query, *rest)


@pytest.mark.parametrize("kind", [MemoryWire, Skipping, Inclusive], ids=["as S3 does", "as moto does", "inclusive"])
@pytest.mark.parametrize("page", [7, 50])
def test_versions_are_listed_whole_and_in_order_however_they_are_cut(
    page: int, kind: type[MemoryWire], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "PAGE", page)
    lucky = random.Random(5)
    wire = kind(versioned=True)
    for n, key in enumerate([*KEYS["hashes"][:300], *KEYS["folders of all sizes"][:600], "a", "\U0001f9ea"]):
        for _ in range(60 if n == 40 else lucky.choice([1, 1, 1, 2, 5])):
            wire.store("bucket", key, b"")
    expected = [
        (key, held.version_id)
        for key in in_order([*wire.buckets["bucket"]])
        for held in wire.buckets["bucket"][key][::-1]
    ]
    with S3(tmp_path, s3root="s3://bucket", wire=wire) as s3:
        assert [(v.object_key, v.version_id) for v in s3.iter_list(versions=True)] == expected
        asked = [dict(r.query) for r in wire.log]
        cuts = sum("key-marker" in query and "version-id-marker" not in query for query in asked)
        assert cuts == 1 if kind is Skipping else cuts > 10
        assert len(asked) < 3 * len(expected) / page + 20
        before = len(wire.log)
        assert [v.version_id for v in s3.iter_list(versions=True, limit=5)] == [version for _, version in expected[:5]]
        assert len(wire.log) == before + 1


def test_versions_on_real_servers(s3: S3, server: Server, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "PAGE", 10)
    client = server.boto3_client()
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    keys = in_order([f"d{n % 5}/{n * 7919 % 1000:03d}-ü +%{n}" for n in range(120)] + ["日本/1"])
    for several in (keys, keys[::3], keys[::40] * 12):
        s3.put_many((key, b"") for key in several)
    s3.delete_many(keys[::7])
    pages = client.get_paginator("list_object_versions").paginate(Bucket=bucket)
    expected = {
        (v["Key"], v["VersionId"]) for page in pages for v in page.get("Versions", []) + page.get("DeleteMarkers", [])
    }
    client.close()
    found = list(s3.iter_list(versions=True))
    assert [v.object_key for v in found] == sorted((v.object_key for v in found), key=str.encode)
    assert len(found) == len(expected) == 121 + 41 + 48 + 18
    assert {(v.object_key, v.version_id) for v in found} == expected
    first = [v for n, v in enumerate(found) if not n or found[n - 1].object_key != v.object_key]
    assert {v.object_key for v in first if not v.exists} == set(keys[::7])  # markers are the newest, and come first


# -- where to cut ------------------------------------------------------------------------------


@settings(deadline=None)
@given(keys=st.lists(st.text(max_size=9), min_size=1, max_size=30), step=st.integers(0, 10**40))
def test_a_cut_lies_between(keys: list[str], step: int) -> None:
    keys = in_order(keys)
    space = KeySpace("")
    space.learn(keys)
    for until in (None, keys[-1]):
        cut = space.cut(keys[0], until, step)
        assert cut is None or (keys[0] < cut and (until is None or cut < until))


def test_evenly_spread_keys_are_cut_where_they_are_thought_to_be() -> None:
    space = KeySpace("x/")
    space.learn(f"x/{n:06d}" for n in range(0, 1000, 100))
    step = space.position("x/001000") - space.position("x/000000")
    assert space.cut("x/001000", None, 4 * step) in ("x/005", "x/0050")


# -- pages read fast are pages read right ----------------------------------------------------------

NAMES = st.text(st.sampled_from("ab/%+ é&<>\"'"), min_size=1, max_size=8).map(written) | st.sampled_from(
    ["a]]>b", "a]b", "a>b", "a\rb", "a\tb", "a\nb", "a\x01b", "\ufffe", "year%3D2026/%C3%A9", "%0A", "%C3", "%", "+", "%253D", "&bad;"]
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(
    rows=st.lists(
        st.builds(
            lambda key, size, etag, modified, kind, extra, tidy: (
                f"<Contents><Key>{key}</Key><LastModified>{modified}</LastModified><ETag>{etag}</ETag>"
                f"<Size>{size}</Size>{kind}</Contents>"
                if tidy
                else a_row(key, size=size, etag=ETAG, modified=modified, extra=extra)
            ),
            NAMES,
            st.sampled_from(["0", "5368709120", "x", "-1", "", " 7 ", "9" * 20, "0" * 21, "1_0", "١", "+1"]),
            st.sampled_from([f"&quot;{ETAG}&quot;", f'"{ETAG}-3"', ETAG, "", "&#34;a&#34;", "a b", "&quot;a", '"a"\n"b"', "&quot;&quot;",
                             '""a""', "&quot;&amp;&quot;", " a ", "a\x01", 'W/"a"']),
            st.sampled_from(["2024-05-06T07:08:09.000Z", "2024-05-06T07:08:09Z", "2024-13-06T07:08:09Z", "now",
                             "2024-05-06T07:08:09.123Z", "2024-05-06&07:08:09Z", "2024-05-06T07:08:09", "20240506T070809Z",
                             "2024-05-06T07:08:09+02:00", "2024-05-06T07:08:09Z "]),
            st.sampled_from(["<StorageClass>STANDARD</StorageClass>", "<StorageClass>GLACIER</StorageClass>", "",
                             "<StorageClass>a&amp;b</StorageClass>", "<StorageClass>a\x01</StorageClass>",
                             "<Owner><ID>1</ID><DisplayName>a&bad;</DisplayName></Owner>", "<Owner><ID>1</ID></Owner>",
                             "<Type>Normal</Type>"]),
            st.sampled_from(["", "<Owner><ID>1</ID></Owner>", "<!-- -->"]),
            st.sampled_from([True, True, True, False]),
        ),
        max_size=4,
    ),
    between=st.sampled_from(["", "", "\n", "<!-- x -->", "<CommonPrefixes><Prefix>p/</Prefix></CommonPrefixes>"]),
    encoding=st.sampled_from(["url", None]),
)  # fmt: skip
def test_a_page_reads_the_same_by_either_way(rows: list[str], between: str, encoding: str | None) -> None:
    body = a_page(between.join(rows), encoding=encoding)

    def read() -> object:
        try:
            return xml.parse_list_page(body, "bucket", "")
        except xml.MalformedReply as exc:
            return str(exc)

    fast = read()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(xml, "_rows", lambda raw: None)
        assert fast == read()


COLUMNS = {  # one of each kind is enough to be read the long way
    "key": ["a&amp;b", "a]b", "a>b", "a\rb", "a\x01b", "\ufffe"],
    "size": ["x", "-1", " 7 ", "0" * 21, "1_0", "١"],
    "etag": ["a b", "&quot;a", '"a"\n"b"', "&quot;&quot;", '""a""', "&quot;&amp;&quot;", "a\x01", 'W/"a"', '"a"'],
    "modified": ["2024-05-06&07:08:09Z", "2024-05-06T07:08:09", "2024-13-06T07:08:09Z", "2024-05-06T07:08:09+02:00"],
    "kind": ["a&amp;b", "a\x01", "a>b"],
}


@pytest.mark.parametrize(("column", "text"), [(column, text) for column, texts in COLUMNS.items() for text in texts])
def test_one_row_that_is_different_sends_the_page_to_the_parser(column: str, text: str) -> None:
    usual = {"modified": "2024-05-06T07:08:09.000Z", "etag": f"&quot;{ETAG}&quot;", "size": "5", "kind": "STANDARD"}

    def page(**last: str) -> bytes:
        rows = [{"key": f"k{n}", **usual} for n in range(3)]
        rows[-1].update(last)
        return a_page(*["<Contents><Key>{key}</Key><LastModified>{modified}</LastModified><ETag>{etag}</ETag><Size>{size}</Size>"
                        "<StorageClass>{kind}</StorageClass></Contents>".format(**row) for row in rows])  # fmt: skip

    def rows(body: bytes) -> xml.Rows | None:
        return xml._rows(body[body.find(b"<Contents>") : body.rfind(b"</Contents>") + 11])

    assert rows(page()) is not None
    assert rows(page(**{column: text})) is None
