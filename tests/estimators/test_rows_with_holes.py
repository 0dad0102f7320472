"""Models are asked for rows with holes alone, and the others come back as they are."""

import numpy as np
import pandas as pd
import pytest

from halfseen import GaussianImputer, MeanImputer, MisGAN, MIWAEImputer
from halfseen.errors import ColumnError, SettingError, TrainingError

RNG = np.random.default_rng(0)


def table(n=60):
    x = RNG.normal(size=(n, 1)) + 0.3 * RNG.normal(size=(n, 3))
    x[RNG.random(x.shape) < 0.3] = np.nan
    frame = pd.DataFrame(x, columns=list("abc"))
    frame["word"] = np.where(RNG.random(n) < 0.5, "low", "high")
    return frame


TINY = [
    MIWAEImputer(hidden=[8], max_steps=20, random_state=0),
    GaussianImputer(random_state=0),
    MisGAN(max_steps=5, random_state=0),
]


@pytest.fixture(scope="module", params=TINY, ids=lambda imputer: type(imputer).__name__)
def fitted(request):
    return request.param.fit(table())


def test_only_rows_with_holes_are_completed(fitted, monkeypatch):
    new, asked = table(), []
    complete = type(fitted)._complete
    monkeypatch.setattr(
        type(fitted), "_complete", lambda self, x: asked.append(x) or complete(self, x)
    )
    filled = fitted.transform(new)
    holes = new.isna().any(axis=1).to_numpy()
    assert [len(x) for x in asked] == [holes.sum()]
    assert 0 < holes.sum() < len(new)
    pd.testing.assert_frame_equal(filled[~holes], new[~holes])
    assert filled.notna().all().all()


def test_answers_are_those_without_complete_rows(fitted):
    new = table()
    holes = new.isna().any(axis=1).to_numpy()
    pairs = [(fitted.transform(new), fitted.transform(new[holes]))]
    pairs += zip(fitted.sample(new, 3), fitted.sample(new[holes], 3), strict=True)
    if hasattr(fitted, "quantile"):
        pairs.append((fitted.quantile(new, 0.2), fitted.quantile(new[holes], 0.2)))
    for among, alone in pairs:
        pd.testing.assert_frame_equal(among[holes], alone, rtol=1e-5, atol=1e-6)


def test_a_table_without_holes_is_its_answer(fitted):
    new = table().dropna()
    for filled in (fitted.transform(new), *fitted.sample(new, 2)):
        pd.testing.assert_frame_equal(filled, new)


@pytest.mark.filterwarnings("ignore:Column 'word' holds categories")
def test_a_category_that_is_unknown_is_no_hole(fitted):
    new = table().dropna().head(4)
    new.iloc[0, new.columns.get_loc("word")] = "never seen"
    new.iloc[1, new.columns.get_loc("a")] = np.nan
    for filled in (fitted.transform(new), *fitted.sample(new, 2)):
        assert filled["word"].tolist() == new["word"].tolist()
        assert filled.notna().all().all()


def test_no_draw_leaves_a_hole(fitted, monkeypatch):
    """What broke numbers make is refused, in draws and quantiles as in ``transform``."""
    for name in ("_to_data", "_drawn", "_natural"):
        made = getattr(type(fitted), name, None)
        if made is not None:
            monkeypatch.setattr(
                type(fitted), name, lambda *args, _made=made, **more: _made(*args, **more) * np.nan
            )
    with pytest.raises(TrainingError, match="no finite answer"):
        fitted.sample(table(), 2)


def test_complete_rows_are_looked_at():
    shares = RNG.random((40, 3))
    shares[::3, 0] = np.nan
    fitted = MIWAEImputer(observation="bernoulli", hidden=[8], max_steps=5).fit(shares)
    shares[1] = 7.0
    for answer in (fitted.transform, fitted.sample, lambda x: fitted.quantile(x, 0.5)):
        with pytest.raises(ColumnError):
            answer(shares)


@pytest.mark.parametrize("n_draws", [0, -1, 1.5, "2", None])
def test_numbers_of_draws(fitted, n_draws):
    for imputer in (fitted, MeanImputer().fit(table())):
        with pytest.raises(SettingError, match="n_draws"):
            imputer.sample(table(), n_draws)
