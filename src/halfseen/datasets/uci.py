"""Loaders of public tables: from a local folder, or from their publisher when asked."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from halfseen.core.words import closest
from halfseen.datasets.folders import data_folder, local_file
from halfseen.errors import FileFormatError, SettingError

__all__ = ["UCI", "Source", "load_uci"]

_ARCHIVE = "https://archive.ics.uci.edu/ml/machine-learning-databases"


@dataclass(frozen=True)
class Source:
    """What a public table is and where its publisher keeps it.

    Parameters
    ----------
    columns : tuple of str
        Names, the target last.
    n_rows : int
        Number of rows, by which a fetched table is checked.
    fetch : callable
        Returns the table from its publisher, with these columns in this order.
    credit : str
        Whom to cite.
    """

    columns: tuple[str, ...]
    n_rows: int
    fetch: Callable[[], pd.DataFrame]
    credit: str

    @property
    def target(self) -> str:
        """The last column."""
        return self.columns[-1]


def load_uci(name: str, folder: str | Path | None = None, *, fetch: bool = False) -> pd.DataFrame:
    """Load a public table, the target last.

    Parameters
    ----------
    name : str
        A key of ``UCI``.
    folder : str or Path, optional
        Where ``<name>.parquet`` or ``<name>.csv`` lies, itself or in ``tables`` below it; by
        default the environment's HALFSEEN_DATA.
    fetch : bool, default=False
        Whether to ask the publisher where there is no local file. The table is then kept in
        ``folder``, if that is given.

    Returns
    -------
    pandas.DataFrame

    Raises
    ------
    FileNotFoundError
        When there is no local file and ``fetch`` is false.
    FileFormatError
        When the table is not the expected one.
    """
    if name not in UCI:
        raise SettingError(
            f"Got table {name!r}. Expected one of {sorted(UCI)}.{closest(name, UCI)}"
        )
    root = data_folder(folder)
    path = local_file(root, "tables", f"{name}.parquet", f"{name}.csv")
    if path is not None:
        read = pd.read_parquet if path.suffix == ".parquet" else pd.read_csv
        return _checked(name, read(path), str(path))
    if not fetch:
        raise FileNotFoundError(
            f"No {name}.parquet or {name}.csv in {root} or {root / 'tables'}. Set HALFSEEN_DATA "
            "to the folder that has it, or pass fetch=True to ask its publisher."
        )
    table = _checked(name, UCI[name].fetch(), "the publisher")
    if folder is not None:
        root.mkdir(parents=True, exist_ok=True)
        table.to_csv(root / f"{name}.csv", index=False)
    return table


def _checked(name: str, table: pd.DataFrame, origin: str) -> pd.DataFrame:
    source = UCI[name]
    if list(table.columns) != list(source.columns) or len(table) != source.n_rows:
        raise FileFormatError(
            f"Got a table {name!r} of shape {table.shape} with columns {list(table.columns)} "
            f"from {origin}. Expected {source.n_rows} rows and {list(source.columns)}."
        )
    return table


def _archive(path: str, columns: tuple[str, ...], **options: object) -> Callable[[], pd.DataFrame]:
    """Read a text file of the UCI archive; ``options`` go to ``pandas.read_csv``."""

    def fetch() -> pd.DataFrame:
        return pd.read_csv(io.StringIO(_text(path)), names=list(columns), **options)

    return fetch


def _arff(path: str, columns: tuple[str, ...]) -> Callable[[], pd.DataFrame]:
    """Read categories from a file of ARFF, in which lines that start with @ or % are no rows."""

    def fetch() -> pd.DataFrame:
        lines = [line.strip() for line in _text(path).splitlines()]
        rows = "\n".join(line for line in lines if line and line[0] not in "@%")
        return pd.read_csv(io.StringIO(rows), names=list(columns), dtype=str)

    return fetch


def _text(path: str) -> str:
    from urllib.request import urlopen

    with urlopen(f"{_ARCHIVE}/{path}", timeout=60) as answer:
        return answer.read().decode("utf-8")


def _yeast() -> pd.DataFrame:
    path, columns = "yeast/yeast.data", ("sequence", *_YEAST)
    return _archive(path, columns, sep=r"\s+")().drop(columns="sequence")


def _mushroom() -> pd.DataFrame:
    columns = ("class", *_MUSHROOM[:-1])
    return _archive("mushroom/agaricus-lepiota.data", columns, dtype=str)()[list(_MUSHROOM)]


def _zoo() -> pd.DataFrame:
    """The publisher numbers the types, and names every animal."""
    kinds = ("mammal", "bird", "reptile", "fish", "amphibian", "insect", "mollusc.et.al")
    table = _archive("zoo/zoo.data", ("animal", *_ZOO), dtype=str)().drop(columns="animal")
    return table.assign(type=[kinds[int(number) - 1] for number in table["type"]])


def _glass() -> pd.DataFrame:
    return _archive("glass/glass.data", ("Id", *_GLASS))().drop(columns="Id")


def _letter() -> pd.DataFrame:
    columns = ("letter", *_LETTER[:-1])
    return _archive("letter-recognition/letter-recognition.data", columns)()[list(_LETTER)]


def _spambase() -> pd.DataFrame:
    """The publisher writes 1 for spam."""
    table = _archive("spambase/spambase.data", _SPAM)()
    return table.assign(type=["spam" if mark else "nonspam" for mark in table["type"]])


def _openml(data_id: int, columns: tuple[str, ...]) -> Callable[[], pd.DataFrame]:
    """Read a table of OpenML whose columns are in our order under other names."""

    def fetch() -> pd.DataFrame:
        from sklearn.datasets import fetch_openml

        table = fetch_openml(data_id=data_id, as_frame=True, parser="auto").frame
        if table.shape[1] == len(columns):
            table.columns = list(columns)
        return table

    return fetch


def _breast() -> pd.DataFrame:
    """The copy that scikit-learn brings along."""
    from sklearn.datasets import load_breast_cancer

    bunch = load_breast_cancer(as_frame=True)
    table = bunch.data.set_axis(_BREAST[:-1], axis=1)
    return table.assign(diagnosis=bunch.target_names[bunch.target])


_BANKNOTE = ("variance", "skewness", "curtosis", "entropy", "class")
_CONCRETE = (
    "cement", "blast_furnace_slag", "fly_ash", "water", "superplasticizer",
    "coarse_aggregate", "fine_aggregate", "age", "compressive_strength",
)  # fmt: skip
_WINE = (
    "fixed_acidity", "volatile_acidity", "citric_acid", "residual_sugar", "chlorides",
    "free_sulfur_dioxide", "total_sulfur_dioxide", "density", "pH", "sulphates", "alcohol",
    "quality",
)  # fmt: skip
_YEAST = ("mcg", "gvh", "alm", "mit", "erl", "pox", "vac", "nuc", "class")
_NUCLEUS = (
    "radius", "texture", "perimeter", "area", "smoothness", "compactness", "concavity",
    "concave_points", "symmetry", "fractal_dimension",
)  # fmt: skip
_BREAST = (
    *(f"mean_{name}" for name in _NUCLEUS),
    *(f"{name}_error" for name in _NUCLEUS),
    *(f"worst_{name}" for name in _NUCLEUS),
    "diagnosis",
)
_GLASS = ("RI", "Na", "Mg", "Al", "Si", "K", "Ca", "Ba", "Fe", "type")
_LETTER = (
    "x_box", "y_box", "width", "high", "onpix", "x_bar", "y_bar", "x2bar", "y2bar", "xybar",
    "x2ybr", "xy2br", "x_ege", "xegvy", "y_ege", "yegvx", "letter",
)  # fmt: skip
_SPAM = (
    "make", "address", "all", "num3d", "our", "over", "remove", "internet", "order", "mail",
    "receive", "will", "people", "report", "addresses", "free", "business", "email", "you",
    "credit", "your", "font", "num000", "money", "hp", "hpl", "george", "num650", "lab", "labs",
    "telnet", "num857", "data", "num415", "num85", "technology", "num1999", "parts", "pm",
    "direct", "cs", "meeting", "original", "project", "re", "edu", "table", "conference",
    "charSemicolon", "charRoundbracket", "charSquarebracket", "charExclamation", "charDollar",
    "charHash", "capitalAve", "capitalLong", "capitalTotal", "type",
)  # fmt: skip
_CREDIT = (
    "LIMIT_BAL", "SEX", "EDUCATION", "MARRIAGE", "AGE",
    *(f"PAY_{month}" for month in (0, 2, 3, 4, 5, 6)),
    *(f"BILL_AMT{month}" for month in range(1, 7)),
    *(f"PAY_AMT{month}" for month in range(1, 7)),
    "default_payment_next_month",
)  # fmt: skip
_MUSHROOM = (
    "cap_shape", "cap_surface", "cap_color", "bruises", "odor", "gill_attachment",
    "gill_spacing", "gill_size", "gill_color", "stalk_shape", "stalk_root",
    "stalk_surface_above_ring", "stalk_surface_below_ring", "stalk_color_above_ring",
    "stalk_color_below_ring", "veil_type", "veil_color", "ring_number", "ring_type",
    "spore_print_color", "population", "habitat", "class",
)  # fmt: skip
_PHISHING = (
    "SFH", "popUpWindow", "SSLfinal_State", "Request_URL", "URL_of_Anchor", "web_traffic",
    "URL_Length", "age_of_domain", "having_IP_Address", "class",
)  # fmt: skip
_PHISHING_30 = (
    "having_IP_Address", "URL_Length", "Shortining_Service", "having_At_Symbol",
    "double_slash_redirecting", "Prefix_Suffix", "having_Sub_Domain", "SSLfinal_State",
    "Domain_registeration_length", "Favicon", "port", "HTTPS_token", "Request_URL",
    "URL_of_Anchor", "Links_in_tags", "SFH", "Submitting_to_email", "Abnormal_URL", "Redirect",
    "on_mouseover", "RightClick", "popUpWidnow", "Iframe", "age_of_domain", "DNSRecord",
    "web_traffic", "Page_Rank", "Google_Index", "Links_pointing_to_page", "Statistical_report",
    "class",
)  # fmt: skip
_ZOO = (
    "hair", "feathers", "eggs", "milk", "airborne", "aquatic", "predator", "toothed",
    "backbone", "breathes", "venomous", "fins", "legs", "tail", "domestic", "catsize", "type",
)  # fmt: skip
_WINE_CREDIT = "Cortez, Cerdeira, Almeida, Matos and Reis (2009), Wine Quality; CC BY 4.0"

UCI: dict[str, Source] = {
    "banknote": Source(
        _BANKNOTE,
        1372,
        _archive("00267/data_banknote_authentication.txt", _BANKNOTE),
        "Lohweg (2012), Banknote Authentication; CC BY 4.0",
    ),
    "concrete": Source(
        _CONCRETE,
        1030,
        _openml(4353, _CONCRETE),
        "Yeh (1998), Concrete Compressive Strength; CC BY 4.0",
    ),
    "wine_red": Source(
        _WINE,
        1599,
        _archive("wine-quality/winequality-red.csv", _WINE, sep=";", header=0),
        _WINE_CREDIT,
    ),
    "wine_white": Source(
        _WINE,
        4898,
        _archive("wine-quality/winequality-white.csv", _WINE, sep=";", header=0),
        _WINE_CREDIT,
    ),
    "yeast": Source(_YEAST, 1484, _yeast, "Nakai (1991), Yeast; CC BY 4.0"),
    "breast_cancer_diagnostic": Source(
        _BREAST,
        569,
        _breast,
        "Wolberg, Mangasarian, Street and Street (1993), Breast Cancer Wisconsin "
        "(Diagnostic); CC BY 4.0",
    ),
    "glass": Source(_GLASS, 214, _glass, "German (1987), Glass Identification; CC BY 4.0"),
    "letter": Source(_LETTER, 20000, _letter, "Slate (1991), Letter Recognition; CC BY 4.0"),
    "spambase": Source(
        _SPAM,
        4601,
        _spambase,
        "Hopkins, Reeber, Forman and Suermondt (1999), Spambase; CC BY 4.0",
    ),
    "default_credit_card": Source(
        _CREDIT,
        30000,
        _openml(42477, _CREDIT),
        "Yeh (2009), Default of Credit Card Clients; CC BY 4.0",
    ),
    "mushroom": Source(_MUSHROOM, 8124, _mushroom, "Mushroom (1987); CC BY 4.0"),
    "phishing_website": Source(
        _PHISHING,
        1353,
        _arff("00379/PhishingData.arff", _PHISHING),
        "Abdelhamid (2016), Website Phishing; CC BY 4.0",
    ),
    "phishing_websites": Source(
        _PHISHING_30,
        11055,
        _arff("00327/Training%20Dataset.arff", _PHISHING_30),
        "Mohammad and McCluskey (2015), Phishing Websites; CC BY 4.0",
    ),
    "zoo": Source(_ZOO, 101, _zoo, "Forsyth (1990), Zoo; CC BY 4.0"),
}
