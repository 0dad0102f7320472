"""Expected activations: against integrals, draws, dense algebra and the ordinary network."""

import math

import numpy as np
import pytest
import torch
from scipy import integrate, stats
from torch import nn

from halfseen.core.factor_mixture import FactorMixture
from halfseen.core.hole_law import HoleLaw
from halfseen.core.low_rank_normal import LowRankNormal
from halfseen.errors import SettingError
from halfseen.nn.expected import (
    ExpectedBins,
    ExpectedUnits,
    expected_probit,
    expected_relu,
)
from halfseen.nn.expected_layer import ExpectedReLU
from halfseen.nn.heads import PiecewiseLinear

NAN = float("nan")
N, C, F, L, H = 12, 3, 5, 2, 7


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def mixture(dtype=torch.float64):
    g = seeded()
    law = LowRankNormal(
        torch.randn(C, F, generator=g, dtype=dtype),
        torch.randn(C, F, L, generator=g, dtype=dtype),
        0.1 + torch.rand(C, F, generator=g, dtype=dtype),
    )
    return FactorMixture(torch.tensor([0.2, 0.5, 0.3], dtype=dtype).log(), law)


def rows(dtype=torch.float64):
    g = seeded(1)
    x = 2 * torch.randn(N, F, generator=g, dtype=dtype)
    s = (torch.rand(N, F, generator=g) < 0.5).to(dtype)
    s[0], s[1] = 0.0, 1.0
    return x * s, s


def hole_law(most=None):
    model, (x, s) = mixture(), rows()
    return HoleLaw.of(model.conditional(model.posterior(x, s)), x, s, most)


def units(n_members=2, activation="relu"):
    return ExpectedUnits(n_members, F, H, seeded(2), activation).double()


def dense(model, x, s):
    """Weights (C,), means (C, F) and covariances (C, F, F) of one row, by solving."""
    seen = s.numpy() > 0
    logs, means, covariances = [], [], []
    for c in range(model.n_components):
        mu, a = model.law.mean[c].numpy(), model.law.factor[c].numpy()
        sigma = a @ a.T + np.diag(model.law.variance[c].numpy())
        mean, covariance = x.numpy().copy(), np.zeros_like(sigma)
        inner = sigma[np.ix_(seen, seen)]
        gain = sigma[np.ix_(~seen, seen)] @ np.linalg.inv(inner)
        mean[~seen] = mu[~seen] + gain @ (x.numpy() - mu)[seen]
        covariance[np.ix_(~seen, ~seen)] = (
            sigma[np.ix_(~seen, ~seen)] - gain @ sigma[np.ix_(seen, ~seen)]
        )
        density = 0.0
        if seen.any():
            density = stats.multivariate_normal(mu[seen], inner).logpdf(x.numpy()[seen])
        logs.append(float(model.log_weights[c]) + density)
        means.append(mean)
        covariances.append(covariance)
    weights = np.exp(np.array(logs) - np.logaddexp.reduce(logs))
    return weights, np.array(means), np.array(covariances)


# ---- one unit -------------------------------------------------------------------------------


@pytest.mark.parametrize("mean", [-4.0, -0.3, 0.0, 1.0, 6.0])
@pytest.mark.parametrize("variance", [1e-4, 0.5, 9.0])
def test_one_unit_against_an_integral(mean, variance):
    law = stats.norm(mean, math.sqrt(variance))
    top = max(0.0, mean) + 12 * math.sqrt(variance)
    middle = [mean] if 0 < mean < top else None
    relu, _ = integrate.quad(
        lambda h: h * law.pdf(h), 0.0, top, points=middle, epsabs=1e-13, limit=200
    )
    low, high = mean - 12 * math.sqrt(variance), mean + 12 * math.sqrt(variance)
    probit, _ = integrate.quad(
        lambda h: stats.norm.cdf(h) * law.pdf(h), low, high, points=[mean], epsabs=1e-13
    )
    m, v = torch.tensor([mean, variance], dtype=torch.float64)
    assert float(expected_relu(m, v)) == pytest.approx(relu, rel=1e-8, abs=1e-12)
    assert float(expected_probit(m, v)) == pytest.approx(probit, rel=1e-8)


def test_derivatives_by_finite_differences():
    g = seeded()
    mean = (2 * torch.randn(20, generator=g, dtype=torch.float64)).requires_grad_(True)
    variance = (0.05 + torch.rand(20, generator=g, dtype=torch.float64)).requires_grad_(True)
    for function in (expected_relu, expected_probit):
        assert torch.autograd.gradcheck(function, (mean, variance))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_no_variance_is_the_ordinary_unit(dtype):
    mean = torch.tensor([-2.0, -1e-6, 0.0, 1e-6, 3.0, 1e12, -1e12], dtype=dtype)
    mean.requires_grad_(True)
    variance = torch.zeros_like(mean, requires_grad=True)
    answer = expected_relu(mean, variance)
    torch.testing.assert_close(answer, torch.relu(mean), rtol=0, atol=0.5 * torch.finfo(dtype).eps)
    answer.sum().backward()
    assert mean.grad.round(decimals=12).tolist() == [0, 0, 0.5, 1, 1, 1, 0]
    assert torch.isfinite(variance.grad).all()


def test_second_derivatives_are_refused():
    x = torch.tensor([2.0], requires_grad=True)
    [slope] = torch.autograd.grad(expected_relu(x, x).square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        slope.sum().backward()


def test_hardly_any_variance_and_far_tails_stay_finite():
    mean = torch.tensor([0.0, 1e-8, -5.0, 30.0, -30.0, 1e12, -1e12]).repeat(4, 1)
    variance = torch.tensor([1e-30, 1e-13, 1e-6, 1.0])[:, None].expand_as(mean).clone()
    mean.requires_grad_(True)
    variance.requires_grad_(True)
    answer = expected_relu(mean, variance)
    assert (answer >= torch.relu(mean)).all()
    torch.testing.assert_close(answer[:, 3:], torch.relu(mean)[:, 3:])
    answer.sum().backward()
    assert torch.isfinite(mean.grad).all()
    assert torch.isfinite(variance.grad).all()


def test_the_tail_of_float32_loses_few_digits():
    mean = torch.tensor([-3.0, -5.0, -7.0])
    exact = expected_relu(mean.double(), torch.ones(3).double())
    torch.testing.assert_close(
        expected_relu(mean, torch.ones(3)).double(), exact, rtol=1e-3, atol=0
    )


# ---- layers ---------------------------------------------------------------------------------


def test_a_mixture_with_random_masks_against_dense_algebra():
    model, (x, s), layer = mixture(), rows(), units()
    answer = layer(hole_law())
    assert answer.shape == (2, 1, N, H)
    weight, bias = layer.linear.weight.detach().numpy(), layer.linear.bias.detach().numpy()
    for i in range(N):
        p, means, covariances = dense(model, x[i], s[i])
        for member in range(2):
            w = weight[member]
            m = means @ w + bias[member]
            sd = np.sqrt(np.einsum("fh,cfg,gh->ch", w, covariances, w))
            t = np.divide(m, sd, out=np.zeros_like(m), where=sd > 0)
            smooth = m * stats.norm.cdf(t) + sd * stats.norm.pdf(t)
            expected = p @ np.where(sd > 0, smooth, np.maximum(m, 0))
            np.testing.assert_allclose(answer[member, 0, i].detach(), expected, atol=1e-10)


@pytest.mark.parametrize("activation", ["relu", "probit"])
def test_against_draws_of_the_holes(activation):
    model, (x, s), layer = mixture(), rows(), units(1, activation)
    answer, rng, n = layer(hole_law())[0, 0].detach(), np.random.default_rng(0), 40_000
    function = {"relu": torch.relu, "probit": torch.special.ndtr}[activation]
    for i in range(4):
        p, means, covariances = dense(model, x[i], s[i])
        parts = [
            rng.multivariate_normal(m, v, size=round(n * weight), method="eigh")
            for weight, m, v in zip(p, means, covariances, strict=True)
        ]
        drawn = function(layer.linear(torch.as_tensor(np.concatenate(parts))[None])[0])
        gap = (drawn.mean(0) - answer[i]).detach()
        assert (gap.abs() <= 5 * drawn.std(0) / math.sqrt(n) + 1e-4).all()


def test_gradients_to_weights():
    law, layer = hole_law(), units(2)

    def answer(weight, bias):
        return torch.func.functional_call(
            layer, {"linear.weight": weight, "linear.bias": bias}, (law,)
        )

    parameters = [p.detach().clone().requires_grad_(True) for p in layer.parameters()]
    assert torch.autograd.gradcheck(answer, parameters)


def test_complete_rows_meet_the_plain_layer():
    x = rows()[0]
    model, seen, layer = mixture(), torch.ones_like(x), units()
    law = HoleLaw.of(model.conditional(model.posterior(x, seen)), x, seen)
    plain = torch.relu(layer.linear(x.expand(2, N, F)))
    torch.testing.assert_close(layer(law)[:, 0], plain, rtol=0, atol=1e-12)


def test_chunks_change_nothing(monkeypatch):
    law, layer = hole_law(), units()
    whole = layer(law)
    whole.square().sum().backward()
    slope = layer.linear.weight.grad.clone()
    layer.zero_grad()
    monkeypatch.setattr("halfseen.nn.expected.CHUNK_FLOATS", 1)
    monkeypatch.setattr("halfseen.nn.expected.PART_FLOATS", 1)
    again = layer(law)
    again.square().sum().backward()
    torch.testing.assert_close(again, whole, rtol=0, atol=1e-12)
    torch.testing.assert_close(layer.linear.weight.grad, slope, rtol=1e-10, atol=1e-10)


def test_the_most_probable_components_are_kept():
    whole, some = hole_law(), hole_law(most=2)
    assert some.mean.shape == (N, 2, F)
    torch.testing.assert_close(some.weights.sum(1), torch.ones(N).double())
    top = whole.weights.topk(2, 1).values
    torch.testing.assert_close(some.weights, top / top.sum(1, keepdim=True))
    at = whole.weights.argmax(1)
    torch.testing.assert_close(some.mean[:, 0], whole.mean[torch.arange(N), at])
    torch.testing.assert_close(hole_law(most=9).mean, whole.mean)


def test_units_without_a_closed_form_are_refused():
    with pytest.raises(SettingError, match="closed form"):
        units(activation="silu")


# ---- bins -----------------------------------------------------------------------------------


def test_bins_of_seen_cells_are_those_of_heads():
    edges = torch.tensor([[-1.0, 0.0, 0.5, 2.0], [0.0, 0.0, 1.0, 1.0]])
    x, _ = rows(torch.float32)
    x[0, 3] = 0.0
    model, seen = mixture(torch.float32), torch.ones_like(x)
    law = HoleLaw.of(model.conditional(model.posterior(x, seen)), x, seen)
    plain = PiecewiseLinear(edges, [1, 3])(x)[:, F:]
    torch.testing.assert_close(ExpectedBins(edges, [1, 3])(law), plain)


def test_bins_of_holes_against_draws():
    edges = torch.tensor([[-1.0, 0.0, 0.5, 0.5, 2.0]])
    model, (x, s) = mixture(), rows()
    x[0], s[0] = 0.0, 0.0
    law = HoleLaw.of(model.conditional(model.posterior(x, s)), x, s)
    found = ExpectedBins(edges, [1])(law)[0]
    rng, n = np.random.default_rng(0), 100_000
    p, means, covariances = dense(model, x[0], s[0])
    at = rng.choice(C, n, p=p)
    drawn = means[at, 1] + np.sqrt(covariances[at, 1, 1]) * rng.normal(size=n)
    cells = torch.zeros(n, F)
    cells[:, 1] = torch.as_tensor(drawn)
    places = PiecewiseLinear(edges, [1])(cells)[:, F:]
    torch.testing.assert_close(found, places.mean(0), rtol=0, atol=0.01)


# ---- in front of any network ----------------------------------------------------------------


def holed():
    x, s = rows()
    return torch.where(s > 0, x, NAN).float()


def test_the_public_layer_agrees_with_the_stacked_one():
    shift, scale = torch.arange(F) * 1.0, torch.arange(F) + 0.5
    layer = ExpectedReLU(mixture(), H, shift=shift, scale=scale)
    found = layer(holed() * scale + shift)
    units = layer.units.double()
    torch.testing.assert_close(found.double(), units(hole_law())[0, 0], rtol=1e-4, atol=1e-5)


def test_complete_rows_and_images_through_the_public_layer():
    x = rows(torch.float32)[0]
    layer = ExpectedReLU(mixture(), H)
    plain = torch.relu(layer.units.linear(x[None]))[0]
    torch.testing.assert_close(layer(x), plain)
    torch.testing.assert_close(layer(x.view(N, 1, 1, F)), plain)


@pytest.mark.parametrize("trainable", [False, True])
def test_any_network_trains_behind_it(trainable):
    layer = ExpectedReLU(mixture(), H, trainable=trainable)
    with torch.random.fork_rng():
        network = nn.Sequential(layer, nn.Linear(H, 2))
    x = holed().requires_grad_(True)
    network(x).square().sum().backward()
    assert torch.isfinite(x.grad).all()
    assert (x.grad[torch.isnan(x)] == 0).all()
    for name, parameter in network.named_parameters():
        learns = trainable or "linear" in name or name.startswith("1.")
        assert parameter.requires_grad == learns
        assert not learns or (parameter.grad.isfinite().all() and parameter.grad.any())


def test_a_trained_density_has_the_gradient_of_finite_differences():
    layer = ExpectedReLU(mixture(), 3, trainable=True).double()
    x = torch.where(rows()[1] > 0, rows()[0], NAN)[:4]
    names = ["log_weights", "mean", "factor", "log_variance"]

    def answer(*numbers):
        return torch.func.functional_call(layer, dict(zip(names, numbers, strict=True)), (x,))

    start = [getattr(layer, name).detach().clone().requires_grad_(True) for name in names]
    assert torch.autograd.gradcheck(answer, start)


def test_wrong_shapes_are_named():
    for shape in [(2, F + 1), (F,), (), (0, F + 1)]:
        with pytest.raises(SettingError, match=rf"Expected \(B, {F}\)"):
            ExpectedReLU(mixture(), H)(torch.zeros(shape))
    assert ExpectedReLU(mixture(), H)(torch.zeros(0, F)).shape == (0, H)
    with pytest.raises(SettingError, match="Got scale of shape"):
        ExpectedReLU(mixture(), H, scale=torch.ones(2))
