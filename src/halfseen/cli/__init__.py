"""The command line: ``halfseen --help``."""

from __future__ import annotations

from halfseen.cli.app import app, main

__all__ = ["app", "main"]
