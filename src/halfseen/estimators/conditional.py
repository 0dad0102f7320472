"""What is missing of a row given what is seen, as a law in closed form: the answer for users."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
import torch
from torch import Tensor

from halfseen.core.noise import seed_from
from halfseen.core.row_noise import RowNoise, row_keys
from halfseen.errors import SettingError
from halfseen.estimators.base import inner_share, positive_draws
from halfseen.estimators.conditional_rows import RowLaws
from halfseen.objectives.conditional import Steps, log_mass

__all__ = ["Conditional"]

# Halvings of an interval in which a quantile lies: beyond the precision of float64.
HALVINGS = 60


@dataclass(frozen=True, repr=False)
class Conditional(RowLaws):
    r"""The conditional law of the missing cells of n rows, a mixture of Gaussians of low rank.

    .. math:: p(x_{mis} \mid x_{obs}) = \sum_c w_c N(x_{mis}; m_c, A_c A_c^T + \mathrm{diag}(d_c))

    Rows have masks of their own, and yet every method answers all of them in one call, without a
    matrix of the size of a row. Numbers are in the units of the table. Cells that are seen have
    their value as mean and no variance. A category is an indicator per level.

    Attributes
    ----------
    mixture : LowRankMixture
        Of all F cells, in the units of the table: float64 tensors of shape (n, C, F) and
        (n, C, F, l). What it says of seen cells means nothing.
    x, s : Tensor of shape (n, F)
        Seen cells, 0 elsewhere, and the mask, 1 = seen.
    reader : CellReader
        Which cells these are, and how they are read.

    Examples
    --------
    >>> from halfseen import GMMDensity
    >>> rows = np.random.default_rng(0).normal(size=(500, 2)) @ [[1.0, 0.8], [0.0, 0.6]]
    >>> density = GMMDensity(n_components=1, random_state=0).fit(rows)
    >>> law = density.conditional([[1.0, np.nan], [np.nan, np.nan]])
    >>> law.mean.round(1)
    array([[ 1. ,  0.8],
           [-0.1, -0.1]])
    >>> law.variance.round(1)
    array([[0. , 0.3],
           [1. , 1. ]])
    >>> law.marginal([1]).quantile(0.9).shape, law.sample(5, random_state=0).shape
    ((2, 1), (5, 2, 2))
    """

    # ---- moments ------------------------------------------------------------------------

    @property
    def weights(self) -> np.ndarray:
        """Weights of the components (n, C)."""
        return self.mixture.log_weights.exp().numpy()

    @property
    def missing(self) -> np.ndarray:
        """Which cells the law is of, bool (n, F), or (n, c, h, w) for images."""
        return self._rows(self.s == 0)

    @property
    def mean(self) -> np.ndarray:
        """Mean (n, F), or (n, c, h, w); seen cells are as they were."""
        return self._rows(torch.where(self.s > 0, self.x, self._center()))

    @property
    def covariance_factor(self) -> np.ndarray:
        """Factor A (n, F, r) of the covariance A A' + diag(d), exact for mixtures, too.

        There r is l for one component and C (l + 1) for C: how the means of components differ is
        one more factor of each. (n, c, h, w, r) for images.
        """
        law, weights = self.mixture.law, self.mixture.log_weights.exp()
        factor = law.factor
        if factor.shape[1] > 1:
            apart = (law.mean - self._center()[:, None])[..., None]
            factor = torch.cat([factor, apart], -1) * weights.sqrt()[..., None, None]
        merged = factor.permute(0, 2, 1, 3).flatten(2) * (1 - self.s)[..., None]
        return self._rows(merged)

    @property
    def covariance_diagonal(self) -> np.ndarray:
        """Diagonal d (n, F) of the covariance A A' + diag(d), or (n, c, h, w)."""
        weights = self.mixture.log_weights.exp()[..., None]
        return self._rows((weights * self.mixture.law.variance).sum(1) * (1 - self.s))

    @property
    def variance(self) -> np.ndarray:
        """Variance of every cell (n, F), or (n, c, h, w); 0 where seen."""
        return self._rows(self._by_rows(lambda part, _: part._variance()))

    def quantile(self, q: float) -> np.ndarray:
        """Quantile of every cell (n, F), or (n, c, h, w), by itself; seen cells are as they were.

        Parameters
        ----------
        q : float
            In (0, 1).
        """
        level = inner_share(q)
        return self._rows(self._by_rows(lambda part, _: part._quantile(level)))

    def _variance(self) -> Tensor:
        law, weights = self.mixture.law, self.mixture.log_weights.exp()[..., None]
        apart = (law.mean - self._center()[:, None]).square()
        return (weights * (law.marginal_variance + apart)).sum(1) * (1 - self.s)

    def _quantile(self, q: float) -> Tensor:
        law, weights = self.mixture.law, self.mixture.log_weights.exp()[..., None]
        scale = law.marginal_variance.sqrt()
        step = torch.special.ndtri(torch.tensor(q, dtype=scale.dtype)) * scale
        # The quantile of a mixture lies between those of its components.
        low, high = (law.mean + step).amin(1), (law.mean + step).amax(1)
        for _ in range(HALVINGS if law.mean.shape[1] > 1 else 1):
            middle = (low + high) / 2
            below = torch.special.ndtr((middle[:, None] - law.mean) / scale)
            right = (weights * below).sum(1) < q
            low, high = torch.where(right, middle, low), torch.where(right, high, middle)
        return torch.where(self.s > 0, self.x, (low + high) / 2)

    # ---- density ------------------------------------------------------------------------

    def log_prob(self, x_true: Any, cells: bool | None = None) -> np.ndarray:
        """Log-density of the missing cells of each row.

        Parameters
        ----------
        x_true : table or array like that of the call
            What the cells are. Those of seen cells are not looked at; where it is NaN the cell is
            integrated out. An array of the cells themselves will do, such as ``sample`` draws.
        cells : bool, optional
            Whether an array holds cells, in the order of ``names``, or columns of the table.
            By default its number of columns tells; an array that could be either is refused
            where that makes a difference: in tables with categories, or with columns that never
            vary, that have as many cells as columns.

        Returns
        -------
        array of shape (n,)
            In nats, for the units of the table; 0 where nothing is missing.
        """
        x, s = self._scored(x_true, cells)
        return self._by_rows(lambda part, at: part.mixture.log_prob(x[at], s[at])).numpy()

    def dequantized_log_prob(
        self,
        x_true: Any,
        width: float,
        n_draws: int = 10,
        random_state: Any = 0,
        cells: bool | None = None,
    ) -> np.ndarray:
        """Bound on the log-probability of cells that were rounded to steps of ``width``.

        The mean log-density of the cells with uniform noise of that width around them, times the
        width of each: at most the log-probability of the rounded cells (Theis, van den Oord and
        Bethge 2016).

        Parameters
        ----------
        x_true : table or array like that of the call
            As in :meth:`log_prob`.
        width : float
            Distance of neighbouring values, such as 1/255.
        n_draws : int, default=10
            Of the noise.
        random_state : int, default=0
            Seed of the noise.
        cells : bool, optional
            As in :meth:`log_prob`.

        Returns
        -------
        array of shape (n,)
            In nats, at most about 0.
        """
        (x, s), seed = self._scored(x_true, cells), seed_from(random_state)
        width, n_draws = _steps(width, None).width, positive_draws(n_draws)

        def scores(part: Conditional, at: slice) -> Tensor:
            noise = part._noise(seed)
            total = torch.zeros(len(part), dtype=x.dtype)
            for _ in range(n_draws):
                within = noise.uniform(x.shape[-1])[0, 0].to(x) - 0.5
                total += part.mixture.log_prob(x[at] + width * within, s[at])
            return total / n_draws + np.log(width) * s[at].sum(-1)

        return self._by_rows(scores).numpy()

    def discretized_log_prob(
        self,
        x_true: Any,
        width: float,
        limits: tuple[float, float] | None = None,
        n_draws: int = 50,
        random_state: Any = 0,
        cells: bool | None = None,
    ) -> np.ndarray:
        """Log-probability that cells round to what they are, in steps of ``width``.

        Given the factors the cells are independent, and each has the mass of the law between the
        middles to its neighbours. The integral over the factors is a mean of ``n_draws`` draws
        from their law given the cells, weighted. It is right on average, and its logarithm too
        low; both errors close with the number of draws.

        Parameters
        ----------
        x_true : table or array like that of the call
            As in :meth:`log_prob`.
        width : float
            Distance of neighbouring values, such as 1/255.
        limits : tuple of float, optional
            Smallest and largest possible value: cells there have the whole tail. Such as (0, 1);
            cells beyond them are refused.
        n_draws : int, default=50
            Of the factors.
        random_state : int, default=0
            Seed of the draws.
        cells : bool, optional
            As in :meth:`log_prob`.

        Returns
        -------
        array of shape (n,)
            In nats; at most 0, but for the error of the mean.
        """
        (x, s), seed = self._scored(x_true, cells), seed_from(random_state)
        steps, n_draws = _steps(width, limits), positive_draws(n_draws)
        _check_limits(x, s, width, limits)

        def scores(part: Conditional, at: slice) -> Tensor:
            noise, law = part._noise(seed), part.mixture.law
            total = torch.full(law.mean.shape[:2], -torch.inf, dtype=x.dtype)
            for _ in range(n_draws):
                step = noise.normal(law.mean.shape[1], law.rank)[0, 0].to(x)
                log_w = log_mass(law, x[at, None], s[at, None], steps, step)
                total = torch.logaddexp(total, log_w)
            return torch.logsumexp(part.mixture.log_weights + total, -1) - np.log(n_draws)

        return self._by_rows(scores).numpy()

    def entropy(self, n_draws: int = 1000, random_state: Any = 0) -> np.ndarray:
        """Entropy of the missing cells of each row.

        Parameters
        ----------
        n_draws : int, default=1000
            Draws behind it, where there are several components: the entropy of a mixture has no
            closed form. With one it is exact.
        random_state : int, default=0
            Seed of the draws.

        Returns
        -------
        array of shape (n,)
            In nats; 0 where nothing is missing.
        """
        seed, n_draws = seed_from(random_state), positive_draws(n_draws)
        return self._by_rows(lambda part, _: part._entropy(seed, n_draws)).numpy()

    def _entropy(self, seed: int, n_draws: int) -> Tensor:
        s = 1 - self.s
        if self.mixture.log_weights.shape[1] == 1:
            return self.mixture.law.entropy(s[:, None])[:, 0]
        noise = self._noise(seed)
        total = torch.zeros(len(self), dtype=torch.float64)
        for _ in range(n_draws):
            total -= self.mixture.log_prob(self.mixture.draw(noise)[0, 0], s)
        return total / n_draws

    def sample(self, n_draws: int = 1, random_state: Any = None) -> np.ndarray:
        """Rows whose missing cells are drawn together.

        Parameters
        ----------
        n_draws : int, default=1
            How many of each row.
        random_state : int, optional
            Seed of the draws; another one each time if None.

        Returns
        -------
        array of shape (n_draws, n, F), or (n_draws, n, c, h, w)
            Seen cells are as they were. A row's draws do not depend on the other rows.
        """
        noise = self._noise(random_state, apart=True)
        draws = [
            self._rows(torch.where(self.s > 0, self.x, self.mixture.draw(noise)[0, 0]))
            for _ in range(positive_draws(n_draws))
        ]
        return np.stack(draws)

    # ---- parts --------------------------------------------------------------------------

    def _noise(self, random_state: Any, *, apart: bool = False) -> RowNoise:
        """Noise of each row's own, whatever its neighbours; ``apart`` for equal rows, too."""
        keys = row_keys(self.x.numpy(), self.s.numpy(), seed_from(random_state), apart=apart)
        return RowNoise(keys, 1, 1)

    def _scored(self, x_true: Any, cells: bool | None) -> tuple[Tensor, Tensor]:
        """True cells, 0 where not scored, and the mask of those that are."""
        x = torch.as_tensor(self.reader(x_true, cells))
        if len(x) != len(self):
            raise SettingError(
                f"Got {len(x)} true rows. Expected {len(self)}, those of the conditional law."
            )
        scored = (self.s == 0) & ~x.isnan()
        return torch.where(scored, x, 0.0), scored.to(x.dtype)


def _check_limits(x: Tensor, s: Tensor, width: float, limits: tuple[float, float] | None) -> None:
    if limits is None:
        return
    low, high = limits
    if not low < high:
        raise SettingError(
            f"Got limits={limits!r}. Expected the smallest value, then the largest."
        )
    beyond = (s > 0) & ((x < low - width / 2) | (x > high + width / 2))
    if beyond.any():
        raise SettingError(
            f"Got a cell of {float(x[beyond][0]):g} with limits={limits!r}. Expected no cell "
            "beyond the limits; widen them, or mend the cell."
        )


def _steps(width: float, limits: tuple[float, float] | None) -> Steps:
    number = isinstance(width, Real) and not isinstance(width, bool)
    if not number or not 0 < width < np.inf:
        raise SettingError(
            f"Got width={width!r}. Expected a finite number above 0, such as 1 / 255."
        )
    return Steps(width, *((-np.inf, np.inf) if limits is None else limits))
