"""The score of held-out labels, and the temperature that is chosen on them."""

import numpy as np
import pytest
import torch
from torch import nn

from halfseen.core.batch import Rows
from halfseen.estimators.label_fitting import LabelFit, Objective, Outlook
from halfseen.terms.label import ClassLaw


class Told(Objective):
    """An objective that says the same of held-out rows, whatever happens."""

    def __init__(self, log_weights, raw, law):
        self.module, self.law = nn.Identity(), law
        self.outlook = Outlook(torch.log_softmax(log_weights, 1), raw)

    def look(self, batch, generator):
        return self.outlook


def fit_of(log_weights, raw, y, weight=None):
    law = ClassLaw(raw.shape[-1], weight)
    rows = Rows.from_values(np.zeros((len(y), 1))).with_labels(np.asarray(y, float))
    fit = LabelFit(Told(log_weights, raw, law), [], rows, False, 1, 0.1, True, 0, len(raw))
    fit.held = rows.take(slice(None))
    return fit


def sure_of_the_first(n, right, size=2.0):
    """Rows whose head says ``size`` for class 0; a share ``right`` of them is of class 0."""
    raw = torch.tensor([size, 0.0]).expand(1, 1, n, 2)
    y = (np.arange(n) >= right * n).astype(float)
    return fit_of(torch.zeros(1, 1, n), raw, y)


def chosen(fit):
    fit._calibrate()
    return float(fit.objective.law.temperature)


def test_few_rows_say_little_about_the_temperature():
    assert chosen(sure_of_the_first(6, 1.0)) == pytest.approx(1.0, abs=0.15)
    assert chosen(sure_of_the_first(6, 0.5)) == pytest.approx(1.0, abs=0.15)
    assert chosen(sure_of_the_first(2000, 1.0)) < 0.55


@pytest.mark.parametrize("right", [0.65, 0.95])
def test_many_rows_choose_the_temperature_that_is_right(right):
    exact = 2.0 / np.log(right / (1 - right))
    assert chosen(sure_of_the_first(4000, right)) == pytest.approx(exact, rel=0.06)


def test_weights_count_what_is_said_after_averaging():
    """c log sum_k w_k p(y | x_k), and not the log of a mean of powers of p."""
    generator = torch.Generator().manual_seed(0)
    log_weights = torch.randn(2, 5, 4, generator=generator)
    raw = 3 * torch.randn(2, 5, 4, 3, generator=generator)
    y, weight = [0, 2, 1, 2], torch.tensor([1.0, 0.0, 5.0])
    p = torch.einsum("mkb,mkbc->mbc", torch.softmax(log_weights, 1), torch.softmax(raw, -1))
    own, count = p[:, torch.arange(4), y].log(), weight[y]
    expected = (own * count).sum(-1) / count.sum()
    torch.testing.assert_close(fit_of(log_weights, raw, y, weight)._score(), expected)


def test_labels_that_do_not_count_choose_nothing():
    fit = fit_of(torch.zeros(1, 1, 3), torch.zeros(1, 1, 3, 2), [0, 0, 0], torch.zeros(2))
    assert chosen(fit) == pytest.approx(1.0, abs=0.02)
    assert torch.isfinite(fit._score()).all()
