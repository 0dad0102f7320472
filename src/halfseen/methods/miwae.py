"""MIWAE: a deep latent variable model fitted to incomplete data by an importance bound.

Mattei and Frellsen, "MIWAE: Deep generative modelling and imputation of incomplete data sets"
(ICML 2019). The model is a prior, a proposal and an observation term.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, Self

from halfseen.estimators.base import store
from halfseen.estimators.card import MethodCard
from halfseen.estimators.latent import LatentImputer

__all__ = ["MIWAEImputer"]


class MIWAEImputer(LatentImputer):
    r"""Complete a table by a deep latent variable model; for data missing at random.

    .. math:: L_K = E \log \frac1K \sum_k \frac{p(x_{obs} | z_k) p(z_k)}{q(z_k | x_{obs}, s)}

    Parameters
    ----------
    n_latent : int or None
        Dimension of z; None takes the number of columns, between 2 and 32.
    hidden : sequence of int or None
        Widths of the hidden layers of encoder and decoder, or channels of their convolutions;
        None takes (128, 128, 128), or (16, 32, 64) with ``network="conv"``.
    network : {"mlp", "conv"}
        Fully connected layers, or for images convolutions of stride 2.
    decoder : {"deep", "linear", "skip"}
        A network, a linear map (probabilistic principal components), or their sum.
    encoder_input : {"mask", "zero", "constant", "set"}
        Zeros beside mask channels, zeros alone, learned constants, or the
        permutation-invariant set encoder.
    observation : {"gaussian", "student", "bernoulli"}
        Law of continuous columns given z; with "bernoulli" of all numeric ones, whose values
        must lie in [0, 1]: grey levels are then scored by their cross-entropy, draws are ones
        and zeros.
    binarize : bool
        Whether every batch of training draws ones and zeros whose means are the seen cells
        ("dynamic binarisation"), with ``observation="bernoulli"``; answers take cells as they
        are.
    noise : {"row", "column"}
        Whether the scale of a column depends on z or is one number.
    noise_floor : float or "auto"
        Smallest scale, in standard deviations; "auto" ties it to each column's repetitions.
    repeats : {"auto", "none"}
        Whether numeric columns in which values come back get probabilities for them: a
        softmax over few distinct values, or an atom (zeros, say) beside a Gaussian.
    activation, decoder_activation : {"gelu", "relu", "elu", "silu", "tanh"}
        Of encoder and decoder.
    residual : bool
        Whether fully connected layers of equal width add their input.
    encoder_linear : bool
        Whether the encoder adds a linear map of its input.
    init : {"torch", "glorot"}
        Initial weights.
    gradient : {"stl", "dreg", "total"}
        How the proposal learns; see :class:`halfseen.terms.latent.LatentModel`.
    standardize : bool
        Whether columns are standardised by their seen cells first; the pixels of images all by
        the same shift and scale.
    skewed : bool
        Whether strongly skewed continuous columns get a power transformation.
    n_members : int
        Independent starts, trained at once and averaged.
    n_importance, n_importance_predict : int
        K in training, and when answering.
    decision : {"mean", "median", "mode"}
        Which summary of the predictive law ``transform`` gives.
    hide_rate, hide_share : float
        Training masks: in a share of the rows, hide seen cells from the encoder at a rate
        drawn from U(0, hide_rate), while they are still scored.
    hide_pattern : {"bernoulli", "blocks", "copy"}
        Independent cells, modalities as a whole, or the holes of another row.
    search : bool
        Whether ``n_latent``, ``decoder`` and ``weight_decay`` are chosen by the bound of
        held-out rows in short fits; ``search_`` then holds what was tried, best first.
    calibrate : bool
        Whether a share of the seen cells is held out, and the spread of all laws widened by
        the temperature under which these are most probable.
    validation : {"cells", "rows", "none"}
        What is held out to choose the best state.
    validation_fraction : float
        How much of it.
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
    blocks : mapping of str to list of str, or None
        Names of modalities and of their columns, for ``hide_pattern="blocks"``.
    kinds : mapping or None
        Kinds of columns where the inferred ones are wrong, see :mod:`halfseen.tables`.
    keep_empty_features : bool
        Whether columns without any observed value are kept (filled with 0) or refused.
    random_state : int, RandomState, Generator or None
        Same seed, same answer.
    device : str
        Where tensors live.
    verbose : bool
        Whether a progress bar is drawn on a terminal.

    Attributes
    ----------
    history_ : list of dict
        One row per check: step, seconds, losses, held-out score.
    model_ : LatentModel
        The fitted terms.

    Notes
    -----
    Images are arrays or tensors of floats of shape (n, channels, height, width), NaN where a
    pixel is missing. All pixels are modelled, also those that never vary or that no image
    shows, and the same container, shape and type of numbers comes back.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> z = rng.normal(size=(80, 1))
    >>> X = np.hstack([z, 2 * z]) + 0.1 * rng.normal(size=(80, 2))
    >>> X[::4, 1] = np.nan
    >>> imputer = MIWAEImputer(max_steps=50, n_members=1, random_state=0).fit(X)
    >>> bool(np.isnan(imputer.transform(X)).any())
    False
    >>> images = np.tile(z[:, :, None, None], (1, 1, 5, 5)).astype("float32")
    >>> images[:, :, 2:4, 2:4] = np.nan
    >>> imputer.set_params(network="conv", hidden=(4, 8)).fit_transform(images).shape
    (80, 1, 5, 5)
    """

    card: ClassVar[MethodCard] = MethodCard(
        name="miwae",
        summary="Deep latent variable model, importance-weighted bound; missing at random.",
        paper="Mattei and Frellsen, ICML 2019",
        check_params={
            "hidden": (16,),
            "max_steps": 30,
            "n_members": 2,
            "n_importance": 5,
            "n_importance_predict": 50,
        },
    )

    def __init__(
        self,
        *,
        n_latent: int | None = None,
        hidden: Sequence[int] | None = None,
        network: Literal["mlp", "conv"] = "mlp",
        decoder: Literal["deep", "linear", "skip"] = "skip",
        encoder_input: Literal["mask", "zero", "constant", "set"] = "mask",
        observation: Literal["gaussian", "student", "bernoulli"] = "gaussian",
        binarize: bool = False,
        noise: Literal["row", "column"] = "row",
        noise_floor: float | Literal["auto"] = 0.1,
        repeats: Literal["auto", "none"] = "auto",
        activation: str = "silu",
        decoder_activation: str = "silu",
        residual: bool = True,
        encoder_linear: bool = True,
        init: Literal["torch", "glorot"] = "torch",
        gradient: Literal["stl", "dreg", "total"] = "stl",
        standardize: bool = True,
        skewed: bool = False,
        n_members: int = 2,
        n_importance: int = 20,
        n_importance_predict: int = 1000,
        decision: Literal["mean", "median", "mode"] = "mean",
        hide_rate: float = 0.5,
        hide_share: float = 0.5,
        hide_pattern: Literal["bernoulli", "blocks", "copy"] = "bernoulli",
        search: bool = False,
        calibrate: bool = True,
        validation: Literal["cells", "rows", "none"] = "none",
        validation_fraction: float = 0.05,
        max_steps: int | None = None,
        batch_size: int = 64,
        lr: float = 3e-3,
        schedule: Literal["one-cycle", "cosine", "constant"] = "one-cycle",
        patience: int | None = None,
        weight_decay: float = 0.0,
        beta2: float = 0.99,
        average: float = 0.99,
        clip_norm: float | None = 5.0,
        time_budget: float | None = None,
        blocks: Mapping[str, Sequence[str]] | None = None,
        kinds: Mapping[str, Any] | None = None,
        keep_empty_features: bool = False,
        random_state: Any = None,
        device: str = "cpu",
        verbose: bool = False,
    ) -> None:
        store(self, locals())

    @classmethod
    def released(cls, **changes: Any) -> Self:
        """The settings of the authors' public code for tables: 100 000 steps of batch 16.

        Tanh networks of 128-128, zero-filled input without the mask, Gaussian observation
        without a floor, K = 20 and then 10 000, constant rate, last iterate.
        """
        settings: dict[str, Any] = {
            "hidden": (128, 128),
            "decoder": "deep",
            "encoder_linear": False,
            "encoder_input": "zero",
            "noise_floor": 0.0,
            "repeats": "none",
            "activation": "tanh",
            "decoder_activation": "tanh",
            "residual": False,
            "init": "glorot",
            "gradient": "total",
            "n_members": 1,
            "n_importance_predict": 10_000,
            "hide_rate": 0.0,
            "hide_share": 0.0,
            "calibrate": False,
            "validation": "none",
            "max_steps": 100_000,
            "batch_size": 16,
            "lr": 1e-3,
            "beta2": 0.999,
            "schedule": "constant",
            "average": 0.0,
            "clip_norm": None,
        }
        return cls(**{**settings, **changes})
