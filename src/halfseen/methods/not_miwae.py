"""not-MIWAE: MIWAE with a model of why cells are missing.

Ipsen, Mattei and Frellsen, "not-MIWAE: Deep generative modelling with missing not at random
data" (ICLR 2021). The model is MIWAE's with one more term, log p(s | x). Where the mechanism
looks at one column at a time the missing cell is integrated out of the weight exactly; the
published model samples it.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from torch import Tensor

from halfseen.core.batch import Rows
from halfseen.core.memory import floats_at_once
from halfseen.core.spec import DataSpec
from halfseen.core.stored import number, numbers
from halfseen.core.units import Units
from halfseen.errors import SettingError
from halfseen.estimators.base import store
from halfseen.estimators.card import MethodCard
from halfseen.estimators.latent import LatentImputer
from halfseen.estimators.selection import choose_sharpness, fit_selection, pooled
from halfseen.mechanisms import LinearMechanism, Mechanism, MLPMechanism, SelfMasking
from halfseen.mechanisms.self_masking import Direction
from halfseen.terms.completion import Sampler
from halfseen.terms.latent import LatentModel
from halfseen.terms.observation import Decoder
from halfseen.training.monitors import held_out_bound

__all__ = ["NotMIWAEImputer"]

MECHANISMS = ("self-masking", "linear", "mlp")
# Medians of the priors on slopes: a threshold, and a mechanism that is nearly flat.
SHARP_SLOPE, GRADUAL_SLOPE = 50.0, 0.2
# For pixels, which are too many for a prior to matter: a start from which either is learned.
PIXEL_SLOPE = 1.0
# Rows of a table, or images, on which starts are compared; samples for each; floats at a time.
CHOICE_ROWS, CHOICE_IMAGES, CHOICE_SAMPLES, CHOICE_FLOATS = 2000, 300, 50, 2**26


class NotMIWAEImputer(LatentImputer):
    r"""Complete a table whose cells are missing because of what they are.

    .. math:: w_k = \frac{p(x_{obs} | z_k) p(s | x_{obs}, z_k) p(z_k)}{q(z_k | x_{obs}, s)},
        \quad p(s_j = 0 | z) = \int p(x_j | z) p(s_j = 0 | x_j) dx_j

    Without knowing why cells are missing, extrapolation is not identified: it is contained
    here by a decoder that is linear plus a bounded network under a strong prior, and reported
    by :meth:`diagnostics`. If you know the direction, say so.

    Parameters
    ----------
    mechanism : {"self-masking", "linear", "mlp"} or Mechanism
        Law of the mask: each cell by its own value; by all values, linearly; by all values
        through a network; or one of your own with ``sample`` and ``log_prob``.
    direction : {"unknown", "high", "low"} or mapping of column name to these
        Which values of a self-masking column go missing, overall or per column.
    link : {"probit", "logistic"}
        Form of self-masking; "probit" is integrated out in closed form.
    slope : float or "auto"
        Median of the prior on self-masking slopes, per standard deviation of a column; "auto"
        lets the columns vote between a threshold (50) and a gradual mechanism (0.2). The
        pixels of images have no vote, as the end of their scale looks like a threshold:
        training starts from 1, and their number makes light of the prior.
    slope_spread : float or None
        Spread of that prior, of the logarithm; None for no prior.
    collapse : bool
        Whether missing cells are integrated out where that is possible, or sampled.
    sampler : {"score", "dropped", "straight-through", "relaxed", "mean"}
        How sampled categories and repeated values teach the decoder where they are not; see
        :class:`halfseen.terms.latent.LatentModel`.
    tied : bool or "auto"
        Whether one slope and one location of self-masking serve all columns; "auto" does so for
        the pixels of images.
    linear_precision, network_precision : float
        Precision of the Gaussian priors on the decoder's linear and network weights.
    hidden : sequence of int or None
        Widths of the hidden layers of encoder and decoder, or channels of their convolutions;
        None takes (64, 64), or (16, 32, 64) with ``network="conv"``.
    n_latent, network, decoder, encoder_input, observation, noise, noise_floor, repeats, \
activation, decoder_activation, residual, encoder_linear, init, gradient, skewed, n_members, \
n_importance, n_importance_predict, decision, hide_rate, hide_share, hide_pattern, search, \
calibrate, validation, validation_fraction, max_steps, batch_size, lr, schedule, patience, \
weight_decay, beta2, average, clip_norm, time_budget, blocks, kinds, keep_empty_features, \
random_state, \
device, verbose
        As in :class:`MIWAEImputer`, with other defaults.
    standardize : {"selection", True, False}
        Standardise columns by moments that allow for what self-masking hid, by those of the
        seen cells, or not at all. The pixels of images take those of the seen ones with
        "selection", too.

    Attributes
    ----------
    mechanism_ : FittedMechanism
        ``mechanism_.summary()`` tells what was learned, in the table's units.
    history_ : list of dict
        One row per check.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> z = rng.normal(size=(200, 1))
    >>> X = np.hstack([z, z]) + 0.3 * rng.normal(size=(200, 2))
    >>> X[X[:, 0] > 0.5, 0] = np.nan
    >>> imputer = NotMIWAEImputer(direction="high", max_steps=100, n_members=1, random_state=0)
    >>> filled = imputer.fit_transform(X)
    >>> bool(np.isnan(filled).any())
    False
    """

    card: ClassVar[MethodCard] = MethodCard(
        name="not-miwae",
        summary="MIWAE with a model of why cells are missing; missing not at random.",
        paper="Ipsen, Mattei and Frellsen, ICLR 2021",
        mechanism="MNAR",
        check_params={
            "hidden": (16,),
            "max_steps": 30,
            "n_members": 2,
            "n_importance": 5,
            "n_importance_predict": 50,
            "standardize": True,
            "direction": "high",
            "slope": 5.0,
        },
    )

    step_range: ClassVar[tuple[int, int]] = (2000, 6000)
    default_hidden: ClassVar[dict[str, tuple[int, ...]]] = {
        "mlp": (64, 64),
        "conv": (16, 32, 64),
    }

    def __init__(
        self,
        *,
        mechanism: str | Mechanism = "self-masking",
        direction: Direction | Mapping[str, Direction] = "unknown",
        link: Literal["probit", "logistic"] = "probit",
        slope: float | Literal["auto"] = "auto",
        slope_spread: float | None = 1.0,
        collapse: bool = True,
        sampler: Literal["score", "dropped", "straight-through", "relaxed", "mean"] = "score",
        tied: bool | Literal["auto"] = "auto",
        linear_precision: float = 1.0,
        network_precision: float = 100.0,
        n_latent: int | None = None,
        hidden: Sequence[int] | None = None,
        network: Literal["mlp", "conv"] = "mlp",
        decoder: Literal["deep", "linear", "skip"] = "skip",
        encoder_input: Literal["mask", "zero", "constant", "set"] = "mask",
        observation: Literal["gaussian", "student", "bernoulli"] = "gaussian",
        noise: Literal["row", "column"] = "column",
        noise_floor: float | Literal["auto"] = 0.2,
        repeats: Literal["auto", "none"] = "none",
        activation: str = "tanh",
        decoder_activation: str = "tanh",
        residual: bool = False,
        encoder_linear: bool = False,
        init: Literal["torch", "glorot"] = "glorot",
        gradient: Literal["stl", "dreg", "total"] = "stl",
        standardize: bool | Literal["selection"] = "selection",
        skewed: bool = False,
        n_members: int = 3,
        n_importance: int = 5,
        n_importance_predict: int = 500,
        decision: Literal["mean", "median", "mode"] = "mean",
        hide_rate: float = 0.0,
        hide_share: float = 0.0,
        hide_pattern: Literal["bernoulli", "blocks", "copy"] = "bernoulli",
        search: bool = False,
        calibrate: bool = False,
        validation: Literal["rows", "none"] = "none",
        validation_fraction: float = 0.1,
        max_steps: int | None = None,
        batch_size: int = 128,
        lr: float = 5e-3,
        schedule: Literal["one-cycle", "cosine", "constant"] = "one-cycle",
        patience: int | None = None,
        weight_decay: float = 0.0,
        beta2: float = 0.99,
        average: float = 0.0,
        clip_norm: float | None = 20.0,
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
        """The authors' settings in their public code: sampled logistic mechanism.

        Tanh networks of 128-128, zero-filled input without the mask, no floor, no priors,
        K = 20 and then 10 000, 100 000 steps of batch 16, last iterate. Missing cells are
        answered by the samples that entered the weights, not by decoder means.
        """
        settings: dict[str, Any] = {
            "link": "logistic",
            "slope": 0.7,
            "slope_spread": None,
            "collapse": False,
            "sampler": "dropped",
            "linear_precision": 0.0,
            "network_precision": 0.0,
            "hidden": (128, 128),
            "decoder": "deep",
            "encoder_input": "zero",
            "noise": "row",
            "noise_floor": 0.0,
            "repeats": "none",
            "gradient": "total",
            "standardize": True,
            "n_members": 1,
            "n_importance": 20,
            "n_importance_predict": 10_000,
            "max_steps": 100_000,
            "batch_size": 16,
            "lr": 1e-3,
            "beta2": 0.999,
            "schedule": "constant",
            "clip_norm": None,
        }
        return cls(**{**settings, **changes})

    # ---- the configuration --------------------------------------------------------------

    def _mechanism(self) -> Mechanism:
        if isinstance(self.mechanism, Mechanism):
            return copy.deepcopy(self.mechanism)
        if self.mechanism == "self-masking":
            return self._self_masking()
        if self.mechanism == "linear":
            return LinearMechanism()
        if self.mechanism == "mlp":
            return MLPMechanism()
        raise SettingError(
            f"Got mechanism={self.mechanism!r}. Expected one of {MECHANISMS} or a Mechanism."
        )

    def _self_masking(self) -> SelfMasking:
        slope = self.slope
        if slope == "auto":
            slope = getattr(self, "start_slope_", GRADUAL_SLOPE)
        return SelfMasking(
            self.direction,
            link=self.link,
            slope=slope,
            slope_spread=self.slope_spread,
            tied=getattr(self, "tied_", False),
        )

    def _collapse(self) -> bool:
        return self.collapse

    def _sampler(self) -> Sampler:
        return self.sampler

    def _log_prior(self, model: LatentModel) -> Tensor:
        decoder = model.observation.decoder
        assert isinstance(decoder, Decoder)
        assert model.mechanism is not None
        weights = decoder.log_prior(self.linear_precision, self.network_precision)
        return weights + model.mechanism.mechanism.log_prior().sum()

    def _choose_units(self, values: np.ndarray, spec: DataSpec) -> Units:
        if self.standardize not in ("selection", True, False):
            raise SettingError(
                f"Got standardize={self.standardize!r}. Expected 'selection', True or False."
            )
        if self.tied not in ("auto", True, False):
            raise SettingError(f"Got tied={self.tied!r}. Expected True, False or 'auto'.")
        self.tied_ = spec.shape is not None if self.tied == "auto" else self.tied
        units = super()._choose_units(values, spec)
        mechanism = self._mechanism()
        if not isinstance(mechanism, SelfMasking):
            return units
        known = mechanism.known_signs(spec)
        if spec.shape is not None:
            # The end of the grey scale looks like a threshold: pixels tell their sign at most.
            self.start_slope_ = PIXEL_SLOPE
            self.sign_ = known if known.all() else _common_signs(units.to_model(values))
            return units
        return self._selection_units(units, values, spec, known)

    def _selection_units(
        self, units: Units, values: np.ndarray, spec: DataSpec, known: np.ndarray
    ) -> Units:
        """Directions, sharpness and completed moments, from each column by itself."""
        x = units.to_model(values)
        numeric = np.array([not column.categorical for column in spec.columns])
        x[:, ~numeric] = 0.0
        self.sign_ = _likely_signs(x, known)
        fixed = self.standardize != "selection" or self.observation == "bernoulli"
        if fixed and self.slope != "auto":
            return units
        choice = choose_sharpness(x, self.sign_)
        self.sharp_, self.sharp_evidence_ = choice.sharp, choice.evidence
        self.start_slope_ = SHARP_SLOPE if choice.sharp else GRADUAL_SLOPE
        if fixed:
            return units
        found = choice.selection
        return units.rescaled(
            np.where(numeric, units.shift + units.scale * found.mean, units.shift),
            np.where(numeric, units.scale * found.scale, units.scale),
        )

    # ---- several starts -----------------------------------------------------------------

    def _make(self, spec: DataSpec) -> None:
        super()._make(spec)
        assert self.model_.mechanism is not None
        mechanism = self.model_.mechanism.mechanism
        if isinstance(mechanism, SelfMasking) and self.slope_spread is not None:
            low, high = (torch.as_tensor(bound, dtype=torch.float32) for bound in self.range_)
            mechanism.start(low, high, self._start_signs(mechanism, spec))

    def _start_signs(self, mechanism: SelfMasking, spec: DataSpec) -> Tensor:
        """Signs that members start from where they are unknown.

        The first takes the sign that most columns speak for, the second that of each column
        by itself, the third the opposite of the first; further ones are random.
        """
        known = torch.as_tensor(mechanism.known_signs(spec), dtype=torch.float32)
        likely = torch.as_tensor(self.sign_, dtype=torch.float32)
        signs = mechanism.sign.cpu().clone()
        holes = torch.as_tensor(self.incomplete_)
        common = 1.0 if likely[holes].sum() >= 0 else -1.0
        starts = [torch.full_like(likely, common), likely, torch.full_like(likely, -common)]
        for m, start in enumerate(starts[: len(signs)]):
            signs[m] = start
        return torch.where(known != 0, known, signs)

    def _train(self, x: np.ndarray) -> None:
        super()._train(x)
        mechanism = self.model_.mechanism
        assert mechanism is not None
        self.member_bounds_ = [float("nan")]
        if isinstance(mechanism.mechanism, SelfMasking) and self.n_members_ > 1:
            self._choose_starts(mechanism.mechanism, x)

    def _choose_starts(self, mechanism: SelfMasking, x: np.ndarray) -> None:
        """Keep the starts that share the signs of the one with the best bound."""
        count = CHOICE_ROWS if self.units_.spec.shape is None else CHOICE_IMAGES
        some = np.random.default_rng(self.seed_).permutation(len(x))[:count]
        bounds = self._bounds(Rows.from_values(x[some], self.device))
        self.member_bounds_ = [float(bound) for bound in bounds]
        columns = torch.nonzero(mechanism.incomplete)[:, 0]
        signs = mechanism.sign[:, columns]
        best = signs[int(torch.nan_to_num(bounds, nan=-torch.inf).argmax())]
        keep = torch.nonzero((signs == best).all(-1))[:, 0]
        if len(keep) < self.n_members_:
            self._keep_members(keep)

    def _bounds(self, rows: Rows) -> Tensor:
        """Mean bound of each member; in parts, as networks for images are wide."""
        width = CHOICE_SAMPLES * self.n_members_ * self.model_.observation.width
        total = torch.zeros(self.n_members_, device=rows.x.device)
        for index in torch.arange(len(rows)).split(max(1, floats_at_once(CHOICE_FLOATS) // width)):
            part = rows.take(index.to(rows.x.device))
            bound = held_out_bound(self.model_, part, CHOICE_SAMPLES, self.seed_, self.n_members_)
            total = total + len(part) * bound
        return total / len(rows)

    def _keep_members(self, keep: Tensor) -> None:
        old, parameters = self.n_members_, {name for name, _ in self.model_.named_parameters()}
        state = {
            name: tensor[keep] if name in parameters or name.endswith("mechanism.sign") else tensor
            for name, tensor in self.model_.state_dict().items()
        }
        self.n_members_ = len(keep)
        assert old >= self.n_members_
        self._make(self.units_.spec)
        self.model_.load_state_dict(state)
        self.model_.requires_grad_(False)

    def _state(self) -> tuple[dict[str, Any], dict[str, Any]]:
        facts, tensors = super()._state()
        if hasattr(self, "sign_"):
            facts["sign"] = self.sign_.tolist()
            facts["start_slope"] = getattr(self, "start_slope_", GRADUAL_SLOPE)
            facts["tied"] = self.tied_
        return facts, tensors

    def _set_state(self, facts: dict[str, Any], tensors: dict[str, Any]) -> None:
        if "sign" in facts:
            self.sign_ = numbers(facts, "sign", len(self._varying))
            self.tied_, self.start_slope_ = bool(facts["tied"]), number(facts, "start_slope")
        super()._set_state(facts, tensors)

    @property
    def mechanism_(self) -> FittedMechanism:
        """What was learned about why cells are missing."""
        if not hasattr(self, "model_"):
            raise SettingError("Got a table without a column that varies: nothing was learned.")
        return FittedMechanism(self)


def _likely_signs(x: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Directions as told, and where unknown those that each column's shape speaks for."""
    if (known != 0).all():
        return known
    high = fit_selection(x, np.ones(len(known))).log_likelihood
    low = fit_selection(x, -np.ones(len(known))).log_likelihood
    return np.where(known != 0, known, np.where(high >= low, 1.0, -1.0))


def _common_signs(x: np.ndarray) -> np.ndarray:
    """The direction that all pixels (n, p) together speak for, shape (p,)."""
    return np.repeat(_likely_signs(pooled(x), np.zeros(1)), x.shape[1])


class FittedMechanism:
    """A learned mechanism, in the table's units.

    Parameters
    ----------
    imputer : NotMIWAEImputer
        Fitted.
    """

    def __init__(self, imputer: NotMIWAEImputer) -> None:
        assert imputer.model_.mechanism is not None
        self.module = imputer.model_.mechanism.mechanism
        self._imputer = imputer

    def summary(self) -> Any:
        """A pandas DataFrame: for self-masking a row per column, in the table's own units."""
        units, levels = self._imputer.units_, self._imputer.codec_.levels
        return self.module.summary(units.spec, units, levels)
