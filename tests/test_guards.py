"""What users rely on without reading: names, a quick import, modules that stand alone."""

import importlib
import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import halfseen

SNAPSHOT = Path(__file__).with_name("api.txt")
ROOMS = ["", "datasets", "mechanisms", "methods", "metrics", "tables", "testing", "experiments"]


def python(code):
    path = os.pathsep.join(entry for entry in sys.path if entry)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def public_names():
    """Every public name of every public room, and what each method takes."""
    lines = []
    for room in ROOMS:
        module = importlib.import_module(f"halfseen.{room}".rstrip("."))
        lines += [f"{module.__name__}.{name}" for name in sorted(module.__all__)]
    for name, method in halfseen.all_methods().items():
        verbs = [verb for verb in dir(method) if not verb.startswith("_")]
        lines += [f"{name}.{verb}" for verb in verbs]
        lines += [f"{name}({setting})" for setting in method().get_params()]
    return lines


def test_public_names():
    """After a change on purpose: HALFSEEN_SNAPSHOT=1 pytest tests/test_guards.py."""
    found = public_names()
    if os.environ.get("HALFSEEN_SNAPSHOT"):
        SNAPSHOT.write_text("\n".join(found) + "\n")
    known = SNAPSHOT.read_text().splitlines()
    gone, new = sorted(set(known) - set(found)), sorted(set(found) - set(known))
    assert not gone, f"Public names are gone: {gone}"
    assert not new, f"New public names; write them down if they are meant: {new}"


def test_every_public_name_can_be_had():
    for name in halfseen.__all__:
        assert getattr(halfseen, name) is not None
    assert set(dir(halfseen)) >= set(halfseen.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = halfseen.Nothing


def test_import_is_quick_and_leaves_torch_alone():
    out = python(
        "import sys, time\n"
        "start = time.perf_counter()\n"
        "import halfseen\n"
        "print(time.perf_counter() - start)\n"
        "print([m for m in ('torch', 'pandas', 'sklearn', 'pyarrow') if m in sys.modules])\n"
    )
    seconds, heavy = out.split("\n")[:2]
    assert float(seconds) < 2
    assert heavy == "[]"


def test_loading_a_model_leaves_the_compiler_alone():
    """Its modules would take a second of every `halfseen apply`."""
    folder = Path(__file__).parent / "fixtures" / "models" / "format-1"
    out = python(
        "import sys, halfseen\n"
        "from pathlib import Path\n"
        f"for path in sorted(Path({str(folder)!r}).glob('*.halfseen')):\n"
        "    halfseen.load(path)\n"
        "    assert 'torch._dynamo.symbolic_convert' not in sys.modules, path\n"
        "print('left alone')\n"
    )
    assert out.strip() == "left alone"


def modules():
    names = [info.name for info in pkgutil.walk_packages(halfseen.__path__, "halfseen.")]
    return [name for name in names if not name.endswith("__main__")]


def test_every_room_imports_from_a_clean_state():
    """In a process that forgets the package between rooms, so that circles show."""
    rooms = [name for name in modules() if name.count(".") == 1]
    python(
        "import importlib, sys\n"
        f"for name in {rooms!r}:\n"
        "    for known in [m for m in sys.modules if m.split('.')[0] == 'halfseen']:\n"
        "        del sys.modules[known]\n"
        "    importlib.import_module(name)\n"
        f"for name in {modules()!r}:\n"
        "    importlib.import_module(name)\n"
    )


def test_importing_changes_nothing_for_torch():
    out = python(
        "import torch\n"
        "facts = lambda: (torch.get_default_dtype(), torch.get_num_threads(),\n"
        "    torch.distributions.Distribution._validate_args,\n"
        "    torch.get_rng_state().sum().item())\n"
        "before = facts()\n"
        "import halfseen\n"
        "halfseen.all_methods()\n"
        "print(before == facts())\n"
    )
    assert out.strip() == "True"
