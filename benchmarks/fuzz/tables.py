"""Coverage-guided fuzzing of what reads tables and kinds of columns, with atheris.

    python benchmarks/fuzz/tables.py CORPUS -max_total_time=300 -rss_limit_mb=4000

The first byte of an input says what its rest is: CSV, TSV, gzipped CSV, Parquet, Feather, an Arrow
stream, or kinds in TOML. What is read is taken by a codec, whose answer must leave cells alone.
"""

import gzip
import os
import sys
import tempfile
import time
import warnings
from contextlib import suppress
from pathlib import Path

import atheris

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "src"))
with atheris.instrument_imports(include=["halfseen.tables", "tomllib"]):
    from halfseen.errors import HalfseenError
    from halfseen.tables.codec import TableCodec
    from halfseen.tables.io import read_source, read_table
    from halfseen.tables.settings import read_kinds

import numpy as np  # noqa: E402
import pyarrow as pa  # noqa: E402
from findings import keeping  # noqa: E402
from pyarrow import feather, parquet  # noqa: E402

SUFFIXES = (".csv", ".tsv", ".csv.gz", ".csv.gz", ".parquet", ".feather", ".arrow", ".toml")
FOLDER = Path(tempfile.mkdtemp())
# Of instrumented code, which takes its time.
SLOW = 2.0


def write_seeds(folder: Path) -> None:
    """Small files of every kind to begin with."""
    folder.mkdir(parents=True, exist_ok=True)
    table = pa.table(
        {
            "age": pa.array([31, None, 40]),
            "city": pa.array(["Rome", "Oslo", None]),
            "dose": pa.array([0.5, None, 1e300]),
            "grade": pa.array(["a", "b", None]).dictionary_encode(),
            "ok": pa.array([True, None, False]),
        }
    )
    texts = [
        b"age,city,dose\n31,Rome,0.5\n,Oslo,\n40,,1e300\n",
        b'a;b\n"x;""y""";1,5\n"two\nlines";NA\n',
        b"\xef\xbb\xbfa\tb\r\n1\t2020-01-01\r\n",
    ]
    for place, text in enumerate(texts):
        (folder / f"csv{place}").write_bytes(b"\0" + text)
        (folder / f"tsv{place}").write_bytes(b"\1" + text)
        (folder / f"gz{place}").write_bytes(b"\2" + text)
        (folder / f"rawgz{place}").write_bytes(b"\3" + gzip.compress(text))
    sink = FOLDER / "seed"
    parquet.write_table(table, sink)
    (folder / "parquet").write_bytes(b"\4" + sink.read_bytes())
    for kind in ("uncompressed", "lz4"):
        feather.write_feather(table, sink, compression=kind)
        (folder / f"feather-{kind}").write_bytes(b"\5" + sink.read_bytes())
    stream = pa.BufferOutputStream()
    with pa.ipc.new_stream(stream, table.schema) as writer:
        writer.write_table(table)
    (folder / "arrow").write_bytes(b"\6" + stream.getvalue().to_pybytes())
    (folder / "toml").write_bytes(
        b'\7age = "count"\n[grade]\nkind = "ordered"\nlevels = ["a", "b"]\n'
        b'[dose]\nkind = "bounded"\nlower = 0\nupper = 1.5\n'
    )


def check(path: Path) -> None:
    """Read a file in every way."""
    if path.suffix == ".toml":
        read_kinds(path)
        return
    read_source(path)
    table = read_table(path)
    codec = TableCodec().fit(table)
    encoded = codec.encode(table)
    filled = codec.restore(table, np.where(encoded.missing, 0.0, np.nan))
    assert filled.num_rows == table.num_rows
    for place in range(table.num_columns):
        seen = table.column(place).is_valid()
        before, after = table.column(place).filter(seen), filled.column(place).filter(seen)
        assert repr(before.to_pylist()) == repr(after.to_pylist())


def test_one(data: bytes) -> None:
    """One input."""
    if not data:
        return
    suffix = data[0] % len(SUFFIXES)
    content = gzip.compress(data[1:], 1) if suffix == 2 else data[1:]
    path = FOLDER / f"in{SUFFIXES[suffix]}"
    path.write_bytes(content)
    begun = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with suppress(HalfseenError, OSError):
            check(path)
    took = time.process_time() - begun
    assert took < SLOW, f"{took:.1f} seconds"


if __name__ == "__main__":
    os.environ["OMP_NUM_THREADS"] = "1"
    write_seeds(FOLDER / "seeds")
    atheris.Setup([*sys.argv, str(FOLDER / "seeds")], keeping(test_one, Path("findings-tables")))
    atheris.Fuzz()
