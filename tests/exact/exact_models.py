"""Models whose answers are known in closed form, built by hand."""

import math

import numpy as np
import torch
from scipy import stats
from torch import nn

from halfseen.core.batch import Batch, Rows
from halfseen.core.noise import Noise
from halfseen.core.spec import DataSpec
from halfseen.core.units import Units
from halfseen.estimators.answers import Answers
from halfseen.estimators.assemble import Design, make_model
from halfseen.nn.stacked import StackedLinear
from halfseen.terms.latent import LatentModel
from halfseen.terms.observation import Decoder, NumericHead, Observation
from halfseen.terms.proposal import ProposalLaw


class AnyProposal(nn.Module):
    """A proposal whose law is a function of the batch; its parameters are free per row."""

    def __init__(self, mean, log_scale):
        super().__init__()
        self.mean, self.log_scale = nn.Parameter(mean), nn.Parameter(log_scale)

    def forward(self, batch):
        return ProposalLaw(self.mean, self.log_scale)


class LinearGaussian:
    """x = W z + b + sigma e with one hole pattern per row; d = 1, so that q can be exact."""

    def __init__(self, seed=0, p=3, n=4):
        rng = np.random.default_rng(seed)
        self.W = rng.normal(size=(1, p))
        self.b = rng.normal(size=p)
        self.sigma = rng.uniform(0.4, 0.9, size=p)
        self.x = rng.normal(size=(n, 1)) @ self.W + self.b + self.sigma * rng.normal(size=(n, p))
        self.s = np.ones((n, p))
        for i in range(n):
            self.s[i, i % p] = 0
        self.s[-1] = [1, 0, 0]
        self.spec = DataSpec.continuous(p)
        self.units = Units.identity(self.spec)

    @property
    def batch(self):
        x, s = torch.tensor(self.x * self.s), torch.tensor(self.s)
        return Batch(x, s, s)

    @property
    def rows(self):
        return Rows.from_values(np.where(self.s > 0, self.x, np.nan), dtype=torch.float64)

    def observation(self):
        p = len(self.b)
        generator = torch.Generator().manual_seed(0)
        columns = list(range(p))
        head = NumericHead(self.spec, columns, torch.zeros(p), 1, noise="column")
        decoder = Decoder(StackedLinear(1, 1, p, generator))
        out = Observation(self.spec, [head], decoder).double()
        with torch.no_grad():
            decoder.linear.weight.copy_(torch.tensor(self.W)[None])
            decoder.linear.bias.copy_(torch.tensor(self.b)[None, None])
            head.raw_scale.copy_(torch.tensor(np.log(np.expm1(self.sigma))))
        return out

    def posterior(self):
        """Exact mean and log scale of z given the seen cells, (1, 1, n, 1)."""
        precision = 1 + (self.s * self.W**2 / self.sigma**2).sum(1)
        mean = (self.s * (self.x - self.b) * self.W / self.sigma**2).sum(1) / precision
        shape = (1, 1, -1, 1)
        return torch.tensor(mean).view(shape), torch.tensor(-0.5 * np.log(precision)).view(shape)

    def model(self, *, exact=False, mechanism=None, gradient="total"):
        """With the exact posterior as the proposal, or with the prior, shifted."""
        mean, log_scale = self.posterior()
        if not exact:
            mean, log_scale = 0.3 + 0 * mean, 0.1 + 0 * log_scale
        terms = {} if mechanism is None else {"mechanism": mechanism}
        return LatentModel(1, AnyProposal(mean, log_scale), self.observation(), terms, gradient)

    def log_marginals(self):
        """Exact log N(x_o; b_o, W_o W_o' + sigma^2 I) of every row."""
        covariance = self.W.T @ self.W + np.diag(self.sigma**2)
        out = []
        for x, s in zip(self.x, self.s > 0, strict=True):
            law = stats.multivariate_normal(self.b[s], covariance[np.ix_(s, s)])
            out.append(law.logpdf(x[s]))
        return np.array(out)

    def conditional_means(self):
        """Exact E[x | x_o], all cells."""
        z = self.posterior()[0].numpy().reshape(-1, 1)
        return z @ self.W + self.b

    def answers(self, model, n_importance):
        return Answers(model, self.units, 1, n_importance, 8, 0)


def noise(k, rows, seed=0, members=1):
    return DoubleNoise(torch.Generator().manual_seed(seed), (members, k, rows))


class DoubleNoise(Noise):
    """The same numbers in float64."""

    def normal(self, *size):
        return super().normal(*size).double()

    def uniform(self, *size):
        return super().uniform(*size).double()


def small_model(spec, mechanism=None, seed=0, *, repeats=None, units=None, **settings):
    """A random model of the package's own making, in float64."""
    from halfseen.estimators.repeats import NO_REPEATS

    design = Design(
        n_latent=2, hidden=(8,), **{"noise": "column", "gradient": "total", **settings}
    )
    model = make_model(
        design,
        spec,
        units or Units.identity(spec),
        np.full(spec.n_columns, 0.3),
        np.ones(spec.n_columns, bool),
        torch.Generator().manual_seed(seed),
        mechanism,
        collapse=settings.pop("collapse", True) if "collapse" in settings else True,
        repeats=repeats or NO_REPEATS,
    )
    return model.double()


LOG_2PI = math.log(2 * math.pi)
