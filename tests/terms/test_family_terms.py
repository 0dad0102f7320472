"""Terms of the autoencoder family against closed forms, enumeration and loops."""

import copy
import itertools

import numpy as np
import pytest
import torch
from torch import nn
from torch.distributions import Independent, Normal, kl_divergence

from halfseen.core.batch import Batch
from halfseen.core.noise import Noise
from halfseen.core.spec import DataSpec
from halfseen.nn.inputs import MaskChannels
from halfseen.nn.stacked import StackedLinear, StackedMLP, StackedNetwork
from halfseen.nn.unimodal import BlockMask, UnimodalEncoders
from halfseen.terms.code import AGGREGATORS, Code, DecodedMask, Memory, Shown
from halfseen.terms.completion import Completion
from halfseen.terms.mask import MaskTerm
from halfseen.terms.product import ProductProposal, product_of_experts
from halfseen.terms.proposal import (
    GaussianProposal,
    PointLaw,
    PointProposal,
    ProposalLaw,
    StandardPrior,
)
from halfseen.terms.selective import SelectiveProposal

M, C = 2, 3
SPEC = DataSpec.continuous(5).with_blocks({"left": ["x0", "x1"], "right": ["x3", "x4"]})
G = len(SPEC.modalities)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=generator(seed))


def multimodal(n_latent, seed=1):
    inputs = MaskChannels(SPEC, M, generator())
    return GaussianProposal(
        inputs, StackedMLP(M, inputs.n_out, (8,), generator(seed)), n_latent, generator(seed)
    )


def selective():
    unimodal = UnimodalEncoders(SPEC, M, 2 * C, (8,), generator(2))
    return SelectiveProposal(unimodal, multimodal(G * C), BlockMask(SPEC))


def batch_of(*rows):
    """Rows of modalities that are seen, 1 or 0 each."""
    shown = BlockMask(SPEC).cells(torch.tensor(rows, dtype=torch.float32))
    return Batch(normal(*shown.shape, seed=5) * shown, shown, shown)


def gradients(proposal, batch):
    proposal.zero_grad()
    law = proposal(batch)
    (law.mean.sum() + law.log_scale.sum()).backward()
    size = {}
    for name in ("unimodal", "multimodal"):
        found = [p.grad for p in getattr(proposal, name).parameters() if p.grad is not None]
        size[name] = sum(float(g.abs().sum()) for g in found)
    return size


# ---- the selective proposal ----------------------------------------------------------------


def test_what_is_seen_teaches_its_own_encoder_and_the_rest_the_common_one():
    proposal = selective()
    seen = gradients(proposal, batch_of([1, 1, 1], [1, 1, 1]))
    assert seen["multimodal"] == 0.0
    assert seen["unimodal"] > 0
    unseen = gradients(proposal, batch_of([0, 0, 0], [0, 0, 0]))
    assert unseen["multimodal"] > 0
    assert unseen["unimodal"] == 0.0
    mixed = gradients(proposal, batch_of([1, 0, 1]))
    assert mixed["multimodal"] > 0
    assert mixed["unimodal"] > 0


def test_every_latent_comes_from_the_encoder_of_its_modality():
    proposal = selective()
    batch = batch_of(*itertools.product([0, 1], repeat=G))
    law, rest = proposal(batch), proposal.multimodal(batch)
    mean, raw = proposal.unimodal(batch.x, batch.shown).chunk(2, -1)
    seen = BlockMask(SPEC)(batch.shown)
    assert law.mean.shape == (M, 1, 2**G, G * C)
    for row, place in itertools.product(range(2**G), range(G)):
        at = slice(place * C, (place + 1) * C)
        if seen[row, place]:
            expected = mean[:, 0, row, place], 0.5 * raw[:, 0, row, place]
        else:
            expected = rest.mean[:, 0, row, at], rest.log_scale[:, 0, row, at]
        torch.testing.assert_close(law.mean[:, 0, row, at], expected[0])
        torch.testing.assert_close(law.log_scale[:, 0, row, at], expected[1])


# ---- the product of experts ----------------------------------------------------------------


def test_a_product_of_experts_is_that_of_dense_gaussians():
    """prod N(mu_i, S_i) has precision sum S_i^-1 and mean (sum S_i^-1)^-1 sum S_i^-1 mu_i."""
    d, experts = 3, 4
    mean, log_variance = normal(6, experts, d, seed=1).double(), normal(6, experts, d).double()
    seen = torch.tensor([[0, 0, 0, 0], [1, 0, 0, 0], [0, 1, 1, 0], [1, 1, 1, 1]]).double()
    for row, mask in enumerate(seen):
        law = product_of_experts(mean[row], log_variance[row], mask)
        precision, shift = np.eye(d), np.zeros(d)
        for i in np.flatnonzero(mask.numpy()):
            inverse = np.linalg.inv(np.diag(np.exp(log_variance[row, i].numpy())))
            precision += inverse
            shift += inverse @ mean[row, i].numpy()
        covariance = np.linalg.inv(precision)
        np.testing.assert_allclose(law.mean.numpy(), covariance @ shift, atol=1e-12)
        scale = np.sqrt(np.diag(covariance))
        np.testing.assert_allclose(np.exp(law.log_scale.numpy()), scale, rtol=1e-12)


def test_a_product_of_experts_is_that_of_densities_on_a_grid():
    z = torch.linspace(-8, 8, 20_001).double()
    means, variances = [0.7, -1.1], [0.4, 2.5]
    log_p = Normal(0.0, 1.0).log_prob(z)
    for mean, variance in zip(means, variances, strict=True):
        log_p = log_p + Normal(mean, variance**0.5).log_prob(z)
    p = torch.softmax(log_p, 0)
    law = product_of_experts(
        torch.tensor(means)[:, None], torch.tensor(variances)[:, None].log(), torch.ones(2)
    )
    center = float((p * z).sum())
    assert float(law.mean) == pytest.approx(center, abs=1e-6)
    spread = float((p * (z - center) ** 2).sum()) ** 0.5
    assert float(law.log_scale.exp()) == pytest.approx(spread, abs=1e-6)


def test_no_expert_leaves_the_prior_and_unseen_ones_learn_nothing():
    unimodal = UnimodalEncoders(SPEC, M, 2 * C, (8,), generator(2))
    proposal = ProductProposal(unimodal, BlockMask(SPEC))
    law = proposal(batch_of([0, 0, 0], [1, 0, 1]))
    assert law.mean.shape == (M, 1, 2, C)
    assert torch.equal(law.mean[:, 0, 0], torch.zeros(M, C))
    assert torch.equal(law.log_scale[:, 0, 0], torch.zeros(M, C))
    (law.mean.sum() + law.log_scale.sum()).backward()
    group = unimodal.groups[0]
    norms = group.out.weight.grad.flatten(1).norm(dim=1).view(M, G) > 0
    assert norms.tolist() == [[True, False, True]] * M


def test_experts_are_clipped():
    """A log variance of -60 would be a point that no other expert could move."""
    unimodal = UnimodalEncoders(SPEC, M, 2 * C, (8,), generator(2))
    with torch.no_grad():
        unimodal.groups[0].out.bias[..., C:] = -60.0
    law = ProductProposal(unimodal, BlockMask(SPEC))(batch_of([1, 0, 0]))
    expected = torch.full_like(law.log_scale, -0.5 * float(np.log1p(np.exp(10.0))))
    torch.testing.assert_close(law.log_scale, expected)


# ---- divergences ---------------------------------------------------------------------------


def test_the_divergence_is_torchs_and_that_of_samples():
    q = ProposalLaw(normal(2, 1, 4, 3, seed=1).double(), 0.4 * normal(2, 1, 4, 3).double())
    p = ProposalLaw(normal(2, 1, 4, 3, seed=2).double(), 0.4 * normal(2, 1, 4, 3, seed=3).double())
    found = q.kl(p)

    def torchs(law):
        return Independent(Normal(law.mean, law.log_scale.exp()), 1)

    torch.testing.assert_close(found, kl_divergence(torchs(q), torchs(p)))
    z = q.transform(normal(2, 40_000, 4, 3, seed=4).double())
    ratio = q.log_prob(z) - p.log_prob(z)
    error = ratio.std(1) / 200
    assert ((ratio.mean(1) - found[:, 0]).abs() < 4 * error).all()
    prior = StandardPrior(3)(None)
    torch.testing.assert_close(
        q.kl(prior), 0.5 * (torch.exp(2 * q.log_scale) + q.mean**2 - 1 - 2 * q.log_scale).sum(-1)
    )
    assert not q.kl(q).any()


def test_a_point_has_no_divergence_no_noise_and_no_weight():
    law = PointProposal(multimodal(C))(batch_of([1, 0, 1], [0, 0, 0]))
    assert isinstance(law, PointLaw)
    assert isinstance(law.detach(), PointLaw)
    prior = StandardPrior(C)(None)
    assert torch.equal(law.kl(prior), torch.zeros(M, 1, 2))
    z = law.transform(normal(M, 7, 2, C))
    assert torch.equal(z, law.mean.expand(M, 7, 2, C))
    assert not (prior.log_prob(z) - law.log_prob(z)).any()


# ---- the mask term -------------------------------------------------------------------------


def mask_term(whole):
    width = G if whole else SPEC.n_columns
    network = StackedLinear(M, 4, width, generator(3))
    return MaskTerm(network, BlockMask(SPEC) if whole else None)


def log_prob(term, z, s):
    batch = Batch(torch.zeros_like(s), s, torch.zeros_like(s))
    z = z.expand(-1, -1, len(s), -1)
    return term(Completion(None, batch, None, None, z=z), batch)


@pytest.mark.parametrize("whole", [True, False])
def test_probabilities_of_all_masks_sum_to_one(whole):
    term = mask_term(whole)
    n = G if whole else SPEC.n_columns
    masks = torch.tensor(list(itertools.product([0.0, 1.0], repeat=n)))
    s = BlockMask(SPEC).cells(masks) if whole else masks
    z = normal(M, 6, 1, 4, seed=4)
    found = log_prob(term, z, s)
    assert found.shape == (M, 6, 2**n)
    torch.testing.assert_close(found.exp().sum(-1), torch.ones(M, 6))
    p = term.probabilities(z)
    expected = torch.where(masks > 0, p, 1 - p).prod(-1)
    torch.testing.assert_close(found.exp(), expected)


@pytest.mark.parametrize("whole", [True, False])
def test_masks_are_drawn_with_their_probabilities(whole):
    term = mask_term(whole)
    n = 40_000
    z = normal(M, 1, 1, 4, seed=4).expand(M, 1, n, 4)
    drawn = term.draw(z, Noise(generator(5), (M, 1, n)))
    assert drawn.shape == (M, 1, n, SPEC.n_columns)
    assert set(drawn.unique().tolist()) == {0.0, 1.0}
    blocks = BlockMask(SPEC)
    if whole:
        assert torch.equal(blocks.cells(blocks(drawn)), drawn)
        drawn = blocks(drawn)
    p = term.probabilities(z[:, :, :1])
    error = torch.sqrt(p * (1 - p) / n)
    assert ((drawn.mean(2, keepdim=True) - p).abs() < 4.5 * error).all()
    # Independent given z: shares of pairs are products.
    pairs = torch.einsum("mkbi,mkbj->mkij", drawn, drawn) / n
    outer = torch.einsum("mkbi,mkbj->mkij", p, p)
    off = ~torch.eye(p.shape[-1], dtype=torch.bool)
    assert (pairs - outer)[..., off].abs().max() < 4.5 * 0.5 / n**0.5


# ---- what the decoder reads ----------------------------------------------------------------


@pytest.mark.parametrize("aggregator", AGGREGATORS)
def test_latents_of_modalities_are_put_together(aggregator):
    z = normal(M, 4, 6, G * C)
    code = Code(G * C, G, aggregator)
    found = code(z, batch_of([1, 1, 1])).numpy()
    apart = z.numpy().reshape(M, 4, 6, G, C)
    numpys = {"concat": lambda a: a.reshape(M, 4, 6, -1)}
    numpys |= {"mean": lambda a: a.mean(-2), "max": lambda a: a.max(-2)}
    np.testing.assert_allclose(found, numpys[aggregator](apart), rtol=1e-6, atol=1e-7)
    assert found.shape[-1] == code.n_out


def test_conditions_stand_beside_the_latents():
    term, prior = mask_term(whole=True), multimodal(4)
    inputs = MaskChannels(SPEC, M, generator())
    conditions = [
        Shown(None, M, SPEC.n_columns),
        Shown(inputs, M, SPEC.n_columns),
        DecodedMask(term, G),
        Memory(prior),
    ]
    code = Code(4, conditions=conditions)
    batch = batch_of([1, 0, 1], [0, 1, 0])
    z = normal(M, 6, 2, 4)
    found = code(z, batch)
    assert found.shape == (M, 6, 2, code.n_out)
    filled = torch.cat([batch.x, batch.shown], -1)
    hidden = torch.nn.functional.gelu(prior.body.layers[0](filled.expand(M, 1, 2, -1)))
    expected = [z, batch.shown, filled, term.probabilities(z), hidden]
    expected = [part.expand(M, 6, 2, part.shape[-1]) for part in expected]
    torch.testing.assert_close(found, torch.cat(expected, -1))


def test_parameters_of_shared_parts_are_held_once():
    term, prior = mask_term(whole=True), multimodal(4)
    code = Code(4, conditions=[DecodedMask(term, G), Memory(prior)])
    assert not code.state_dict()
    assert not list(code.parameters())
    whole = nn.ModuleDict({"code": code, "term": term, "prior": prior})
    copied = copy.deepcopy(whole)
    first, second = copied["code"].conditions
    assert first.term[0] is copied["term"]
    assert second.prior[0] is copied["prior"]


@pytest.mark.parametrize("whole", [True, False])
def test_biases_alone_move_until_means_are_the_rates(whole):
    width = G if whole else SPEC.n_columns
    body = StackedMLP(M, 4, (5,), generator(3))
    network = StackedNetwork(body, width, generator(4))
    with torch.no_grad():
        network.out.weight.mul_(8)
    term = MaskTerm(network, BlockMask(SPEC) if whole else None)
    before = {name: value.clone() for name, value in term.state_dict().items()}
    rates = torch.linspace(0.001, 0.9, width)
    z = normal(M, 1, 500, 4, seed=4)
    rates[-1] = 1.0
    always = term.probabilities(z)[..., -1]
    term.match(rates, z)
    found = term.probabilities(z)
    means = found[:, 0, :, :-1].mean(1)
    torch.testing.assert_close(means, rates[:-1].expand(M, width - 1), atol=1e-5, rtol=0)
    torch.testing.assert_close(found[..., -1], always, atol=0, rtol=0)
    after = term.state_dict()
    moved = {name for name, value in before.items() if not torch.equal(value, after[name])}
    assert moved == {"network.out.bias"}
