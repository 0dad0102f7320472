"""Batches side by side: the same answers in the same order, and torch's settings as they were."""

import pytest
import torch

from halfseen import SupMIWAEClassifier
from halfseen.core.batch import Batch
from halfseen.core.memory import floats_at_once, limit_memory
from halfseen.estimators import answers
from halfseen.estimators.parallel import each_batch
from halfseen.testing import small_estimator
from halfseen.testing.tables import some_labels, some_table


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def batches(n):
    return [Batch(*(torch.full((3, 2), float(i)) for _ in range(3))) for i in range(n)]


@pytest.mark.parametrize("n", [0, 1, 2, 7])
def test_answers_come_in_the_order_of_batches(two_threads, n):
    found = each_batch(lambda batch: batch.x.sum(), batches(n))
    assert [float(total) for total in found] == [6.0 * i for i in range(n)]


def test_workers_share_the_threads_and_give_them_back(two_threads):
    seen = each_batch(lambda batch: torch.tensor(torch.get_num_threads()), batches(4))
    assert [int(n) for n in seen] == [1] * 4
    assert torch.get_num_threads() == 2


@pytest.mark.parametrize("n", [1, 4])
def test_a_limit_of_memory_holds_in_workers(two_threads, n):
    with limit_memory("1.6 MB"):
        found = each_batch(lambda batch: floats_at_once(10**9), batches(n))
    assert found == [10_000] * n


@pytest.mark.parametrize("n", [1, 4])
def test_no_gradient_is_kept(two_threads, n):
    weight = torch.ones(2, requires_grad=True)
    found = each_batch(lambda batch: batch.x @ weight, batches(n))
    assert not any(answer.requires_grad for answer in found)


def test_errors_of_workers_are_raised(two_threads):
    def fail(batch):
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        each_batch(fail, batches(3))
    assert torch.get_num_threads() == 2


def test_predictions_do_not_depend_on_threads(monkeypatch, two_threads):
    X = some_table(80)
    model = small_estimator(SupMIWAEClassifier, random_state=0).fit(
        X, some_labels(X, classes=True)
    )
    torch.set_num_threads(1)
    alone = model.predict_proba(X)
    torch.set_num_threads(2)
    # Small batches, so that there are several.
    monkeypatch.setattr(answers, "CHUNK_FLOATS", 2**13)
    assert model.predict_proba(X) == pytest.approx(alone, abs=1e-6)
