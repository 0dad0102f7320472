"""The importance-weighted bound and what its terms contribute."""

from __future__ import annotations

import torch
from torch import Tensor

from halfseen.core.masked import log_mean_exp
from halfseen.terms.latent import Weighted

__all__ = ["bound_losses", "choice_surrogate", "importance_bound", "named_losses"]


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


def choice_surrogate(log_w: Tensor, log_choice: Tensor) -> Tensor:
    r"""Zero, with the gradient that sampled choices owe to the bound.

    .. math:: \sum_k (L_K - L_{-k}) \nabla \log p(x_{mis,k} | z_k)

    The baseline, the bound of the other samples, does not depend on the k-th choice, so this
    is unbiased (Mnih and Rezende 2016 use the same signal with a geometric mean).

    Parameters
    ----------
    log_w : Tensor of shape (..., K, B)
        Log-weights that saw the choices.
    log_choice : Tensor of shape (..., K, B)
        Log-probability of the choices, with its gradient.

    Returns
    -------
    Tensor of shape (..., B)
    """
    fixed = log_w.detach()
    bound = importance_bound(fixed)[..., None, :]
    k = fixed.shape[-2]
    baseline = torch.zeros_like(bound)
    if k > 1:
        itself = torch.eye(k, dtype=torch.bool, device=fixed.device)[..., None]
        others = fixed[..., None, :, :].masked_fill(itself, -torch.inf)
        count = torch.log(torch.tensor(k - 1.0, device=fixed.device))
        baseline = torch.logsumexp(others, -2) - count
    signal = ((bound - baseline) * log_choice).sum(-2)
    return signal - signal.detach()


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
    return bound_losses(weighted) | {"parameter_prior": -log_prior.sum() / n_rows}


def bound_losses(weighted: Weighted) -> dict[str, Tensor]:
    """The bound of one batch as a loss, and what sampled choices owe to it."""
    losses = {"bound": -importance_bound(weighted.log_w).mean(-1).sum()}
    if weighted.log_choice is not None:
        owed = choice_surrogate(weighted.log_w, weighted.log_choice)
        losses["choices"] = -owed.mean(-1).sum()
    return losses
