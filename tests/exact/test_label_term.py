"""The label term: its equations, its exact answers, and gradients through sampled choices."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from exact_models import DoubleNoise, noise, small_model
from torch import nn

from halfseen.core.batch import Batch
from halfseen.core.noise import Noise
from halfseen.core.spec import Column, DataSpec
from halfseen.estimators.answers import Answers
from halfseen.estimators.label_answers import LabelAnswers
from halfseen.estimators.label_objectives import log_labels, look
from halfseen.mechanisms import SelfMasking
from halfseen.objectives.importance import importance_bound, named_losses
from halfseen.terms.completion import SAMPLERS, Term
from halfseen.terms.label import ClassLaw, LabelTerm, NumberLaw
from halfseen.terms.latent import LatentModel
from halfseen.terms.mechanism import CollapsedTerm, SampledTerm

NUMBERS = DataSpec.continuous(3)
LEVELS = {"binary": 2, "nominal": 3, "ordered": 3}
CHOICES = {
    kind: DataSpec(tuple(Column(f"choice{j}", kind, n_levels=n) for j in range(2)))
    for kind, n in LEVELS.items()
}


class Linear(nn.Module):
    """A head with given coefficients: one location and one fixed raw scale."""

    def __init__(self, slope, raw_scale):
        super().__init__()
        self.slope, self.raw_scale = torch.tensor(slope).double(), raw_scale

    def forward(self, features):
        mu = (features * self.slope).sum(-1)
        return torch.stack([mu, torch.full_like(mu, self.raw_scale)], -1)


def class_term(spec, n_classes=3, seed=5, size=1.0):
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng():
        layers = nn.Linear(spec.n_features, 6), nn.Tanh(), nn.Linear(6, n_classes)
    network = nn.Sequential(*layers)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(size * torch.randn(parameter.shape, generator=generator))
    return LabelTerm(network, ClassLaw(n_classes)).double()


def labelled(model, term, sampler="score"):
    return LatentModel(
        model.n_latent, model.proposal, model.observation, {"label": term}, "total", sampler
    )


def batch_of(s, codes=(0, 2, 1, 1), seed=3):
    x = torch.randn(len(s), 3, generator=torch.Generator().manual_seed(seed)).double()
    s = torch.tensor(s).double()
    y = torch.tensor(codes[: len(s)]).double()
    return Batch(x * s, s, s, y, torch.ones(len(s)).double())


def log_label(model, batch, noise):
    law = model.terms["label"].law
    return log_labels([look(model, batch, noise)], law, batch, [float(law.temperature)])[0]


def without_label(batch):
    return replace(batch, y=None, labelled=None)


def test_seen_rows_split_into_cross_entropy_and_bound():
    """Eq. 10 of supMIWAE: with every cell seen the weights do not touch the cross-entropy."""
    model, term = small_model(NUMBERS), class_term(NUMBERS)
    batch = batch_of([[1, 1, 1]] * 4)
    joint = importance_bound(labelled(model, term)(batch, noise(7, 4)).log_w)
    plain = importance_bound(model(without_label(batch), noise(7, 4)).log_w)
    entropy = nn.functional.cross_entropy(term.network(batch.x), batch.y.long(), reduction="none")
    torch.testing.assert_close(joint[0], plain[0] - entropy)
    weights = list(term.parameters())
    found = torch.autograd.grad(-joint.sum(), weights)
    expected = torch.autograd.grad(entropy.sum(), weights)
    for one, two in zip(found, expected, strict=True):
        torch.testing.assert_close(one, two)


def test_one_sample_is_cross_entropy_on_a_completion_and_the_evidence_bound():
    """Eq. 11 of supMIWAE: K = 1."""
    model, term = small_model(NUMBERS), class_term(NUMBERS)
    batch = batch_of([[1, 0, 1], [0, 0, 0], [1, 1, 0]])
    weighted = labelled(model, term)(batch, noise(1, 3))
    completed = weighted.completion.cells[0, 0]
    torch.testing.assert_close(completed[batch.s > 0], batch.x[batch.s > 0])
    entropy = nn.functional.cross_entropy(
        term.network(completed), batch.y.long(), reduction="none"
    )
    plain = model(without_label(batch), noise(1, 3)).log_w[0, 0]
    torch.testing.assert_close(importance_bound(weighted.log_w)[0], plain - entropy)


def test_rows_without_a_label_add_nothing():
    model, term = small_model(NUMBERS), class_term(NUMBERS)
    batch = batch_of([[1, 0, 1], [1, 1, 1]])
    batch = replace(batch, labelled=torch.tensor([0.0, 1.0]).double())
    addend = labelled(model, term)(batch, noise(4, 2)).terms["label"]
    assert (addend[:, :, 0] == 0).all()
    assert (addend[:, :, 1] < 0).all()


def test_class_weights_are_of_training_alone():
    """Where a label helps to complete its row it is known once, whatever its class is worth."""
    term, worth = class_term(NUMBERS), torch.tensor([20.0, 1.0, 0.0])
    term.law = ClassLaw(3, worth).double()
    full, batch = labelled(small_model(NUMBERS), term), batch_of([[1, 0, 1]] * 3)
    weighted = {}
    for learning in (True, False):
        full.train(learning)
        weighted[learning] = full(batch, noise(4, 3)).terms["label"]
    once = torch.log_softmax(term.network(full(batch, noise(4, 3)).completion.features), -1)
    once = once[..., torch.arange(3), batch.y.long()]
    torch.testing.assert_close(weighted[False], once)
    torch.testing.assert_close(weighted[True], once * worth[batch.y.long()])


def test_the_label_is_in_no_weight_of_a_prediction():
    model, term = small_model(NUMBERS), class_term(NUMBERS)
    full = labelled(model, term)
    batch = batch_of([[1, 0, 1], [0, 0, 1], [1, 1, 1]])
    with torch.no_grad():
        weighted = full(without_label(batch), noise(50, 1))
        assert "label" not in weighted.terms
        plain = model(without_label(batch), noise(50, 1)).log_w
        torch.testing.assert_close(weighted.log_w, plain)
        p = torch.softmax(term.network(weighted.completion.features), -1)
        brute = torch.einsum("kb,kbc->bc", torch.softmax(plain[0], 0), p[0])
    for codes in ([0, 0, 0], [1, 2, 0]):
        other = replace(batch, y=torch.tensor(codes).double())
        found = log_label(full, other, noise(50, 1))[0]
        torch.testing.assert_close(found, brute[torch.arange(3), codes].log())


class KnownAnswers(Answers):
    """Answers whose noise is float64, as the model here is."""

    def stream(self, batch):
        generator = torch.Generator().manual_seed(0)
        for _ in range(self.n_importance // self.chunk):
            yield self.model(batch, DoubleNoise(generator, (1, self.chunk, 1)))


def test_a_linear_head_on_a_linear_model_is_exact(linear_gaussian_case):
    """y = c x + e of a linear Gaussian x: mean and variance of y given x_obs in closed form."""
    case, slope, spread = linear_gaussian_case
    model = case.model(exact=True)
    term = LabelTerm(Linear(slope, math.log(math.expm1(spread - 0.01))), NumberLaw())
    full = LatentModel(1, model.proposal, model.observation, {"label": term})
    answers = KnownAnswers(full, case.units, 1, 60_000, 8, 0)
    first, second = LabelAnswers(answers)._sampled(case.rows)[0].unbind(-1)
    mean, variance = exact_label(case, slope, spread)
    torch.testing.assert_close(first, mean, atol=0.02, rtol=0)
    torch.testing.assert_close(second - first**2, variance, atol=0.03, rtol=0)


def test_a_label_moves_the_imputation_by_the_exact_amount(linear_gaussian_case):
    case, slope, spread = linear_gaussian_case
    model = case.model(exact=True)
    term = LabelTerm(Linear(slope, math.log(math.expm1(spread - 0.01))), NumberLaw())
    full = LatentModel(1, model.proposal, model.observation, {"label": term})
    y = torch.tensor([2.0, -1.0, 1.5, 3.0]).double()
    batch = replace(case.batch, y=y, labelled=torch.ones(4).double())
    with torch.no_grad():
        weighted = full(batch, noise(300_000, 1))
        w = torch.softmax(weighted.log_w[0], 0)
        found = torch.einsum("kb,kbp->bp", w, weighted.completion.mean(case.units, 3)[0])
    expected = exact_cells_given_label(case, slope, spread, y.numpy())
    torch.testing.assert_close(found, expected, atol=0.05, rtol=0)
    moved = (expected - torch.tensor(case.conditional_means())).abs()[case.batch.s == 0]
    assert moved.max() > 0.5, "The label must matter in this case."


@pytest.fixture
def linear_gaussian_case():
    from exact_models import LinearGaussian

    return LinearGaussian(), [1.0, -0.7, 0.5], 0.4


def joint_law(case, slope, spread):
    """Mean and covariance of (x, y)."""
    covariance = case.W.T @ case.W + np.diag(case.sigma**2)
    c = np.array(slope)
    cross = covariance @ c
    top = np.hstack([covariance, cross[:, None]])
    whole = np.vstack([top, np.hstack([cross, c @ cross + spread**2])])
    return np.append(case.b, case.b @ c), whole


def exact_label(case, slope, spread):
    mean, whole = joint_law(case, slope, spread)
    out = []
    for x, s in zip(case.x, case.s > 0, strict=True):
        seen = np.flatnonzero(s)
        gain = np.linalg.solve(whole[np.ix_(seen, seen)], whole[seen, 3])
        out.append((mean[3] + gain @ (x[seen] - mean[seen]), whole[3, 3] - gain @ whole[seen, 3]))
    return torch.tensor(np.array(out)).unbind(-1)


def exact_cells_given_label(case, slope, spread, y):
    mean, whole = joint_law(case, slope, spread)
    out = case.x.copy()
    for i, s in enumerate(case.s > 0):
        seen, gone = np.append(np.flatnonzero(s), 3), np.flatnonzero(~s)
        value = np.append(case.x[i], y[i])[seen] - mean[seen]
        gain = np.linalg.solve(whole[np.ix_(seen, seen)], whole[np.ix_(seen, gone)])
        out[i, gone] = mean[gone] + gain.T @ value
    return torch.tensor(out)


# ---- gradients through sampled choices ----------------------------------------------------


class Scripted(Noise):
    """Fixed noise for z, and for choices."""

    def __init__(self, z, u):
        super().__init__(torch.Generator(), tuple(z.shape[:3]))
        self.z, self.u = z, u

    def normal(self, *size):
        return self.z

    def uniform(self, *size):
        return self.u


def forced(model, batch, z, choices):
    """Noise under which the cells are these choices: the middles of their shares of (0, 1)."""
    with torch.no_grad():
        at = model.proposal(batch).transform(z)
        p = model.observation(at, batch).laws[0].log_p.exp()
        middles = p.cumsum(-1) - p / 2
        return Scripted(z, middles.gather(-1, choices.long()[..., None])[..., 0])


class RandomChoices(Scripted):
    """Fixed noise for z, and random choices."""

    def __init__(self, z, generator):
        super().__init__(z, None)
        self.generator = generator

    def uniform(self, *size):
        return Noise.uniform(self, *size).double()


def choice_case(kind="binary"):
    """Two missing choices per sample, K = 2: all outcomes for given z."""
    spec, levels = CHOICES[kind], range(LEVELS[kind])
    model, term = small_model(spec), class_term(spec, n_classes=2, size=2.0)
    zero = torch.zeros(1, 2).double()
    batch = Batch(zero, zero, zero, torch.ones(1).double(), torch.ones(1).double())
    z = torch.randn(1, 2, 1, 2, generator=torch.Generator().manual_seed(1)).double()
    outcomes = [
        torch.tensor(choices).double().view(1, 2, 1, 2)
        for choices in itertools.product(map(float, levels), repeat=4)
    ]
    return model, term, batch, z, outcomes


def loss_and_probability(full, batch, z, choices):
    weighted = full(batch, forced(full, batch, z, choices))
    assert torch.equal(weighted.completion.cells, choices)
    p = weighted.completion.laws.laws[0].log_prob(choices).sum().exp()
    losses = named_losses(weighted, torch.zeros(1).double(), 1)
    return sum(losses.values()), p


def flat_gradient(loss, model):
    """Of the decoder: what samplers differ in."""
    weights = list(model.observation.parameters())
    grads = torch.autograd.grad(loss, weights, allow_unused=True, retain_graph=True)
    filled = [torch.zeros_like(w) if g is None else g for g, w in zip(grads, weights, strict=True)]
    return torch.cat([g.flatten() for g in filled])


def mean_gradient(sampler, kind="binary", term=None, n_samples=2):
    """The exact mean of an estimator's gradient, and the exact gradient of the mean bound."""
    model, head, batch, z, outcomes = choice_case(kind)
    term, z = term or head, z[:, :n_samples]
    outcomes = {tuple(c[:, :n_samples].flatten().tolist()): c[:, :n_samples] for c in outcomes}
    outcomes = list(outcomes.values())
    full = labelled(model, term, sampler)
    plain = labelled(model, term, "dropped")
    found, objective = 0.0, 0.0
    for choices in outcomes:
        loss, p = loss_and_probability(full, batch, z, choices)
        found = found + p.detach() * flat_gradient(loss, model)
        loss, p = loss_and_probability(plain, batch, z, choices)
        objective = objective + p * loss
    return found, flat_gradient(objective, model)


@pytest.mark.parametrize("kind", CHOICES)
def test_the_score_function_is_unbiased(kind):
    found, exact = mean_gradient("score", kind)
    torch.testing.assert_close(found, exact, atol=1e-9, rtol=1e-7)


def proposal_gradient(gradient, sampler):
    model, term, batch, z, outcomes = choice_case()
    full = LatentModel(2, model.proposal, model.observation, {"label": term}, gradient, sampler)
    weighted = full(batch, forced(full, batch, z, outcomes[6]))
    losses = named_losses(weighted, torch.zeros(1).double(), 1)
    weights = list(model.proposal.out.parameters())
    return torch.cat([g.flatten() for g in torch.autograd.grad(sum(losses.values()), weights)])


@pytest.mark.parametrize("sampler", ["score", "straight-through"])
def test_doubly_reparameterised_proposals_where_choices_teach(sampler):
    """Its second step moves the score of z into paths; the score of a choice has none."""
    total, other = (proposal_gradient(gradient, sampler) for gradient in ("total", "dreg"))
    assert torch.allclose(total, other) == (sampler == "score")


class Straight(Term):
    """An addend that is linear in the features."""

    def forward(self, completion, batch):
        completion.in_weight = True
        features = completion.features
        return (features * torch.linspace(-1.0, 2.0, features.shape[-1]).double()).sum(-1)


@pytest.mark.parametrize("kind", CHOICES)
def test_straight_through_is_exact_where_the_weight_is_straight(kind):
    """Its bias is that of the bend between categories, not of what it does to features."""
    found, exact = mean_gradient("straight-through", kind, Straight(), n_samples=1)
    assert exact.norm() > 0.1
    torch.testing.assert_close(found, exact, atol=1e-9, rtol=1e-7)


@pytest.mark.parametrize(
    ("kind", "bias"), [("binary", 0.65), ("nominal", 1.56), ("ordered", 2.67)]
)
def test_other_samplers_are_as_biased_as_they_are_known_to_be(kind, bias):
    """As docs/choices.md has it: behind this head straight-through is worse than no gradient."""
    error = {}
    for sampler in ("dropped", "straight-through"):
        found, exact = mean_gradient(sampler, kind)
        error[sampler] = float((found - exact).norm() / exact.norm())
    assert error == pytest.approx({"dropped": 1.0, "straight-through": bias}, abs=0.01)


def test_means_and_relaxed_samples_point_the_right_way():
    model, term, batch, z, _ = choice_case()
    exact = mean_gradient("score")[1]
    for sampler in ("mean", "relaxed"):
        full = labelled(model, term, sampler)
        generator = torch.Generator().manual_seed(2)
        total = torch.zeros_like(exact)
        for _ in range(300):
            weighted = full(batch, RandomChoices(z, generator))
            losses = named_losses(weighted, torch.zeros(1).double(), 1)
            total = total + flat_gradient(sum(losses.values()), model) / 300
        cosine = float(nn.functional.cosine_similarity(total, exact, dim=0))
        assert cosine > 0.9, sampler


def test_every_sampler_answers_alike_but_the_mean():
    """Samplers differ in gradients only; "mean" feeds means to the head: another model."""
    model, term, batch, z, outcomes = choice_case()
    answers = {}
    with torch.no_grad():
        for sampler in SAMPLERS:
            full = labelled(model, term, sampler)
            answers[sampler] = full(batch, forced(full, batch, z, outcomes[6])).log_w
    for sampler in ("dropped", "straight-through", "relaxed"):
        torch.testing.assert_close(answers[sampler], answers["score"])
    assert (answers["mean"] - answers["score"]).abs().max() > 1e-3


# ---- with a mechanism ---------------------------------------------------------------------


def mechanism_case():
    spec = DataSpec.continuous(3)
    model, term = small_model(spec, seed=2), class_term(spec)
    direction = {name: "high" for name in spec.names}
    mechanism = SelfMasking(direction, slope=3.0)
    mechanism.bind(spec, torch.ones(3, dtype=torch.bool), 1, torch.Generator().manual_seed(0))
    with torch.no_grad():
        mechanism.location.fill_(0.4)
    mechanism = mechanism.double().requires_grad_(False)
    heads = list(model.observation.heads)
    terms = {
        "collapsed": CollapsedTerm(mechanism, heads, mechanism.incomplete),
        "sampled": SampledTerm(mechanism),
    }
    models = {
        name: LatentModel(
            2, model.proposal, model.observation, {"mechanism": one, "label": term}, "total"
        )
        for name, one in terms.items()
    }
    batch = batch_of([[1, 0, 1], [0, 0, 1], [0, 0, 0], [1, 1, 1]])
    return models, batch


def test_cells_from_the_exact_law_predict_as_cells_from_the_decoder_do():
    """p(x_j | z, s_j = 0) in the head, or the decoder's law and log p(s | x) in the weight."""
    models, batch = mechanism_case()
    found = {name: log_label(m, batch, noise(120_000, 1))[0] for name, m in models.items()}
    torch.testing.assert_close(found["collapsed"], found["sampled"], atol=0.02, rtol=0)
    joint = {}
    with torch.no_grad():
        for name, model in models.items():
            joint[name] = importance_bound(model(batch, noise(120_000, 1)).log_w)[0]
    torch.testing.assert_close(joint["collapsed"], joint["sampled"], atol=0.02, rtol=0)


def test_cells_from_the_exact_law_waste_fewer_samples():
    models, batch = mechanism_case()
    size = {}
    with torch.no_grad():
        for name, model in models.items():
            w = torch.softmax(model(batch, noise(20_000, 1)).log_w[0], 0)
            size[name] = (1 / (w**2).sum(0))[:3]
    assert (size["collapsed"] > 1.5 * size["sampled"]).all()
