"""What the autoencoders of several modalities share: settings, evidence bound, paper's recipe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch

from halfseen.core.spec import DataSpec
from halfseen.errors import SettingError
from halfseen.estimators.autoencoder_settings import SHARED, TINY, published_settings
from halfseen.estimators.base import store
from halfseen.estimators.latent import LatentImputer
from halfseen.objectives.evidence import Evidence, Importance, Objective, TermWeights

__all__ = ["TINY", "AutoencoderImputer"]

# Features up to which a linear map from all that the decoder reads is cheap.
MOST_LINEAR = 256


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
        blocks: Mapping[str, Sequence[str | int]] | None = None,
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
        modality_weights: Mapping[str, float] | None = None,
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
        self._check_weights()
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
            return Importance(self._weights())
        return Evidence(self.kl_weight, self.kl_warm_up, weights=self._weights())

    def _weights(self, mask: float = 1.0) -> TermWeights | None:
        """What modalities, and the mask, count in training."""
        said = self.modality_weights or {}
        if not said and mask == 1:
            return None
        spec = self.units_.spec
        cells = torch.ones(spec.n_columns, device=self.device)
        for block in spec.modalities:
            cells[list(block.columns)] = float(said.get(block.name, 1.0))
        return TermWeights(cells, float(mask))

    def _check_settings(self) -> None:
        super()._check_settings()
        if self.bound not in ("evidence", "importance", None):
            raise SettingError(f"Got bound={self.bound!r}. Expected 'evidence' or 'importance'.")
        self._check_numbers(kl_weight=np.inf, kl_warm_up=1.0, hide_rate=1.0)
        if self.hide_share is not None:
            self._check_numbers(hide_share=1.0)

    def _check_weights(self) -> None:
        weights = {} if self.modality_weights is None else self.modality_weights
        known = [b.name for b in self.codec_.spec.with_blocks(self.blocks).modalities]
        good = isinstance(weights, Mapping) and set(weights) <= set(known)
        if not good or not all(_in_range(value) for value in weights.values()):
            raise SettingError(
                f"Got modality_weights={weights!r}. Expected a mapping from names of modalities, "
                f"of {known[:20]}, to numbers, 0 or more."
            )

    def _check_numbers(self, **most: float) -> None:
        """Refuse settings that are no finite numbers from 0 to some end, by name."""
        for name, end in most.items():
            value = getattr(self, name)
            if not _in_range(value, end):
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

    def generate(self, *arguments: Any, **settings: Any) -> Any:
        """Make new rows, as every imputer with a model of whole rows does.

        Raises
        ------
        SettingError
            Also when the model is none of whole rows, as for ``log_likelihood``.
        """
        if not self._has_density():
            raise SettingError(
                f"Got generate() of {self!r}, which has no law of whole rows. Expected a model "
                "that has one: VAEImputer, CVAEImputer with condition='mask', or VAEACImputer."
            )
        return super().generate(*arguments, **settings)

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
        return cls(**{**published_settings(data), **changes})


def _in_range(value: Any, end: float = np.inf) -> bool:
    """Whether a value is a finite number from 0 to some end."""
    number = isinstance(value, Real) and not isinstance(value, bool)
    return number and 0 <= value <= end and value != np.inf
