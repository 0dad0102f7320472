"""DMFA: a network that says the law of the missing cells, a Gaussian of low rank.

Przewiezlikowski, Smieja and Struski, "Estimating conditional density of missing values using deep
Gaussian mixture model" (ICONIP 2020), trained on rows that have holes themselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, Self

from halfseen.errors import SettingError
from halfseen.estimators.base import store
from halfseen.estimators.card import MethodCard
from halfseen.estimators.conditional_network import ConditionalNetworkImputer
from halfseen.mechanisms import ImageMask, SquareMask

__all__ = ["DMFADensity", "DMFAImputer"]

TINY = {"n_components": 2, "hidden": (16,), "rank": 2, "n_members": 2, "max_steps": 30}


class DMFAImputer(ConditionalNetworkImputer):
    r"""Complete rows by the mean of a Gaussian that a network says of each.

    .. math:: \min_\theta - E \log N(x_{hid}; m_\theta, A_\theta A_\theta^T + D_\theta)_{hid}

    The network reads the cells that are shown and their mask, and answers mean, l factors and
    noise of all cells. In training some of the cells that were seen are hidden, and those alone
    are scored: a missing cell is neither shown nor scored, so that tables with holes are learned
    from as they are. Answers need no sampling.

    Parameters
    ----------
    rank : int
        Factors l of the covariance.
    n_components : int
        Gaussians per row and member; their weights are answered, too.
    network : {"auto", "mlp", "shared", "dense", "full-conv"}
        Fully connected layers, or for images convolutions: with a code of the whole picture and
        a last layer that pixels share, the paper's with a dense last layer, or the paper's
        without any. "auto" takes "mlp" for tables and "shared" for images.
    hidden : sequence of int or None
        Widths of the layers of "mlp", by default (128, 128, 128), or channels of "shared", by
        default (32, 64).
    last_channels : int
        Channels before the last layer of "dense".
    linear_rank : int or None
        Rank of a single Gaussian whose conditional mean is what the network adds its own to;
        0 for none. None takes the number of features, at most 32, for tables and 0 for images.
    head : {"free", "bounded"}
        Loadings and noise without bounds, or as released: loadings within 0.25 of 0, variances
        below 1.
    dropout : float
        Share of hidden units of "mlp" that are left out while training.
    likelihood : {"density", "dequantized", "discretized"}
        Of hidden cells: their density; for images whose grey values are steps of ``quantum``
        their density with uniform noise of one step, or a bound on the probability of the step.
    quantum : float
        Size of a step, in the units of the images.
    noise_floor : float or "auto"
        Smallest scale of the noise, in standard deviations (of all pixels, for images); "auto"
        ties it to each column's repetitions.
    standardize : bool
        Whether columns are standardised by their seen cells first; the pixels of images all by
        the same shift and scale.
    hide : {"auto", "cells", "copy", "patches", "all"}, sequence of these, or ImageMask
        What training hides in each row: independent cells, the holes of another row, rectangles
        of images, all; by chance one of several; or the holes of a mask of pictures. "auto"
        hides cells of tables, and of images rectangles and cells, or the holes of others.
    hide_rate : float
        Rows hide cells at a rate drawn from U(0, hide_rate).
    hide_area : tuple of float
        Smallest and largest share of an image that a rectangle hides.
    loss_per : {"cell", "row"}
        Whether all hidden cells of a batch count the same, as in the paper, or all rows.
    mse_weight : float
        What a squared error (in standardised units) counts beside minus the log-likelihood.
    mse_share : float
        In which first share of the steps it counts.
    calibrate : bool
        Whether the covariance of all laws is widened, or narrowed, by the one factor under which
        hidden cells of held-out rows are most probable.
    keep : {"last", "best"}
        Which state is kept: the last, or that under which they are most probable.
    n_members : int or None
        Independent starts, trained at once: parts of a mixture of equal weights. None takes 3
        for tables and 1 for images.
    validation_fraction : float
        Share of the rows that training does not see; no more than 1000 are held out.
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
    weight_decay : float
        Decoupled weight decay.
    beta2 : float
        Decay of Adam's second moment.
    average : float
        Decay of a moving average of the parameters, 0 for none.
    clip_norm : float or None
        Largest gradient norm.
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
    model_ : ConditionalGaussian
        The network and its head.
    history_ : list of dict
        A row per check of training; ``monitor`` is the mean log-likelihood of a hidden cell of
        held-out rows, in standardised units.
    noise_floor_variance_ : array of shape (p,)
        Smallest variance of the noise of each column that varies, in squared data units.
    units_ : Units
        Change of units of every column.

    Notes
    -----
    What ``score_samples`` and ``generate`` say is what the network says of a row of which
    nothing is shown. It is a density only so far as training hid all.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[0.0, 0.1], [1.0, np.nan], [2.0, 1.9], [3.0, 3.1]] * 10)
    >>> imputer = DMFAImputer(max_steps=20, random_state=0).fit(X)
    >>> imputer.transform(X).shape
    (40, 2)
    >>> imputer.conditional(X).covariance_factor.shape
    (40, 2, 45)
    """

    card: ClassVar[MethodCard] = MethodCard(
        name="dmfa",
        summary="Network that says mean, factors and noise of the missing cells.",
        paper="Przewiezlikowski, Smieja and Struski, ICONIP 2020",
        check_params=TINY,
    )

    def __init__(
        self,
        *,
        rank: int = 4,
        n_components: int = 3,
        network: Literal["auto", "mlp", "shared", "dense", "full-conv"] = "auto",
        hidden: Sequence[int] | None = None,
        last_channels: int = 32,
        linear_rank: int | None = None,
        head: Literal["free", "bounded"] = "free",
        dropout: float = 0.0,
        likelihood: Literal["density", "dequantized", "discretized"] = "density",
        quantum: float = 1 / 255,
        noise_floor: float | Literal["auto"] = "auto",
        standardize: bool = True,
        hide: str | Sequence[str] | ImageMask = "auto",
        hide_rate: float = 0.5,
        hide_area: tuple[float, float] = (0.05, 0.5),
        loss_per: Literal["cell", "row"] = "cell",
        mse_weight: float = 3.0,
        mse_share: float = 1.0,
        calibrate: bool = True,
        keep: Literal["last", "best"] = "last",
        n_members: int | None = None,
        validation_fraction: float = 0.1,
        max_steps: int | None = None,
        batch_size: int = 64,
        lr: float = 6e-3,
        schedule: Literal["one-cycle", "cosine", "constant"] = "one-cycle",
        patience: int | None = None,
        weight_decay: float = 0.0,
        beta2: float = 0.99,
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

    @classmethod
    def published(cls, data: Literal["digits", "faces"] = "digits", **changes: Any) -> Self:
        """The settings of the paper and of its released code.

        Pixels as they are, a dense last layer, bounded loadings and variances, one patch size,
        50 epochs at a constant rate of 4e-5, last state.

        Parameters
        ----------
        data : {"digits", "faces"}, default="digits"
            MNIST and Fashion-MNIST, 60 000 images of 28 x 28 pixels with patches of 14 x 14, or
            CelebA, 162 770 of 32 x 32 with patches of 16 x 16. There ``network="full-conv"``
            takes ``mse_weight=1, mse_share=0.2, noise_floor=1e-3`` besides.
        **changes
            Settings in place of those.

        Raises
        ------
        SettingError
            When ``data`` is another word.
        """
        if data not in ("digits", "faces"):
            raise SettingError(f"Got data={data!r}. Expected 'digits' or 'faces'.")
        faces = data == "faces"
        settings: dict[str, Any] = {
            "n_components": 1,
            "network": "dense",
            "last_channels": 24 if faces else 32,
            "head": "bounded",
            "noise_floor": 1e-5,
            "standardize": False,
            "hide": SquareMask(16 if faces else 14),
            "mse_weight": 0.0,
            "calibrate": False,
            "n_members": 1,
            "validation_fraction": 0.0,
            "max_steps": 84_800 if faces else 125_000,
            "batch_size": 96 if faces else 24,
            "lr": 4e-5,
            "schedule": "constant",
            "beta2": 0.999,
            "average": 0.0,
            "clip_norm": None,
        }
        return cls(**{**settings, **changes})


class DMFADensity(DMFAImputer):
    """The same as :class:`DMFAImputer`, with laws that are Gaussian in the table's units.

    No column is bent by a logarithm or a power, so that ``conditional`` answers for any numbers:
    it gives mean, covariance, ``log_prob``, ``sample``, ``marginal`` and ``entropy`` of what is
    missing of each row. Settings are those of :class:`DMFAImputer`.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[0.0, 0.1], [1.0, np.nan], [2.0, 1.9], [3.0, 3.1]] * 10)
    >>> law = DMFADensity(max_steps=20, n_members=1, random_state=0).fit(X).conditional(X[:2])
    >>> law.mean.shape, float(law.log_prob(np.array([[0.0, 0.1], [1.0, 1.1]]))[0])
    ((2, 2), 0.0)
    """

    card: ClassVar[MethodCard] = MethodCard(
        name="dmfa",
        summary="Density of the missing cells, said by a network in closed form.",
        paper="Przewiezlikowski, Smieja and Struski, ICONIP 2020",
        task="density",
        check_params=TINY,
    )
    affine = True
