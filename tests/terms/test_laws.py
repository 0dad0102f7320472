"""Laws against scipy: scores, means, draws, quadrature, selection, tempering."""

import math

import numpy as np
import pytest
import torch
from scipy import integrate, stats

from halfseen.core.noise import Noise
from halfseen.terms.discrete_laws import AtomLaw, CategoricalLaw, GridLaw, ordered_log_probs
from halfseen.terms.laws import (
    GaussianLaw,
    NodesLaw,
    RoundedLogLaw,
    SelectedGaussianLaw,
    StudentLaw,
    normal_nodes,
)

INF = math.inf


def cells(*values):
    """Parameters of c columns with the leading axes (members, K, B)."""
    return torch.tensor(values, dtype=torch.float64).view(1, 1, 1, -1)


MU, SIGMA = cells(-0.7, 0.4), cells(0.5, 1.3)
A, B = cells(2.5, -6.0), cells(0.2, 0.9)


def noise(n=40_000, seed=0):
    return Noise(torch.Generator().manual_seed(seed), (1, n, 1))


def flat(log_probs, width=None):
    return torch.log(torch.tensor(log_probs, dtype=torch.float64))


CATEGORICAL = CategoricalLaw(
    torch.tensor([[0.2, 0.5, 0.3], [0.9, 0.1, 0.0]], dtype=torch.float64).log()[None, None, None],
    torch.tensor([True, True, True, True, True, False]),
)
GRID = GridLaw(
    torch.tensor([[0.2, 0.5, 0.3], [0.6, 0.4, 0.0]], dtype=torch.float64).log()[None, None, None],
    torch.tensor([[-1.0, 0.5, 2.0], [0.0, 3.0, 1e30]], dtype=torch.float64),
)
GAUSSIAN = GaussianLaw(MU, SIGMA)
STUDENT = StudentLaw(MU, SIGMA, cells(4.5, 9.0))
SELECTED = SelectedGaussianLaw(MU, SIGMA, A, B)
ATOM = AtomLaw(cells(-0.4, 1.2), GAUSSIAN, torch.tensor([0.0, -1.0], dtype=torch.float64))


def selected_density(x, j):
    mu, sigma, a, b = (float(v.flatten()[j]) for v in (MU, SIGMA, A, B))
    return stats.norm.pdf(x, mu, sigma) * stats.norm.cdf(a * (x - b))


def moments(density):
    mass, mean, square = (
        integrate.quad(lambda x, p=p: x**p * density(x), -12, 12, points=[0], limit=200)[0]
        for p in range(3)
    )
    return mass, mean / mass, square / mass - (mean / mass) ** 2


def test_scores_are_those_of_scipy():
    x = torch.tensor([[-2.0, 3.0], [0.1, 0.4]], dtype=torch.float64)
    mu, sigma = MU.numpy(), SIGMA.numpy()
    np.testing.assert_allclose(
        GAUSSIAN.log_prob(x).numpy(), stats.norm.logpdf(x.numpy(), mu, sigma), rtol=1e-10
    )
    expected = stats.t.logpdf(x.numpy(), STUDENT.df.numpy(), mu, sigma)
    np.testing.assert_allclose(STUDENT.log_prob(x).numpy(), expected, rtol=1e-10)


def test_the_law_of_a_masked_cell_is_normalised():
    for j in range(2):
        mass = moments(lambda x, j=j: selected_density(x, j))[0]
        x = torch.tensor([[0.3, -0.8]], dtype=torch.float64)
        expected = np.log(selected_density(float(x[0, j]), j) / mass)
        assert float(SELECTED.log_prob(x)[..., j]) == pytest.approx(expected, abs=1e-8)
        assert float(SELECTED.log_normalizer()[..., j]) == pytest.approx(np.log(mass), abs=1e-8)


@pytest.mark.parametrize("j", [0, 1])
def test_mean_and_draws_of_a_masked_cell(j):
    _, mean, variance = moments(lambda x: selected_density(x, j))
    assert float(SELECTED.mean()[..., j]) == pytest.approx(mean, abs=1e-8)
    x = SELECTED.draw(noise())[..., j]
    assert float(x.mean()) == pytest.approx(mean, abs=5 * math.sqrt(variance / 40_000))
    assert float(x.var()) == pytest.approx(variance, rel=0.04)
    density = [selected_density(v, j) for v in np.linspace(-6, 6, 4001)]
    cdf = np.cumsum(density) / np.sum(density)
    statistic = stats.kstest(
        x.flatten().numpy(), lambda v: np.interp(v, np.linspace(-6, 6, 4001), cdf)
    )
    assert statistic.pvalue > 1e-4


def test_masked_cells_far_in_the_tail_stay_finite():
    mu = torch.tensor([[[[-30.0, -8.0, 40.0]]]])
    law = SelectedGaussianLaw(mu, torch.ones(1, 1, 1, 3), torch.tensor(50.0), torch.tensor(0.0))
    draws = law.draw(Noise(torch.Generator().manual_seed(0), (1, 2000, 1)))
    assert torch.isfinite(law.mean()).all()
    assert torch.isfinite(law.log_normalizer()).all()
    assert torch.isfinite(draws).all()
    # A threshold at 0, eight deviations away: cells lie just above it.
    assert 0 < float(law.mean()[..., 1]) < 0.3
    assert float(draws[..., 1].mean()) == pytest.approx(float(law.mean()[..., 1]), abs=0.05)


@pytest.mark.parametrize(
    "law", [GAUSSIAN, STUDENT, ATOM, SELECTED], ids=lambda v: type(v).__name__
)
def test_nodes_integrate(law):
    values, log_weights = law.nodes(64)
    weights = log_weights.exp()
    torch.testing.assert_close(weights.sum(-1), torch.ones_like(weights.sum(-1)))
    curve = lambda v: torch.tanh(v) + 0.1 * v  # noqa: E731
    by_draws = curve(law.draw(noise(200_000))).mean((0, 1, 2))
    by_nodes = (weights * curve(values)).sum(-1).flatten()
    torch.testing.assert_close(by_nodes, by_draws, atol=0.012, rtol=0)
    torch.testing.assert_close((weights * values).sum(-1), law.mean(), atol=2e-3, rtol=0)
    torch.testing.assert_close(law.mean(curve).flatten(), by_draws, atol=0.012, rtol=0)


def test_nodes_of_a_normal_law_have_its_moments():
    node, log_weight = normal_nodes(12)
    for power, moment in [(0, 1), (1, 0), (2, 1), (4, 3), (6, 15)]:
        assert float((log_weight.exp() * node**power).sum()) == pytest.approx(moment, abs=1e-9)


def test_student_draws():
    x = STUDENT.draw(noise(60_000))
    for j in range(2):
        df, mu, sigma = (float(v.flatten()[j]) for v in (STUDENT.df, MU, SIGMA))
        assert stats.kstest(x[..., j].flatten().numpy(), stats.t(df, mu, sigma).cdf).pvalue > 1e-4


def test_categories():
    assert CATEGORICAL.mean().shape == (1, 1, 1, 5)
    torch.testing.assert_close(
        CATEGORICAL.mean().flatten(), torch.tensor([0.2, 0.5, 0.3, 0.9, 0.1], dtype=torch.float64)
    )
    codes = torch.tensor([[2.0, 1.0]], dtype=torch.float64)
    torch.testing.assert_close(CATEGORICAL.log_prob(codes).flatten(), flat([0.3, 0.1]))
    x = CATEGORICAL.draw(noise())
    assert float((x[..., 0] == 1).double().mean()) == pytest.approx(0.5, abs=0.015)
    assert x[..., 1].max() == 1, "A padded level was drawn."


def test_grids():
    x = torch.tensor([[0.51, 2.9]], dtype=torch.float64)
    torch.testing.assert_close(GRID.log_prob(x).flatten(), flat([0.5, 0.4]))
    mean = torch.tensor([-0.2 + 0.25 + 0.6, 1.2], dtype=torch.float64)
    torch.testing.assert_close(GRID.mean().flatten(), mean)
    draws = GRID.draw(noise())
    assert set(draws[..., 0].unique().tolist()) == {-1.0, 0.5, 2.0}
    assert set(draws[..., 1].unique().tolist()) == {0.0, 3.0}
    torch.testing.assert_close(draws.mean((0, 1, 2)), mean, atol=0.04, rtol=0)


def test_atoms():
    share = torch.sigmoid(ATOM.logit)
    at_atom = ATOM.log_prob(torch.tensor([[0.0, -1.0]], dtype=torch.float64))
    torch.testing.assert_close(at_atom.exp(), share)
    x = torch.tensor([[0.4, 0.4]], dtype=torch.float64)
    torch.testing.assert_close(ATOM.log_prob(x).exp(), (1 - share) * GAUSSIAN.log_prob(x).exp())
    draws = ATOM.draw(noise())
    hits = (draws == ATOM.atom).double().mean((0, 1, 2))
    torch.testing.assert_close(hits, share.flatten(), atol=0.015, rtol=0)
    torch.testing.assert_close(draws.mean((0, 1, 2)), ATOM.mean().flatten(), atol=0.04, rtol=0)


def atom_gradients(value, law):
    """Of a mean over draws, in the logit and the location."""
    return torch.stack(torch.autograd.grad(value, [law.logit, law.rest.mu])).flatten()


@pytest.fixture
def atom_law():
    parameters = [t.clone().requires_grad_() for t in (cells(-0.4, 1.2), MU)]
    return AtomLaw(parameters[0], GaussianLaw(parameters[1], SIGMA), ATOM.atom)


@pytest.mark.parametrize("sampler", ["mean", "straight-through"])
def test_what_stands_in_for_an_atom_has_the_gradient_of_the_mean(atom_law, sampler):
    """The rest of the law is reparameterised, and must be counted once."""
    source = noise(200_000)
    x = atom_law.draw(source)
    soft = atom_law.soft(x, sampler, source)
    if sampler == "straight-through":
        torch.testing.assert_close(soft, x)
    found = atom_gradients(soft.mean(1).sum(), atom_law)
    expected = atom_gradients(atom_law.mean().sum(), atom_law)
    torch.testing.assert_close(found, expected, atol=0.02, rtol=0)


def test_the_score_of_an_atom_leaves_the_rest_to_its_draws(atom_law):
    """E x^2 of an atom beside a Gaussian, in closed form."""
    x = atom_law.draw(noise(400_000))
    signal = (x**2).detach() * atom_law.log_choice(x.detach())
    found = atom_gradients((x**2 + signal).mean(1).sum(), atom_law)
    share = torch.sigmoid(atom_law.logit)
    second = atom_law.rest.mu**2 + SIGMA**2
    exact = (share * atom_law.atom**2 + (1 - share) * second).sum()
    torch.testing.assert_close(found, atom_gradients(exact, atom_law), atol=0.03, rtol=0)


def test_counts_have_probabilities_that_add_up():
    shift, scale = torch.tensor([1.2]).double(), torch.tensor([0.8]).double()
    law = RoundedLogLaw(cells(0.3), cells(0.9), shift, scale)
    counts = torch.arange(0, 3000, dtype=torch.float64)
    x = ((torch.log1p(counts) - shift) / scale)[:, None]
    p = law.log_prob(x).exp().flatten()
    assert float(p.sum()) == pytest.approx(1, abs=1e-5)
    normal = stats.norm(1.2 + 0.8 * 0.3, 0.8 * 0.9)
    for count in (0, 1, 7):
        low = -INF if count == 0 else np.log1p(count - 0.5)
        expected = normal.cdf(np.log1p(count + 0.5)) - normal.cdf(low)
        assert float(p[count]) == pytest.approx(expected, rel=1e-6)


def test_ordered_levels():
    eta, thresholds = torch.tensor([[0.3]]), torch.tensor([[[-1.0, 0.5, 2.0]]])
    p = ordered_log_probs(eta, thresholds).exp().flatten()
    cdf = torch.sigmoid(thresholds.flatten() - 0.3)
    expected = torch.diff(torch.cat([torch.zeros(1), cdf, torch.ones(1)]))
    torch.testing.assert_close(p, expected, atol=1e-5, rtol=1e-5)


def test_nodes_alone_draw_what_they_integrate():
    law = NodesLaw(*GAUSSIAN.nodes(128))
    x = law.draw(noise())
    torch.testing.assert_close(x.mean((0, 1, 2)), MU.flatten(), atol=0.03, rtol=0)
    torch.testing.assert_close(x.var((0, 1, 2)), SIGMA.flatten() ** 2, atol=0, rtol=0.03)
    with pytest.raises(TypeError, match="no density"):
        law.log_prob(x)


LAWS = [GAUSSIAN, STUDENT, SELECTED, ATOM, GRID, CATEGORICAL, NodesLaw(*STUDENT.nodes(32))]


@pytest.mark.parametrize("law", LAWS, ids=lambda law: type(law).__name__)
def test_selection_takes_columns(law):
    second = law.select([1])
    if not isinstance(law, CategoricalLaw):
        torch.testing.assert_close(second.mean(), law.mean()[..., 1:])
    if not isinstance(law, NodesLaw):
        x = torch.tensor([[1.0, 1.0]], dtype=torch.float64)
        torch.testing.assert_close(second.log_prob(x[:, 1:]), law.log_prob(x)[..., 1:])
    values, _ = second.nodes(32)
    assert values.shape[-2] == 1


@pytest.mark.parametrize("law", LAWS, ids=lambda law: type(law).__name__)
def test_temperature_one_changes_nothing_and_more_widens(law):
    same, wide = law.tempered(torch.tensor(1.0)), law.tempered(torch.tensor(2.0))
    torch.testing.assert_close(same.mean(), law.mean())
    if isinstance(law, SelectedGaussianLaw):
        return
    assert (
        wide.draw(noise(20_000)).var((0, 1, 2)) > law.draw(noise(20_000)).var((0, 1, 2)) * 0.99
    ).all()


@pytest.mark.parametrize("count", [0.0, 1.0, 7.0, 1e5])
def test_counts_have_the_gradient_of_their_probability(count):
    mu, sigma = (cells(v).requires_grad_() for v in (0.3, 0.9))
    law = RoundedLogLaw(mu, sigma, torch.zeros(1), torch.ones(1))
    x = torch.log1p(torch.tensor([[count]], dtype=torch.float64))
    assert torch.autograd.gradcheck(
        lambda m, s: RoundedLogLaw(m, s, law.shift, law.scale).log_prob(x), (mu, sigma)
    )
