"""The conditional prior is held near N(0, I): the term by hand."""

import numpy as np
import torch
from torch.distributions import Normal, kl_divergence

from halfseen.core.noise import Noise, new_generator
from halfseen.methods.vaeac import VAEACImputer
from halfseen.objectives.evidence import Conditional, Evidence


def fitted(**settings):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 4))
    X[rng.random(X.shape) < 0.3] = np.nan
    imputer = VAEACImputer(hidden=(8,), n_latent=1, random_state=0, **settings)
    return imputer.fit(X), X


def test_losses_are_those_of_the_evidence_and_the_divergence_by_hand():
    imputer, X = fitted(max_steps=20)
    batch = imputer._rows(X).take(slice(10), torch.zeros(10, 4))

    def losses(objective):
        return objective(imputer.model_, batch, lambda b: Noise(new_generator(1), (2, 1, 10)), 1.0)

    ours, plain = losses(Conditional(prior_weight=0.3)), losses(Evidence())
    prior = imputer.model_.prior(batch)
    law = Normal(prior.mean, prior.log_scale.exp())
    exact = kl_divergence(law, Normal(torch.zeros(()), torch.ones(()))).sum(-1).mean((1, 2)).sum()
    torch.testing.assert_close(ours.pop("prior"), 0.3 * exact)
    assert ours == plain
