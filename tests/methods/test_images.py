"""Imputers on images: the same container back, nothing seen is touched, dots are found."""

import numpy as np
import pytest
import torch

from halfseen import (
    MeanImputer,
    MedianImputer,
    MIWAEImputer,
    ModeImputer,
    NotMIWAEImputer,
    ZeroImputer,
    load,
)
from halfseen.errors import ColumnError, SettingError
from halfseen.testing.tables import same_bits

TINY = {
    "n_latent": 2,
    "max_steps": 20,
    "n_members": 2,
    "n_importance": 3,
    "n_importance_predict": 20,
    "random_state": 0,
}
CONSTANTS = [MeanImputer(), MedianImputer(), ModeImputer(), ZeroImputer()]
IMPUTERS = [
    *CONSTANTS,
    MIWAEImputer(**TINY, hidden=(8,)),
    MIWAEImputer(**TINY, hidden=(2, 4), network="conv"),
    MIWAEImputer(**TINY, hidden=(2, 4), network="conv", observation="bernoulli", binarize=True),
    MIWAEImputer(**TINY, hidden=(2,), network="conv", observation="student", noise="column"),
    NotMIWAEImputer(**TINY, direction="high", hidden=(2, 4), network="conv"),
    NotMIWAEImputer(**TINY, direction="high", hidden=(8,), observation="bernoulli"),
    NotMIWAEImputer(**TINY, hidden=(8,), tied=False, collapse=False),
]


def dots(n=60, size=8, seed=0):
    """A bright dot at a random place; the border is always dark."""
    rng = np.random.default_rng(seed)
    at = rng.uniform(2, size - 3, (n, 2, 1, 1))
    grid = np.mgrid[:size, :size]
    images = np.exp(-((grid - at) ** 2).sum(1) / 3)[:, None]
    images[:, :, [0, -1]] = images[:, :, :, [0, -1]] = 0.0
    return images.astype(np.float32)


def with_holes(images, rate=0.4, seed=1):
    """Images with holes; one pixel is never seen."""
    holes = np.random.default_rng(seed).random(images.shape) < rate
    holes[:, :, 4, 4] = True
    return np.where(holes, np.float32(np.nan), images)


def assert_completes(images, filled):
    assert type(filled) is type(images)
    assert filled.dtype == images.dtype
    assert filled.shape == images.shape
    images, filled = np.asarray(images), np.asarray(filled)
    seen = ~np.isnan(images)
    assert same_bits(filled[seen], images[seen])
    assert np.isfinite(filled).all()


@pytest.mark.filterwarnings("ignore::halfseen.errors.AnswerQualityWarning")
@pytest.mark.parametrize("imputer", IMPUTERS, ids=lambda imputer: type(imputer).__name__)
def test_every_verb_takes_images(imputer, tmp_path):
    images = with_holes(dots())
    imputer = imputer.fit(images)
    filled = imputer.transform(images)
    assert_completes(images, filled)
    for draw in imputer.sample(images, n_draws=2):
        assert_completes(images, draw)
    for other in (images.astype(np.float64), torch.from_numpy(images)):
        again = imputer.transform(other)
        assert_completes(other, again)
        np.testing.assert_allclose(np.asarray(again), filled, rtol=1e-4, atol=1e-5)
    for i in (0, 7):
        alone = imputer.transform(images[i : i + 1])[0]
        np.testing.assert_allclose(alone, filled[i], rtol=1e-4, atol=1e-5)
    imputer.save(tmp_path / "imputer")
    loaded = load(tmp_path / "imputer")
    assert same_bits(loaded.transform(images), filled)
    assert same_bits(imputer.transform(dots(5)), dots(5))
    if hasattr(imputer, "score_samples"):
        scores = imputer.score_samples(images)
        assert np.isfinite(scores).all()
        np.testing.assert_allclose(imputer.score_samples(images[3:5]), scores[3:5], rtol=1e-3)
        assert_completes(images[:4], imputer.quantile(images[:4], 0.8))
        assert len(imputer.diagnostics(images)) == len(images)


@pytest.mark.parametrize("observation", ["gaussian", "bernoulli"])
@pytest.mark.parametrize("network", ["mlp", "conv"])
def test_it_finds_the_dot(network, observation):
    images = dots(200)
    holed = with_holes(images)
    holes = np.isnan(holed)
    imputer = MIWAEImputer(
        n_latent=4,
        hidden=(8, 16) if network == "conv" else (32,),
        network=network,
        observation=observation,
        max_steps=150,
        n_members=1,
        n_importance=3,
        n_importance_predict=50,
        lr=1e-2,
        random_state=0,
    )

    def error(imputer):
        return float(np.sqrt(((imputer.fit_transform(holed) - images)[holes] ** 2).mean()))

    assert error(imputer) < 0.75 * error(MeanImputer())


def test_constants_of_a_pixel_that_no_image_shows():
    images = np.full((3, 1, 1, 3), np.nan)
    images[:, 0, 0, 0] = [1.0, 1.0, 4.0]
    images[:2, 0, 0, 1] = [6.0, 8.0]
    means = {
        MeanImputer: [2.0, 7.0, 4.0],
        MedianImputer: [1.0, 7.0, 4.0],
        ModeImputer: [1.0, 6.0, 1.0],
        ZeroImputer: [0.0, 0.0, 0.0],
    }
    for method, expected in means.items():
        assert method().fit(images).statistics_.tolist() == expected


def test_pixels_share_their_units_and_their_range():
    images = with_holes(dots())
    imputer = MIWAEImputer(**TINY, hidden=(4,)).fit(images)
    shift, scale = set(imputer.units_.shift), set(imputer.units_.scale)
    assert list(shift) == pytest.approx([np.nanmean(images)], rel=1e-5)
    assert list(scale) == pytest.approx([np.nanstd(images)], rel=1e-5)
    low, high = imputer.range_
    assert low.min() == low.max() < high.min() == high.max()
    assert not imputer.repeats_.grid
    assert imputer.model_.observation.decoder.network.width == 2 * 64
    raw = MIWAEImputer(**TINY, hidden=(4,), standardize=False).fit(images)
    assert set(raw.units_.scale) == {1.0}


def test_chunks_of_answers_count_the_widest_convolution():
    imputer = MIWAEImputer(**TINY, hidden=(16, 32), network="conv").fit(with_holes(dots()))
    assert imputer._answers().width == 16 * 4 * 4


def test_bernoulli_draws_are_ones_and_zeros_and_answers_probabilities():
    images = with_holes((dots() > 0.5).astype(np.float32))
    holes = np.isnan(images)
    imputer = MIWAEImputer(**TINY, hidden=(8,), observation="bernoulli").fit(images)
    for draw in imputer.sample(images, n_draws=3):
        assert set(np.unique(draw)) == {0.0, 1.0}
    filled = imputer.transform(images)[holes]
    assert ((filled > 0) & (filled < 1)).all()


def test_grey_scores_are_cross_entropies():
    """With one z the bound is the cross-entropy of the seen pixels plus the ratio of densities."""
    images = with_holes(dots(4))
    imputer = MIWAEImputer(**{**TINY, "n_importance_predict": 1}, observation="bernoulli")
    imputer.set_params(hidden=(4,), n_members=1, calibrate=False).fit(images)
    rows = imputer._rows(imputer._encode(images).values)
    [weighted] = list(imputer._answers().stream(rows.take(slice(None))))
    p = torch.sigmoid(weighted.completion.decoded.laws[0].logits)[0, 0].double()
    x = torch.from_numpy(images.reshape(4, -1)).double()
    cells = torch.nan_to_num(x * p.log() + (1 - x) * (1 - p).log(), nan=0.0).sum(1)
    rest = (weighted.terms["prior"] + weighted.terms["proposal"])[0, 0]
    np.testing.assert_allclose(imputer.score_samples(images), (cells + rest).numpy(), rtol=1e-4)


def test_self_masking_of_pixels_is_tied_and_learned():
    rng = np.random.default_rng(0)
    images = dots(300)
    holes = rng.random(images.shape) < 1 / (1 + np.exp(-30 * (images - 0.6)))
    holed = np.where(holes, np.float32(np.nan), images)
    settings = {**TINY, "n_latent": 3, "max_steps": 120, "hidden": (16,)}
    imputer = NotMIWAEImputer(**settings, direction="high").fit(holed)
    [row] = imputer.mechanism_.summary().to_dict("records")
    assert row["slope"] > 3
    assert 0.4 < row["location"] < 0.9
    naive = NotMIWAEImputer(**settings, direction="low").fit(holed)
    assert imputer.score(holed) > naive.score(holed) + 1
    mean = imputer.transform(holed)[holes].mean()
    assert abs(mean - images[holes].mean()) < 0.25
    free = NotMIWAEImputer(**{**settings, "max_steps": 5}, direction="high", tied=False)
    assert free.fit(holed).model_.mechanism.mechanism.location.shape == (2, 64)


def test_settings_that_do_not_go_together():
    images, table = with_holes(dots(30)), np.random.default_rng(0).normal(size=(30, 3))
    with pytest.raises(SettingError, match="network='conv' with a table of 3 columns"):
        MIWAEImputer(**TINY, network="conv").fit(table)
    with pytest.raises(SettingError, match="encoder_input='set'"):
        MIWAEImputer(**TINY, network="conv", encoder_input="set").fit(images)
    with pytest.raises(
        SettingError, match=r"Got network='resnet'. Expected one of \('mlp', 'conv"
    ):
        MIWAEImputer(**TINY, network="resnet").fit(images)
    with pytest.raises(SettingError, match="tied='yes'"):
        NotMIWAEImputer(**TINY, tied="yes").fit(images)
    with pytest.raises(SettingError, match="directions that differ"):
        NotMIWAEImputer(**TINY, direction={"pixel[0,0,0]": "low"}).fit(images)
    with pytest.raises(ColumnError, match="no pixel is seen"):
        MeanImputer().fit(images * np.nan)
    imputer = MeanImputer().fit(images)
    with pytest.raises(ColumnError, match=r"Got images of shape \(3, 8, 8\)"):
        imputer.transform(np.repeat(images, 3, 1))
    with pytest.raises(ValueError, match="2 axes"):
        imputer.transform(table)
    dark = dots()
    dark[0, 0, 0, 0] = np.inf
    for bad, error in ((images[:, 0], "add the channel axis"), (dark, "infinite")):
        with pytest.raises(ValueError, match=error):
            imputer.fit(bad)
    with pytest.raises(TypeError, match="divide by 255"):
        imputer.fit(np.zeros((3, 1, 4, 4), dtype=np.uint8))
