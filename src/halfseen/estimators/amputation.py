"""Make holes in a table, pictures or modalities: the mirror image of imputation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from halfseen.core.noise import RandomState, new_generator, seed_from
from halfseen.core.spec import DataSpec
from halfseen.errors import SettingError
from halfseen.estimators.blanks import blank, blank_modalities, split_mask
from halfseen.estimators.block_scores import put_back, score_blocks, spread
from halfseen.estimators.holes import Columns, check_texts, choose_holes
from halfseen.mechanisms import (
    MAR,
    MCAR,
    Calibrates,
    HardSelfMasking,
    Mechanism,
    MNARLogistic,
    SelfMasking,
)
from halfseen.mechanisms.calibration import check_rate
from halfseen.mechanisms.images import IMAGE_MASKS, ImageMask
from halfseen.tables.blocks import BlockCodec
from halfseen.tables.choice import Codec, codec_for
from halfseen.tables.codec import TableCodec
from halfseen.tables.containers import open_table
from halfseen.tables.parts import choose_part

__all__ = ["ampute"]


def ampute(
    X: Any,
    mechanism: str | Mechanism | ImageMask = "mcar",
    *,
    rate: float | None = None,
    columns: Columns = None,
    direction: Any = "high",
    by: Literal["cell", "block"] = "cell",
    blocks: Mapping[str, Sequence[str]] | None = None,
    keep_one: bool = False,
    random_state: RandomState = None,
    return_mask: bool = False,
) -> Any:
    """Copy of a table, of pictures or of modalities in which cells are missing by a mechanism.

    Parameters
    ----------
    X : table of shape (n, p), pictures of shape (n, c, h, w), or mapping of str to modality
        A DataFrame, pyarrow.Table or array-like; pictures as an array or tensor of floats
        (those of bytes are refused); or several modalities of n rows, as an imputer takes
        them. Cells that are missing already stay so, and do not count.
    mechanism : str, Mechanism or ImageMask, default="mcar"
        Why cells go missing:

        - "mcar": each with the same probability;
        - "mar": depending on columns that stay whole: those left out of ``columns``, or a
          random half of all columns;
        - "self-masking": depending on the own value, softly; in a categorical column a random
          half of the categories goes missing more often;
        - "self-masking-hard": exactly when the value is above the column's mean or, with a
          ``rate``, above the quantile 1 - ``rate``; in a categorical column whole categories;
        - "mnar-logistic": depending on the whole row, with random coefficients.

        In pictures these see each value of each channel as a column. Pictures also know, in all
        channels together:

        - "dropout": each pixel with the same probability;
        - "square": a square hole; "block": all but a square; "rectangle": a rectangular hole of
          random shape; each at a random place.

        Or a mechanism. It is bound to the table and calibrated in place, so that its parameters
        can be read afterwards, in units of standardised columns. Or, for pictures, a mask of
        :mod:`halfseen.mechanisms`, which is used as it is.
    rate : float, optional
        Share of cells that go missing in every column that can lose cells. Default: what
        the mechanism says, else 0.3. "self-masking-hard" has it exactly but for ties, "square"
        and "block" up to whole pixels, the others in expectation.
    columns : name, index, or list of these, optional
        Where holes are made; by default in all columns. Values of pictures are counted along
        channel, row and column. With ``by="block"`` names or places of modalities.
    direction : {"high", "low"}, default="high"
        Which values go missing under the two kinds of self-masking chosen by name; for
        "self-masking" also "unknown" (random) or a mapping from names.
    by : {"cell", "block"}, default="cell"
        Whether cells go missing one by one, or modalities as a whole. The mechanisms then see
        one column per modality: a modality of one column is that column; of one with more, the
        mean over its seen cells, each column standardised (binary and ordered ones by their
        codes, nominal ones left out); of a text, its number of tokens.
    blocks : mapping of str to sequence of str, optional
        Names of the columns of each modality of a table, for ``by="block"``; other columns are
        modalities of their own. Those of a mapping are known.
    keep_one : bool, default=False
        With ``by="block"``, whether a row that would lose its last modality keeps one of those
        it would lose, at random. Less than ``rate`` then goes missing.
    random_state : int, RandomState, Generator or None, default=None
        Seed. Global random states are never touched.
    return_mask : bool, default=False
        Whether to return the mask too.

    Returns
    -------
    table : same as X
        Columns keep their types where these can hold a missing cell. Those that lose cells
        and cannot hold one change: pandas integers become ``Int64`` (or the like), pandas
        booleans ``boolean``, integer and boolean arrays float, arrays of text and of integers
        beyond 2**53, which floats would round, object.
    mask : ndarray of bool of shape (n, p) or (n, c, h, w), or dict of these
        True where a cell is observed; for modalities a dict, of shape (n,) for texts and for
        modalities of one cell a row. Only if ``return_mask``.

    Notes
    -----
    Rows and columns may lose all their cells; none is put back silently (see ``keep_one``).
    Texts are seen or absent as a whole: they lose no cells, only ``by="block"``. Numbers are
    numbers here, even whole ones. Columns that no model can read, such as dates, are refused.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"age": [20, 30, 40, 90], "city": ["Rome", "Oslo", "Rome", "Bern"]})
    >>> ampute(table, "self-masking-hard", columns="age")
        age  city
    0    20  Rome
    1    30  Oslo
    2    40  Rome
    3  <NA>  Bern
    """
    _check_grouping(by, blocks, keep_one)
    codec = codec_for(X)
    encoded = codec.fit(X, kinds=_kinds(X, codec), keep_empty_features=True).encode(X)
    generator = new_generator(seed_from(random_state))
    if by == "block":
        spec = codec.spec.with_blocks(blocks)
        scores = mechanism != "mcar" and not isinstance(mechanism, MCAR)
        grouped, scored = score_blocks(spec, encoded, scores=scores)
        law, rate = _law(mechanism, rate, direction, grouped)
        gone = choose_holes(law, rate, grouped, scored, columns, generator)
        gone = put_back(gone, scored.missing, generator) if keep_one else gone
        holes = spread(spec, gone)
    else:
        law, rate = _law(mechanism, rate, direction, codec.spec)
        check_texts(codec.spec, columns)
        holes = choose_holes(law, rate, codec.spec, encoded, columns, generator)
    holes &= ~encoded.missing
    seen = ~(holes | encoded.missing)
    if isinstance(codec, BlockCodec):
        data = blank_modalities(codec, X, holes)
        return (data, split_mask(codec, seen)) if return_mask else data
    axes = codec.spec.shape or holes.shape[1:]
    seen = seen.reshape(-1, *axes)
    table = blank(X, holes.reshape(-1, *axes))
    return (table, seen) if return_mask else table


def _check_grouping(by: str, blocks: Any, keep_one: bool) -> None:
    """Words and combinations of what says how cells belong together."""
    if by not in ("cell", "block"):
        raise SettingError(f"Got by={by!r}. Expected 'cell' or 'block'.")
    if by == "cell" and (blocks is not None or keep_one):
        raise SettingError(
            f"Got blocks={blocks!r} and keep_one={keep_one!r} with by='cell'. Expected None and "
            "False: they are about modalities that go missing as a whole; pass by='block'."
        )


def _kinds(data: Any, codec: Codec) -> dict[str, Any] | None:
    """Kinds of the columns of a table, or of each modality that is one."""
    if isinstance(codec, TableCodec):
        return _numeric_kinds(data)
    if not isinstance(codec, BlockCodec):
        return None
    kinds: dict[str, Any] = {}
    for name, block in data.items():
        part, form = (None, None) if block is None else choose_part(name, block)
        if isinstance(part, TableCodec) and form is not None:
            found = _numeric_kinds(form.open(block))
            kinds[name] = next(iter(found.values()), None) if form.single else found
    return {name: kind for name, kind in kinds.items() if kind}


def _numeric_kinds(table: Any) -> dict[str, str]:
    """Numbers are numbers here, even when a model would call them counts or truth values."""
    container = open_table(table)
    tags = [container.raw(place).tag for place in range(container.shape[1])]
    pairs = zip(container.names, tags, strict=True)
    return {name: "continuous" for name, tag in pairs if tag in ("integer", "float")}


_BY_NAME: Mapping[str, Callable[[float | None, Any], Mechanism]] = {
    "mcar": lambda rate, direction: MCAR(),
    "mar": lambda rate, direction: MAR(),
    "self-masking": lambda rate, direction: SelfMasking(direction),
    "self-masking-hard": lambda rate, direction: HardSelfMasking(
        "mean" if rate is None else 1 - rate, direction=direction
    ),
    "mnar-logistic": lambda rate, direction: MNARLogistic(),
}


def _law(
    mechanism: str | Mechanism | ImageMask, rate: float | None, direction: Any, spec: DataSpec
) -> tuple[Mechanism | ImageMask, float | None]:
    """The mechanism, and the rate to calibrate it with."""
    rate = None if rate is None else check_rate(rate)
    pictures = spec.shape is not None
    if isinstance(mechanism, Mechanism) or (pictures and isinstance(mechanism, ImageMask)):
        if rate is not None and not isinstance(mechanism, Calibrates):
            raise SettingError(
                f"Got rate={rate!r} for {type(mechanism).__name__}, which has no method "
                "calibrate. Leave rate out: the mechanism's own parameters decide."
            )
        return mechanism, rate
    if isinstance(mechanism, str) and mechanism in _BY_NAME:
        return _BY_NAME[mechanism](rate, direction), rate
    if isinstance(mechanism, str) and mechanism in IMAGE_MASKS and pictures:
        return IMAGE_MASKS[mechanism](rate), rate
    raise SettingError(
        f"Got mechanism={mechanism!r}. Expected a Mechanism or one of {list(_BY_NAME)}; for "
        f"pictures of shape (n, c, h, w) also an ImageMask or one of {list(IMAGE_MASKS)}."
    )
