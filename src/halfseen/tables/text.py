"""Short texts in and out, as a sequence of tokens or as a bag of words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from halfseen.core.spec import Block, Column, DataSpec
from halfseen.core.stored import flags, member, strings, whole
from halfseen.errors import ColumnError, FileFormatError, SettingError
from halfseen.tables.codec import Encoded
from halfseen.tables.raw import Level
from halfseen.tables.stored_record import check_texts
from halfseen.tables.text_containers import (
    blank_texts,
    record_texts,
    replace_texts,
    text_cells,
)

__all__ = ["END", "UNKNOWN", "TextCodec", "tokenize"]

# First codes of a sequence: what follows the last token, and rare tokens where fit had any.
END, UNKNOWN = "<end>", "<unk>"
# Columns of texts, and features of all of these, that a file may ask for.
MOST_CODES, MOST_FEATURES = 2**18, 2**24
SETTINGS = {"max_length": 8, "max_tokens": 200, "bag": False}
# Words, with apostrophes inside; single signs; and what a restored text may hold.
_TOKEN = re.compile(r"<unk>|\w+(?:'\w+)*|[^\w\s]")


def tokenize(text: str) -> list[str]:
    r"""Lower-cased words and punctuation marks: matches of ``\w+(?:'\w+)*|[^\w\s]``.

    ``<unk>`` is a token of its own, so that a restored text reads as it was written.

    Examples
    --------
    >>> tokenize("It's a T-shirt, red.")
    ["it's", 'a', 't', '-', 'shirt', ',', 'red', '.']
    """
    return _TOKEN.findall(text.lower())


class TextCodec:
    """Encode short texts as columns, and write texts where there were none.

    As a *sequence* a text is its first L tokens: L nominal columns with one vocabulary, the
    ``max_tokens`` most frequent tokens of fit behind ``<end>`` (from the end of the text on)
    and, where the texts of fit have other tokens too, ``<unk>`` for these. Where they have none
    there is no such code, so that no answer holds it: a token that only a later text has is a
    missing cell of it. As a *bag* it is one binary column per word of the
    vocabulary. A text is seen as a whole or absent as a whole, and no column is dropped for
    being constant: to a model, places of a text are like pixels of an image.

    Texts of a sequence that are written look like those of fit: each token in its commonest
    form, such as ``New``, and without a space before it where it has none in most places.

    Parameters
    ----------
    name : str, default="text"
        What names of columns begin with: ``text[0]`` in a sequence, ``text[word]`` in a bag.

    Attributes
    ----------
    spec : DataSpec
        The columns, in one block.
    vocabulary : list of str
        Tokens in the order of their codes; words in the order of the columns of a bag.
    feature_names : None
        Tokens have no names that a user gave.
    levels : dict of str to list
        Categories of each column, in the order of their codes.

    Examples
    --------
    >>> texts = ["a red shirt", None, "a blue one"]
    >>> codec = TextCodec().fit(texts)
    >>> codec.vocabulary
    ['<end>', 'a', 'blue', 'one', 'red', 'shirt']
    >>> codec.encode([*texts, "a green one"]).values
    array([[ 1.,  4.,  5.],
           [nan, nan, nan],
           [ 1.,  2.,  3.],
           [ 1., nan,  3.]])
    >>> codec.restore(texts, np.full((3, 3), [1.0, 5.0, 0.0]))
    ['a red shirt', 'a shirt', 'a blue one']
    >>> marks = ["A+", "B", "A+", None]
    >>> TextCodec().fit(marks).restore(marks, np.full((4, 2), [2.0, 1.0]))
    ['A+', 'B', 'A+', 'A+']
    """

    spec: DataSpec
    vocabulary: list[str]
    bag: bool
    _forms: dict[str, str]
    _joined: set[str]
    levels: dict[str, list[Level]]
    feature_names: None = None

    def __init__(self, name: str = "text") -> None:
        self.name = name

    def fit(
        self,
        texts: Any,
        kinds: Mapping[str, Any] | str | None = None,
        keep_empty_features: bool = False,
    ) -> TextCodec:
        """Learn the vocabulary and the length.

        Parameters
        ----------
        texts : list, tuple, array or Series (pandas, polars) of length n
            Each a str, a list of str (tokens, taken as they are) or absent (None, NaN).
        kinds : mapping, optional
            ``{"kind": "text", "max_length": 8, "max_tokens": 200, "bag": False}``, or some of
            these. A sequence is as long as the longest text of fit, ``max_length`` at most;
            longer texts are cut. ``max_tokens`` tokens are known, ties in alphabetical order.
        keep_empty_features : bool
            Not used: without any text there is nothing to learn, or to fill with.

        Returns
        -------
        TextCodec
            Itself.

        Raises
        ------
        SettingError
            When ``kinds`` has other keys or values.
        ColumnError
            When there is no text, no token, or something that is no text.
        """
        chosen = _check_settings(self.name, kinds)
        cells = text_cells(self.name, texts)
        rows = [_tokens(cell) for cell in cells if cell is not None]
        self.bag, length = chosen["bag"], min(chosen["max_length"], max(map(len, rows), default=0))
        counts = Counter(token for row in rows for token in row)
        # Tokens behind the cut are in no cell.
        used = {token for row in rows for token in (row if self.bag else row[:length])} - {END}
        ranked = sorted(used - {UNKNOWN}, key=lambda token: (-counts[token], token))
        if not ranked:
            raise ColumnError(
                f"Got {len(cells)} texts for {self.name!r} without a single token. Expected some."
            )
        known = ranked[: chosen["max_tokens"]]
        self._container = record_texts(texts, cells)
        self._set(known, length, unknown=len(known) < len(used))
        # Words of a bag have no order, so that nothing stands before them.
        self._forms, self._joined = ({}, set()) if self.bag else _looks(cells, set(known))
        return self

    def _set(self, known: list[str], length: int, *, unknown: bool) -> None:
        """Vocabulary, columns and categories from the known tokens."""
        first = [END, UNKNOWN] if unknown else [END]
        self.vocabulary = known if self.bag else [*first, *known]
        self._code = {token: code for code, token in enumerate(self.vocabulary)}
        if self.bag:
            names = [f"{self.name}[{word}]" for word in known]
            columns = tuple(Column(name, "binary", n_levels=2) for name in names)
            self.levels = {name: [False, True] for name in names}
        else:
            names = [f"{self.name}[{place}]" for place in range(length)]
            size = len(self.vocabulary)
            columns = tuple(Column(name, "nominal", n_levels=size) for name in names)
            shared: list[Level] = list(self.vocabulary)
            self.levels = dict.fromkeys(names, shared)
        block = Block(self.name, tuple(range(len(columns))), tokens=not self.bag)
        self.spec = DataSpec(columns, blocks=(block,))

    def encode(self, texts: Any) -> Encoded:
        """Rows of codes.

        Parameters
        ----------
        texts : list, tuple, array or Series of length n
            As in :meth:`fit`.

        Returns
        -------
        Encoded
            Codes (n, p), NaN in the rows of absent texts and where a token has no code, and the
            mask of these cells.
        """
        cells = text_cells(self.name, texts)
        values = np.full((len(cells), self.spec.n_columns), np.nan)
        for row, cell in zip(values, cells, strict=True):
            if cell is not None:
                self._write(row, _tokens(cell))
        return Encoded(values, np.isnan(values))

    def _write(self, row: np.ndarray, tokens: list[str]) -> None:
        row[:] = 0.0
        if self.bag:
            row[[self._code[token] for token in tokens if token in self._code]] = 1.0
            return
        unknown = self._code.get(UNKNOWN, np.nan)
        codes = [self._code.get(token, unknown) for token in tokens[: len(row)]]
        row[: len(codes)] = codes

    def restore(self, texts: Any, filled: np.ndarray) -> Any:
        """Copy of the texts in which the absent ones, and no others, are written.

        Parameters
        ----------
        texts : list, tuple, array or Series of length n
            What was encoded; it is not changed.
        filled : array of shape (n, p)
            Codes. Where a row has a NaN the text stays absent.

        Returns
        -------
        same as texts
            Seen texts are the same objects. Written ones are tokens up to the first ``<end>``,
            as texts of fit show them, or the words of a bag in the order of the vocabulary,
            joined by spaces; lists of tokens where other texts are.
        """
        cells = text_cells(self.name, texts)
        filled = np.asarray(filled, dtype=np.float64)
        if filled.shape != (len(cells), self.spec.n_columns):
            raise ValueError(
                f"Got filled codes of shape {filled.shape}. Expected "
                f"{(len(cells), self.spec.n_columns)}, a row per text."
            )
        lists = any(isinstance(cell, (list, tuple)) for cell in cells)
        lists |= all(cell is None for cell in cells) and self._container["tokens"]
        written = {}
        for i, row in enumerate(filled):
            if cells[i] is None and not np.isnan(row).any():
                tokens = self._read(row)
                written[i] = tokens if lists else self._text(tokens)
        return replace_texts(texts, written)

    def _text(self, tokens: list[str]) -> str:
        """Tokens as a text, which is read as the same tokens."""
        # Tokens by the stretches of the text that hold no space.
        stretches: list[list[str]] = []
        for token in tokens:
            joined = [*stretches[-1], token] if stretches and token in self._joined else [token]
            # Of two words without a space between them there would be one.
            if len(joined) > 1 and tokenize(self._stretch(joined)) == joined:
                stretches[-1] = joined
            else:
                stretches.append([token])
        return " ".join(map(self._stretch, stretches))

    def _stretch(self, tokens: list[str]) -> str:
        return "".join(self._forms.get(token, token) for token in tokens)

    def _read(self, row: np.ndarray) -> list[str]:
        codes = np.clip(np.rint(row), 0, max(len(self.vocabulary) - 1, 1)).astype(int).tolist()
        if self.bag:
            return [word for word, code in zip(self.vocabulary, codes, strict=True) if code]
        end = codes.index(0) if 0 in codes else len(codes)
        return [self.vocabulary[code] for code in codes[:end]]

    def template(self, n: int) -> Any:
        """``n`` absent texts in a container like that of fit.

        Examples
        --------
        >>> TextCodec().fit(["a b"]).template(2)
        [None, None]
        """
        return blank_texts(self._container, n)

    def create(self, values: np.ndarray) -> Any:
        """Texts of the kind seen in fit, from codes (n, p)."""
        return self.restore(self.template(len(values)), values)

    def to_json(self) -> dict[str, Any]:
        """All that is needed to encode and restore new texts, as plain values.

        Examples
        --------
        >>> codec = TextCodec("note").fit(["a b", "b"])
        >>> TextCodec.from_json(codec.to_json()).spec == codec.spec
        True
        """
        unknown = UNKNOWN in self._code
        known = self.vocabulary if self.bag else self.vocabulary[1 + unknown :]
        # Files of earlier versions have the code in every sequence, and do not say so.
        lacking = {} if unknown or self.bag else {"unknown": False}
        # Nor do they say how tokens look: in lower case, with a space before them.
        looks: dict[str, list[Any]] = {}
        if self._forms:
            looks["forms"] = [self._forms.get(token, token) for token in known]
        if self._joined:
            looks["joined"] = [token in self._joined for token in known]
        return {
            "tokens": known,
            "length": self.spec.n_columns,
            "bag": self.bag,
            "name": self.name,
            "container": self._container,
            **lacking,
            **looks,
        }

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> TextCodec:
        """Inverse of :meth:`to_json`."""
        known, bag = strings(state, "tokens"), member(state, "bag")
        length = whole(state, "length", 1, MOST_CODES)
        unknown = state.get("unknown", True)
        good = all(isinstance(flag, bool) for flag in (bag, unknown))
        good &= isinstance(member(state, "name"), str) and len(known) > 0
        good &= len({*known, END, UNKNOWN}) == len(known) + 2
        good &= length == len(known) if bag else length * (len(known) + 2) <= MOST_FEATURES
        if not good:
            raise FileFormatError(
                f"The file has texts of {length} tokens out of {len(known)}. Expected distinct "
                "tokens, as save() writes them."
            )
        check_texts(member(state, "container"))
        codec = cls(state["name"])
        codec.bag, codec._container = bag, dict(state["container"])
        codec._set(known, length, unknown=unknown)
        forms = strings(state, "forms", len(known)) if "forms" in state else known
        joined = flags(state, "joined", len(known)) if "joined" in state else [False] * len(known)
        pairs = zip(known, forms, strict=True)
        codec._forms = {token: form for token, form in pairs if form != token}
        codec._joined = {token for token, flag in zip(known, joined, strict=True) if flag}
        return codec


def _check_settings(name: str, kinds: Mapping[str, Any] | str | None) -> dict[str, Any]:
    given = {"kind": kinds} if isinstance(kinds, str) else dict(kinds or {})
    wrong = sorted(set(given) - {"kind", *SETTINGS})
    if wrong or given.get("kind", "text") != "text":
        raise SettingError(
            f"Got {given!r} for the texts {name!r}. Expected the kind 'text', with some of "
            f"{list(SETTINGS)}."
        )
    chosen = SETTINGS | {key: given[key] for key in SETTINGS if key in given}
    for key in ("max_length", "max_tokens"):
        size = chosen[key]
        if not isinstance(size, (int, np.integer)) or isinstance(size, bool) or size < 1:
            raise SettingError(f"Got {key}={size!r} for {name!r}. Expected a whole number >= 1.")
    if not isinstance(chosen["bag"], bool):
        raise SettingError(f"Got bag={chosen['bag']!r} for {name!r}. Expected True or False.")
    return chosen


def _looks(cells: list[Any], known: set[str]) -> tuple[dict[str, str], set[str]]:
    """The commonest form of known tokens that are not written as such, and tokens without a space.

    Those are behind the token before them at more than half of the places where there is one.
    """
    forms: dict[str, Counter[str]] = {token: Counter() for token in known}
    balance: Counter[str] = Counter()
    for cell in cells:
        for token, form, joined in _shown(cell) if isinstance(cell, str) else ():
            if token in known:
                forms[token][form] += 1
                balance[token] += 0 if joined is None else 1 if joined else -1
    # Of forms that are as common, the token itself, else the first by letter.
    common = {
        token: min(counts, key=lambda form: (-counts[form], form != token, form), default=token)
        for token, counts in sorted(forms.items())
    }
    changed = {token: form for token, form in common.items() if form != token}
    return changed, {token for token, more in balance.items() if more > 0}


def _shown(text: str) -> Iterator[tuple[str, str, bool | None]]:
    """Tokens of a text as they stand there, and whether they follow the one before at once."""
    # A letter may be two in lower case.
    places = [place for place, letter in enumerate(text) for _ in letter.lower()]
    end = None
    for match in _TOKEN.finditer(text.lower()):
        token, form = match.group(), text[places[match.start()] : places[match.end() - 1] + 1]
        # What a letter becomes may depend on those beside it.
        form = form if tokenize(form) == [token] else token
        yield token, form, None if end is None else match.start() == end
        end = match.end()


def _tokens(cell: Any) -> list[str]:
    return tokenize(cell) if isinstance(cell, str) else list(cell)
