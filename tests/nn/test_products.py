"""Products by another library: the numbers and derivatives of torch's own."""

from __future__ import annotations

import pytest
import torch

from halfseen.nn import products
from halfseen.nn.products import affine, product


@pytest.fixture(autouse=True)
def _everything_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "LARGE", 1)
    monkeypatch.setattr(products, "LARGE_LEARNED", 1)


def _inputs(members: int) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(0)
    sizes = ((members, 5, 3), (members, 3, 4), (members, 1, 4))
    return tuple(torch.randn(size, generator=generator).requires_grad_() for size in sizes)


@pytest.mark.parametrize("members", [1, 2])
def test_values_and_gradients_are_those_of_plain_products(members: int) -> None:
    x, weight, bias = _inputs(members)
    ours, plain = affine(x, weight, bias), x @ weight + bias
    torch.testing.assert_close(ours, plain)
    torch.testing.assert_close(product(x, weight), x @ weight)
    for mine, theirs in zip(
        torch.autograd.grad((ours**2).sum(), (x, weight, bias)),
        torch.autograd.grad((plain**2).sum(), (x, weight, bias)),
        strict=True,
    ):
        torch.testing.assert_close(mine, theirs)


def test_second_derivatives_are_those_of_plain_products() -> None:
    x, weight, bias = _inputs(2)
    found = []
    for out in (affine(x, weight, bias), x @ weight + bias):
        (slope,) = torch.autograd.grad((out**3).sum(), x, create_graph=True)
        found.append(torch.autograd.grad((slope**2).sum(), (x, weight, bias)))
    for mine, theirs in zip(*found, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-3)


def test_other_precisions_and_small_products_stay_with_torch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("oneDNN was asked")

    monkeypatch.setattr(products._Affine, "apply", refuse)
    x, weight, bias = (tensor.double() for tensor in _inputs(1))
    assert affine(x, weight, bias).dtype == torch.float64
    monkeypatch.setattr(products, "LARGE_LEARNED", 10**6)
    assert affine(*_inputs(1)).shape == (1, 5, 4)


@pytest.mark.parametrize("expanded", [True, False])
def test_weights_and_slopes_come_to_onednn_in_one_piece(
    monkeypatch: pytest.MonkeyPatch, expanded: bool
) -> None:
    # It takes a thousand times longer with others, such as the slope of a plain sum.
    asked, ask = [], torch.ops.mkldnn._linear_pointwise

    def look(x: torch.Tensor, weight: torch.Tensor, *rest: object) -> torch.Tensor:
        asked.append(weight.is_contiguous() or weight.t().is_contiguous())
        return ask(x, weight, *rest)

    monkeypatch.setattr(torch.ops.mkldnn, "_linear_pointwise", look)
    x, weight, bias = _inputs(2)
    wide = torch.cat([weight, weight], -1)
    for out in (affine(x, weight, bias), product(x, wide[..., 1:5])):
        loss = out.sum() if expanded else out[..., :3].square().sum()
        loss.backward()
    assert len(asked) == 12
    assert all(asked)
    torch.testing.assert_close(x.grad, _plain_slope(expanded))


def _plain_slope(expanded: bool) -> torch.Tensor:
    x, weight, bias = _inputs(2)
    wide = torch.cat([weight, weight], -1)
    for out in (x @ weight + bias, x @ wide[..., 1:5]):
        loss = out.sum() if expanded else out[..., :3].square().sum()
        loss.backward()
    assert x.grad is not None
    return x.grad
