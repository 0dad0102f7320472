"""The simple strategies: a network behind filled rows, with no model of what is missing.

The baselines of Ipsen, Mattei and Frellsen, "How to deal with missing data in supervised deep
learning?" (ICLR 2022): zero and mean imputation, learned constants, channels that show the mask,
and the permutation-invariant set encoder of Ma et al. (EDDI, ICML 2019).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn

from halfseen.core.batch import Rows
from halfseen.core.noise import new_generator
from halfseen.core.stored import member, numbers, whole
from halfseen.core.units import Units
from halfseen.errors import SettingError
from halfseen.estimators.base import store
from halfseen.estimators.card import MethodCard
from halfseen.estimators.fixed_fill import FIXED, fixed_fill
from halfseen.estimators.headed import HeadEstimator
from halfseen.estimators.label_objectives import DirectObjective
from halfseen.estimators.labelled import IncompleteClassifier, IncompleteRegressor
from halfseen.estimators.stored_network import restore_network
from halfseen.nn.inputs import (
    ConstantChannels,
    FixedConstant,
    LearnedConstant,
    SetEncoder,
    ZeroFill,
)
from halfseen.tables.choice import codec_for
from halfseen.terms.direct import DirectModel
from halfseen.terms.pixels import check_shares

__all__ = ["FilledClassifier", "FilledRegressor"]

LEARNED: dict[str, type[ZeroFill]] = {
    "constant": LearnedConstant,
    "channels": ConstantChannels,
    "set": SetEncoder,
}
FILLS = (*FIXED, *LEARNED)
CHECK_PARAMS = {"hidden": (16,), "max_steps": 25, "lr": 0.05, "average": 0.0}


class _Filled(HeadEstimator):
    """What the classifier and the regressor share."""

    fill: str
    binarize: bool
    n_members: int

    units_: Units
    statistics_: np.ndarray

    def _learn(self, X: Any, y: np.ndarray) -> None:
        if self.n_members is None:
            raise SettingError("Got n_members=None. Expected a positive whole number.")
        if self.fill not in FILLS:
            raise SettingError(f"Got fill={self.fill!r}. Expected one of {FILLS}.")
        if self.fill == "set" and self.n_bins:
            raise SettingError(
                f"Got fill='set' and n_bins={self.n_bins}. Expected n_bins=0: the head sees a "
                "code of the row, not its numbers."
            )
        codec = codec_for(X).fit(X, self.kinds, self.keep_empty_features)
        values = codec.encode(X).values
        self.codec_, self.n_members_ = codec, self.n_members
        self._set_features()
        self._choose_indicators(values)
        varying = values[:, self._varying]
        # Ones and zeros stay what they are, as they do behind a generator of pixels.
        if self.binarize:
            self.units_ = Units.identity(self._spec)
        else:
            self.units_ = Units.fit(self._spec, varying)
        self.statistics_ = fixed_fill(self.fill, self._spec, self.units_, varying)
        rows = self._table_rows(values).with_labels(y)
        self._choose_bins(rows)
        self._make()
        objective = DirectObjective(self.model_, self.n_members_, self.binarize)
        self._fit_head(objective, rows, unlabelled=False)

    def _rows(self, values: np.ndarray) -> Rows:
        if self.binarize:
            check_shares(self._spec, values, "binarize=True", "pass binarize=False")
        return Rows.from_values(self.units_.to_model(values), self.device)

    def _make(self) -> None:
        inputs, shape = self._inputs(), self._spec.shape
        if shape is not None and self.fill == "channels":
            shape = (3 * shape[0], *shape[1:])
        law = self.target_.law()
        network = self._new_head(inputs.n_out, law, shape if self.fill != "set" else None)
        self.model_: DirectModel = DirectModel(inputs, network, law)
        self.model_.to(self.device, torch.float32)

    def _inputs(self) -> ZeroFill:
        """The layer that fills."""
        if self.fill in LEARNED:
            generator = new_generator(self.seed_, 8)
            return LEARNED[self.fill](self._spec, self.n_members_, generator)
        constant = torch.as_tensor(self.statistics_, dtype=torch.float32)
        return FixedConstant(self._spec, self.n_members_, constant)

    def _state(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        facts, _ = super()._state()
        facts |= {"units": self.units_.to_json(), "n_members": self.n_members_}
        facts |= {"statistics": self.statistics_.tolist()}
        return facts, self.model_.state_dict()

    def _set_state(self, facts: dict[str, Any], tensors: dict[str, Tensor]) -> None:
        super()._set_state(facts, tensors)
        self.units_ = Units.from_json(self._spec, member(facts, "units"))
        self.n_members_ = whole(facts, "n_members", 1)
        self.statistics_ = numbers(facts, "statistics", self._spec.n_features)
        self._make()
        restore_network(self.model_, tensors)


class FilledClassifier(IncompleteClassifier, _Filled):
    r"""Classify rows with holes by a network that is shown filled rows.

    .. math:: L = E \log p(y | \iota(x_{obs}, s))

    Whatever stands in for a missing cell is one number, so the network cannot know how uncertain
    it is: these are the baselines beside :class:`halfseen.SupMIWAEClassifier`.

    Parameters
    ----------
    fill : {"mean", "zero", "constant", "channels", "set"}
        What the network sees where a cell is missing: the column's mean, and the frequencies of
        its categories; 0 in the table's own units, and no category; a learned constant per
        feature; zeros beside learned constants and the mask, so that a zero and a hole differ;
        nothing, with a permutation-invariant code of the seen cells in place of the row.
    head : {"mlp", "linear", "conv"} or Module
        Network of p(y | x); your own takes (N, features) in standardised units, categories as
        indicators, or (N, c, h, w) for images, and gives a score per class. There are three
        times as many features, or channels, with ``fill="channels"``, and 64 with
        ``fill="set"``.
    binarize : bool
        Whether every batch of training draws ones and zeros whose means are the seen cells
        ("dynamic binarisation"); all numbers must lie in [0, 1] then, and are not standardised.
        The held-out rows are drawn once; predictions take cells as they are.
    n_bins : int
        Bins with equal shares of the seen cells; the "mlp" head sees every number's place within
        them too (Gorishniy et al. 2022), and fits sharp edges better. 0 for none; tables only.
    add_indicator : bool
        Whether the head also sees which cells are missing, in the columns that have holes in fit.
    hidden : sequence of int
        Widths of the head's hidden layers, or its channels.
    activation : {"gelu", "relu", "elu", "silu", "tanh"}
        Of the head.
    dropout : float
        Before the head's last layer.
    n_members : int
        Independent starts, trained at once and averaged in the space of probabilities; copies
        of a head of your own start equal.
    class_weight : {"balanced"}, mapping or None
        How often a label of each class counts as observed.
    calibrate : bool
        Whether one temperature of the head is chosen on held-out rows.
    validation_fraction : float
        Share of the labelled rows held out to choose the best state and the temperature, where
        there are at least 60.
    max_steps : int or None
        Steps of training; None chooses from the number of rows.
    batch_size : int
        Rows per step.
    lr : float
        Peak learning rate.
    schedule : {"one-cycle", "cosine", "constant"}
        How the rate moves.
    patience : int or None
        Checks without a better held-out score before training stops.
    weight_decay : float
        Decoupled weight decay; learned constants have none.
    average : float
        Decay of a moving average of the parameters, 0 for none.
    clip_norm : float or None
        Largest gradient norm.
    time_budget : float or None
        Seconds after which training stops.
    kinds : mapping or None
        Kinds of columns where the inferred ones are wrong, see :mod:`halfseen.tables`.
    keep_empty_features : bool
        Whether columns without any observed value are kept (and ignored) or refused.
    random_state : int, RandomState, Generator or None
        Same seed, same answer.
    device : str
        Where tensors live.
    verbose : bool
        Whether a progress bar is drawn on a terminal.

    Attributes
    ----------
    classes_ : array of shape (n_classes,)
        In the order of ``predict_proba``.
    history_ : list of dict
        One row per check of the training.

    Notes
    -----
    Rows without a label are left out of the training; means and scales are those of all rows.

    Examples
    --------
    >>> import numpy as np
    >>> from halfseen import FilledClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(200, 3))
    >>> y = np.where(X[:, 0] + X[:, 1] > 0, "high", "low")
    >>> X[::3, 1] = np.nan
    >>> model = FilledClassifier(fill="channels", max_steps=50, random_state=0).fit(X, y)
    >>> model.predict_proba(X[:2]).shape
    (2, 2)
    """

    card: ClassVar[MethodCard] = MethodCard(
        name="filled",
        summary="A classifier on filled rows: mean, zero, learned constants, channels, or a set.",
        paper="Ipsen, Mattei and Frellsen, ICLR 2022, baselines",
        task="classification",
        mechanism="MCAR",
        draws=False,
        check_params=CHECK_PARAMS,
    )

    def __init__(
        self,
        *,
        fill: Literal["mean", "zero", "constant", "channels", "set"] = "mean",
        binarize: bool = False,
        head: str | nn.Module = "mlp",
        n_bins: int = 0,
        add_indicator: bool = False,
        hidden: Sequence[int] = (128, 128),
        activation: str = "silu",
        dropout: float = 0.0,
        n_members: int = 2,
        class_weight: str | Mapping[Any, float] | None = None,
        calibrate: bool = True,
        validation_fraction: float = 0.1,
        max_steps: int | None = None,
        batch_size: int = 128,
        lr: float = 2e-3,
        schedule: Literal["one-cycle", "cosine", "constant"] = "one-cycle",
        patience: int | None = None,
        weight_decay: float = 0.01,
        average: float = 0.99,
        clip_norm: float | None = 5.0,
        time_budget: float | None = None,
        kinds: Mapping[str, Any] | None = None,
        keep_empty_features: bool = False,
        random_state: Any = None,
        device: str = "cpu",
        verbose: bool = False,
    ) -> None:
        store(self, locals())


class FilledRegressor(IncompleteRegressor, _Filled):
    r"""Predict a number for rows with holes by a network that is shown filled rows.

    p(y | x) is a Gaussian whose mean and scale the network gives; see
    :class:`FilledClassifier` for the strategies.

    Parameters
    ----------
    fill, binarize, head, n_bins, add_indicator, hidden, activation, dropout, n_members, \
calibrate, validation_fraction, max_steps, batch_size, lr, schedule, patience, weight_decay, \
average, clip_norm, time_budget, kinds, keep_empty_features, random_state, device, verbose
        As in :class:`FilledClassifier`; a head of your own gives a mean and a raw scale, of
        which the softplus is taken.

    Attributes
    ----------
    history_ : list of dict
        One row per check of the training.

    Examples
    --------
    >>> import numpy as np
    >>> from halfseen import FilledRegressor
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(200, 3))
    >>> y = X.sum(1)
    >>> X[::3, 1] = np.nan
    >>> model = FilledRegressor(max_steps=50, random_state=0).fit(X, y)
    >>> model.predict_interval(X[:2]).shape
    (2, 2)
    """

    card: ClassVar[MethodCard] = MethodCard(
        name="filled",
        summary="A regressor on filled rows: mean, zero, learned constants, channels, or a set.",
        paper="Ipsen, Mattei and Frellsen, ICLR 2022, baselines",
        task="regression",
        mechanism="MCAR",
        draws=False,
        check_params=CHECK_PARAMS,
    )

    def __init__(
        self,
        *,
        fill: Literal["mean", "zero", "constant", "channels", "set"] = "mean",
        binarize: bool = False,
        head: str | nn.Module = "mlp",
        n_bins: int = 0,
        add_indicator: bool = False,
        hidden: Sequence[int] = (128, 128),
        activation: str = "silu",
        dropout: float = 0.0,
        n_members: int = 2,
        calibrate: bool = True,
        validation_fraction: float = 0.1,
        max_steps: int | None = None,
        batch_size: int = 128,
        lr: float = 2e-3,
        schedule: Literal["one-cycle", "cosine", "constant"] = "one-cycle",
        patience: int | None = None,
        weight_decay: float = 0.01,
        average: float = 0.99,
        clip_norm: float | None = 5.0,
        time_budget: float | None = None,
        kinds: Mapping[str, Any] | None = None,
        keep_empty_features: bool = False,
        random_state: Any = None,
        device: str = "cpu",
        verbose: bool = False,
    ) -> None:
        store(self, locals())
