"""The missing cell integrated out: each form against scipy's integrals and against sampling."""

import math

import numpy as np
import pytest
import torch
from exact_models import DoubleNoise, noise, small_model
from scipy import integrate, stats

from halfseen.core.batch import Batch
from halfseen.core.spec import Column, DataSpec
from halfseen.estimators.repeats import Repeats
from halfseen.mechanisms import LinearMechanism, SelfMasking
from halfseen.objectives.importance import importance_bound
from halfseen.terms.completion import Completion
from halfseen.terms.latent import LatentModel
from halfseen.terms.mechanism import CollapsedTerm, SampledTerm

SLOPE, PLACE = 1.7, 0.35
SPEC = DataSpec.continuous(2)
LINKS = {
    "probit": stats.norm.cdf,
    "logistic": lambda v: 1 / (1 + np.exp(-v)),
}


def a_mechanism(spec, link="probit", incomplete=None, slope=SLOPE, place=PLACE):
    """High values of the first column and low values of the others go missing."""
    direction = {name: "high" if j == 0 else "low" for j, name in enumerate(spec.names)}
    mechanism = SelfMasking(direction, link=link, slope=slope)
    holes = torch.ones(spec.n_columns, dtype=torch.bool) if incomplete is None else incomplete
    mechanism.bind(spec, holes, 1, torch.Generator().manual_seed(0))
    with torch.no_grad():
        mechanism.location.fill_(place)
        levels = torch.linspace(-1, 2, spec.n_features)
        mechanism.level_logits.copy_(levels.expand_as(mechanism.level_logits))
    return mechanism.double().requires_grad_(False)


def decoded_by(model, n_z=3):
    model.requires_grad_(False)
    z = torch.randn(1, n_z, 1, 2, generator=torch.Generator().manual_seed(4)).double()
    with torch.no_grad():
        return model.observation(z, None)


def numeric_truth(density, atoms, a, link, n_moments=3):
    """log p(s = 0 | z), and mean and variance given s = 0, of one column."""

    def gone(v):
        return LINKS[link](a * (v - PLACE))

    total = []
    for power in range(n_moments):
        part = sum(p * gone(v) * v**power for v, p in atoms)
        if density is not None:
            part += integrate.quad(
                lambda v, k=power: v**k * density(v) * gone(v),
                -60,
                60,
                points=[0, PLACE],
                limit=500,
            )[0]
        total.append(part)
    mean = total[1] / total[0]
    return math.log(total[0]), mean, total[2] / total[0] - mean**2


def addend(term, decoded, batch):
    return term(Completion(decoded, batch, None, None), batch)


def check_against(truths, term, decoded, *, log_tol=1e-5, mean_tol=1e-4, spread_tol=0.04):
    """A term's log p(s = 0 | z), E[x | z, s = 0] and draws, against (k, column) truths."""
    p = term.mechanism.incomplete.numel()
    hidden = term.complete(decoded)
    means = [head.columns for head in hidden.heads]
    mean = torch.zeros(1, 3, 1, p, dtype=torch.float64)
    for columns, law in zip(means, hidden.laws, strict=True):
        mean[..., columns] = law.mean().expand(1, 3, 1, -1)
    n = 20_000
    big = DoubleNoise(torch.Generator().manual_seed(1), (1, 3, n))
    draws = hidden.draw(big, p)
    for (k, j), (log_gone, truth, variance) in truths.items():
        s = torch.ones(1, p, dtype=torch.float64)
        s[0, j] = 0
        others = Batch(torch.zeros(1, p).double(), s, s)
        everything = Batch(others.x, torch.ones_like(s), torch.ones_like(s))
        with torch.no_grad():
            found = addend(term, decoded, others)[0, k, 0]
            seen = addend(term, decoded, everything)[0, 0, 0]
            own = _own_log_observed(term, j)
        assert float(found - (seen - own)) == pytest.approx(log_gone, abs=log_tol)
        assert float(mean[0, k, 0, j]) == pytest.approx(truth, abs=mean_tol)
        x = draws[0, k, :, j]
        assert float(x.mean()) == pytest.approx(truth, abs=5 * math.sqrt(variance / n) + mean_tol)
        assert float(x.var()) == pytest.approx(variance, rel=spread_tol + 0.03)


def _own_log_observed(term, j):
    features = torch.zeros(1, 1, 1, len(term.mechanism.feature_column), dtype=torch.float64)
    seen = torch.ones(len(term.mechanism.incomplete), dtype=torch.float64)
    return term.mechanism.cell_log_prob(features, seen)[0, 0, 0, j]


def column_laws(decoded):
    (law,) = decoded.laws
    return law


@pytest.mark.parametrize("link", ["probit", "logistic"])
def test_gaussian_columns(link):
    model = small_model(SPEC, noise="row")
    decoded = decoded_by(model)
    mechanism = a_mechanism(SPEC, link)
    term = CollapsedTerm(mechanism, decoded.heads, mechanism.incomplete)
    law = column_laws(decoded)
    truths = {}
    for k in range(3):
        for j, a in enumerate((SLOPE, -SLOPE)):
            normal = stats.norm(float(law.mu[0, k, 0, j]), float(law.sigma[0, k, 0, j]))
            truths[k, j] = numeric_truth(normal.pdf, [], a, link)
    check_against(truths, term, decoded)


@pytest.mark.parametrize("link", ["probit", "logistic"])
def test_student_columns(link):
    model = small_model(SPEC, observation="student")
    decoded = decoded_by(model)
    mechanism = a_mechanism(SPEC, link)
    term = CollapsedTerm(mechanism, decoded.heads, mechanism.incomplete)
    law = column_laws(decoded)
    truths = {}
    for k in range(3):
        for j, a in enumerate((SLOPE, -SLOPE)):
            mu, sigma = float(law.mu[0, k, 0, j]), float(law.sigma.flatten()[j])
            student = stats.t(float(law.df.flatten()[j]), mu, sigma)
            truths[k, j] = numeric_truth(student.pdf, [], a, link)
    check_against(truths, term, decoded, log_tol=5e-3, mean_tol=5e-3, spread_tol=0.12)


@pytest.mark.parametrize("link", ["probit", "logistic"])
def test_columns_with_an_atom(link):
    model = small_model(SPEC, repeats=Repeats(atom={0: 0.0, 1: 0.8}))
    decoded = decoded_by(model)
    mechanism = a_mechanism(SPEC, link)
    term = CollapsedTerm(mechanism, decoded.heads, mechanism.incomplete)
    law = column_laws(decoded)
    truths = {}
    for k in range(3):
        for j, a in enumerate((SLOPE, -SLOPE)):
            share = float(torch.sigmoid(law.logit[0, k, 0, j]))
            normal = stats.norm(float(law.rest.mu[0, k, 0, j]), float(law.rest.sigma.flatten()[j]))
            truths[k, j] = numeric_truth(
                lambda v, normal=normal, share=share: (1 - share) * normal.pdf(v),
                [(float(law.atom[j]), share)],
                a,
                link,
            )
    check_against(truths, term, decoded)
    hidden = column_laws(term.complete(decoded))
    draws = hidden.draw(DoubleNoise(torch.Generator().manual_seed(1), (1, 3, 500)))
    assert (draws == law.atom).any(2).all(), "The atom is never drawn."


@pytest.mark.parametrize("link", ["probit", "logistic"])
def test_bernoulli_pixels(link):
    model = small_model(SPEC, observation="bernoulli")
    decoded = decoded_by(model)
    mechanism = a_mechanism(SPEC, link)
    term = CollapsedTerm(mechanism, decoded.heads, mechanism.incomplete)
    shares = torch.sigmoid(column_laws(decoded).logits)
    truths = {}
    for k in range(3):
        for j, a in enumerate((SLOPE, -SLOPE)):
            share = float(shares[0, k, 0, j])
            truths[k, j] = numeric_truth(None, [(0.0, 1 - share), (1.0, share)], a, link)
    check_against(truths, term, decoded)


def test_columns_on_grids_of_different_lengths():
    model = small_model(SPEC, repeats=Repeats(grid={0: [-1.0, 0.0, 1.5], 1: [0.0, 2.0]}))
    decoded = decoded_by(model)
    mechanism = a_mechanism(SPEC)
    term = CollapsedTerm(mechanism, decoded.heads, mechanism.incomplete)
    law = column_laws(decoded)
    truths = {}
    for k in range(3):
        for j, a in enumerate((SLOPE, -SLOPE)):
            p = law.log_p[0, k, 0, j].exp().tolist()
            atoms = [(v, q) for v, q in zip(law.values[j].tolist(), p, strict=True) if q > 0]
            truths[k, j] = numeric_truth(None, atoms, a, "probit")
    check_against(truths, term, decoded)
    hidden = column_laws(term.complete(decoded))
    cells = hidden.draw(DoubleNoise(torch.Generator().manual_seed(1), (1, 3, 500)))
    assert set(cells[..., 0].unique().tolist()) <= {-1.0, 0.0, 1.5}
    assert set(cells[..., 1].unique().tolist()) <= {0.0, 2.0}


def test_categorical_columns():
    spec = DataSpec((Column("a", "nominal", n_levels=3), Column("b", "binary", n_levels=2)))
    model = small_model(spec)
    decoded = decoded_by(model)
    mechanism = a_mechanism(spec)
    term = CollapsedTerm(mechanism, decoded.heads, mechanism.incomplete)
    law = column_laws(decoded)
    gone = torch.sigmoid(mechanism.level_logits[0]).detach()
    for j, (start, width) in enumerate([(0, 3), (3, 2)]):
        p = law.log_p[0, :, 0, j, :width].exp()
        joint = p * gone[start : start + width]
        s = torch.ones(1, 2, dtype=torch.float64)
        s[0, j] = 0
        x = torch.zeros(1, 2, dtype=torch.float64)
        with torch.no_grad():
            found = addend(term, decoded, Batch(x, s, s))[0, :, 0]
        other = torch.log1p(-gone[3 if j == 0 else 0])
        torch.testing.assert_close(found, joint.sum(-1).log() + other)
        posterior = joint / joint.sum(-1, keepdim=True)
        hidden = column_laws(term.complete(decoded))
        torch.testing.assert_close(hidden.log_p[0, :, 0, j, :width].exp(), posterior)
        draws = hidden.draw(DoubleNoise(torch.Generator().manual_seed(2), (1, 3, 20_000)))[
            0, ..., j
        ]
        for level in range(width):
            share = (draws == level).double().mean(-1)
            torch.testing.assert_close(share, posterior[:, level], atol=0.016, rtol=0)


def with_term(model, term):
    return LatentModel(2, model.proposal, model.observation, {"mechanism": term}, "total")


def rows_with_holes(n=5, p=2):
    generator = torch.Generator().manual_seed(8)
    x = torch.randn(n, p, generator=generator).double()
    s = torch.ones(n, p).double()
    s[0, 0] = s[1, 1] = 0
    s[2] = 0
    return Batch(x * s, s, s)


@pytest.mark.parametrize("link", ["probit", "logistic"])
@pytest.mark.parametrize("observation", ["gaussian", "student"])
def test_collapsed_and_sampled_bounds_agree(link, observation):
    model, batch = small_model(SPEC, observation=observation), rows_with_holes()
    mechanism = a_mechanism(SPEC, link)
    heads = list(model.observation.heads)
    collapsed = with_term(model, CollapsedTerm(mechanism, heads, mechanism.incomplete))
    sampled = with_term(model, SampledTerm(mechanism))
    with torch.no_grad():
        one, two = (m(batch, noise(60_000, 1)).log_w for m in (collapsed, sampled))
    torch.testing.assert_close(importance_bound(one), importance_bound(two), atol=0.03, rtol=0)
    assert one.var(1).mean() < two.var(1).mean(), "Integrating a cell out must lower the noise."
    means = [
        torch.einsum("kb,kbp->bp", torch.softmax(w.log_w, 1)[0], w.completion.mean(_units(), 2)[0])
        for w in (m(batch, noise(60_000, 1)) for m in (collapsed, sampled))
    ]
    holes = batch.s == 0
    torch.testing.assert_close(means[0][holes], means[1][holes], atol=0.06, rtol=0)


def _units():
    from halfseen.core.units import Units

    return Units.identity(SPEC)


def test_the_collapsed_bound_is_tighter_at_k_1():
    model, batch = small_model(SPEC), rows_with_holes()
    mechanism = a_mechanism(SPEC)
    heads = list(model.observation.heads)
    collapsed = with_term(model, CollapsedTerm(mechanism, heads, mechanism.incomplete))
    sampled = with_term(model, SampledTerm(mechanism))
    with torch.no_grad():
        one, two = (m(batch, noise(20_000, 5)).log_w.mean(1)[0] for m in (collapsed, sampled))
    holes = (batch.s == 0).any(1)
    assert (one[holes] > two[holes]).all()
    torch.testing.assert_close(one[~holes], two[~holes])


@pytest.mark.parametrize("collapse", [True, False])
@pytest.mark.parametrize("link", ["probit", "logistic"])
def test_a_constant_mechanism_adds_bernoulli_log_probabilities(link, collapse):
    model, batch = small_model(SPEC), rows_with_holes()
    mechanism = a_mechanism(SPEC, link)
    with torch.no_grad():
        mechanism.raw_slope.fill_(-60.0)
    heads = list(model.observation.heads)
    term = (
        CollapsedTerm(mechanism, heads, mechanism.incomplete)
        if collapse
        else SampledTerm(mechanism)
    )
    with torch.no_grad():
        plain = model(batch, noise(7, 1))
        with_mechanism = with_term(model, term)(batch, noise(7, 1))
    torch.testing.assert_close(
        importance_bound(with_mechanism.log_w),
        importance_bound(plain.log_w) + 2 * math.log(0.5),
    )
    torch.testing.assert_close(
        torch.softmax(with_mechanism.log_w, 1), torch.softmax(plain.log_w, 1)
    )
    if collapse:
        torch.testing.assert_close(
            with_mechanism.completion.mean(_units(), 2), plain.completion.mean(_units(), 2)
        )


def test_columns_that_fit_saw_whole_keep_their_law():
    """Nothing was learned about why they would be missing, so nothing is assumed."""
    model = small_model(SPEC)
    decoded = decoded_by(model)
    mechanism = a_mechanism(SPEC, incomplete=torch.tensor([True, False]), slope=50.0, place=3.0)
    term = CollapsedTerm(mechanism, decoded.heads, mechanism.incomplete)
    hidden = column_laws(term.complete(decoded)).mean()
    torch.testing.assert_close(hidden[..., 1], column_laws(decoded).mean()[..., 1])
    assert (hidden[..., 0] > column_laws(decoded).mean()[..., 0] + 0.5).all()
    batch = rows_with_holes()
    alone = Batch(batch.x[..., :1], batch.s[..., :1], batch.s[..., :1])
    with torch.no_grad():
        whole = addend(term, decoded, batch)
        first = mechanism.log_observed(mechanism.margin(alone.x, [0]))[..., 0]
    seen = alone.s[:, 0] > 0
    torch.testing.assert_close(whole[0, 0, seen], first[0, 0, seen])


def test_averaging_decoder_means_is_biased_and_averaging_samples_is_not():
    """One cell, no row information: p(x) = N(0, 1) and it is missing because it is high.

    A weight that has seen x must average x itself. Decoder means of z give half of the truth
    where half of the variance of x comes from z.
    """
    spec = DataSpec.continuous(1)
    model = small_model(spec)
    with torch.no_grad():
        model.observation.decoder.linear = None
        model.observation.decoder.out = None
    model.observation.decoder.forward = lambda z: z[..., :1] * math.sqrt(0.5)
    head = model.observation.heads[0]
    head.scale = lambda raw: torch.full((1, 1, 1, 1), math.sqrt(0.5)).double()
    model.proposal.forward = lambda batch: _standard(len(batch))
    mechanism = a_mechanism(spec, slope=20.0, place=1.0).double()
    _, truth, _ = _threshold_truth(20.0, 1.0)
    zero = torch.zeros(1, 1).double()
    batch = Batch(zero, zero, zero)
    sampled = with_term(model, SampledTerm(mechanism))
    collapsed = with_term(model, CollapsedTerm(mechanism, [head], mechanism.incomplete))
    from halfseen.core.units import Units

    units = Units.identity(spec)
    with torch.no_grad():
        weighted = sampled(batch, noise(200_000, 1))
        w = torch.softmax(weighted.log_w, 1)[..., None]
        ours = float((w * weighted.completion.mean(units, 1)).sum())
        released = float((w * model.observation(weighted.z, batch).mean(units, 1)).sum())
        exact = collapsed(batch, noise(200_000, 1))
        w = torch.softmax(exact.log_w, 1)[..., None]
        by_closed_form = float((w * exact.completion.mean(units, 1)).sum())
    assert ours == pytest.approx(truth, abs=0.02)
    assert by_closed_form == pytest.approx(truth, abs=0.02)
    assert released == pytest.approx(truth / 2, abs=0.02)


def _standard(n):
    from halfseen.terms.proposal import ProposalLaw

    zeros = torch.zeros(1, 1, n, 2).double()
    return ProposalLaw(zeros, zeros)


def _threshold_truth(a, b):
    def density(x):
        return stats.norm.pdf(x) * stats.norm.cdf(a * (x - b))

    total = [
        integrate.quad(lambda x, k=k: x**k * density(x), -8, 8, points=[b], limit=300)[0]
        for k in range(3)
    ]
    return math.log(total[0]), total[1] / total[0], 0.0


@pytest.mark.parametrize("value", [1e6, -4.0])
@pytest.mark.parametrize("make", ["collapsed", "sampled", "linear"])
def test_the_filler_does_not_enter_the_mechanism(make, value):
    model, batch = small_model(SPEC), rows_with_holes()
    mechanism = a_mechanism(SPEC)
    if make == "collapsed":
        term = CollapsedTerm(mechanism, list(model.observation.heads), mechanism.incomplete)
    elif make == "sampled":
        term = SampledTerm(mechanism)
    else:
        mechanism = LinearMechanism()
        mechanism.bind(SPEC, torch.tensor([True, True]), 1, torch.Generator().manual_seed(0))
        term = SampledTerm(mechanism.double())
    full = with_term(model, term).requires_grad_(True)
    filled = Batch(
        torch.where(batch.s > 0, batch.x, torch.full_like(batch.x, value)), batch.s, batch.s
    )
    results = []
    for rows in (batch, filled):
        full.zero_grad()
        weighted = full(rows, noise(5, 1))
        importance_bound(weighted.log_w).sum().backward()
        found = {n: p.grad.clone() for n, p in full.named_parameters() if p.grad is not None}
        assert all(torch.isfinite(g).all() for g in found.values())
        results.append((weighted.log_w.detach(), found))
    torch.testing.assert_close(results[0], results[1])
