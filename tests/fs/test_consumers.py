"""Libraries that know fsspec, reading and writing through it as their users would: by URL where they take one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import fsspec
import pytest
from fsspec.generic import rsync, set_generic_fs
from fsspec.registry import _registry

from s3nb.fsspec import S3nbFileSystem, register

from ..conftest import Server
from .conftest import Hosts, Place


@pytest.fixture(autouse=True)
def _registered() -> Iterator[None]:
    before = dict(_registry)
    register()
    yield
    _registry.clear()
    _registry.update(before)


@pytest.fixture
def options(moto_server: Server) -> dict[str, Any]:
    """What a user would give as ``storage_options``."""
    return {
        "key": moto_server.access_key,
        "secret": moto_server.secret_key,
        "client_kwargs": {"endpoint_url": moto_server.endpoint_url},
    }


@pytest.fixture
def ours(options: dict[str, Any]) -> S3nbFileSystem:
    return S3nbFileSystem(**options)


@pytest.fixture
def place(moto_server: Server, hosts: Hosts) -> Place:
    return hosts.place(moto_server, {})


def test_pandas_reads_and_writes_by_url(place: Place, options: dict[str, Any]) -> None:
    import pandas as pd

    frame = pd.DataFrame({"n": range(1000), "name": [f"row {i}" for i in range(1000)]})
    frame.to_csv(place.at("t.csv"), index=False, storage_options=options)
    frame.to_csv(place.at("t.csv.gz"), index=False, storage_options=options)
    frame.to_parquet(place.at("t.parquet"), storage_options=options)
    frame.to_json(place.at("t.jsonl"), orient="records", lines=True, storage_options=options)
    frame.to_pickle(place.at("t.pickle"), storage_options=options)
    for read, name in [
        (pd.read_csv, "t.csv"),
        (pd.read_csv, "t.csv.gz"),
        (pd.read_parquet, "t.parquet"),
        (pd.read_pickle, "t.pickle"),
    ]:
        pd.testing.assert_frame_equal(read(place.at(name), storage_options=options), frame)
    lines = pd.read_json(place.at("t.jsonl"), lines=True, storage_options=options)
    assert lines["n"].sum() == frame["n"].sum()
    assert sorted(place.names()) == ["t.csv", "t.csv.gz", "t.jsonl", "t.parquet", "t.pickle"]


class Unwritable:
    """A value that cannot be written, in whatever format."""

    def __str__(self) -> str:
        raise RuntimeError("cannot be written")

    __repr__ = __reduce__ = __str__  # type: ignore[assignment]


def _pandas_csv(url: str, options: dict[str, Any], **more: Any) -> None:
    import pandas as pd

    pd.DataFrame({"n": [*range(50_000), Unwritable()]}).to_csv(url, storage_options=options, **more)


def _pandas_pickle(url: str, options: dict[str, Any]) -> None:
    import pandas as pd

    pd.DataFrame({"n": [*range(50_000), Unwritable()]}).to_pickle(url, storage_options=options)


def _fsspec_text(url: str, options: dict[str, Any]) -> None:
    with fsspec.open(url, "w", compression="gzip", **options) as file:
        file.write("half")
        raise RuntimeError


def _parquet_writer(url: str, options: dict[str, Any]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({"n": [1, 2]})
    with pq.ParquetWriter(url[5:], table.schema, filesystem=S3nbFileSystem(**options)) as writer:
        writer.write_table(table)
        raise RuntimeError


def _arrow_stream(url: str, options: dict[str, Any]) -> None:
    from pyarrow.fs import FSSpecHandler, PyFileSystem

    with PyFileSystem(FSSpecHandler(S3nbFileSystem(**options))).open_output_stream(url[5:]) as stream:
        stream.write(b"half")
        raise RuntimeError


@pytest.mark.parametrize(
    "write",
    [
        _pandas_csv, partial(_pandas_csv, compression="gzip"), partial(_pandas_csv, compression="zip"), _pandas_pickle, _fsspec_text,
        _parquet_writer, _arrow_stream,
    ],
)  # fmt: skip
def test_who_fails_in_the_middle_of_writing_leaves_what_was_there(
    write: Callable[..., None], place: Place, options: dict[str, Any]
) -> None:
    place.put("kept", b"old")
    with pytest.raises(RuntimeError):
        write(place.at("kept"), options)
    assert place.body("kept") == b"old"


def test_pandas_takes_a_path_object(place: Place, options: dict[str, Any]) -> None:
    import pandas as pd

    from s3nb import S3Path

    pd.DataFrame({"n": [1, 2]}).to_csv(S3Path(place.at("p.csv")), index=False, storage_options=options)
    assert place.body("p.csv") == b"n\n1\n2\n"


def test_pyarrow_reads_and_writes_a_partitioned_dataset(place: Place, ours: S3nbFileSystem) -> None:
    import pyarrow as pa
    import pyarrow.dataset as ds
    import pyarrow.parquet as pq

    table = pa.table({"n": list(range(100)), "part": [i % 3 for i in range(100)]})
    base = f"{place.bucket}/data"
    ds.write_dataset(
        table, base, filesystem=ours, format="parquet", partitioning=ds.partitioning(pa.schema([("part", pa.int64())]), flavor="hive")
    )  # fmt: skip
    found = ds.dataset(base, filesystem=ours, format="parquet", partitioning="hive")
    assert found.count_rows() == 100
    assert found.to_table(filter=ds.field("part") == 1)["n"].to_pylist() == list(range(1, 100, 3))
    pq.write_table(table, f"{place.bucket}/one.parquet", filesystem=ours)
    assert pq.read_table(f"{place.bucket}/one.parquet", filesystem=ours, columns=["n"]).num_rows == 100


@pytest.mark.filterwarnings("ignore:The inplace keyword")  # dask, of a newer pandas
def test_dask_reads_and_writes_dataframes(place: Place, options: dict[str, Any]) -> None:
    import dask
    import dask.dataframe as dd
    import pandas as pd

    frame = pd.DataFrame({"n": range(200), "g": [i % 4 for i in range(200)]})
    with dask.config.set(scheduler="threads"):
        dd.from_pandas(frame, npartitions=4).to_parquet(place.at("dask/pq"), storage_options=options)
        read = dd.read_parquet(place.at("dask/pq"), storage_options=options)
        assert int(read["n"].sum().compute()) == sum(range(200))
        assert len(dd.read_parquet(place.at("dask/pq"), storage_options=options)) == 200  # from the footers alone
        dd.from_pandas(frame, npartitions=3).to_csv(place.at("dask/csv/*.csv"), index=False, storage_options=options)
        text = dd.read_csv(place.at("dask/csv/*.csv"), storage_options=options, blocksize=500)
        assert len(text) == 200


def test_zarr_reads_and_writes_arrays(place: Place, options: dict[str, Any]) -> None:
    import numpy as np
    import zarr

    data = np.arange(10_000, dtype="i4").reshape(100, 100)
    array = zarr.create_array(
        store=place.at("z.zarr"), shape=data.shape, chunks=(25, 25), dtype="i4", storage_options=options
    )
    array[:] = data
    again = zarr.open_array(place.at("z.zarr"), mode="r", storage_options=options)
    assert (again[40:60, 10:90] == data[40:60, 10:90]).all()


def test_xarray_reads_and_writes_zarr(place: Place, options: dict[str, Any]) -> None:
    import numpy as np
    import xarray as xr

    made = xr.Dataset({"t": (("y", "x"), np.random.default_rng(1).normal(size=(20, 30)))}, coords={"x": range(30)})
    made.to_zarr(place.at("x.zarr"), storage_options=options, consolidated=False)
    found = xr.open_zarr(place.at("x.zarr"), storage_options=options, consolidated=False, chunks=None)
    xr.testing.assert_identical(found.load(), made)


def test_polars_reads_and_writes_files_and_scans_datasets(place: Place, ours: S3nbFileSystem) -> None:
    import polars as pl
    import pyarrow.dataset as ds

    frame = pl.DataFrame({"n": range(500), "s": [str(i) for i in range(500)]})
    with ours.open(place.at("p.parquet"), "wb") as file:
        frame.write_parquet(file)
    with ours.open(place.at("p.csv"), "wb") as file:
        frame.write_csv(file)
    with ours.open(place.at("p.parquet")) as file:
        assert pl.read_parquet(file, columns=["n"])["n"].sum() == sum(range(500))
    with ours.open(place.at("p.csv")) as file:
        assert pl.read_csv(file).height == 500
    scan = pl.scan_pyarrow_dataset(ds.dataset(f"{place.bucket}/p.parquet", filesystem=ours))
    assert scan.filter(pl.col("n") > 490).collect().height == 9


def test_duckdb_reads_and_writes_through_the_registered_filesystem(place: Place, ours: S3nbFileSystem) -> None:
    import duckdb

    with duckdb.connect() as db:
        db.register_filesystem(ours)
        url = f"s3nb://{place.bucket}"
        db.execute(f"COPY (SELECT i AS n, i % 5 AS g FROM range(1000) t(i)) TO '{url}/d.parquet' (FORMAT parquet)")
        db.execute(f"COPY (SELECT i AS n FROM range(50) t(i)) TO '{url}/csv/a.csv' (HEADER)")
        db.execute(f"COPY (SELECT i AS n FROM range(50) t(i)) TO '{url}/csv/b.csv' (HEADER)")
        assert db.execute(f"SELECT sum(n) FROM '{url}/d.parquet' WHERE g = 0").fetchone() == (sum(range(0, 1000, 5)),)
        assert db.execute(f"SELECT count(*) FROM read_csv('{url}/csv/*.csv')").fetchone() == (100,)


def test_duckdb_writes_a_partitioned_directory_that_is_not_there(place: Place, ours: S3nbFileSystem) -> None:
    import duckdb

    with duckdb.connect() as db:
        db.register_filesystem(ours)
        rows, url = "(SELECT i AS n, i % 3 AS g FROM range(100) t(i))", f"s3nb://{place.bucket}/duck"
        for more in ("", ", OVERWRITE", ", APPEND"):
            db.execute(f"COPY {rows} TO '{url}/p' (FORMAT parquet, PARTITION_BY (g){more})")
        db.execute(f"COPY {rows} TO '{url}/t' (FORMAT csv, PER_THREAD_OUTPUT)")
        found = db.execute(f"SELECT g, count(*) FROM '{url}/p/*/*.parquet' GROUP BY g ORDER BY g").fetchall()
        assert found == [(0, 68), (1, 66), (2, 66)]
        assert db.execute(f"SELECT count(*) FROM '{url}/t/*.csv'").fetchone() == (100,)


def test_fsspec_chains_caches_and_mappers_work_on_top(place: Place, options: dict[str, Any], tmp_path: Any) -> None:
    import zipfile

    with fsspec.open(place.at("a.zip"), "wb", **options) as file, zipfile.ZipFile(file, "w") as archive:
        archive.writestr("in/side.txt", "deep")
    with fsspec.open(f"zip://in/side.txt::{place.at('a.zip')}", s3=options) as file:
        assert file.read() == b"deep"
    with fsspec.open(
        f"simplecache::{place.at('a.zip')}", s3=options, simplecache={"cache_storage": str(tmp_path)}
    ) as file:
        assert file.read(2) == b"PK"
    mapper = fsspec.get_mapper(place.at("map"), **options)
    mapper["a"] = b"1"
    mapper["b/c"] = b"2"
    assert (sorted(mapper), mapper["b/c"], mapper.getitems(["a", "b/c"])) == (
        ["a", "b/c"],
        b"2",
        {"a": b"1", "b/c": b"2"},
    )
    with pytest.raises(KeyError):
        mapper["none"]
    for protocol in ("s3", "s3nb"):
        set_generic_fs(protocol, **options)
    rsync(place.at("map"), place.at("mirror"), inst_kwargs={"default_method": "generic"})
    assert place.body("mirror/b/c") == b"2"
