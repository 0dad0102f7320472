"""Answers that rest on a few of their importance samples say so, and others are quiet."""

import warnings

import numpy as np
import pytest
import torch

import halfseen
from halfseen.core.draws import Resample, WeightedMean
from halfseen.datasets import load_horse_colic, path_of
from halfseen.errors import AnswerQualityWarning
from halfseen.estimators.quality import warn_of_few
from halfseen.testing import small_estimator
from halfseen.testing.tables import some_labels, some_table

pytestmark = pytest.mark.filterwarnings("error::halfseen.errors.AnswerQualityWarning")
TINY = {"hidden": (16,), "max_steps": 60, "random_state": 0}


@pytest.fixture(scope="module")
def table():
    return some_table(200)


@pytest.fixture(scope="module")
def imputer(table):
    return halfseen.MIWAEImputer(**TINY).fit(table)


@pytest.fixture(scope="module")
def predictor(imputer, table):
    model = halfseen.SupMIWAERegressor(generator=imputer, strategy="frozen", **TINY)
    return model.fit(table, some_labels(table, classes=False))


def few(effective, holed):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn_of_few(torch.tensor(effective), torch.tensor(holed, dtype=torch.bool), 100)
    return [str(warning.message) for warning in caught]


def test_counts_are_of_rows_with_holes():
    (said,) = few([1.0, 4.9, 5.1, 80.0, 1.0], [True, True, True, True, False])
    assert said.startswith("The answers of 2 of 4 rows with missing cells rest on fewer than 5")
    assert "out of 100 weighted ones" in said
    assert "Raise n_importance_predict" in said


def test_a_tenth_of_the_rows_is_tolerated():
    assert not few([1.0] + [9.0] * 9, [True] * 10)
    assert few([1.0, 1.0] + [9.0] * 8, [True] * 10)
    assert not few([1.0] * 3, [False] * 3)
    assert not few([], [])


@pytest.mark.parametrize("sizes", [(7,), (3, 4), (1, 5, 1)])
def test_effective_sample_sizes_in_the_stream_are_those_of_all_weights(sizes):
    log_w = 3 * torch.randn(2, 7, 5, generator=torch.Generator().manual_seed(0)) - 400
    w = torch.softmax(log_w.double(), 1)
    expected = (1 / (w**2).sum(1)).amin(0).float()
    uniforms = [torch.full((2, 3, 5, 2), 0.5) for _ in sizes]
    mean, resample = WeightedMean(), Resample(uniforms)
    for part in log_w.split(sizes, 1):
        mean.update(part, torch.ones(*part.shape, 1))
        resample.update(part, torch.ones(*part.shape, 1))
    torch.testing.assert_close(mean.effective_sample_size(), expected, rtol=1e-4, atol=0)
    torch.testing.assert_close(resample.effective_sample_size(), expected, rtol=1e-3, atol=0)


@pytest.mark.parametrize(
    "ask",
    [
        lambda imputer, rows: imputer.transform(rows),
        lambda imputer, rows: imputer.sample(rows, 2),
        lambda imputer, rows: imputer.quantile(rows, 0.5),
    ],
    ids=["transform", "sample", "quantile"],
)
def test_answers_far_from_what_was_seen_are_said_to_be_weak(imputer, table, ask):
    far = 100 * table[:40]
    n_holed = int(np.isnan(far).any(1).sum())
    with pytest.warns(AnswerQualityWarning) as caught:
        ask(imputer, far)
    assert len(caught) == 1, "Once a call."
    assert f"of {n_holed} rows with missing cells" in str(caught[0].message)
    assert caught[0].filename == __file__, "In the name of the caller."
    # The counterpart: pytest makes an error of every warning.
    ask(imputer, table)


def test_the_rows_that_are_counted_are_those_of_the_diagnostics(imputer, table):
    mixed = np.concatenate([table[:30], 100 * table[:30]])
    with pytest.warns(AnswerQualityWarning):
        found = imputer.diagnostics(mixed)
    n_few = int(((found["n_missing"] > 0) & (found["ess"] < 5)).sum())
    assert 0 < n_few < len(mixed)
    with pytest.warns(AnswerQualityWarning, match=f"The answers of {n_few} of"):
        imputer.transform(mixed)


def test_labels_say_so_too(predictor, table):
    far = 100 * table[:40]
    for ask in (predictor.predict, predictor.predict_interval):
        with pytest.warns(AnswerQualityWarning, match="rows with missing cells") as caught:
            ask(far)
        assert len(caught) == 1
        assert caught[0].filename == __file__
        ask(table)
        # Rows without a hole need no samples.
        ask(np.nan_to_num(far))


@pytest.mark.parametrize("method", ["latent", "completed"])
def test_the_rows_that_labels_count_are_those_of_their_diagnostics(
    imputer, predictor, table, method
):
    """Of as many samples as are behind the predictions, whatever the imputer takes itself."""
    model = predictor
    if method == "completed":
        model = small_estimator(halfseen.CompletedRegressor, generator=imputer, random_state=0)
        model.fit(table, some_labels(table, classes=False))
    mixed = np.concatenate([table[:30], 100 * table[:30]])
    with pytest.warns(AnswerQualityWarning):
        found = model.diagnostics(mixed)
    n_few = int(((found["n_missing"] > 0) & (found["ess"] < 5)).sum())
    assert 0 < n_few < len(mixed)
    with pytest.warns(AnswerQualityWarning, match=f"The answers of {n_few} of"):
        model.predict(mixed)


def test_diagnostics_are_of_the_samples_behind_predictions(imputer, table):
    """One chunk of them: of more, the noise of later ones is not the same."""
    model = halfseen.SupMIWAERegressor(generator=imputer, strategy="frozen", **TINY)
    model.set_params(n_importance_predict=90)
    model.fit(table, some_labels(table, classes=False))
    rows = model._encoded_rows(table)
    effective = model._label_answers().averages(rows)[1].numpy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AnswerQualityWarning)
        found = model.diagnostics(table)
    holed = (found["n_missing"] > 0).to_numpy()
    np.testing.assert_allclose(found["ess"][holed], effective[holed], rtol=1e-5)
    assert model.generator_.n_importance_predict != 90, "It was changed."


def test_completed_rows_of_other_estimators_say_so_too(imputer, table):
    model = small_estimator(halfseen.CompletedRegressor, generator=imputer, random_state=0)
    model.fit(table, some_labels(table, classes=False))
    with pytest.warns(AnswerQualityWarning, match="rows with missing cells"):
        model.predict(100 * table[:40])


def test_equal_weights_are_quiet(table):
    imputer = halfseen.VAEImputer(**TINY, n_importance_predict=3).fit(table)
    imputer.transform(100 * table[:40])
    imputer.sample(100 * table[:40], 2)
    model = halfseen.SupMIWAERegressor(generator=imputer, **TINY, n_importance_predict=3)
    model.fit(table, some_labels(table, classes=False)).predict(100 * table[:40])
    weighing = halfseen.VAEImputer(**TINY, n_importance_predict=3, importance_weights=True)
    with pytest.warns(AnswerQualityWarning):
        weighing.fit(table).transform(100 * table[:40])


@pytest.mark.slow
@pytest.mark.parametrize("method", ["miwae", "not-miwae"])
def test_the_bundled_table_is_quiet_at_defaults(method):
    from halfseen.cli.making import make_estimator

    table = load_horse_colic()
    settings = {"max_steps": 400}
    imputer = make_estimator(
        method, seed=0, columns=path_of("horse_colic.toml"), settings=settings
    )
    imputer.fit(table).transform(table)
