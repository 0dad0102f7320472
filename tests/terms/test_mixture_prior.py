"""The mixture prior: its density, its draws, and the standard normal as a special case."""

import torch
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from halfseen.core.noise import Noise, new_generator
from halfseen.terms.proposal import MixturePrior, log_prior


def prior(n_members=2, n_components=3, n_latent=2):
    made = MixturePrior(n_members, n_components, n_latent, new_generator(0))
    made.requires_grad_(False)
    made.share.copy_(torch.tensor([0.5, -1.0, 0.3]).expand_as(made.share))
    return made


def test_density_is_that_of_a_mixture():
    made = prior()
    law, z = made(None), torch.randn(2, 4, 5, 2, generator=torch.Generator().manual_seed(1))
    for m in range(2):
        parts = Independent(Normal(made.mean[m, 0, 0], 1.0), 1)
        shares = Categorical(logits=made.share[m, 0, 0])
        exact = MixtureSameFamily(shares, parts).log_prob(z[m])
        torch.testing.assert_close(law.log_prob(z)[m], exact)


def test_one_component_at_zero_is_the_standard_normal():
    made = MixturePrior(1, 1, 3, new_generator(0)).requires_grad_(False)
    made.mean.zero_()
    z = torch.randn(1, 2, 4, 3, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(made(None).log_prob(z), log_prior(z))


def test_draws_have_the_moments_of_the_mixture():
    made = prior()
    z = made(None).sample(Noise(new_generator(3), (2, 1, 200_000)), 2)
    assert z.shape == (2, 1, 200_000, 2)
    share, mean = made.share.softmax(-1)[:, 0, 0], made.mean[:, 0, 0]
    center = (share[..., None] * mean).sum(1)
    spread = 1 + (share[..., None] * (mean - center[:, None]) ** 2).sum(1)
    torch.testing.assert_close(z.mean((1, 2)), center, atol=0.02, rtol=0)
    torch.testing.assert_close(z.var((1, 2)), spread, atol=0.03, rtol=0)
