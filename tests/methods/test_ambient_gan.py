"""AmbientGAN as an estimator: where its masks come from, and files of each law."""

import numpy as np
import pytest
import torch

from halfseen import load
from halfseen.core.noise import Noise, new_generator
from halfseen.errors import SettingError
from halfseen.estimators.players import LearnedMasks, MaskTable, PictureMasks
from halfseen.mechanisms.images import (
    BlockMask,
    ClippingMask,
    DropoutMask,
    ImageMask,
    RectangleMask,
    SquareMask,
)
from halfseen.methods.ambient_gan import AmbientGAN
from halfseen.methods.misgan import MisGAN
from halfseen.testing.tables import same_bits, some_table

SMALL = {
    "max_steps": 8,
    "n_latent": 3,
    "hidden": (6,),
    "critic_hidden": (6,),
    "imputer_hidden": (6,),
    "n_critic": 2,
    "n_draws_predict": 5,
    "random_state": 0,
}


def pictures(n=40, channels=1, size=6):
    rng = np.random.default_rng(0)
    x = rng.random((n, channels, size, size)).astype(np.float32)
    return np.where(rng.random((n, 1, size, size)) < 0.4, np.float32(np.nan), x)


def patterns(masks):
    return {tuple(row) for row in np.asarray(masks).reshape(len(masks), -1).tolist()}


# ---- the law of masks -----------------------------------------------------------------------


def test_observed_masks_are_those_of_the_table():
    X = some_table()
    model = AmbientGAN(**SMALL).fit(X)
    assert isinstance(model.game_.masks, MaskTable)
    assert not list(model.game_.masks.parameters())
    assert model.game_.mask_critic is None
    made = model.generate_masks(3000)
    assert patterns(made) == patterns(~np.isnan(X))
    # Each row of the table is as likely as another.
    np.testing.assert_allclose(made.mean(0), (~np.isnan(X)).mean(0), atol=0.04)


def test_masks_that_are_given():
    X = some_table()
    given = np.array([[True, False, True, True], [False, False, False, True]])
    model = AmbientGAN(**SMALL, masks=given).fit(X)
    made = model.generate_masks(500)
    assert patterns(made) == patterns(given)
    assert 0.4 < made[:, 0].mean() < 0.6
    for same in (given.astype(float), given.tolist(), torch.from_numpy(given)):
        other = AmbientGAN(**SMALL, masks=same).fit(X)
        assert same_bits(other.transform(X), model.transform(X))


def test_a_table_of_masks_deals_each_as_often():
    table = MaskTable(torch.eye(5))
    noise = Noise(torch.Generator().manual_seed(0), (2, 5000))
    made = table(noise, torch.zeros(2, 5000, 3))
    assert made.shape == (2, 5000, 5)
    assert made.dtype == torch.float32
    torch.testing.assert_close(made.mean((0, 1)), torch.full((5,), 0.2), atol=0.02, rtol=0)
    assert not torch.equal(made[0], made[1])


@pytest.mark.parametrize("channels", [1, 3])
def test_a_law_of_pictures(channels):
    X = pictures(channels=channels)
    model = AmbientGAN(**SMALL, masks=BlockMask(4)).fit(X)
    assert isinstance(model.game_.masks, PictureMasks)
    made = model.generate_masks(50).reshape(50, channels, 6, 6)
    assert (made.sum((2, 3)) == 16).all()
    assert (made == made[:, :1]).all()
    assert len(patterns(made)) > 3


def test_laws_by_channel_where_the_data_have_them():
    X = pictures(channels=2)
    X[:, 0, 0, 0] = np.nan
    model = AmbientGAN(**SMALL, masks=DropoutMask(0.5, by_channel=True)).fit(X)
    made = model.generate_masks(200).reshape(200, 2, 36)
    assert 0.4 < (made[:, 0] == made[:, 1]).mean() < 0.6


def test_learned_masks_have_no_critic():
    model = AmbientGAN(**SMALL, masks="learned").fit(some_table())
    assert isinstance(model.game_.masks, LearnedMasks)
    assert model.game_.mask_critic is None
    stages = {name for row in model.history_ for name in row}
    assert "masks.data" in stages
    assert not {"masks.mask", "critics.mask"} & stages


@pytest.mark.parametrize(
    ("masks", "message"),
    [
        ("all", "masks='all'. Expected 'observed', 'learned'"),
        (np.ones((3, 5)), r"shape \(3, 5\)"),
        (np.ones((0, 4)), r"shape \(0, 4\)"),
        (BlockMask(4), "for a table"),
    ],
)
def test_laws_that_do_not_fit_a_table(masks, message):
    with pytest.raises(SettingError, match=message):
        AmbientGAN(**SMALL, masks=masks).fit(some_table())


def test_laws_that_do_not_fit_pictures():
    X = pictures(channels=2)
    with pytest.raises(SettingError, match="looks at what it hides"):
        AmbientGAN(**SMALL, masks=ClippingMask()).fit(X)
    apart = np.ones((3, 2, 6, 6), dtype=bool)
    apart[0, 1, 2, 2] = False
    with pytest.raises(SettingError, match="tell apart cells which the data always show together"):
        AmbientGAN(**SMALL, masks=apart).fit(X)


def test_published_networks_and_rounds_are_those_of_misgan():
    for data in ("digits", "pictures"):
        for imputer in ("joint", "none"):
            ours, other = (m.published(data, imputer=imputer) for m in (AmbientGAN, MisGAN))
            shared = ours.get_params().keys() & other.get_params().keys()
            assert ours.get_params().keys() - shared == {"masks"}
            assert {k: getattr(ours, k) for k in shared} == {k: getattr(other, k) for k in shared}
    assert AmbientGAN.published().max_steps == 1000 * 937 // 5
    with pytest.raises(SettingError, match="data='x'"):
        AmbientGAN.published("x")


# ---- files ------------------------------------------------------------------------------------


LAWS = [
    "observed",
    "learned",
    np.random.default_rng(0).random((7, 1, 6, 6)) < 0.5,
    torch.eye(36).reshape(36, 1, 6, 6) > 0,
    BlockMask(rate=0.7),
    BlockMask((2, 4)),
    SquareMask(3),
    RectangleMask((0.2, 0.4)),
    DropoutMask(0.6),
]


@pytest.mark.parametrize("masks", LAWS, ids=lambda law: type(law).__name__)
def test_files_keep_the_law_of_masks(masks, tmp_path):
    X = pictures()
    model = AmbientGAN(**SMALL, masks=masks).fit(X)
    model.save(tmp_path / "model")
    loaded = load(tmp_path / "model")
    assert np.array_equal(loaded.generate_masks(30), model.generate_masks(30))
    assert same_bits(loaded.generate_incomplete(9), model.generate_incomplete(9))
    assert same_bits(loaded.transform(X), model.transform(X))
    # What comes from a file can be fitted again.
    assert same_bits(loaded.fit(X).transform(X), model.transform(X))


@pytest.mark.parametrize("masks", ["observed", "learned", np.eye(4, dtype=bool)], ids=str)
def test_files_of_models_that_were_adapted_to_another_law(masks, tmp_path):
    X = some_table()
    model = AmbientGAN(**SMALL, masks=masks).fit(X)
    adapted = model.adapt(np.ones((3, 4), dtype=bool) ^ np.eye(4, dtype=bool)[:3], max_steps=4)
    adapted.save(tmp_path / "model")
    loaded = load(tmp_path / "model")
    assert same_bits(loaded.transform(X), adapted.transform(X))
    assert same_bits(np.stack(loaded.sample(X, 2)), np.stack(adapted.sample(X, 2)))
    # Generated masks stay those of the fit.
    for one in (adapted, loaded):
        assert np.array_equal(one.generate_masks(30), model.generate_masks(30))


class Rows(ImageMask):
    """A law that a user wrote."""

    def sample(self, images, generator):
        s = torch.ones_like(images)
        s[:, :, ::2] = 0
        return s


def test_laws_of_users_are_asked_for_when_a_file_is_read(tmp_path):
    model = AmbientGAN(**SMALL, masks=Rows()).fit(pictures())
    model.save(tmp_path / "model")
    with pytest.raises(SettingError, match=r"load\(path, masks=Rows"):
        load(tmp_path / "model")
    loaded = load(tmp_path / "model", masks=Rows())
    assert same_bits(loaded.generate_incomplete(5), model.generate_incomplete(5))


@pytest.mark.parametrize(
    "law", [law for law in LAWS if isinstance(law, ImageMask)], ids=lambda law: type(law).__name__
)
def test_settings_of_laws_make_them_again(law):
    again = type(law)(**law.settings())
    X = torch.zeros(20, 1, 6, 6)
    assert torch.equal(again.sample(X, new_generator(0)), law.sample(X, new_generator(0)))
