"""Files that commands read and write: checked before any work, written after all of it."""

from __future__ import annotations

import csv
import io
import shlex
import tempfile
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from halfseen.errors import ColumnError, SettingError

if TYPE_CHECKING:
    import pyarrow as pa

    from halfseen.tables import Source

__all__ = ["Job", "check_targets", "draw_paths", "names_of", "split_suffix"]


def split_suffix(path: Path) -> tuple[str, str]:
    """Name of a table's file without and with what tells its format.

    Examples
    --------
    >>> split_suffix(Path("out/filled.csv.gz"))
    ('filled', '.csv.gz')
    """
    from halfseen.tables.io import SUFFIXES

    for suffix in sorted(SUFFIXES, key=len, reverse=True):
        if path.name.lower().endswith(suffix):
            return path.name[: -len(suffix)], path.name[-len(suffix) :]
    raise SettingError(
        f"Got the file name {path.name!r}. Expected it to end in one of {SUFFIXES}."
    )


def draw_paths(path: Path, n_draws: int) -> list[Path]:
    """Files of several draws, numbered from 1.

    Examples
    --------
    >>> [str(path) for path in draw_paths(Path("filled.csv"), 2)]
    ['filled-01.csv', 'filled-02.csv']
    """
    stem, suffix = split_suffix(path)
    width = max(2, len(str(n_draws)))
    return [path.with_name(f"{stem}-{i:0{width}d}{suffix}") for i in range(1, n_draws + 1)]


def names_of(said: str, known: Collection[str]) -> list[str]:
    """Columns that an option names, as in ``a,b``; names that hold a comma stand in quotes.

    Examples
    --------
    >>> known = ["id", "weight, kg", "age"]
    >>> names_of("id, age", known), names_of("weight, kg", known)
    (['id', 'age'], ['weight, kg'])
    >>> names_of('id,"weight, kg"', known)
    ['id', 'weight, kg']
    """
    for names in ([said], said.split(",")):
        # Nothing said names no column, though one may have an empty name.
        if said and all(name in known for name in names):
            return names
    rows = list(csv.reader([said], skipinitialspace=True))
    return [name.strip() for name in rows[0] if name.strip()] if rows else []


def _listed(names: Sequence[str]) -> str:
    """Names as a shell takes them for an option."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(names)
    return shlex.quote(line.getvalue())


def check_targets(sources: Sequence[Path], targets: Sequence[Path], force: bool) -> None:
    """Refuse targets that would replace what should stay, or that cannot be written.

    Parameters
    ----------
    sources, targets : sequence of Path
        Files that are read and written.
    force : bool
        Whether targets that exist may be replaced; sources never.
    """
    resolved = [target.resolve() for target in targets]
    if len(set(resolved)) < len(resolved):
        raise SettingError("Got one file for two outputs. Expected different names.")
    for target in targets:
        if not target.parent.is_dir():
            raise SettingError(f"There is no folder {target.parent} for {target.name}. Make it.")
        if target.is_dir():
            raise SettingError(f"{target} is a folder. Expected the name of a file.")
        _check_writable(target.resolve().parent)
        if not target.exists():
            continue
        if any(source.exists() and target.samefile(source) for source in sources):
            raise SettingError(f"{target} is the input itself. Choose another output.")
        if not force:
            raise SettingError(f"{target} exists. Pass --force to replace it.")


def _check_writable(folder: Path) -> None:
    """Better refused now than after hours of work."""
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise SettingError(
            f"Nothing can be written to {folder} ({error.strerror}). Choose another folder."
        ) from error


@dataclass(frozen=True)
class Job:
    """A table from a file, of which some columns are worked on.

    Parameters
    ----------
    path : Path
        Where it was read.
    source : Source
        The table and, for CSV, the text of its cells.
    ignored : tuple of str
        Columns that are handed through.
    """

    path: Path
    source: Source
    ignored: tuple[str, ...] = ()

    @classmethod
    def read(cls, path: Path, ignore: str = "") -> Job:
        """Read a table, and check the names of columns to ignore, given as ``a,b``."""
        from halfseen.tables import read_source

        return cls._of(path, read_source(path), ignore)

    @classmethod
    def parts(cls, path: Path, ignore: str = "") -> Iterator[Job]:
        """Some rows of a large table at a time, in their order."""
        from halfseen.tables.streams import source_parts

        for source in source_parts(path):
            yield cls._of(path, source, ignore)

    @classmethod
    def _of(cls, path: Path, source: Source, ignore: str) -> Job:
        from halfseen.core.words import closest

        names = source.table.column_names
        repeated = [name for name, count in Counter(names).items() if count > 1]
        if repeated:
            raise ColumnError(
                f"{path} has more than one column named {repeated[0]!r}. Expected distinct names: "
                "rename them."
            )
        ignored = tuple(names_of(ignore, names))
        for name in ignored:
            if name not in names:
                raise ColumnError(
                    f"{path} has no column {name!r} to ignore.{closest(name, names)}"
                )
        return cls(path, source, ignored)

    def only(self, known: Collection[str]) -> Job:
        """The same job, once there is no other column than a model knows."""
        names = (*known, *self.ignored)
        others = [name for name in self.source.table.column_names if name not in names]
        if others:
            raise ColumnError(
                f"{self.path} has columns that the model does not know: {', '.join(others[:5])}. "
                f"Pass --ignore {_listed(others[:5])} to hand them through."
            )
        return self

    @property
    def table(self) -> pa.Table:
        """The columns that are worked on."""
        return self.source.table.drop_columns(list(self.ignored))

    @property
    def missing(self) -> np.ndarray:
        """Cells to be completed, bool of shape (n, p): none in ignored columns."""
        missing = self.source.missing
        names = self.source.table.column_names
        missing[:, [names.index(name) for name in self.ignored]] = False
        return missing

    def write(self, path: Path, table: pa.Table, changed: np.ndarray) -> None:
        """Write a table made from :attr:`table`; cells of CSV files keep their text.

        Parameters
        ----------
        path : Path
            Where to.
        table : pyarrow.Table
            The columns that were worked on.
        changed : bool array of shape (n, p)
            Cells whose text is not to be kept.
        """
        from halfseen.tables import write_table

        full, text = self.full(table), self.source.text
        delimiter = self.delimiter_for(path)
        if text is None:
            write_table(path, full, delimiter=delimiter)
        else:
            write_table(path, full, text, changed, delimiter)

    def delimiter_for(self, path: Path) -> str | None:
        """What separates cells in a file: as in the input, if that is of the same format."""
        same = split_suffix(path)[1].lower() == split_suffix(self.path)[1].lower()
        return self.source.delimiter if same else None

    def write_long(self, path: Path, tables: Sequence[pa.Table]) -> None:
        """Write completions below each other, with a column that counts them."""
        from halfseen.tables import draws_table, write_table

        missing = self.missing
        full = [self.cells(table, path, missing) for table in tables]
        write_table(path, draws_table(full), delimiter=self.delimiter_for(path))

    def cells(self, table: pa.Table, path: Path, missing: np.ndarray) -> pa.Table:
        """The full table as it goes to a file: in one of text, seen cells keep their text."""
        from halfseen.tables import completed_text
        from halfseen.tables.io import is_text

        full, text = self.full(table), self.source.text
        return full if text is None or not is_text(path) else completed_text(full, text, missing)

    def full(self, table: pa.Table) -> pa.Table:
        """The table with the ignored columns back in their places."""
        out = self.source.table
        for place, name in enumerate(out.column_names):
            if name not in self.ignored:
                at = table.column_names.index(name)
                out = out.set_column(place, table.schema.field(at), table.column(at))
        return out
