"""Estimators that complete rows before they look at them: the imputer inside."""

from __future__ import annotations

import copy
from abc import abstractmethod
from pathlib import Path
from typing import Any, ClassVar

from sklearn.base import clone

from halfseen.errors import SettingError
from halfseen.estimators.labelled import LabelEstimator
from halfseen.estimators.latent import LatentImputer
from halfseen.estimators.resuming import check_ended

__all__ = ["GeneratorEstimator"]


class GeneratorEstimator(LabelEstimator):
    """Base of what predicts labels from what an imputer says of holes, the generator."""

    #: Name of the method that completes rows where ``generator`` is None.
    default_generator: ClassVar[str]
    #: What can be a generator, and what messages name as such.
    _generator_class: ClassVar[type[Any]] = LatentImputer
    _generator_hint: ClassVar[str] = "'miwae', 'not-miwae', an imputer such as MIWAEImputer()"

    generator: Any
    device: str

    generator_: Any

    @abstractmethod
    def _new_generator(self, name: str) -> Any:
        """An unfitted generator by the name on its card, or a fitted one from a file."""

    def _fit_generator(self, X: Any) -> None:
        """Set ``generator_``, and what follows from its columns."""
        self.generator_ = self._fitted_generator(X)
        self.codec_ = self.generator_.codec_
        self._set_features()

    def _fitted_generator(self, X: Any) -> Any:
        """The generator: a fitted one is copied and used as it is, any other is fitted."""
        given = self.generator
        if type(given).__name__ == "FrozenEstimator":
            given = given.estimator
        if given is None or isinstance(given, (str, Path)):
            given = self._new_generator(str(given or self.default_generator))
        self._check_generator(given)
        if hasattr(given, "codec_"):
            generator = copy.deepcopy(given).set_params(device=self.device)
            if hasattr(generator, "model_"):
                self._move(generator)
            return generator
        generator = clone(given).set_params(device=self.device)
        if generator.random_state is None:
            generator.set_params(random_state=self.seed_)
        generator.fit(X)
        check_ended(generator, "a generator")
        return generator

    def _check_generator(self, given: Any) -> None:
        """Refuse what cannot be a generator, before it is fitted."""
        if not isinstance(given, self._generator_class):
            raise SettingError(
                f"Got generator={given!r}. Expected {self._generator_hint}, or the path of a "
                "saved one."
            )

    def _move(self, generator: Any) -> None:
        """Bring a fitted generator's tensors to the device."""
        generator.model_.to(self.device)

    def _parts(self) -> dict[str, Any]:
        return {"generator": self.generator_}
