"""A head on expected activations: what the classifier and the regressor share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from halfseen.core.batch import Batch, Rows
from halfseen.core.factor_mixture import FactorMixture
from halfseen.core.hole_law import HoleLaw
from halfseen.core.noise import new_generator
from halfseen.core.spec import NUMERIC
from halfseen.core.stored import whole
from halfseen.errors import SettingError
from halfseen.estimators.base import store
from halfseen.estimators.conditional_imputer import ConditionalImputer
from halfseen.estimators.generated import GeneratorEstimator
from halfseen.estimators.headed import HeadEstimator
from halfseen.estimators.label_objectives import DirectObjective
from halfseen.estimators.label_scores import check_lengths
from halfseen.estimators.stored_network import restore_network
from halfseen.nn.expected import ExpectedBins, ExpectedUnits
from halfseen.nn.heads import PiecewiseLinear
from halfseen.nn.inputs import ZeroFill
from halfseen.terms.direct import DirectModel
from halfseen.terms.expected import ExpectedModel

__all__ = ["ExpectedLabelEstimator"]

# Numbers in the laws of all rows up to which they are kept while training.
KEPT_FLOATS = 2**25


class ExpectedLabelEstimator(HeadEstimator, GeneratorEstimator):
    """Base of the classifier and the regressor whose first layer looks at the law of a row.

    The head sees expected activations of ``n_units`` units, expected cells, and with ``n_bins``
    the expected places of numbers: the last two do not change while it learns, and stand beside.
    """

    default_generator: ClassVar[str] = "mfa"
    _generator_class: ClassVar[type[Any]] = ConditionalImputer
    _generator_hint: ClassVar[str] = "'mfa', 'gmm', an imputer such as MFAImputer()"

    n_units: int
    n_kept: int | None
    n_members: int

    model_: DirectModel
    generator_: ConditionalImputer

    def __init__(
        self,
        *,
        generator: str | Path | ConditionalImputer | None = None,
        n_units: int = 128,
        n_kept: int | None = 8,
        head: str | nn.Module = "mlp",
        n_bins: int = 0,
        add_indicator: bool = False,
        hidden: Sequence[int] = (128,),
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

    # ---- fitting ------------------------------------------------------------------------

    def _learn(self, X: Any, y: np.ndarray) -> None:
        self._check_settings()
        self._fit_generator(X)
        self.n_members_ = self.n_members
        values = self.codec_.encode(X).values
        self._choose_indicators(values)
        self._choose_bins(self._rows(values[:, self._varying]))
        self._make()
        rows = self._table_rows(values).with_labels(y)
        objective = DirectObjective(self.model_, self.n_members_)
        self._fit_head(objective, rows, unlabelled=False)

    def _check_settings(self) -> None:
        for name in ("n_units", "n_members", "n_kept"):
            value = getattr(self, name)
            open_ = name == "n_kept" and value is None
            if not open_ and (not isinstance(value, (int, np.integer)) or value < 1):
                raise SettingError(f"Got {name}={value!r}. Expected a positive whole number.")
        if self.head not in ("mlp", "linear") and not isinstance(self.head, nn.Module):
            raise SettingError(
                f"Got head={self.head!r}. Expected 'mlp', 'linear', or a torch Module that takes "
                "expected activations: they are no image."
            )

    def _move(self, generator: Any) -> None:
        model = generator.model_
        if isinstance(model, FactorMixture):
            generator.model_ = model.to(device=self.device, dtype=generator._dtype)
        else:
            model.to(self.device)

    def _fitted_generator(self, X: Any) -> Any:
        generator = super()._fitted_generator(X)
        if not generator._of_cells:
            raise SettingError(
                f"Got generator={type(generator).__name__}(), whose law is of ranks. Expected "
                "one whose law is of the cells, such as 'mfa', 'gmm' or 'gaussian'."
            )
        return generator

    def _make(self) -> None:
        spec, label = self._spec, self.target_.law()
        if not self._varying:
            inputs = ZeroFill(spec, self.n_members_, torch.Generator())
            self.model_ = DirectModel(inputs, self._new_head(0, label, None), label)
        else:
            generator = new_generator(self.seed_, 8)
            units = ExpectedUnits(self.n_members_, spec.n_features, self.n_units, generator)
            n_more = spec.n_features + self.edges_.shape[0] * (self.edges_.shape[1] - 1)
            network = self._new_head(units.n_out + n_more, label, None)
            self.model_ = ExpectedModel(units, network, label, self._law_of)
        self.model_.to(self.device, torch.float32)

    def _encoding(self) -> PiecewiseLinear | None:
        """None: bins are expected ones, and stand beside the units."""
        return None

    # ---- rows ---------------------------------------------------------------------------

    def _rows(self, values: np.ndarray) -> Rows:
        if not values.shape[1]:
            return Rows.from_values(values, self.device)
        return Rows.from_values(self.generator_.units_.to_model(values), self.device)

    def _table_rows(self, values: np.ndarray) -> Rows:
        """Rows with what stands beside the units, and with their laws where these fit."""
        rows = super()._table_rows(values)
        if not self._varying:
            return rows
        laws: list[HoleLaw] = []
        beside, n_floats = [], 0
        for part in self._parts_of(rows):
            law = self._law_of(part)
            beside.append(self._beside(law))
            n_floats += law.size
            laws = [*laws, law.to(torch.float32)] if n_floats <= KEPT_FLOATS else []
        extra = torch.cat(beside)
        if rows.extra is not None:
            extra = torch.cat([extra, rows.extra], -1)
        kept = HoleLaw.join(laws) if n_floats <= KEPT_FLOATS else None
        return replace(rows, extra=extra, law=kept)

    def _parts_of(self, rows: Rows) -> list[Rows]:
        return list(self.generator_._row_parts(rows)) or [rows]

    @torch.no_grad()
    def _law_of(self, rows: Rows | Batch) -> HoleLaw:
        """The law of rows in model units, of their ``n_kept`` most probable components."""
        source = self.generator_
        dtype = source._dtype
        exact = Rows(rows.x.to(dtype), rows.s.to(dtype))
        laws = [
            HoleLaw.of(source._mixture(part), *source._features(part), self.n_kept)
            for part in self._parts_of(exact)
        ]
        return HoleLaw.join(laws)

    def _beside(self, law: HoleLaw) -> Tensor:
        """Expected cells, and expected places in bins (n, F + c T)."""
        average = law.average.to(torch.float32)
        if not self.edges_.size:
            return average
        spec = self._spec
        at = [spec.offsets[j] for j in spec.where(*NUMERIC)]
        edges = torch.as_tensor(self.edges_, dtype=torch.float32, device=self.device)
        bins = ExpectedBins(edges, at).to(self.device)
        return torch.cat([average, bins(law).to(torch.float32)], -1)

    # ---- completing ---------------------------------------------------------------------

    def impute(self, X: Any, y: Any = None) -> Any:
        """Complete a table, as the generator does.

        Parameters
        ----------
        X : table of shape (n, p)
            The columns of fit.
        y : array-like of shape (n,), optional
            Labels, which change nothing: the law of the missing cells is that of the generator,
            which knows none. Methods on completions, such as ``SupMIWAEClassifier``, heed them.

        Returns
        -------
        same as X
            Observed cells are bit-identical.

        Raises
        ------
        SettingError
            When there is not one label per row.
        """
        check_is_fitted(self)
        if y is not None:
            check_lengths(len(self.codec_.encode(X).values), len(self.target_.encode(y)))
        return self.generator_.transform(X)

    # ---- files --------------------------------------------------------------------------

    def _state(self) -> tuple[dict[str, Any], dict[str, Any]]:
        facts, _ = super()._state()
        return facts | {"n_members": self.n_members_}, self.model_.state_dict()

    def _set_state(self, facts: dict[str, Any], tensors: dict[str, Any]) -> None:
        super()._set_state(facts, tensors)
        self.codec_ = self.generator_.codec_
        self.n_members_ = whole(facts, "n_members", 1)
        self._make()
        restore_network(self.model_, tensors)
