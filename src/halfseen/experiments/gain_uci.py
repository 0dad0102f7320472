"""Cells missing completely at random in four UCI tables: Table 2 of the GAIN paper.

Yoon, Jordon and van der Schaar, "GAIN: Missing Data Imputation using Generative Adversarial Nets"
(ICML 2018). A fifth of the cells is hidden, the table is completed, and the error is told after
each column is scaled to [0, 1] by its complete cells, as the released code does. Answers are not
rounded.

The paper does not say how it encodes the categories of the credit table; here they are the
publisher's numbers. The mean of each column then scores 13.7, less than the paper's 18.58 of GAIN,
so that numbers of that table do not compare.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from halfseen.datasets import load_uci
from halfseen.errors import SettingError
from halfseen.experiments import fills
from halfseen.experiments.design import Experiment, Metric, Row, Task
from halfseen.methods.gain import GAINImputer
from halfseen.methods.miwae import MIWAEImputer
from halfseen.metrics import rmse

__all__ = ["GAIN_UCI", "make_holes"]

# Each table's target, which is left out, and the published error of GAIN.
TABLES = {
    "letter": ("letter", 11.98),
    "spambase": ("type", 5.13),
    "default_credit_card": ("default_payment_next_month", 18.58),
    "breast_cancer_diagnostic": ("diagnosis", 5.46),
}
PROTOCOL, UNITS = "mcar-0.2", "original"
QUICK_STEPS = 2_000


def make_holes(
    table: str, protocol: str, units: str, seed: int, data: str | Path | None = None
) -> Task:
    """A table of numbers with holes, and the complete range of each column.

    Parameters
    ----------
    table : str
        One of :data:`GAIN_UCI`'s, without its target.
    protocol : {"mcar-0.2"}
        Every cell is hidden with probability 0.2.
    units : {"original"}
        Methods scale the columns themselves.
    seed : int
        Of the holes.
    data : str or Path, optional
        Folder of the tables.

    Returns
    -------
    Task
    """
    if (protocol, units) != (PROTOCOL, UNITS):
        raise SettingError(
            f"Got protocol={protocol!r}, units={units!r}. Expected {PROTOCOL!r} and {UNITS!r}."
        )
    frame = load_uci(table, data).drop(columns=TABLES[table][0])
    truth = frame.to_numpy(dtype=float)
    gone = np.random.default_rng(seed).random(truth.shape) < 0.2
    low = truth.min(0)
    width = truth.max(0) - low + 1e-6
    return Task(np.where(gone, np.nan, truth), truth, low, width, own_scaler=True)


def _score(task: Task, filled: np.ndarray) -> dict[str, float]:
    error = rmse(task.standard(task.truth), task.standard(filled), task.s)
    return {"rmse": 100 * error}


_PUBLISHED = {"rmse": {table: error for table, (_, error) in TABLES.items()}}

ROWS = (
    Row("mean", "mean", fills.mean),
    Row("mice", "MICE", fills.mice),
    Row("missforest", "missForest, 20 trees, 3 rounds", fills.missforest(20, 3), in_quick=False),
    Row("miwae", "ours: MIWAE", fills.ours(MIWAEImputer),
        quick=("ours: MIWAE, 2 000 steps", fills.ours(MIWAEImputer, max_steps=QUICK_STEPS))),
    Row("gain-released", "GAIN, released recipe", fills.ours(GAINImputer.published),
        quick=("GAIN, released recipe, 2 000 steps",
               fills.ours(GAINImputer.published, max_steps=QUICK_STEPS)),
        published=_PUBLISHED),
    Row("gain", "ours: GAIN", fills.ours(GAINImputer), published=_PUBLISHED),
)  # fmt: skip

GAIN_UCI = Experiment(
    name="gain-uci",
    title="A fifth of the cells of four UCI tables missing completely at random",
    tables=tuple(TABLES),
    rows=ROWS,
    metrics=(Metric("rmse", "RMSE, hundredths of the range of the complete columns", 0.5),),
    settings=((PROTOCOL, UNITS),),
    quick_settings=((PROTOCOL, UNITS),),
    make=make_holes,
    score=_score,
    random_masks=(PROTOCOL,),
    n_seeds=5,
    quick_seeds=1,
)
