"""The command doctor: what is installed, what it runs on, and whether it computes rightly."""

from __future__ import annotations

import typer

__all__ = ["doctor"]

OPTIONAL = ("polars", "matplotlib", "torchvision")


def doctor() -> None:
    """Show versions, devices and threads, and try on a small table what the package is for.

    Exits with 1 when something that was tried did not turn out as it should.
    """
    from halfseen.cli.messages import note
    from halfseen.cli.rendering import new_console, show_table
    from halfseen.testing.self_test import self_test

    console = new_console()
    show_table(console, ["what", "found"], [list(row) for row in _facts().items()])
    note("Trying a small table, for about ten seconds on each device.")
    findings = [finding for device in _devices() for finding in self_test(device)]
    rows = [[f.name, "yes" if f.passed else "NO", f"{f.seconds:.1f}", f.said] for f in findings]
    show_table(console, ["tried", "as it should be", "seconds", "in numbers"], rows, numeric=(2,))
    if not all(finding.passed for finding in findings):
        raise typer.Exit(1)


def _devices() -> list[str]:
    import torch

    return ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


def _facts() -> dict[str, str]:
    """Versions, devices and threads."""
    import platform
    from importlib.metadata import PackageNotFoundError, requires, version

    import torch

    from halfseen.core.version import VERSION
    from halfseen.experiments.runner import machine

    def found(name: str) -> str:
        try:
            return version(name)
        except PackageNotFoundError:
            return "not installed"

    try:
        needed = [line for line in requires("halfseen") or () if "extra ==" not in line]
    except PackageNotFoundError:
        needed = ["torch", "numpy"]
    names = [_name(line) for line in needed]
    processor = machine()
    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return {
        "halfseen": VERSION,
        "python": f"{platform.python_version()} on {platform.platform()}",
        **{name: found(name) for name in names},
        **{f"{name} (optional)": found(name) for name in OPTIONAL},
        "processor": f"{processor['cpu']}, {processor['cores']} cores",
        "threads of torch": f"{torch.get_num_threads()} in one operation",
        "accelerators": ", ".join(gpus) or "none",
    }


def _name(requirement: str) -> str:
    """The package that a requirement asks for.

    Examples
    --------
    >>> _name("torch>=2.6")
    'torch'
    """
    import re

    return re.split(r"[^A-Za-z0-9_.-]", requirement, maxsplit=1)[0]
