"""Evidence bounds of the autoencoder family, against closed forms, loops and samples."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from exact_models import noise
from family_models import MEMBERS, G, Scripted, family_model, maker, some_batch

from halfseen.estimators.recipes import Recipe, mask_term, product_proposal, selective_proposal
from halfseen.objectives.evidence import (
    Evidence,
    Importance,
    Selective,
    Subsets,
    TermWeights,
)
from halfseen.objectives.importance import importance_bound
from halfseen.terms.code import Code
from halfseen.terms.product import product_of_experts


def total(losses):
    return number(torch.stack(list(losses.values())).sum())


def number(tensor):
    return float(tensor.detach())


def product():
    return family_model(Recipe(proposal=product_proposal))


def selective():
    return family_model(
        Recipe(
            proposal=selective_proposal,
            terms=lambda parts: {"mask": mask_term(parts, (8,), whole=True)},
            code=lambda parts: Code(parts.design.n_latent, G),
        )
    )


# ---- the evidence bound --------------------------------------------------------------------


def test_under_the_exact_posterior_the_bound_is_the_likelihood(linear_gaussian):
    """log p(x) = E_q log p(x | z) - KL(q || p); the first by the moments of q, in closed form."""
    model = linear_gaussian.model(exact=True)
    mean, log_scale = (t.numpy().reshape(-1, 1) for t in linear_gaussian.posterior())
    g = linear_gaussian
    error = (g.x - g.b - mean * g.W) ** 2 + np.exp(2 * log_scale) * g.W**2
    cells = -0.5 * error / g.sigma**2 - np.log(g.sigma) - 0.5 * np.log(2 * np.pi)
    reconstruction = (g.s * cells).sum(1)
    weighted = model(g.batch, noise(20_000, len(g.x)))
    divergence = weighted.kl()[0, 0].detach().numpy()
    np.testing.assert_allclose(reconstruction - divergence, g.log_marginals(), atol=1e-9)
    losses = Evidence().losses(weighted, 0.0)
    assert set(losses) == {"observation", "kl"}
    assert number(losses["kl"]) == pytest.approx(divergence.mean(), abs=1e-12)
    per_sample = weighted.terms["observation"].mean(2).flatten()
    margin = 4 * number(per_sample.std()) / 20_000**0.5
    assert -total(losses) == pytest.approx(g.log_marginals().mean(), abs=margin)
    assert margin < 0.03


def test_it_is_the_mean_of_the_log_weight():
    model, batch = selective(), some_batch()
    with torch.no_grad():
        weighted = model(batch, maker(k=20_000)(batch))
        found = -total(Evidence().losses(weighted, 0.0))
        log_w = weighted.log_w.mean(2).sum(0)
        gap = weighted.terms["prior"] + weighted.terms["proposal"] + weighted.kl()
    margin = 4 * number(gap.mean(2).sum(0).std()) / 20_000**0.5
    assert found == pytest.approx(number(log_w.mean()), abs=margin)
    assert set(weighted.terms) == {"prior", "proposal", "observation", "mask"}


def test_the_divergence_has_a_weight_that_rises():
    model, batch = selective(), some_batch()
    weighted = model(batch, maker()(batch))
    full = Evidence().losses(weighted, 0.0)["kl"]
    assert number(full) > 0
    risen = {
        p: number(Evidence(2.0, 0.4).losses(weighted, p)["kl"] / full) for p in (0, 0.1, 0.4, 1)
    }
    assert risen == pytest.approx({0: 0.0, 0.1: 0.5, 0.4: 2.0, 1: 2.0})


def test_the_bound_of_k_samples_is_that_of_the_weights():
    model, batch = selective(), some_batch()
    with torch.no_grad():
        losses = Importance()(model, batch, maker(4, k=5), 0.0)
        log_w = model(batch, maker(4, k=5)(batch)).log_w
    assert set(losses) == {"bound"}
    assert total(losses) == pytest.approx(number(-importance_bound(log_w).mean(-1).sum()))


# ---- weights of modalities and of the mask -------------------------------------------------

COUNTS = torch.tensor([1.0, 10.0, 0.5, 0.5]).double()


def by_cells(model, weighted, batch, scored):
    """sum_j w_j s_j log p(x_j | z) from the log-densities of single cells, (M, K, B)."""
    cells = weighted.completion.decoded.cell_log_prob(batch.x)
    return (torch.where(scored > 0, cells, 0.0) * COUNTS).sum(-1)


def test_modalities_and_the_mask_count_what_they_are_said_to():
    model, batch = selective(), some_batch()
    weights = TermWeights(COUNTS, 3.0)
    plain = Evidence()(model, batch, maker(1), 0.0)
    ours = Evidence(weights=weights)(model, batch, maker(1), 0.0)
    weighted = model(batch, maker(1)(batch))
    by_hand = -by_cells(model, weighted, batch, batch.s).mean((1, 2)).sum()
    torch.testing.assert_close(ours["observation"], by_hand)
    torch.testing.assert_close(ours["mask"], 3 * plain["mask"])
    torch.testing.assert_close(ours["kl"], plain["kl"])
    assert number(ours["observation"]) != pytest.approx(number(plain["observation"]))


def test_weights_enter_every_importance_weight():
    model, batch = selective(), some_batch()
    loss = Importance(TermWeights(COUNTS, 3.0))(model, batch, maker(4, k=5), 0.0)["bound"]
    weighted = model(batch, maker(4, k=5)(batch))
    terms = weighted.terms
    log_w = terms["prior"] + terms["proposal"] + 3 * terms["mask"]
    log_w = log_w + by_cells(model, weighted, batch, batch.s)
    by_hand = -(torch.logsumexp(log_w, 1) - np.log(5)).mean(-1).sum()
    torch.testing.assert_close(loss, by_hand)


def test_unseen_cells_count_as_their_modality_does():
    model, batch = selective(), some_batch()
    weights = TermWeights(torch.tensor([0.0, 1.0, 0.0, 0.0]).double())
    ours = Selective(1.0, 0.0, 0.8, 0.0, weights=weights)(model, batch, maker(1), 0.5)
    source = maker(1)
    weighted = model(batch, source(batch))
    with torch.no_grad():
        cells = model(batch, source(batch)).completion.cells[:, :1]
    log_p = weighted.completion.decoded.cell_log_prob(cells)[..., 1]
    unseen = torch.where(batch.s[..., 1] > 0, 0.0, log_p)
    torch.testing.assert_close(ours["unseen"], -0.8 * unseen.mean((1, 2)).sum())


def test_parts_count_as_their_modalities_do():
    """Weights of 1 change nothing; a modality of weight 0 leaves the others' parts alone."""
    model, batch = product(), some_batch()
    plain = Subsets(n_subsets=2)(model, batch, maker(1), 0.0)
    same = Subsets(n_subsets=2, weights=TermWeights(torch.ones(4).double()))
    torch.testing.assert_close(same(model, batch, maker(1), 0.0), plain)
    parts = [
        Subsets(n_subsets=2, weights=TermWeights(torch.eye(4).double()[j]))(
            model, batch, maker(1), 0.0
        )["observation"]
        for j in range(4)
    ]
    count = Subsets(n_subsets=2, weights=TermWeights(COUNTS))(model, batch, maker(1), 0.0)
    torch.testing.assert_close(torch.stack(parts).sum(), plain["observation"])
    torch.testing.assert_close((torch.stack(parts) * COUNTS).sum(), count["observation"])


# ---- the unseen term -----------------------------------------------------------------------


def gradients(model, losses):
    model.zero_grad()
    torch.stack(list(losses.values())).sum().backward()
    return {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize(("weight", "progress"), [(0.0, 0.5), (1.0, 0.0199)])
def test_without_the_unseen_term_it_is_the_evidence(weight, progress):
    model, batch = selective(), some_batch()
    plain = Evidence(0.7, 0.9)(model, batch, maker(1), progress)
    ours = Selective(0.7, 0.9, weight, 0.02)(model, batch, maker(1), progress)
    assert set(ours) == set(plain) == {"observation", "mask", "kl"}
    torch.testing.assert_close(ours, plain, atol=0, rtol=0)
    torch.testing.assert_close(gradients(model, ours), gradients(model, plain), atol=0, rtol=0)
    assert "unseen" in Selective(0.7, 0.9, 1.0, 0.02)(model, batch, maker(1), 0.02)


def test_unseen_cells_are_what_the_model_drew_and_their_law_alone_learns():
    """The same loss and gradient with the first pass made beforehand, by hand, as constants."""
    model, batch = selective(), some_batch()
    losses = Selective(1.0, 0.0, 0.8, 0.0)(model, batch, maker(1), 0.5)
    source = maker(1)
    weighted = model(batch, source(batch))
    with torch.no_grad():
        second = source(batch)
        z = model.proposal(batch).transform(second.normal(model.n_latent))
        cells = model.observation(z, batch).draw(second, batch.x.shape[-1])
    log_p = weighted.completion.decoded.cell_log_prob(cells)
    unseen = torch.where(batch.s > 0, 0.0, log_p).sum(-1)
    by_hand = {"unseen": -0.8 * unseen.mean((1, 2)).sum()}
    torch.testing.assert_close(losses["unseen"], by_hand["unseen"])
    assert number(by_hand["unseen"]) != 0
    torch.testing.assert_close(
        gradients(model, {"unseen": losses["unseen"]}), gradients(model, by_hand)
    )


def test_with_everything_seen_the_unseen_term_is_zero():
    batch = some_batch()
    whole = replace(batch, s=torch.ones_like(batch.s), shown=torch.ones_like(batch.s))
    assert number(Selective(start=0.0)(selective(), whole, maker(), 1.0)["unseen"]) == 0


# ---- parts of what is seen -----------------------------------------------------------------


def restricted(model, batch, kept):
    """The batch with only the modalities kept (B, G): seen, shown, scored."""
    cells = model.proposal.seen.cells(kept)
    return replace(batch, s=batch.s * cells, shown=batch.shown * cells, x=batch.x * cells)


def a_loop(model, batch, parts, kl_weight=1.0):
    """One pass of the model per part, rows one by one."""
    sums = {"observation": 0.0, "kl": 0.0}
    for kept in parts:
        some = restricted(model, batch, kept)
        for row in range(len(batch)):
            alone = replace(some, x=some.x[[row]], s=some.s[[row]], shown=some.shown[[row]])
            weighted = model(alone, Scripted((MEMBERS, 1, 1)))
            sums["observation"] -= weighted.terms["observation"].sum() / len(batch)
            sums["kl"] += kl_weight * weighted.kl().sum() / len(batch)
    return sums


@pytest.mark.parametrize("unimodal", [True, False])
@pytest.mark.parametrize("n_subsets", [0, 1, 3])
def test_parts_are_a_loop_over_restricted_batches(unimodal, n_subsets):
    model, batch = product(), some_batch()
    n = len(batch)
    u = torch.rand(n, n_subsets, G, generator=torch.Generator().manual_seed(8))
    scripts = [[u], []] if n_subsets else [[], []]
    calls = iter(scripts)
    losses = Subsets(0.5, 0.0, unimodal, n_subsets)(
        model, batch, lambda some: Scripted((MEMBERS, 1, len(some)), next(calls)), 1.0
    )
    parts = [torch.ones(n, G).double()]
    if unimodal:
        parts += [torch.eye(G).double()[i].expand(n, G) for i in range(G)]
    parts += [(u[:, i] < 0.5).double() for i in range(n_subsets)]
    expected = a_loop(model, batch, parts, 0.5)
    torch.testing.assert_close(losses, expected)
    torch.testing.assert_close(gradients(model, losses), gradients(model, expected))


@pytest.mark.parametrize("per_member", [True, False])
@pytest.mark.parametrize(("unimodal", "n_subsets"), [(True, 2), (True, 0), (False, 2)])
def test_laws_of_parts_are_products_in_which_other_experts_do_not_count(
    unimodal, n_subsets, per_member
):
    """The same numbers, not nearly the same: the others add zeros."""
    model, batch, objective = product(), some_batch(), Subsets(1.0, 0.0, unimodal, n_subsets)
    mean, log_variance = model.proposal.experts(batch)
    seen = model.proposal.seen(batch.shown)
    seen = torch.stack([seen, seen.flip(0)])[:, None] if per_member else seen
    kept = objective._kept(seen, maker()(batch))
    law = objective._law(mean, log_variance, seen, kept)
    shown = (kept * seen.unsqueeze(-3)).flatten(-3, -2)
    repeated = (x.repeat(1, 1, len(kept), 1, 1) for x in (mean, log_variance))
    expected = product_of_experts(*repeated, shown)
    assert law.mean.shape == (MEMBERS, 1, len(kept) * len(batch), model.n_latent)
    torch.testing.assert_close(law.mean, expected.mean, atol=0, rtol=0)
    torch.testing.assert_close(law.log_scale, expected.log_scale, atol=0, rtol=0)


def test_single_parts_are_no_products_of_all_experts(monkeypatch):
    """G parts of G experts each would make a table of 30 columns slow."""
    sizes = []

    def counted(mean, log_variance, seen):
        sizes.append(torch.broadcast_shapes(mean.shape, seen[..., None].shape).numel())
        return product_of_experts(mean, log_variance, seen)

    monkeypatch.setattr("halfseen.objectives.evidence.product_of_experts", counted)
    model, batch = product(), some_batch()
    Subsets(n_subsets=1)(model, batch, maker(), 1.0)
    assert max(sizes) == 2 * MEMBERS * len(batch) * G * model.n_latent


def test_members_may_be_shown_other_parts():
    model, batch = product(), some_batch()
    cells = model.proposal.seen.cells
    masks = [batch.s, batch.s * cells(torch.tensor([1.0, 0, 1]).double()).expand_as(batch.s)]
    both = replace(batch, s=torch.stack(masks)[:, None], shown=torch.stack(masks)[:, None])
    objective = Subsets(1.0, 0.0, True, 0)
    found = objective(model, both, lambda b: Scripted((MEMBERS, 1, len(b))), 1.0)
    for member, mask in enumerate(masks):
        alone = replace(batch, s=mask, shown=mask)
        weighted = [
            model(restricted(model, alone, kept.expand(7, G)), Scripted((MEMBERS, 1, 7)))
            for kept in (torch.ones(G).double(), *torch.eye(G).double())
        ]
        part = sum(w.kl()[member].mean() for w in weighted)
        found["kl"] = found["kl"] - part
    assert number(found["kl"]) == pytest.approx(0.0, abs=1e-9)


def test_a_random_part_keeps_each_modality_with_probability_a_half():
    model, batch = product(), some_batch(4000)
    kept = Subsets(unimodal=False, n_subsets=2)._kept(
        model.proposal.seen(batch.shown), maker()(batch)
    )
    assert kept.shape == (3, 4000, G)
    assert kept[0].all()
    assert set(kept.unique().tolist()) == {0.0, 1.0}
    assert (kept[1:].mean(1) - 0.5).abs().max() < 4.5 * 0.5 / 4000**0.5
    together = (kept[1] * kept[2]).mean(0)
    assert (together - 0.25).abs().max() < 4.5 * 0.43 / 4000**0.5
