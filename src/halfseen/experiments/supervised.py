"""What experiments with labels share: a split with holes, holes by a recipe, scores, rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.metrics import accuracy_score, log_loss, roc_auc_score

from halfseen.experiments.design import Metric, Run, best_device
from halfseen.methods.mfa import MFAImputer
from halfseen.methods.miwae import MIWAEImputer
from halfseen.methods.not_miwae import NotMIWAEImputer
from halfseen.metrics import expected_calibration_error

__all__ = [
    "CLASS_METRICS",
    "COVERAGE",
    "TABLE_GENERATORS",
    "Budget",
    "NumberAnswer",
    "Split",
    "class_scores",
    "expected",
    "filled",
    "hide_high",
    "mice",
    "number_of",
    "number_of_ridge",
    "probabilities",
    "sup",
]

# P(observed) = sigmoid(-SLOPE x + b), b out of OFFSETS for a total rate nearest to RATE.
SLOPE, OFFSETS, RATE = 3.0, np.linspace(-2.0, 2.0, 25), 0.3
COVERAGE, NORMAL_END = 0.9, 1.6448536269514722

CLASS_METRICS = (
    Metric("log_loss", "log-loss, nats", tolerance=0.05),
    Metric("accuracy", "accuracy", tolerance=0.01),
    Metric("auc", "area under the ROC curve, one class against the rest, macro", tolerance=0.01),
    Metric("ece", "expected calibration error, 15 bins", tolerance=0.01),
)


@dataclass(frozen=True)
class Budget:
    """How long things may take; None leaves it to the number of rows.

    Parameters
    ----------
    generator_steps, head_steps : int, optional
        Training steps of what completes rows, and of every head, the same for all rows.
    n_predict : int
        Importance samples behind an answer.
    n_members : int
        Independent starts of what completes rows, each with a head.
    """

    generator_steps: int | None = None
    head_steps: int | None = None
    n_predict: int = 1_000
    n_members: int = 2


@dataclass(frozen=True, eq=False)
class Split:
    """Rows with holes and labels to learn from, and others to predict.

    Parameters
    ----------
    x_train, x_test : table or array of n rows
        With holes, in original units.
    y_train, y_test : ndarray of shape (n,)
        Labels.
    complete_train, complete_test : as x_train, x_test
        Without holes, for oracles.
    generators : mapping of str to callable
        From this split and a seed to an unfitted imputer, by name.
    budget : Budget
        Of all rows.
    """

    x_train: Any
    y_train: np.ndarray
    x_test: Any
    y_test: np.ndarray
    complete_train: Any
    complete_test: Any
    generators: Mapping[str, Callable[[Split, int], Any]] = field(default_factory=dict)
    budget: Budget = Budget()
    _fitted: dict[tuple[str, int], Any] = field(default_factory=dict)

    def generator(self, name: str, seed: int) -> Any:
        """A fitted generator, which all rows share; nobody changes it."""
        if (name, seed) not in self._fitted:
            self._fitted[name, seed] = self.generators[name](self, seed).fit(self.x_train)
        return self._fitted[name, seed]

    def rows(self, complete: bool) -> tuple[Any, Any]:
        """Training and test rows, with holes or complete."""
        if complete:
            return self.complete_train, self.complete_test
        return self.x_train, self.x_test


Make = Callable[[Split, int], Any]


TABLE_GENERATORS: dict[str, Make] = {
    "miwae": lambda task, seed: MIWAEImputer(
        max_steps=task.budget.generator_steps,
        n_members=task.budget.n_members,
        random_state=seed,
        device=best_device(),
    ),
    "not-miwae": lambda task, seed: NotMIWAEImputer(
        direction="high",
        max_steps=task.budget.generator_steps,
        n_members=task.budget.n_members,
        random_state=seed,
        device=best_device(),
    ),
    "mfa": lambda task, seed: MFAImputer(
        n_components=8, rank=6, n_starts=1, random_state=seed, device=best_device()
    ),
}


def hide_high(z: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Hide cells by their own value, higher ones more often, 30 % of all.

    Parameters
    ----------
    z : ndarray of shape (n, p)
        Complete cells in standard units.
    rng : Generator
        Of the holes.

    Returns
    -------
    bool ndarray of shape (n, p)
        True where missing: P(observed) = sigmoid(-3 z + b), with that b of 25 in [-2, 2] whose
        expected rate is nearest.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> round(float(hide_high(rng.normal(size=(5000, 2)), rng).mean()), 1)
    0.3
    """
    rates = [(1 - _sigmoid(b - SLOPE * z)).mean() for b in OFFSETS]
    best = OFFSETS[int(np.abs(np.asarray(rates) - RATE).argmin())]
    return rng.random(z.shape) >= _sigmoid(best - SLOPE * z)


def _sigmoid(t: np.ndarray) -> np.ndarray:
    return 0.5 * (1 + np.tanh(0.5 * t))


def probabilities(make: Make, *, complete: bool = False) -> Run:
    """A row that fits a classifier and gives the probabilities of the test rows.

    Parameters
    ----------
    make : callable
        From a split and a seed to an unfitted classifier.
    complete : bool
        Whether it sees rows without holes: an oracle.
    """

    def run(task: Split, seed: int) -> np.ndarray:
        train, test = task.rows(complete)
        return make(task, seed).fit(train, task.y_train).predict_proba(test)

    return run


def class_scores(task: Split, proba: np.ndarray) -> dict[str, float]:
    """Scores of class probabilities (n, n_classes) on the test rows."""
    classes = np.unique(task.y_train)
    several = proba if len(classes) > 2 else proba[:, 1]
    return {
        "log_loss": log_loss(task.y_test, proba, labels=classes),
        "accuracy": accuracy_score(task.y_test, classes[proba.argmax(1)]),
        "auc": roc_auc_score(task.y_test, several, multi_class="ovr", labels=classes),
        "ece": expected_calibration_error(task.y_test, proba, classes=classes),
    }


def sup(method: type, generator: str, **settings: Any) -> Make:
    """One of our latent classifiers or regressors, on a generator that rows share."""

    def make(task: Split, seed: int) -> Any:
        return method(
            generator=task.generator(generator, seed),
            max_steps=task.budget.head_steps,
            device=best_device(),
            n_importance_predict=task.budget.n_predict,
            random_state=seed,
            **settings,
        )

    return make


def expected(method: type, generator: str, **settings: Any) -> Make:
    """One of our classifiers or regressors on expected activations under a shared generator."""

    def make(task: Split, seed: int) -> Any:
        return method(
            generator=task.generator(generator, seed),
            max_steps=task.budget.head_steps,
            device=best_device(),
            n_members=task.budget.n_members,
            random_state=seed,
            **settings,
        )

    return make


def filled(method: type, fill: str, **settings: Any) -> Make:
    """One of our classifiers or regressors on filled rows."""

    def make(task: Split, seed: int) -> Any:
        return method(
            fill=fill,
            max_steps=task.budget.head_steps,
            device=best_device(),
            n_members=task.budget.n_members,
            random_state=seed,
            **settings,
        )

    return make


def mice(seed: int, **settings: Any) -> Any:
    """Chained Bayesian ridge regressions in units of the seen cells."""
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401
    from sklearn.impute import IterativeImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), IterativeImputer(random_state=seed, **settings))


# ---- numbers ----------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class NumberAnswer:
    """A predicted number per row, and what is known of its law.

    Parameters
    ----------
    mean : ndarray of shape (n,)
        Prediction.
    sd : ndarray of shape (n,), optional
        Standard deviation of the predictive law.
    interval : ndarray of shape (n, 2), optional
        Ends of its central 90 %.
    """

    mean: np.ndarray
    sd: np.ndarray | None = None
    interval: np.ndarray | None = None


def number_of(make: Make, *, complete: bool = False, law: bool = True) -> Run:
    """A row that fits a regressor; ``law`` says whether it is one of ours, which know a law."""

    def run(task: Split, seed: int) -> NumberAnswer:
        train, test = task.rows(complete)
        model = make(task, seed).fit(train, task.y_train)
        if not law:
            return NumberAnswer(model.predict(test))
        mean, sd = model.predict(test, return_std=True)
        return NumberAnswer(mean, sd, model.predict_interval(test, COVERAGE))

    return run


def number_of_ridge(make: Make) -> Run:
    """A row that fits a linear regressor, whose law is Gaussian with the residuals' scale."""

    def run(task: Split, seed: int) -> NumberAnswer:
        model = make(task, seed).fit(task.x_train, task.y_train)
        mean, residual = model.predict(task.x_test), task.y_train - model.predict(task.x_train)
        sd = np.full(len(mean), residual.std())
        ends = np.stack([mean - NORMAL_END * sd, mean + NORMAL_END * sd], 1)
        return NumberAnswer(mean, sd, ends)

    return run
