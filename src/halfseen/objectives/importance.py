"""The importance-weighted bound and what its terms contribute."""

from __future__ import annotations

from torch import Tensor

from halfseen.core.masked import log_mean_exp
from halfseen.terms.latent import Weighted

__all__ = ["importance_bound", "named_losses"]


def importance_bound(log_w: Tensor) -> Tensor:
    r"""The bound L_K = log (1/K) sum_k w_k per row.

    Parameters
    ----------
    log_w : Tensor of shape (..., K, B)
        Log-weights.

    Returns
    -------
    Tensor of shape (..., B)
        Non-decreasing in K in expectation (Burda et al. 2016); at K = 1 the evidence bound.

    Examples
    --------
    >>> import torch
    >>> importance_bound(torch.zeros(5, 2))
    tensor([0., 0.])
    """
    return log_mean_exp(log_w, -2)


def named_losses(weighted: Weighted, log_prior: Tensor, n_rows: int) -> dict[str, Tensor]:
    """Losses of one batch, named: the bound, and the priors on parameters (MAP).

    Members are independent, so their losses add up without touching each other.

    Parameters
    ----------
    weighted : Weighted
        Importance samples of the batch.
    log_prior : Tensor
        Log-density of priors on parameters, summed over members.
    n_rows : int
        Rows n of the whole table: the bound is a mean over rows, so priors enter over n.
    """
    bound = importance_bound(weighted.log_w)
    return {"bound": -bound.mean(-1).sum(), "parameter_prior": -log_prior.sum() / n_rows}
