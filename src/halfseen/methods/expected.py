"""A network whose first layer takes the law of a row with holes: exact expected activations.

Smieja, Struski, Tabor, Zielinski and Spurek, "Processing of missing data by neural networks"
(NeurIPS 2018), with the conditional law given the seen cells, as Przewiezlikowski, Smieja and
Struski (2020) propose for theirs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from sklearn.utils.validation import check_is_fitted

from halfseen.errors import SettingError
from halfseen.estimators.base import store
from halfseen.estimators.card import MethodCard
from halfseen.estimators.conditional_imputer import ConditionalImputer
from halfseen.estimators.expected_labelled import ExpectedLabelEstimator
from halfseen.estimators.labelled import IncompleteClassifier, IncompleteRegressor
from halfseen.estimators.mixture_imputer import MixtureImputer
from halfseen.estimators.signature import adds_to
from halfseen.methods import find_generator
from halfseen.nn.expected_layer import ExpectedLayer, ExpectedNetworkReLU, ExpectedReLU

__all__ = ["ExpectedClassifier", "ExpectedRegressor", "expected_layer"]

PAPER = "Smieja, Struski, Tabor, Zielinski and Spurek, NeurIPS 2018"
CHECK_PARAMS = {"n_units": 16, "hidden": (16,), "max_steps": 25, "lr": 0.05, "average": 0.0}


class _Expected(ExpectedLabelEstimator):
    """What the classifier and the regressor share."""

    def _new_generator(self, name: str) -> Any:
        return find_generator(name, self)


class ExpectedClassifier(IncompleteClassifier, _Expected):
    r"""Classify rows with holes by a network that meets the law of their missing cells.

    .. math:: a_u = E[\max(w_u^T x + b_u, 0) \mid x_{obs}], \quad
        L = E \log p(y | a, E[x | x_{obs}])

    The law is a mixture of Gaussians, whose expected activations are exact: nothing is sampled,
    and one pass of the network answers. A row without holes meets an ordinary network.

    Parameters
    ----------
    generator : str, path, imputer or None
        What says the conditional law of missing cells: the name of a method with a law in closed
        form, "mfa" (taken for None), "gmm", "gaussian", or "dmfa", whose network the labels do
        not teach; an imputer, fitted first on all
        rows with or without labels, or used as it is when it is fitted already (inside a grid
        search wrap a fitted one in scikit-learn's ``FrozenEstimator``); or a saved one.
    n_units : int
        Units whose expected activations the head sees.
    n_kept : int or None
        Components of the mixture that are kept for each row, the most probable ones; None keeps
        all. Time and memory grow with it.
    head : {"mlp", "linear"} or Module
        Network of p(y | x) behind the units; your own takes (N, n_units + features), and more
        with ``n_bins`` and ``add_indicator``, and gives a score per class.
    n_bins : int
        Bins with equal shares of the seen cells; the head sees the expected place of every number
        within them, too (Gorishniy et al. 2022). 0 for none; tables only.
    add_indicator : bool
        Whether the head also sees which cells are missing, in the columns that have holes in fit.
    hidden : sequence of int
        Widths of the head's hidden layers, behind the units.
    activation : {"gelu", "relu", "elu", "silu", "tanh"}
        Of the head; the units before it are rectified linear.
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
        Decoupled weight decay.
    average : float
        Decay of a moving average of the parameters, 0 for none.
    clip_norm : float or None
        Largest gradient norm.
    time_budget : float or None
        Seconds after which training stops.
    kinds : mapping or None
        Kinds of columns, for a generator that is made from a name.
    keep_empty_features : bool
        Whether columns without any observed value are kept, likewise.
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
    generator_ : imputer
        The fitted generator.
    history_ : list of dict
        One row per check of the training.

    Notes
    -----
    Categories are indicators, whose law is Gaussian, too. Rows without a label teach the
    generator alone. The law does not know why cells are missing: where that tells something, take
    ``add_indicator=True``. A generator that is left open chooses its size by held-out cells, which
    can take longer than the network; one of a given size, such as
    ``MFAImputer(n_components=8, rank=6, n_starts=1)``, takes little.

    Examples
    --------
    >>> import numpy as np
    >>> from halfseen.methods.expected import ExpectedClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(200, 3))
    >>> y = np.where(X[:, 0] + X[:, 1] > 0, "high", "low")
    >>> X[::3, 1] = np.nan
    >>> model = ExpectedClassifier(generator="gaussian", max_steps=50, random_state=0).fit(X, y)
    >>> model.predict_proba(X[:2]).shape
    (2, 2)
    """

    card: ClassVar[MethodCard] = MethodCard(
        name="expected",
        summary="A classifier on exact expected activations under a mixture of Gaussians.",
        paper=PAPER,
        task="classification",
        draws=False,
        check_params=CHECK_PARAMS,
    )

    @adds_to(ExpectedLabelEstimator)
    def __init__(
        self, *, class_weight: str | Mapping[Any, float] | None = None, **shared: Any
    ) -> None:
        super().__init__(**shared)
        store(self, {"class_weight": class_weight})


class ExpectedRegressor(IncompleteRegressor, _Expected):
    r"""Predict a number for rows with holes by a network that meets the law of missing cells.

    p(y | x) is a Gaussian whose mean and scale the network gives, from expected activations; see
    :class:`ExpectedClassifier`.

    Parameters
    ----------
    generator, n_units, n_kept, head, n_bins, add_indicator, hidden, activation, dropout, \
n_members, calibrate, validation_fraction, max_steps, batch_size, lr, schedule, patience, \
weight_decay, average, clip_norm, time_budget, kinds, keep_empty_features, random_state, device, \
verbose
        As in :class:`ExpectedClassifier`; a head of your own gives a mean and a raw scale, of
        which the softplus is taken.

    Attributes
    ----------
    generator_ : imputer
        The fitted generator.
    history_ : list of dict
        One row per check of the training.

    Examples
    --------
    >>> import numpy as np
    >>> from halfseen.methods.expected import ExpectedRegressor
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(200, 3))
    >>> y = X.sum(1)
    >>> X[::3, 1] = np.nan
    >>> model = ExpectedRegressor(generator="gaussian", max_steps=50, random_state=0).fit(X, y)
    >>> model.predict_interval(X[:2]).shape
    (2, 2)
    """

    card: ClassVar[MethodCard] = MethodCard(
        name="expected",
        summary="A regressor on exact expected activations under a mixture of Gaussians.",
        paper=PAPER,
        task="regression",
        draws=False,
        check_params=CHECK_PARAMS,
    )


def expected_layer(
    density: ConditionalImputer, n_units: int, *, trainable: bool = False, seed: int = 0
) -> ExpectedLayer:
    """A first layer for any torch network, from a fitted law of missing cells.

    Parameters
    ----------
    density : fitted MFADensity, GMMDensity, DMFADensity, or one of their imputers
        Of rows of numbers, or of images, all of whose columns vary.
    n_units : int
        Width of the layer.
    trainable : bool, default=False
        Whether the layer's copy of the density, or of DMFA's network, learns from the loss of the
        network behind it, too.
    seed : int, default=0
        Of the initial values.

    Returns
    -------
    ExpectedReLU, or ExpectedNetworkReLU for DMFA
        Takes rows in the units of the table, as float tensors with NaN where missing, of float64
        where a column is so far from 0 that float32 loses its digits. Their law is that of
        ``density.conditional``.

    Raises
    ------
    SettingError
        When the density has no law of cells (a copula has one of ranks), bends a column, or has
        categories or columns of one value.

    Examples
    --------
    >>> import numpy as np
    >>> from halfseen.methods.gmm import GMMDensity
    >>> X = np.array([[0.0, 0.1], [1.0, np.nan], [2.0, 1.9], [3.0, 3.1]] * 10)
    >>> layer = expected_layer(GMMDensity(n_components=1, random_state=0).fit(X), 8)
    >>> network = torch.nn.Sequential(layer, torch.nn.Linear(8, 2))
    >>> network(torch.tensor(X[:3], dtype=torch.float32)).shape
    torch.Size([3, 2])
    """
    if not isinstance(density, ConditionalImputer) or not density._of_cells:
        raise SettingError(
            f"Got {density!r}, which has no law of cells in closed form. Expected a fitted one of "
            "GMMDensity, MFADensity, DMFADensity or their imputers."
        )
    check_is_fitted(density, "codec_")
    spec = density.codec_.spec
    odd = [c.name for c in spec.columns if c.categorical or c.constant is not None]
    odd += [density.units_.spec.names[j] for j in density.units_.curved]
    if odd:
        raise SettingError(
            f"Got a density with columns {odd} of categories, of one value or on a bent scale. "
            "Expected numbers that vary and a density that bends none, such as GMMDensity; or "
            "use ExpectedClassifier, which takes all of them."
        )
    shift, scale = (torch.as_tensor(v) for v in (density.units_.shift, density.units_.scale))
    shared: dict[str, Any] = {"shift": shift, "scale": scale, "trainable": trainable, "seed": seed}
    if not isinstance(density, MixtureImputer):
        return ExpectedNetworkReLU(density.model_, spec.n_columns, n_units, **shared)
    shared |= {"temperature": density.temperature_, "released": density.released}
    return ExpectedReLU(density.model_, n_units, **shared)
