"""Low-rank approximation of a matrix with holes, by alternating ridge regressions.

The model is ``x_ij ~ offset_j + scores_i . loadings_j``. What is minimised over seen cells,

    1/2 sum_ij s_ij (x_ij - offset_j - a_i . b_j)^2 + penalty / 2 (|A|^2 + |B|^2),

has the answer of nuclear-norm regularisation, truncated to the rank of the factors (Hastie,
Mazumder, Lee and Zadeh 2015, JMLR 16, Theorem 3). Each row, and then each column, has its own
ridge regression on its seen cells; all of them are one batch of small systems.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace

import torch
from torch import Tensor

from halfseen.core.memory import floats_at_once
from halfseen.training.checkpoint import Kept, next_stage

__all__ = [
    "STOPS",
    "LowRank",
    "Path",
    "descend",
    "fit_low_rank",
    "noise_level",
    "random_start",
]

# Numbers in one chunk of rows, and in their systems.
CHUNK_FLOATS = 2**23
# Stops on the way to a weak penalty, in units of the noise level; they need not be exact.
STOPS = (1.0, 0.5, 0.25, 0.12, 0.06, 0.03, 0.015)
STOP_SWEEPS, STOP_TOLERANCE = 20, 1e-3


@dataclass(frozen=True)
class LowRank:
    """Offsets and loadings of the features; the scores of a row follow from its seen cells.

    Parameters
    ----------
    offset : Tensor of shape (F,)
        What a row without seen cells is completed with.
    loadings : Tensor of shape (F, r)
        One row of r numbers per feature.
    penalty : float
        Weight of the squared norms of scores and loadings, above 0.

    Examples
    --------
    >>> model = LowRank(torch.zeros(2), torch.tensor([[1.0], [2.0]]), penalty=1e-6)
    >>> model.fitted(torch.tensor([[3.0, 0.0]]), torch.tensor([[1.0, 0.0]])).round(decimals=3)
    tensor([[3., 6.]])
    """

    offset: Tensor
    loadings: Tensor
    penalty: float

    @property
    def rank(self) -> int:
        """Number of factors r."""
        return self.loadings.shape[1]

    def scores(self, x: Tensor, s: Tensor) -> Tensor:
        """The ridge regression of each row's seen cells on the loadings.

        Parameters
        ----------
        x, s : Tensor of shape (n, F)
            Cells, 0 where missing, and the mask, 1 = seen.

        Returns
        -------
        Tensor of shape (n, r)
        """
        products = _products(self.loadings)
        out = x.new_empty(len(x), self.rank)
        for rows in _chunks(x, self.rank):
            seen = s[rows]
            right = (seen * (x[rows] - self.offset)) @ self.loadings
            out[rows] = _solve(seen @ products, right, self.penalty)
        return out

    def fitted(self, x: Tensor, s: Tensor) -> Tensor:
        """What the model says of every cell (n, F), seen ones included."""
        return self.offset + self.scores(x, s) @ self.loadings.T

    def to(self, *kinds: torch.device | str | torch.dtype) -> LowRank:
        """A copy on another device, or of another type of numbers."""
        offset, loadings = self.offset, self.loadings
        for kind in kinds:
            offset, loadings = offset.to(kind), loadings.to(kind)
        return replace(self, offset=offset, loadings=loadings)


@dataclass(frozen=True)
class Path:
    """How a fit went.

    Parameters
    ----------
    objective : list of float
        The objective per seen cell after each sweep; it never rises.
    converged : bool
        Whether the last sweep lowered it by less than the tolerance.
    interrupted : bool
        Whether the user ended it.
    """

    objective: list[float]
    converged: bool
    interrupted: bool = False


def noise_level(s: Tensor) -> float:
    """The penalty at which unit noise in the seen cells alone is shrunk to nothing.

    It is the usual size of the largest singular value of such noise, so that a penalty is the
    same statement about tables of any size: ``ridge * noise_level(s)`` removes noise of standard
    deviation ``ridge``.

    Parameters
    ----------
    s : Tensor of shape (n, F)
        The mask, 1 = seen.

    Examples
    --------
    >>> noise_level(torch.ones(16, 9))
    7.0
    """
    share = max(float(s.mean()), 1 / s.numel())
    return math.sqrt(share) * (math.sqrt(s.shape[0]) + math.sqrt(s.shape[1]))


def random_start(x: Tensor, s: Tensor, rank: int, generator: torch.Generator) -> LowRank:
    """Means of the seen cells, and small loadings that look nowhere in particular.

    Parameters
    ----------
    x, s : Tensor of shape (n, F)
        Cells, 0 where missing, and the mask, 1 = seen.
    rank : int
        Number of factors.
    generator : torch.Generator
        Where the loadings come from.
    """
    offset = (s * x).sum(0) / s.sum(0).clamp_min(1.0)
    noise = torch.randn(
        x.shape[1], rank, generator=generator, device=generator.device, dtype=torch.float32
    )
    return LowRank(offset, noise.to(x), penalty=1.0)


def fit_low_rank(
    x: Tensor,
    s: Tensor,
    start: LowRank,
    penalty: float,
    *,
    max_iter: int = 100,
    tol: float = 1e-4,
    watch: Callable[[int], None] | None = None,
) -> tuple[LowRank, Path]:
    """Alternate between rows and columns until the objective hardly falls.

    Parameters
    ----------
    x, s : Tensor of shape (n, F)
        Cells, 0 where missing, and the mask, 1 = seen.
    start : LowRank
        Where to begin; its rank is kept, its penalty is not.
    penalty : float
        Weight of the squared norms of scores and loadings, above 0.
    max_iter : int, default=100
        Most sweeps over rows and columns.
    tol : float, default=1e-4
        Stop when a sweep lowers the objective by less than this share of it.
    watch : callable, optional
        Called with the number of each sweep.

    Returns
    -------
    model : LowRank
    path : Path
    """
    model = replace(start, penalty=penalty)
    path, stage = Path([], converged=False), next_stage()
    kept = stage.load()
    if kept is not None:
        offset, loadings = (kept.tensors[name].to(x.device) for name in ("offset", "loadings"))
        model = replace(model, offset=offset, loadings=loadings)
        path = Path(**kept.facts)
    done = kept is not None and kept.done
    while not done:
        try:
            model, value = _sweep(model, x, s)
        except KeyboardInterrupt:
            stage.interrupted()
            return model, replace(path, interrupted=True)
        before = path.objective[-1:]
        converged = bool(before) and before[0] - value <= tol * before[0]
        path = Path([*path.objective, value], converged)
        if watch is not None:
            watch(len(path.objective))
        done = converged or len(path.objective) >= max_iter
        if done or stage.due():
            tensors = {"offset": model.offset, "loadings": model.loadings}
            stage.keep(Kept(tensors, asdict(path), done))
    return model, path


def descend(
    x: Tensor, s: Tensor, rank: int, ridges: Sequence[float], generator: torch.Generator
) -> Iterator[LowRank]:
    """Fit under ever weaker penalties, each from the answer before.

    The way begins at a strong penalty and has stops of its own in front of the first that is
    asked for: from anywhere else, a weak one often ends in a poor minimum where cells are few.

    Parameters
    ----------
    x, s : Tensor of shape (n, F)
        Cells, 0 where missing, and the mask, 1 = seen.
    rank : int
        Number of factors.
    ridges : sequence of float
        Penalties in units of :func:`noise_level`, in falling order.
    generator : torch.Generator
        Where the first loadings come from, and those that wake factors.

    Yields
    ------
    LowRank
        One model for each ridge; nearly a minimum, not quite.
    """
    model, level = random_start(x, s, rank, generator), noise_level(s)
    for ridge in (*(stop for stop in STOPS if stop > ridges[0]), *ridges):
        # A factor that a strong penalty has shrunk to zero would stay there.
        noise = random_start(x, s, rank, generator).loadings
        model = replace(model, loadings=model.loadings + 0.1 * noise)
        model, path = fit_low_rank(
            x, s, model, ridge * level, max_iter=STOP_SWEEPS, tol=STOP_TOLERANCE
        )
        if path.interrupted:
            # There is no model yet that could be kept.
            raise KeyboardInterrupt
        if ridge in ridges:
            yield model


def _sweep(model: LowRank, x: Tensor, s: Tensor) -> tuple[LowRank, float]:
    """Scores of all rows, loadings and offsets of all columns, and the objective after both."""
    scores = model.scores(x, s)
    # A common part of the scores belongs to the offsets, which are free.
    scores = scores - scores.mean(0)
    offset, loadings = _columns(x, s, scores, model.penalty)
    # As a checkpoint holds it, so that a resumed fit has the same bits.
    model = replace(model, offset=offset.contiguous(), loadings=loadings.contiguous())
    return model, _objective(model, scores, x, s)


def _columns(x: Tensor, s: Tensor, scores: Tensor, penalty: float) -> tuple[Tensor, Tensor]:
    """Ridge regressions of the columns on the scores, with an intercept that is not shrunk."""
    width = scores.shape[1] + 1
    design = torch.cat([torch.ones_like(scores[:, :1]), scores], 1)
    gram = x.new_zeros(x.shape[1], width * (width + 1) // 2)
    right = x.new_zeros(x.shape[1], width)
    for rows in _chunks(x, width):
        gram += s[rows].T @ _products(design[rows])
        right += (s[rows] * x[rows]).T @ design[rows]
    weights = torch.full((width,), penalty, dtype=x.dtype, device=x.device)
    weights[0] = 0.0
    solution = _solve(gram, right, weights)
    return solution[:, 0], solution[:, 1:]


def _objective(model: LowRank, scores: Tensor, x: Tensor, s: Tensor) -> float:
    """Half the squared residuals and the penalty, per seen cell."""
    total = model.penalty * float(scores.square().sum() + model.loadings.square().sum())
    for rows in _chunks(x, 1):
        gap = x[rows] - model.offset - scores[rows] @ model.loadings.T
        total += float((s[rows] * gap.square()).sum())
    return total / 2 / max(float(s.sum()), 1.0)


def _chunks(x: Tensor, width: int) -> Iterator[slice]:
    """Parts of the rows (n, F) whose systems of ``width`` unknowns fit into memory at once."""
    size = max(1, floats_at_once(CHUNK_FLOATS) // max(width**2, x.shape[1]))
    return (slice(start, start + size) for start in range(0, len(x), size))


def _products(factors: Tensor) -> Tensor:
    """Products of all pairs of factors (n, r (r + 1) / 2): the lower triangle, row by row."""
    i, j = _triangle(factors.shape[1], factors.device)
    return factors[:, i] * factors[:, j]


def _solve(gram: Tensor, right: Tensor, penalty: float | Tensor) -> Tensor:
    """Solve (G + penalty I) a = right for many small G, given by their lower triangles."""
    width = right.shape[1]
    i, j = _triangle(width, gram.device)
    system = gram.new_zeros(len(gram), width, width)
    system[:, i, j] = gram
    diagonal = system.diagonal(dim1=1, dim2=2)
    # Rounding of G must not make a system indefinite where the penalty is tiny.
    rounding = 8 * torch.finfo(gram.dtype).eps * diagonal.sum(1, keepdim=True)
    diagonal += penalty + rounding + torch.finfo(gram.dtype).tiny
    factor, _ = torch.linalg.cholesky_ex(system)
    return torch.cholesky_solve(right[..., None], factor)[..., 0]


def _triangle(width: int, device: torch.device) -> Tensor:
    return torch.tril_indices(width, width, device=device)
