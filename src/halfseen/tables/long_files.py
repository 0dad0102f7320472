"""Draws below each other in one file, of tables too large to be held at once."""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Self

from halfseen.tables.io import count_draws, file_suffix
from halfseen.tables.streams import ARROW, PartWriter, source_parts

__all__ = ["LongWriter"]


class LongWriter(AbstractContextManager["LongWriter"]):
    """Draws that are written part by part, each to a file of its own, and joined at the end.

    The files lie in a hidden folder beside the target, which takes the room of all draws.

    Parameters
    ----------
    path : Path
        Where to: first all rows of the first draw, then those of the second one.
    n_draws : int
        M, the number of draws.
    delimiter : str, optional
        What separates the cells of text.

    Attributes
    ----------
    draws : list of PartWriter
        One for each draw.

    Examples
    --------
    >>> import pyarrow as pa, tempfile
    >>> out = Path(tempfile.mkdtemp()) / "out.csv"
    >>> with LongWriter(out, 2) as long:
    ...     for part in ([1, 2], [3]):
    ...         for draw in long.draws:
    ...             draw.write(pa.table({"x": part}))
    >>> out.read_text().split()
    ['draw,x', '1,1', '1,2', '1,3', '2,1', '2,2', '2,3']
    """

    def __init__(self, path: Path, n_draws: int, delimiter: str | None = None) -> None:
        self.path, self.n_draws, self.delimiter = path, n_draws, delimiter

    def __enter__(self) -> Self:
        # Arrow files keep every type, Parquet the categories of parts.
        suffix = file_suffix(self.path)
        suffix = suffix if suffix in ARROW else ".parquet"
        folder = TemporaryDirectory(
            prefix=f".{self.path.name[:100]}.", suffix=".tmp", dir=self.path.resolve().parent
        )
        with ExitStack() as stack:
            place = Path(stack.enter_context(folder))
            self.files = [place / f"{number}{suffix}" for number in range(self.n_draws)]
            self.open = stack.enter_context(ExitStack())
            self.draws = [self.open.enter_context(PartWriter(file)) for file in self.files]
            # Nothing is left where opening fails, such as for want of handles.
            self.stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self.stack:
            self.open.__exit__(kind, error, trace)
            if kind is None:
                self._join()

    def _join(self) -> None:
        with PartWriter(self.path, self.delimiter) as out:
            for number, file in enumerate(self.files, 1):
                for part in source_parts(file):
                    out.write(count_draws(part.table, number))
