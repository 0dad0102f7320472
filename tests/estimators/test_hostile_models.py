"""Models from strangers: a clear error at once, or a model that keeps its promises."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

import halfseen
from halfseen.cli import app
from halfseen.errors import FileFormatError, HalfseenError
from halfseen.estimators.allowance import Allowance

FIXTURES = Path(__file__).parents[1] / "fixtures"
sys.path.insert(0, str(FIXTURES))
from hostile_list import HOSTILE, changed, seed  # noqa: E402
from hostile_models import pack, places, removed, replaced  # noqa: E402
from write_models import read_tiny_table  # noqa: E402

FOLDER = FIXTURES / "models" / "format-1"
QUIET = settings(
    deadline=None,
    max_examples=60,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
# Seconds of one core and MiB that a hostile file may take.
SECONDS, MEBIBYTES = 1.0, 400
# What stands behind a refusal, where another check would refuse the file as well.
BECAUSE = {
    "a_gap_between_tensors": "does not begin where one ends",
    "tensors_that_overlap": "does not begin where one ends",
    "header_of_lists": "too many values",
    "header_of_empty_lists": "too many values",
    "header_of_zeros": "too many values",
    "header_above_the_limit": "has a header of",
    "length_of_gigabytes": "only a part of one",
    "one_byte_long": "goes on behind its end",
    "tensor_twice": "stands twice",
    "no_checksum": "of itself",
    "checksum_of_another_file": "checksum",
    "a_flipped_bit_in_a_number": "checksum",
    "shape_and_place_of_terabytes": "no sizes of a tensor",
    "a_part_that_is_a_dunder": "holds a part",
    "a_part_that_is_the_codec": "holds a part",
    "parts_in_parts": "holds a part",
    "hidden_of_billions": "ask for a tensor of",
    "hidden_of_a_million_layers": "Expected at most 1000",
    "hidden_of_a_thousand_layers": "steps to make the model",
    "dense_of_a_million_layers": "steps to make the model",
    "method_that_cannot_be_saved": "cannot load",
    "classes_of_gigabytes": "classes of the type",
    "units_of_nan": "finite numbers",
    "settings_unknown": "does not have",
}

LOADING = """
import json, pickle, resource, sys, time
from pathlib import Path
import torch
import halfseen

def refuse(*_, **__):
    raise SystemExit("something was unpickled")

folder = Path(sys.argv[1])
halfseen.load(folder / "good")
pickle.load = pickle.loads = pickle.Unpickler = torch.load = refuse
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 2**30, used + 2**30))
found = {}
for path in sorted(folder.glob("*.halfseen")):
    peak, begun = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    try:
        halfseen.load(path)
        error = ("nothing", "it was loaded")
    except Exception as raised:
        error = (type(raised).__name__, str(raised))
    took = time.process_time() - begun
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak) / 1024
    found[path.stem] = [*error, took, grown]
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """What becomes of each hostile file in a process that has 1 GiB to spare."""
    if not Path("/proc/self/statm").exists():
        pytest.skip("The limit of memory needs /proc.")
    folder = tmp_path_factory.mktemp("hostile")
    for name, make in HOSTILE.items():
        (folder / f"{name}.halfseen").write_bytes(make())
    (folder / "good").write_bytes(pack(*seed()))
    path = os.pathsep.join(entry for entry in sys.path if entry)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", LOADING, folder],
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_end_in_a_clear_error_at_once(outcomes, name):
    kind, message, seconds, grown = outcomes[name]
    assert kind in ("FileFormatError", "SettingError"), message
    assert BECAUSE.get(name, "") in message
    assert "Error:" not in message, "An error of Python or torch was passed on."
    assert len(message) < 1500
    assert seconds < SECONDS
    assert grown < MEBIBYTES


def test_the_files_that_the_list_changes_are_loaded_as_they_are(tmp_path):
    for name in ("MIWAEImputer", "bins", "images", "modalities", "MisGAN"):
        (tmp_path / name).write_bytes(pack(*seed(name)))
        assert hasattr(halfseen.load(tmp_path / name), "codec_")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="There are no pipes with names.")
def test_what_is_no_regular_file_is_refused_and_never_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(FileFormatError, match="no regular file"):
            halfseen.load(path)
    with pytest.raises(FileNotFoundError):
        halfseen.load(tmp_path / "nothing")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="There are no pipes with names.")
def test_a_path_in_a_file_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    to = str(tmp_path / "pipe")
    name = "SupMIWAEClassifier"
    (tmp_path / "m").write_bytes(changed("params", "generator", to=to, name=name))
    # Whoever opened the pipe would wait for ever.
    assert halfseen.load(tmp_path / "m").generator == to


def test_a_sparse_file_of_terabytes_is_refused_by_its_size(tmp_path):
    with (tmp_path / "m").open("wb") as sink:
        sink.write(pack(*seed()))
        try:
            sink.truncate(2**42)
        except OSError:
            pytest.skip("The file system has no files of this size.")
    begun = time.process_time()
    with pytest.raises(FileFormatError, match="Expected at most"):
        halfseen.load(tmp_path / "m")
    assert time.process_time() - begun < SECONDS


def test_a_newer_version_is_named(tmp_path):
    (tmp_path / "m").write_bytes(HOSTILE["of_a_version_to_come"]())
    with pytest.raises(FileFormatError, match=r"halfseen 9\.1\.0 in format 3"):
        halfseen.load(tmp_path / "m")


@pytest.mark.parametrize("name", ["nan_weights", "one_byte_short", "units_of_nan", "text"])
def test_the_command_says_one_line(tmp_path, name):
    (tmp_path / "m.halfseen").write_bytes(HOSTILE[name]())
    (tmp_path / "t.csv").write_bytes((FOLDER / "table.csv").read_bytes())
    for verb in ("apply", "predict"):
        words = [verb, tmp_path / "m.halfseen", tmp_path / "t.csv", "-o", tmp_path / "out.csv"]
        result = CliRunner().invoke(app, [str(word) for word in words], prog_name="halfseen")
        assert result.exit_code == 1, result.output
        [line] = result.stderr.splitlines()
        assert line.startswith("halfseen: error: ")
        assert "m.halfseen" in line
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize(
    "grow",
    [
        lambda row: row[:, None] * row,
        lambda row: torch.cat([row] * 100),
        lambda row: torch.stack(tensors=[row] * 100),
        lambda row: torch.cat(dim=0, tensors=[row] * 100),
        lambda row: torch.cat([row.bool()] * 40 + [row.double()]),
        lambda row: torch.diff(row, prepend=row.repeat(74), append=row.repeat(74)),
        lambda row: row.repeat(100),
        lambda row: torch.where(row[:, None] < row),
    ],
)
def test_what_grows_while_a_model_is_made_is_refused(grow):
    row = torch.arange(100.0)
    with pytest.raises(FileFormatError, match="ask for a tensor of"), Allowance(30_000, 1000):
        grow(row)


# ---- whatever else may happen to a file ---------------------------------------------------

TABLE, _, _ = read_tiny_table(FOLDER / "table.csv")
WHOLE = pack(*seed("MeanImputer"))


def keeps_its_promises(path):
    """Load and complete: an error of ours, or whole answers that leave seen cells alone."""
    begun = time.process_time()
    try:
        model = halfseen.load(path)
    except (HalfseenError, OSError):
        return False
    finally:
        assert time.process_time() - begun < SECONDS
    try:
        filled = model.transform(TABLE.head(8))
    except (HalfseenError, ValueError):
        return True
    assert not filled.isna().to_numpy().any()
    seen = TABLE.head(8).notna().to_numpy()
    before, after = TABLE.head(8).to_numpy(object), filled.to_numpy(object)
    assert (before[seen] == after[seen]).all()
    return True


@QUIET
@given(place=st.integers(0, 8 * len(WHOLE) - 1))
def test_a_flipped_bit_is_always_noticed(tmp_path, place):
    data = bytearray(WHOLE)
    data[place // 8] ^= 1 << place % 8
    (tmp_path / "m").write_bytes(data)
    with pytest.raises(FileFormatError):
        halfseen.load(tmp_path / "m")


@QUIET
@given(length=st.integers(0, len(WHOLE) - 1))
def test_a_cut_is_always_noticed(tmp_path, length):
    (tmp_path / "m").write_bytes(WHOLE[:length])
    with pytest.raises(FileFormatError):
        halfseen.load(tmp_path / "m")


@QUIET
@given(data=st.binary(max_size=200))
def test_noise_is_no_model(tmp_path, data):
    (tmp_path / "m").write_bytes(len(data).to_bytes(8, "little") + data)
    with pytest.raises(FileFormatError):
        halfseen.load(tmp_path / "m")


SEEDS = {
    name: (*seed(name), [at for at, _ in places(seed(name)[0]) if at])
    for name in ("MIWAEImputer", "GaussianCopulaImputer", "ConvAC", "GAINImputer")
}
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.lists(st.floats(), max_size=3),
    st.sampled_from([10**12, -1, 0, [], {}, [[]], "__class__", float("nan")]),
)


@QUIET
@given(name=st.sampled_from(sorted(SEEDS)), chosen=st.data())
@pytest.mark.filterwarnings("ignore")
def test_a_changed_header_is_refused_or_harmless(tmp_path, name, chosen):
    facts, tensors, at = SEEDS[name]
    place = chosen.draw(st.sampled_from(at))
    leave_out = chosen.draw(st.booleans())
    new = removed(facts, place) if leave_out else replaced(facts, place, chosen.draw(VALUES))
    (tmp_path / "m").write_bytes(pack(new, tensors))
    keeps_its_promises(tmp_path / "m")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", sorted(SEEDS))
def test_what_is_not_changed_does_answer(tmp_path, name):
    (tmp_path / "m").write_bytes(pack(*SEEDS[name][:2]))
    assert keeps_its_promises(tmp_path / "m")


def test_numbers_that_overflow_end_in_an_error(tmp_path):
    facts, tensors = seed("MIWAEImputer")
    huge = {
        name: (dtype, shape, np.full(len(raw) // 4, 3e38, np.float32).tobytes())
        if dtype == "F32" and name.endswith("weight")
        else (dtype, shape, raw)
        for name, (dtype, shape, raw) in tensors.items()
    }
    (tmp_path / "m").write_bytes(pack(facts, huge))
    assert keeps_its_promises(tmp_path / "m")
