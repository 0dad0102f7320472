"""Models of hidden cells given shown ones (VAEAC): what is scored, and what by, exactly."""

import copy

import numpy as np
import pandas as pd
import pytest
import torch
from exact_models import LOG_2PI
from family_models import MEMBERS, SPEC, family_model, hiding, maker, some_batch
from torch.nn import functional

from halfseen.core.batch import Batch
from halfseen.core.features import Features
from halfseen.methods.vae import CVAEImputer
from halfseen.methods.vaeac import VAEACImputer
from halfseen.objectives.evidence import Evidence
from halfseen.objectives.importance import importance_bound

MEMORY = [True, False]


def vaeac(memory=True, **settings):
    return family_model(VAEACImputer(memory=memory)._recipe(), **settings)


def whole_batch(n=6):
    batch = some_batch(n)
    ones = torch.ones_like(batch.s)
    x = batch.x + torch.arange(4.0) * torch.tensor([0.1, 0.0, 0.1, 0.1]).double()
    return Batch(x, ones, ones)


def some_hidden():
    """Rows that hide nothing, one cell, several, all; one of them has a hole too."""
    batch = hiding(whole_batch(), (1, 0), (2, 0), (2, 1), (3, 0), (3, 1), (3, 2), (3, 3), (4, 3))
    s, shown = batch.s.clone(), batch.shown.clone()
    s[4, 0] = shown[4, 0] = s[5, 2] = shown[5, 2] = 0.0
    return Batch(batch.x * s, s, shown)


def by_hand(model, batch, source, memory):
    """log p(z | x_S) - log q(z | x, S) + log p(x_H | z, x_S), from the layers themselves."""
    features, s = Features(SPEC)(batch.x), Features(SPEC).mask(batch.s)
    shown = Features(SPEC).mask(batch.shown)

    def members(*parts):
        return torch.cat(parts, -1).expand(MEMBERS, 1, *parts[0].shape[:-1], -1)

    def two(out):
        mean, raw = out.chunk(2, -1)
        return mean, torch.exp(0.5 * raw)

    for_prior = members(features * shown, batch.shown)
    known = functional.gelu(model.prior.body.layers[0](for_prior))
    prior = two(model.prior.out(known))
    encoder = model.proposal.encoder
    for_q = members(features * s, batch.s, batch.shown)
    q = two(encoder.out(functional.gelu(encoder.body.layers[0](for_q))))
    hides = (batch.s > batch.shown).any(-1, keepdim=True)
    q = [torch.where(hides, one, other) for one, other in zip(q, prior, strict=True)]
    z = q[0] + q[1] * source(batch).normal(model.n_latent)
    k = z.shape[1]
    parts = [z, for_prior.expand(-1, k, -1, -1), known.expand(-1, k, -1, -1)]
    raw = model.observation.decoder(torch.cat(parts if memory else parts[:2], -1))
    numbers, classes = raw.split([6, 3], -1)
    scale = 0.3 + functional.softplus(numbers[..., 3:])
    at = [0, 2, 3]
    cells = torch.zeros(*raw.shape[:-1], 4).double()
    gap = (batch.x[:, at] - numbers[..., :3]) / scale
    cells[..., at] = -0.5 * gap**2 - scale.log() - 0.5 * LOG_2PI
    code = batch.x[:, 1].long().expand(*raw.shape[:-1])
    cells[..., 1] = torch.log_softmax(classes, -1).gather(-1, code[..., None])[..., 0]
    hidden = batch.s - batch.shown

    def log_density(law):
        return (-0.5 * ((z - law[0]) / law[1]) ** 2 - law[1].log() - 0.5 * LOG_2PI).sum(-1)

    return log_density(prior) - log_density(q) + (cells * hidden).sum(-1)


@pytest.mark.parametrize("memory", MEMORY)
def test_weights_are_those_of_hidden_cells_given_shown_ones(memory):
    model, batch = vaeac(memory), some_hidden()
    with torch.no_grad():
        found = model(batch, maker(k=4)(batch)).log_w
        torch.testing.assert_close(found, by_hand(model, batch, maker(k=4), memory))
        # Shown cells enter as a condition only, and cells that are missing not at all.
        other = batch.x.clone()
        other[1, 2] += 1.0
        changed = Batch(other, batch.s, batch.shown)
        found = model(changed, maker(k=4)(batch)).log_w
        torch.testing.assert_close(found, by_hand(model, changed, maker(k=4), memory))
        gone = Batch(torch.where(batch.s > 0, batch.x, 2.0), batch.s, batch.shown)
        same = model(gone, maker(k=4)(batch)).log_w
        torch.testing.assert_close(same, model(batch, maker(k=4)(batch)).log_w)


@pytest.mark.parametrize("memory", MEMORY)
def test_with_everything_shown_nothing_is_left_to_weigh(memory):
    model, batch = vaeac(memory), some_batch()
    with torch.no_grad():
        weighted = model(batch, maker(k=4)(batch))
    assert torch.equal(weighted.log_w, torch.zeros(MEMBERS, 4, len(batch)).double())
    assert torch.equal(weighted.law.mean, weighted.prior.mean)
    assert torch.equal(weighted.law.log_scale, weighted.prior.log_scale)
    assert not weighted.kl().any()
    losses = Evidence()(model, batch, maker(), 1.0)
    assert all(float(loss.detach()) == 0.0 for loss in losses.values())


def test_rows_that_hide_and_rows_that_do_not_may_stand_side_by_side():
    model, batch = vaeac(), some_hidden()
    with torch.no_grad():
        together = model(batch, maker(k=4)(batch))
        assert not together.log_w[:, :, [0, 5]].any()
        assert (together.log_w[:, :, 1:5].abs() > 1e-3).all()
        for row in range(len(batch)):
            alone = Batch(batch.x[[row]], batch.s[[row]], batch.shown[[row]])
            law = model.proposal(alone)
            torch.testing.assert_close(law.mean[:, :, 0], together.law.mean[:, :, row])
            torch.testing.assert_close(law.log_scale[:, :, 0], together.law.log_scale[:, :, row])


def test_members_may_hide_other_cells():
    model, batch = vaeac(), whole_batch()
    one, other = hiding(batch, (0, 0), (2, 3)), hiding(batch, (1, 1))
    s = batch.s.expand(2, 1, 6, 4)
    both = Batch(batch.x, s, torch.stack([one.shown, other.shown])[:, None])
    with torch.no_grad():
        found = model(both, maker()(batch)).log_w
        for member, alone in enumerate((one, other)):
            expected = model(alone, maker()(batch)).log_w[member]
            torch.testing.assert_close(found[member], expected)


def log_marginal(model, batch, n=20_001):
    """log of the integral of p(z | x_S) p(x_H | z, x_S) over a z of one dimension."""
    z = (
        torch.linspace(-40, 40, n, dtype=torch.float64)
        .view(1, n, 1, 1)
        .expand(MEMBERS, n, len(batch), 1)
    )
    with torch.no_grad():
        prior = model.prior(batch).log_prob(z)
        cells = model.observation(z, batch).log_prob(batch.x, model.scored(batch))
    return torch.logsumexp(prior + cells, 1) + np.log(80 / (n - 1))


def test_the_bound_is_the_integral_over_z_from_below():
    model = vaeac(n_latent=1, encoder_linear=True)
    batch = some_hidden()
    exact = log_marginal(model, batch)
    torch.testing.assert_close(
        exact[:, [0, 5]], torch.zeros(MEMBERS, 2).double(), atol=1e-6, rtol=0
    )
    with torch.no_grad():
        log_w = model(batch, maker(k=30_000)(batch)).log_w
    bounds = [importance_bound(log_w.unflatten(1, (-1, k))).mean() for k in (1, 10, 100)]
    assert bounds[0] < bounds[1] < bounds[2] < exact.mean() + 1e-3
    torch.testing.assert_close(importance_bound(log_w), exact, atol=0.02, rtol=0)


def test_scores_of_rows_are_log_densities_of_all_that_is_seen():
    """From the estimator, in data units: two columns in one modality have one latent number."""
    rng = np.random.default_rng(0)
    u = rng.normal(size=(300, 1))
    X = pd.DataFrame(u @ [[3.0, -1.0]] + rng.normal(size=(300, 2)), columns=["a", "b"])
    X.iloc[::5, 0] = np.nan
    X.iloc[1::5, 1] = np.nan
    imputer = VAEACImputer(
        n_latent=1, blocks={"both": ["a", "b"]}, hidden=(16,), n_members=1, max_steps=150,
        n_importance_predict=2000, repeats="none", random_state=0,
    ).fit(X)  # fmt: skip
    assert imputer.model_.n_latent == 1
    with torch.no_grad():
        # A proposal that is off: with few samples the bound is well below.
        imputer.model_.proposal.encoder.out.bias[..., 0] += 1.0
    some = X.iloc[:40]
    values = some.to_numpy()
    rows = imputer._rows(values).take(slice(None))
    batch = imputer.model_.whole(rows)
    assert not batch.shown.any()
    z = torch.linspace(-12, 12, 4001).view(1, -1, 1, 1)
    prior = imputer.model_.prior(batch).log_prob(z)
    cells = imputer.model_.observation(z.expand(1, -1, 40, 1), batch).log_prob(batch.x, batch.s)
    exact = (torch.logsumexp(prior + cells, 1) + np.log(24 / 4000))[0].numpy()
    exact = exact - np.where(np.isnan(values), 0.0, np.log(imputer.units_.scale)).sum(1)
    np.testing.assert_allclose(imputer.score_samples(some), exact, atol=0.05)
    # A chunk of noise is shared by all rows: the mean over seeds is what has to rise.
    means = [_mean_score(imputer, some, k) for k in (1, 5, 50)]
    assert means[0] + 0.1 < means[1] < means[2]
    assert means[2] == pytest.approx(exact.mean(), abs=0.06)


def _mean_score(imputer, X, k, n_seeds=100):
    seeded = copy.copy(imputer)
    scores = []
    for seed in range(n_seeds):
        seeded.seed_ = seed
        scores.append(seeded.log_likelihood(X, k).mean())
    return np.mean(scores)


def test_a_decoder_that_sees_the_data_sees_what_the_encoder_sees():
    """CVAE with data: hidden cells are unknown to both, and all that is seen is scored."""
    model = family_model(CVAEImputer(condition="data")._recipe())
    assert not model.conditional
    batch = some_hidden()
    other = batch.x.clone()
    hidden = batch.s > batch.shown
    other[:, [0, 2, 3]] += 5.0 * hidden[:, [0, 2, 3]]
    changed = Batch(other, batch.s, batch.shown)
    with torch.no_grad():
        one, two = (model(b, maker(k=3)(b)) for b in (batch, changed))
        torch.testing.assert_close(one.z, two.z, atol=0, rtol=0)
        torch.testing.assert_close(
            one.completion.decoded.cell_log_prob(batch.x),
            two.completion.decoded.cell_log_prob(batch.x),
        )
        expected = one.completion.decoded.cell_log_prob(batch.x) * batch.s
        torch.testing.assert_close(one.terms["observation"], expected.sum(-1))


def test_the_exact_conditional_is_found_by_learning():
    """One latent, two Gaussian columns: p(x_2 | x_1) of a linear model is learned."""
    rng = np.random.default_rng(1)
    u = rng.normal(size=(1000, 1))
    X = u @ [[1.0, 1.0]] + 0.5 * rng.normal(size=(1000, 2))
    imputer = VAEACImputer(
        hidden=(16,), n_members=1, max_steps=400, repeats="none", random_state=0
    ).fit(X)
    grid = np.linspace(-2, 2, 9)
    answers = imputer.transform(np.column_stack([grid, np.full(9, np.nan)]))[:, 1]
    np.testing.assert_allclose(answers, 0.8 * grid, atol=0.15)
