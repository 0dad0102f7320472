"""ConvAC: a tree of mixtures and products, whose marginals and conditionals are exact.

Sharir, Tamari, Cohen and Shashua, "Tensorial mixture models" (2016), trained as a density, as
Li, Jiang and Marlin do for their baseline in "MisGAN" (ICLR 2019).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any, ClassVar, Literal, Self

from halfseen.errors import SettingError
from halfseen.estimators.base import store
from halfseen.estimators.card import MethodCard
from halfseen.estimators.tree_density import TreeDensity

__all__ = ["ConvAC"]


class ConvAC(TreeDensity):
    r"""The density of whole rows as a tree of mixtures; whatever is missing is summed out.

    .. math:: \log p(x_{obs}) = \log \sum_{h} p(h) \prod_{g} p(x_{g, obs} | h_g)

    The h are hidden choices at the nodes of a tree: each child's choice depends on its
    parent's, and a leaf, a column or a patch of pixels, on the choice of its node alone. So one
    pass up the tree gives the likelihood of what is seen, whatever the mask, and one pass down
    the law of what is not: no bound, no proposal, no importance weights.

    Parameters
    ----------
    n_components : int
        Components of a leaf: Gaussians, or probabilities of categories and of values that come
        back.
    channels : sequence of int or None
        Choices of the nodes, level by level above the leaves; the last counts for all further
        levels. None takes 64 for tables and (64, 128, 256, 512) for images.
    patch : int
        Height and width of the patches of an image, in which pixels are independent given the
        component.
    tied : bool
        Whether all patches of an image share their components, and the nodes above them their
        weights, as in a convolution.
    start : {"clusters", "random"}
        Initial weights of the tree: from clusters of rows, node by node, or uniform over all
        that sum to one. Components start at quantiles of columns, or at clusters of patches.
    train_components : bool
        Whether components move in training, or stay where they started.
    noise_floor : float or "auto"
        Smallest scale of a component, in standard deviations; "auto" ties it to each column's
        repetitions.
    repeats : {"auto", "none"}
        Whether numeric columns in which values come back get probabilities for them.
    n_members : int or None
        Independent starts, trained at once: parts of one more mixture, of equal weights. None
        takes 3 for tables and 1 for images.
    validation_fraction : float
        Share of the rows that training does not see; the state under which they are most
        probable is kept.
    max_steps : int or None
        Optimiser steps; None chooses from the number of rows.
    batch_size : int
        Rows per step.
    lr : float
        Peak learning rate.
    schedule : {"one-cycle", "cosine", "constant"}
        How the rate moves.
    patience : int or None
        Checks without a better held-out score before training stops.
    beta2 : float
        Decay of Adam's second moment.
    average : float
        Decay of a moving average of the parameters, 0 for none.
    time_budget : float or None
        Seconds after which training stops.
    kinds : mapping or None
        Kinds of columns where the inferred ones are wrong, see :mod:`halfseen.tables`.
    keep_empty_features : bool
        Whether columns without any observed value are kept (filled with 0) or refused.
    random_state : int, Generator, RandomState or None
        Seed of everything.
    device : str
        Where to compute, as torch names it.
    verbose : bool
        Whether to show progress on a terminal.

    Attributes
    ----------
    model_ : TreeModel
        Leaves and tree.
    order_ : list of int
        Columns in the order of their leaves, those that vary counted; correlated ones are
        neighbours.
    history_ : list of dict
        A row per check of training; ``monitor`` is the mean log-density of held-out rows, in
        standardised units.
    units_ : Units
        Change of units of every column.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[0.0, 0.1], [1.0, np.nan], [2.0, 1.9], [3.0, 3.1]] * 10)
    >>> imputer = ConvAC(max_steps=20, random_state=0).fit(X)
    >>> imputer.transform(X).shape, imputer.generate(3).shape
    ((40, 2), (3, 2))
    >>> bool(np.abs(imputer.score_samples([[np.nan, np.nan]])) < 1e-5)
    True
    """

    card: ClassVar[MethodCard] = MethodCard(
        name="convac",
        summary="Tree of mixtures and products with exact marginals and conditionals.",
        paper="Sharir, Tamari, Cohen and Shashua, 2016",
        check_params={"n_components": 6, "channels": (8,), "n_members": 2, "max_steps": 30},
    )

    def __init__(
        self,
        *,
        n_components: int = 32,
        channels: Sequence[int] | None = None,
        patch: int = 2,
        tied: bool = True,
        start: Literal["clusters", "random"] = "clusters",
        train_components: bool = True,
        noise_floor: float | Literal["auto"] = "auto",
        repeats: Literal["auto", "none"] = "auto",
        n_members: int | None = None,
        validation_fraction: float = 0.1,
        max_steps: int | None = None,
        batch_size: int = 128,
        lr: float = 0.05,
        schedule: Literal["one-cycle", "cosine", "constant"] = "one-cycle",
        patience: int | None = None,
        beta2: float = 0.99,
        average: float = 0.99,
        time_budget: float | None = None,
        kinds: Mapping[str, Any] | None = None,
        keep_empty_features: bool = False,
        random_state: Any = None,
        device: str = "cpu",
        verbose: bool = False,
    ) -> None:
        store(self, locals())

    def _check_settings(self) -> None:
        super()._check_settings()
        floor = self.noise_floor
        if floor != "auto" and not (isinstance(floor, Real) and 0 <= floor < math.inf):
            raise SettingError(
                f"Got noise_floor={floor!r}. Expected 'auto' or a number of 0 or more."
            )

    @classmethod
    def published(cls, **changes: Any) -> Self:
        """The settings of the MisGAN paper for MNIST: 1000 epochs of batch 128 at a rate of 1e-4.

        Weights start anywhere, the rate is constant, the last state stays.
        """
        settings: dict[str, Any] = {
            "start": "random",
            "channels": (64, 128, 256, 512),
            "n_members": 1,
            "validation_fraction": 0.0,
            "max_steps": 469_000,
            "lr": 1e-4,
            "schedule": "constant",
            "beta2": 0.999,
            "average": 0.0,
        }
        return cls(**{**settings, **changes})
