"""Predictions of labels that rest on weighted completions, and what they rest on."""

from __future__ import annotations

from typing import Any

from sklearn.utils.validation import check_is_fitted

from halfseen.estimators.generated import GeneratorEstimator
from halfseen.estimators.latent import LatentImputer

__all__ = ["DiagnosedEstimator"]


class DiagnosedEstimator(GeneratorEstimator):
    """Base of what predicts labels from the weighted completions of a latent imputer."""

    generator_: LatentImputer

    def diagnostics(self, X: Any) -> Any:
        """Whether the completions behind the answers for each row can be trusted.

        Parameters
        ----------
        X : table of shape (n, p)
            The columns of fit.

        Returns
        -------
        pandas.DataFrame with a row per row of X
            What ``diagnostics`` of the generator says of as many samples as are behind a
            prediction, whose weights hold no label: ``n_missing``, ``ess``, ``pareto_k``, ...

        Warns
        -----
        AnswerQualityWarning
            As that of the generator does.
        """
        check_is_fitted(self)
        return self._weigher().diagnostics(X)

    def _weigher(self) -> LatentImputer:
        """The imputer whose weights are those of the answers."""
        return self.generator_
