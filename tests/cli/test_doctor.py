"""The doctor: what it finds on a healthy machine, and on one that is not."""

import pytest
from test_failures import run

from halfseen.methods.mfa import MFAImputer
from halfseen.methods.miwae import MIWAEImputer
from halfseen.testing import self_test as module
from halfseen.testing.self_test import self_test


def test_a_healthy_machine():
    result = run("doctor")
    assert result.exit_code == 0, result.output
    rows = [line.split("\t") for line in result.stdout.splitlines()]
    facts = {row[0]: row[1] for row in rows}
    assert facts["halfseen"] == "0.1.0"
    assert facts["torch"].startswith("2.")
    assert "in one operation" in facts["threads of torch"]
    verdicts = [row[1] for row in rows if row[0].endswith(" on cpu")]
    assert verdicts == ["yes"] * 6


@pytest.mark.parametrize("method", [MFAImputer, MIWAEImputer])
def test_wrong_answers_are_found(monkeypatch, method):
    """Every answer a little off, or seen cells that change."""
    transform = method.transform
    monkeypatch.setattr(method, "transform", lambda self, X: transform(self, X) * 2)
    monkeypatch.setattr(module._Patient, "mechanism", lambda self: (True, ""))
    verdicts = {finding.name: finding.passed for finding in self_test()}
    failed = [name for name, passed in verdicts.items() if not passed]
    if method is MFAImputer:
        assert failed == ["exact conditional means by EM on cpu"]
    else:
        assert failed == ["a network learns (MIWAE) on cpu", "same seed, same answer on cpu"]


def test_errors_are_findings(monkeypatch):
    def broken(self):
        raise RuntimeError("CUDA error")

    for name in ("closed_form", "training", "mechanism", "repeats", "files", "threads"):
        monkeypatch.setattr(module._Patient, name, broken)
    result = run("doctor")
    assert result.exit_code == 1
    assert result.stdout.count("NO\t0.0\tRuntimeError: CUDA error") == 6
