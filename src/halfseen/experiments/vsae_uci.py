"""Tables whose columns are modalities: Tables 1, 3, 4, 5, 9 and Figure 2 of the VSAE paper.

Every model learns from the incomplete training rows (four fifths of the table, of which it may
hold a fifth back to choose by) and completes the incomplete test rows. Numbers are scaled to
[0, 1] by the complete table, as in the paper.

The paper's text describes its "NRMSE" as that by feature, for which the mean scores 1; its
numbers for Yeast are in units of one deviation of the whole table, where the mean scores 0.474.
The first is the main error here, the second stands beside the published numbers. Those of wine
and glass fit neither.

The paper does not say which table "Phishing" is. Of the smaller one, "phishing_website" with 1 353
rows, the mode gets 0.47 wrong, and a forest that sees all other columns 0.33; the paper's 0.237
to 0.348 can be of the larger one only, "phishing_websites" with 11 055 rows, where the mode gets
0.26 wrong. The smaller one is here under its own name.

The paper decodes one latent sample; the mean of several is the better answer, so both are told.

The paper trains for 1000 epochs. In the "full budget" the models in its settings take 15 000 steps
of 64 rows whatever the table: about 1000 epochs of Yeast, but 136 of the larger Phishing, 185 of
Mushroom and 306 of wine, and 7000 of glass and 15 000 of Zoo. Like those of the paper they keep
their best state by rows held back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from halfseen.datasets import load_uci
from halfseen.errors import SettingError
from halfseen.experiments.design import Experiment, Metric, Row, Run
from halfseen.experiments.vsae_masks import mar_mask, mcar_mask, nmar_mask, split_rows
from halfseen.experiments.vsae_models import MODELS, OURS, Model, Outcome, decoded, outcome
from halfseen.experiments.vsae_published import GENERATED_RATES, UCI_ERRORS, UCI_TABLES
from halfseen.methods.gmm import GMMImputer
from halfseen.methods.miwae import MIWAEImputer
from halfseen.metrics import nrmse_by_feature, nrmse_pooled, pfc

__all__ = ["VSAE_UCI", "TableTask", "make_table", "table_scores"]

CATEGORICAL, NUMERIC = (*UCI_TABLES[:3], "phishing_website"), UCI_TABLES[3:]
TARGETS = {
    "phishing_websites": "class",
    "phishing_website": "class",
    "zoo": "type",
    "mushroom": "class",
    "yeast": "class",
    "wine_white": "quality",
    "glass": "type",
}
FULL, SHORT = "full budget", "short budget"
SHORT_STEPS = 1_500


@dataclass(frozen=True, eq=False)
class TableTask:
    """A table with holes, split.

    Parameters
    ----------
    learn, test : DataFrame
        Rows with holes, to learn from and to complete.
    complete : DataFrame
        The rows to learn from without holes, for models that the paper trained on these.
    truth : DataFrame
        The whole table, training rows first.
    seen_learn, seen_test : ndarray of bool
        Where cells are seen.
    max_steps : int or None
        Of training; None leaves it to the model.
    """

    learn: pd.DataFrame
    test: pd.DataFrame
    complete: pd.DataFrame
    truth: pd.DataFrame
    seen_learn: np.ndarray
    seen_test: np.ndarray
    max_steps: int | None

    @property
    def numeric(self) -> bool:
        """Whether columns are numbers; if not, all are categories."""
        return all(pd.api.types.is_numeric_dtype(dtype) for dtype in self.truth.dtypes)


def make_table(
    table: str, protocol: str, units: str, seed: int, data: str | Path | None = None
) -> TableTask:
    """A table of modalities, split and with holes.

    Parameters
    ----------
    table : str
        One of :data:`VSAE_UCI`'s, without its target.
    protocol : {"mcar-0.3", "mcar-0.5", "mcar-0.7", "mar", "nmar"}
        See :mod:`halfseen.experiments.vsae_masks`; the last two are for numbers.
    units : {"full budget", "short budget"}
        As many steps as a model's settings say, or 1 500 for all.
    seed : int
        Of the split and of the holes.
    data : str or Path, optional
        Folder of the tables.

    Returns
    -------
    TableTask
    """
    frame = load_uci(table, data).drop(columns=TARGETS[table])
    if table in NUMERIC:
        frame = (frame - frame.min()) / (frame.max() - frame.min())
    else:
        frame = frame.astype(object)
    seen = _seen(frame, protocol, seed)
    train, valid, test = split_rows(len(frame), seed)
    learn = np.concatenate([train, valid])
    order = np.concatenate([learn, test])
    return TableTask(
        _part(frame.where(seen), learn),
        _part(frame.where(seen), test),
        _part(frame, learn),
        _part(frame, order),
        seen[learn],
        seen[test],
        None if units == FULL else SHORT_STEPS,
    )


def _part(frame: pd.DataFrame, rows: np.ndarray) -> pd.DataFrame:
    return frame.iloc[rows].reset_index(drop=True)


def _seen(frame: pd.DataFrame, protocol: str, seed: int) -> np.ndarray:
    if protocol.startswith("mcar-"):
        return mcar_mask(len(frame), frame.shape[1], float(protocol[len("mcar-") :]), seed)
    if protocol == "mar":
        return mar_mask(frame.to_numpy(dtype=float), seed)
    if protocol == "nmar":
        return nmar_mask(frame.to_numpy(dtype=float), seed)
    raise SettingError(f"Got protocol={protocol!r}. Expected 'mcar-0.5' or such, 'mar' or 'nmar'.")


def table_scores(task: TableTask, answer: Outcome) -> dict[str, float]:
    """Errors over missing cells of the test rows, in units of the complete table."""
    found = _errors(task, answer.filled)
    if answer.single is not None:
        found |= {f"{name}_single": value for name, value in _errors(task, answer.single).items()}
    if answer.masks is not None:
        found |= _mask_errors(task.seen_learn, answer.masks)
    return found


def _errors(task: TableTask, filled: pd.DataFrame) -> dict[str, float]:
    # With training rows among them, all "seen", units are those of the whole table.
    truth = task.truth.to_numpy()
    n_learn = len(task.learn)
    seen = np.concatenate([np.ones((n_learn, truth.shape[1]), dtype=bool), task.seen_test])
    whole = np.concatenate([truth[:n_learn], filled.to_numpy(dtype=truth.dtype)])
    if not task.numeric:
        return {"error": pfc(truth, whole, seen)}
    return {
        "error": nrmse_by_feature(truth, whole, seen),
        "nrmse_pooled": nrmse_pooled(truth, whole, seen),
    }


def _mask_errors(seen: np.ndarray, masks: np.ndarray) -> dict[str, float]:
    """Share of missing cells in generated masks; largest misses of rates and correlations."""
    rates = np.abs(seen.mean(0) - masks.mean(0))
    varies = (seen.std(0) > 0) & (masks.std(0) > 0)
    both = [np.corrcoef(mask[:, varies].astype(float).T) for mask in (seen, masks)]
    return {
        "mask_rate": float(1 - masks.mean()),
        "mask_rate_miss": float(rates.max()),
        "mask_correlation_miss": float(np.abs(both[0] - both[1]).max()),
    }


# ---- rows -------------------------------------------------------------------------------


def _mean(task: TableTask, seed: int) -> Outcome:
    return Outcome(task.test.fillna(task.learn.mean()))


def _mode(task: TableTask, seed: int) -> Outcome:
    return Outcome(task.test.fillna(task.learn.mode().iloc[0]))


def _knn(task: TableTask, seed: int) -> Outcome:
    """Mean of 10 neighbours; of categories, the one that most of them have."""
    from sklearn.impute import KNNImputer

    imputer = KNNImputer(n_neighbors=10, keep_empty_features=True)
    if task.numeric:
        filled = imputer.fit(task.learn).transform(task.test)
        return Outcome(pd.DataFrame(filled, columns=task.test.columns))
    levels = [task.learn[name].dropna().unique() for name in task.learn]
    imputer.fit(_indicators(task.learn, levels))
    shares = imputer.transform(_indicators(task.test, levels))
    ends = np.cumsum([len(level) for level in levels])[:-1]
    chosen = [
        level[share.argmax(1)]
        for level, share in zip(levels, np.split(shares, ends, axis=1), strict=True)
    ]
    guess = pd.DataFrame(np.stack(chosen, 1), columns=task.test.columns)
    return Outcome(task.test.where(task.seen_test, guess))


def _indicators(frame: pd.DataFrame, levels: list[np.ndarray]) -> np.ndarray:
    parts = []
    for name, level in zip(frame, levels, strict=True):
        cells = frame[name].to_numpy(dtype=object)
        part = (cells[:, None] == level[None]).astype(float)
        part[frame[name].isna()] = np.nan
        parts.append(part)
    return np.concatenate(parts, 1)


def _miwae(task: TableTask, seed: int) -> Outcome:
    imputer = MIWAEImputer(max_steps=task.max_steps, random_state=seed).fit(task.learn)
    return Outcome(imputer.transform(task.test), decoded(imputer, task.test, 1))


def _gmm(task: TableTask, seed: int) -> Outcome:
    """A mixture of Gaussians in closed form, which knows no modalities."""
    return Outcome(GMMImputer(random_state=seed).fit(task.learn).transform(task.test))


def _model(model: Model) -> Run:
    def run(task: TableTask, seed: int) -> Outcome:
        data = "numeric" if task.numeric else "categorical"
        settings = {} if task.max_steps is None else {"max_steps": task.max_steps}
        return outcome(model, data, settings, (task.learn, task.complete, task.test), seed)

    return run


def _published(key: str) -> dict[str, Mapping[str, float]]:
    """Errors of categories under their own name, of numbers under that of their scale."""
    found: dict[str, Mapping[str, float]] = {}
    for name, tables in (("error", CATEGORICAL), ("nrmse_pooled", NUMERIC)):
        values = {k: v for k, v in UCI_ERRORS[key].items() if k.split(",")[0] in tables}
        found |= {name: values, f"{name}_single": values}
    if key == "vsae":
        found["mask_rate"] = {f"{table}, {protocol}": rate for table in UCI_TABLES
                              for protocol, rate in GENERATED_RATES.items()}  # fmt: skip
    return found


ROWS = (
    Row("mean", "mean", _mean, tables=NUMERIC),
    Row("mode", "mode", _mode, tables=CATEGORICAL),
    Row("knn", "KNN, 10 neighbours", _knn),
    Row("miwae", "ours: MIWAE", _miwae, published=_published("miwae")),
    Row("gmm", "ours: GMM, closed form", _gmm),
    *(Row(m.key, m.title, _model(m), published=_published(m.key)) for m in MODELS),
    *(Row(m.key, m.title, _model(m)) for m in OURS),
)

_MCAR = tuple(GENERATED_RATES)

VSAE_UCI = Experiment(
    name="vsae-uci",
    title="Missing cells of tables, every column a modality",
    tables=(*CATEGORICAL, *NUMERIC),
    rows=ROWS,
    metrics=(
        Metric("error", "PFC of categories, NRMSE by feature of numbers; mean decoding", 0.02),
        Metric("nrmse_pooled", "NRMSE pooled, paper-comparable on Yeast; mean decoding", 0.02),
        Metric("error_single", "PFC, NRMSE by feature; one decoding", 0.02),
        Metric("nrmse_pooled_single", "NRMSE pooled; one decoding", 0.02),
        Metric("mask_rate", "share of missing cells in generated masks", 0.02),
        Metric("mask_rate_miss", "largest miss of a column's rate in generated masks"),
        Metric("mask_correlation_miss", "largest miss of a correlation in generated masks"),
    ),
    settings=tuple((protocol, FULL) for protocol in (*_MCAR, "mar", "nmar")),
    quick_settings=tuple((protocol, SHORT) for protocol in (*_MCAR, "mar", "nmar")),
    make=make_table,
    score=table_scores,
    quick_tables=UCI_TABLES,
    quick_protocols=("mcar-0.5", "mar", "nmar"),
    random_masks=(*_MCAR, "mar", "nmar"),
    protocol_tables={"mar": ("yeast",), "nmar": ("yeast",)},
    n_seeds=3,
    quick_seeds=1,
)
