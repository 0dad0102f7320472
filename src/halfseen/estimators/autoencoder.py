"""What the autoencoders of several modalities share: settings, evidence bound, paper's recipe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any, ClassVar, Literal, Self

import numpy as np

from halfseen.core.spec import DataSpec
from halfseen.errors import SettingError
from halfseen.estimators.base import store
from halfseen.estimators.latent import LatentImputer
from halfseen.objectives.evidence import Evidence, Importance, Objective

__all__ = ["TINY", "AutoencoderImputer"]

#: Settings with which the public checks of these methods run in seconds.
TINY = {"hidden": (16,), "max_steps": 30, "n_members": 2, "n_importance_predict": 10}

SHARED = """n_latent : int or None
        Latent numbers per modality; None chooses by their number and width.
    blocks : mapping of str to list of str, or None
        Names of modalities and of their columns; columns outside are modalities of their own,
        and so are all columns with None. Data given as a dictionary has its modalities already.
    hidden, decoder_hidden : sequence of int or None
        Widths of the hidden layers of encoders and decoder; None takes (128, 128, 128), and for
        the decoder those of the encoders.
    encoder_input : {"mask", "zero", "constant", "set"}
        How an incomplete row enters the encoder of all modalities: zeros beside the mask, zeros
        alone, learned constants, or a permutation-invariant set encoder.
    decoder : {"auto", "deep", "linear", "skip"}
        A network, a linear map, or their sum; "auto" is the sum for up to 256 features, and the
        network alone for images and other wide data.
    observation : {"gaussian", "student", "bernoulli"}
        Law of continuous columns given z; "bernoulli" for all numbers, which must lie in [0, 1].
    noise : {"row", "column", "fixed"}
        Whether the scale of a column depends on z, is one number, or is the floor itself.
    noise_floor : float or "auto"
        Smallest scale, in standard deviations; "auto" ties it to a column's repetitions.
    repeats : {"auto", "none"}
        Whether numeric columns in which values come back get probabilities for them.
    activation : {"silu", "gelu", "relu", "leaky_relu", "elu", "tanh"}
        Of all networks.
    normalize : bool
        Whether the first layer of each network is followed by batch normalisation.
    residual, encoder_linear : bool
        Whether layers of equal width add their input; whether the encoder adds a linear map.
    init : {"torch", "glorot"}
        Initial weights.
    standardize, skewed : bool
        Whether numeric columns are standardised by their seen cells, and skewed ones bent.
    n_members : int
        Independent starts, trained at once and averaged.
    n_importance, n_importance_predict : int
        Samples of z per row in training, and when answering.
    importance_weights : bool
        Whether the samples of an answer are weighted by importance; the papers of this family
        count them all the same.
    decision : {"mean", "median", "mode"}
        Which summary of the predictive law ``transform`` gives.
    hide_rate, hide_share : float
        Training masks: in a share of the rows, what is seen is hidden from the encoder at a rate
        drawn from U(0, hide_rate), while it is still scored. None hides in all rows where some
        modality is a picture, and in none elsewhere: with columns, groups of them, or texts a
        model learns to use its latents less, answers worse, and generates rows of unrelated
        columns.
    hide_pattern : {"blocks", "bernoulli", "copy"}
        Modalities as a whole, independent cells, or the holes of another row.
    bound : {"evidence", "importance"}
        The evidence bound, with its divergence in closed form, or the importance-weighted bound
        of ``n_importance`` samples, which holds prior and data closer together: for generating.
    kl_weight, kl_warm_up : float
        Weight of the divergence from the prior, 1 in an evidence bound, and the share of the
        steps over which it rises to that.
    calibrate : bool
        Whether the spread of all laws is widened by a temperature chosen on held-out cells.
    validation, validation_fraction
        What is held out to choose the best state, "cells", "rows" or "none", and how much.
    max_steps, batch_size : int
        Optimiser steps (None chooses from the number of rows), and rows in each.
    lr, schedule, weight_decay, beta2, clip_norm
        Peak learning rate, how it moves ("one-cycle", "cosine" or "constant"), decoupled decay,
        Adam's second moment, largest gradient norm.
    average : float
        Decay of a moving average of the parameters, 0 for none.
    patience : int or None
        Checks without a better held-out score before training stops.
    time_budget : float or None
        Seconds after which training stops.
    kinds : mapping or None
        Kinds of columns where the inferred ones are wrong; of a modality's under its name.
    keep_empty_features : bool
        Whether columns without any observed value are kept (filled with 0) or refused.
    random_state : int, RandomState, Generator or None
        Same seed, same answer.
    device : str
        Where tensors live.
    verbose : bool
        Whether a progress bar is drawn on a terminal."""

# Features up to which a linear map from all that the decoder reads is cheap.
MOST_LINEAR = 256
# "-MSE" as a log-density is a Gaussian of this scale, up to a constant.
UNIT_ERROR = float(np.sqrt(0.5))
# Learning rates of appendix B by what the data are.
PUBLISHED_LR = {"numeric": 1e-3, "categorical": 1e-2, "images": 1e-4}


class AutoencoderImputer(LatentImputer):
    """Base of the autoencoders that "Learning from Partially-Observed Multimodal Data" compares.

    A method lists what it adds; its docstring takes the shared settings in place of ``{shared}``.
    """

    network = "mlp"
    gradient = "total"
    search = False
    #: The most latent numbers of all modalities together where ``n_latent`` is None.
    most_latents: ClassVar[int] = 32

    def __init_subclass__(cls, **keywords: Any) -> None:
        """Write the shared settings into the docstring."""
        super().__init_subclass__(**keywords)
        cls.__doc__ = (cls.__doc__ or "").replace("{shared}", SHARED)

    def __init__(
        self,
        *,
        n_latent: int | None = None,
        blocks: Mapping[str, Sequence[str]] | None = None,
        hidden: Sequence[int] | None = None,
        decoder_hidden: Sequence[int] | None = None,
        encoder_input: Literal["mask", "zero", "constant", "set"] = "mask",
        decoder: Literal["auto", "deep", "linear", "skip"] = "auto",
        observation: Literal["gaussian", "student", "bernoulli"] = "gaussian",
        noise: Literal["row", "column", "fixed"] = "row",
        noise_floor: float | Literal["auto"] = 0.1,
        repeats: Literal["auto", "none"] = "auto",
        activation: str = "silu",
        normalize: bool = False,
        residual: bool = True,
        encoder_linear: bool = True,
        init: Literal["torch", "glorot"] = "torch",
        standardize: bool = True,
        skewed: bool = False,
        n_members: int = 2,
        n_importance: int = 1,
        n_importance_predict: int = 100,
        importance_weights: bool = False,
        decision: Literal["mean", "median", "mode"] = "mean",
        hide_rate: float = 1.0,
        hide_share: float | None = None,
        hide_pattern: Literal["blocks", "bernoulli", "copy"] = "blocks",
        bound: Literal["evidence", "importance"] = "evidence",
        kl_weight: float = 1.0,
        kl_warm_up: float = 0.0,
        calibrate: bool = False,
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
        kinds: Mapping[str, Any] | None = None,
        keep_empty_features: bool = False,
        random_state: Any = None,
        device: str = "cpu",
        verbose: bool = False,
    ) -> None:
        store(self, locals())

    @property
    def decoder_activation(self) -> str:  # type: ignore[override]
        """All networks share their activation."""
        return self.activation

    def _latents(self, spec: DataSpec) -> int:
        n = len(spec.modalities)
        if self.n_latent is not None:
            return n * self.n_latent
        return int(np.clip(spec.n_columns, 2, self.most_latents))

    def _fit_values(self, values: np.ndarray, spec: DataSpec) -> None:
        if self.hide_pattern == "copy" and values.size and not np.isnan(values).any():
            raise SettingError(
                "Got hide_pattern='copy' and data without holes: there is nothing to copy. "
                "Expected 'blocks' or 'bernoulli'."
            )
        super()._fit_values(values, spec)

    def _pictured(self) -> bool:
        """Whether any modality is a picture: what suits these ruins groups of columns."""
        return bool(self.units_.spec.images)

    def _hide_share(self) -> float:
        return float(self._pictured()) if self.hide_share is None else self.hide_share

    def _decoder(self, spec: DataSpec) -> str:
        wide = spec.n_features > MOST_LINEAR
        return ("deep" if wide else "skip") if self.decoder == "auto" else self.decoder

    def _objective(self) -> Objective:
        if self.bound == "importance":
            return Importance()
        return Evidence(self.kl_weight, self.kl_warm_up)

    def _check_settings(self) -> None:
        super()._check_settings()
        if self.bound not in ("evidence", "importance", None):
            raise SettingError(f"Got bound={self.bound!r}. Expected 'evidence' or 'importance'.")
        self._check_numbers(kl_weight=np.inf, kl_warm_up=1.0, hide_rate=1.0)
        if self.hide_share is not None:
            self._check_numbers(hide_share=1.0)

    def _check_numbers(self, **most: float) -> None:
        """Refuse settings that are no finite numbers from 0 to some end, by name."""
        for name, end in most.items():
            value = getattr(self, name)
            number = isinstance(value, Real) and not isinstance(value, bool)
            if not number or not 0 <= value <= end or value == np.inf:
                expected = "a number, 0 or more" if end == np.inf else f"a number in [0, {end:g}]"
                raise SettingError(f"Got {name}={value!r}. Expected {expected}.")

    def _has_density(self) -> bool:
        """Whether the model is one of whole rows, from a law of z."""
        return True

    def log_likelihood(self, X: Any, n_importance: int = 1000) -> np.ndarray:
        """Log-density of each row by importance sampling, in data units.

        Parameters
        ----------
        X : data of fit's form
            The rows.
        n_importance : int, default=1000
            Samples of z per row; the estimate is a lower bound in expectation, and rises
            with their number.

        Returns
        -------
        array of shape (n,)
            Of log p(x_obs), or log p(x_obs, m) for a model with a law of the mask.

        Raises
        ------
        SettingError
            When ``n_importance`` is no positive whole number, or the model has no such density:
            codes without a law, or a decoder that sees the cells it would score.
        """
        if not self._has_density():
            raise SettingError(
                f"Got log_likelihood() of {self!r}, which has no density of whole rows. Expected "
                "a model that has one, such as VAEImputer."
            )
        if not isinstance(n_importance, (int, np.integer)) or n_importance < 1:
            raise SettingError(
                f"Got n_importance={n_importance!r}. Expected a positive whole number."
            )
        return self._density(X, n_importance)

    @classmethod
    def published(
        cls, data: Literal["numeric", "categorical", "images"] = "numeric", **changes: Any
    ) -> Self:
        """The settings of the VSAE paper's appendix B, as far as it gives them.

        Batch size, sums and weights of the loss are not given there: batches are of 64 rows,
        terms are summed over features and count the same. Its squared error is a Gaussian of
        scale sqrt(1/2); give numeric columns scaled to [0, 1], as these are not scaled again.
        The noise in place of unseen inputs is zeros here, so that answers repeat.

        Parameters
        ----------
        data : {"numeric", "categorical", "images"}
            Tables of numbers or of categories, or pairs of 28 x 28 images in [0, 1].
        **changes
            Settings that differ.

        Raises
        ------
        SettingError
            When ``data`` is another word.
        """
        if data not in PUBLISHED_LR:
            raise SettingError(f"Got data={data!r}. Expected one of {tuple(PUBLISHED_LR)}.")
        settings: dict[str, Any] = {
            "n_latent": 256 if data == "images" else 20,
            "hidden": (128,) * 3 if data == "images" else (64,) * 3,
            "decoder_hidden": (128,) * 3,
            "decoder": "deep",
            "noise": "fixed",
            "noise_floor": UNIT_ERROR,
            "repeats": "none",
            "activation": "leaky_relu",
            "normalize": data != "images",
            "residual": False,
            "encoder_linear": False,
            "standardize": False,
            "n_members": 1,
            "n_importance_predict": 1,
            "hide_share": 0.0,
            "bound": "evidence",
            "n_importance": 1,
            "importance_weights": False,
            "validation": "rows",
            "validation_fraction": 0.2,
            "max_steps": 15_000,
            "lr": PUBLISHED_LR[data],
            "schedule": "constant",
            "beta2": 0.999,
            "average": 0.0,
            "clip_norm": None,
        }
        return cls(**{**settings, **changes})
