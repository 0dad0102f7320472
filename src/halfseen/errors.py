"""Errors and warnings of the package: each is also the builtin that a caller would catch.

Every message says what came, what was expected and what to do.
"""

from __future__ import annotations

__all__ = [
    "AnswerQualityWarning",
    "ColumnError",
    "FileFormatError",
    "HalfseenError",
    "HalfseenWarning",
    "MissingDependencyError",
    "SettingError",
    "TableError",
    "TrainingError",
    "TrainingWarning",
    "UnseenCategoryWarning",
]


class HalfseenError(Exception):
    """Base of every error raised by halfseen."""


class SettingError(HalfseenError, ValueError):
    """A setting has a value that cannot be used."""


class ColumnError(HalfseenError, ValueError):
    """A column of a table cannot be used as it is; the message names it and the remedy."""


class TableError(HalfseenError, ValueError):
    """Something is no table, or a table without rows or columns; the message says what to pass."""


class FileFormatError(HalfseenError, ValueError):
    """A file is not what its name or its place says."""


class TrainingError(HalfseenError, RuntimeError):
    """Training could not go on; the message names the phase, the epoch and the term."""


class MissingDependencyError(HalfseenError, ImportError):
    """An optional package is absent; the message says which extra brings it."""


class HalfseenWarning(UserWarning):
    """Base of every warning issued by halfseen."""


class AnswerQualityWarning(HalfseenWarning):
    """The answer exists, but its diagnostics say that it should not be trusted blindly."""


class TrainingWarning(HalfseenWarning):
    """Training met a difficulty that it survived."""


class UnseenCategoryWarning(HalfseenWarning):
    """A table holds a category that was not seen in fit; it is kept and read as missing."""
