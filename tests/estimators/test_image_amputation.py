"""ampute on pictures: types, masks, mechanisms of tables on pixels, refusals."""

import numpy as np
import pytest
import torch

from halfseen.datasets import load_images
from halfseen.errors import SettingError
from halfseen.estimators.amputation import ampute
from halfseen.mechanisms import (
    MCAR,
    BlockMask,
    ClippingMask,
    DropoutMask,
    ImageMask,
    RectangleMask,
    SelfMasking,
    SquareMask,
)

IMAGE_NAMES = ["dropout", "square", "block", "rectangle"]
TABLE_NAMES = ["mcar", "mar", "self-masking", "self-masking-hard", "mnar-logistic"]


def pictures(n=300, shape=(2, 6, 6), dtype="float32"):
    x = np.random.default_rng(0).random((n, *shape)).astype(dtype)
    x[:, 0, 0] = 0.5  # Pixels that never vary, as at the border of digits.
    return x


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("name", IMAGE_NAMES + TABLE_NAMES)
def test_pictures_keep_shape_type_and_seen_values(name, dtype):
    x = pictures(dtype=dtype)
    before = x.copy()
    out, mask = ampute(x, name, rate=0.4, random_state=0, return_mask=True)
    np.testing.assert_array_equal(x, before)
    assert (out.shape, out.dtype) == (x.shape, x.dtype)
    assert (mask.shape, mask.dtype) == (x.shape, bool)
    np.testing.assert_array_equal(np.isnan(out), ~mask)
    np.testing.assert_array_equal(out[mask], x[mask])
    if name in IMAGE_NAMES:
        assert (mask == mask[:, :1]).all()
        assert 1 - mask.mean() == pytest.approx(0.4, abs=0.1)  # Whole pixels of six.
    np.testing.assert_array_equal(ampute(x, name, rate=0.4, random_state=0), out)
    other = ampute(x, name, rate=0.4, random_state=1)
    assert name == "self-masking-hard" or not np.array_equal(np.isnan(other), ~mask)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_tensors_come_back_as_tensors(dtype):
    x = torch.from_numpy(pictures()).to(dtype).requires_grad_()
    out, mask = ampute(x, "square", random_state=0, return_mask=True)
    plain = ampute(x.detach().numpy(), "square", random_state=0)
    assert out.dtype == dtype
    assert not out.requires_grad
    np.testing.assert_array_equal(out.numpy(), plain)
    np.testing.assert_array_equal(out.isnan().numpy(), ~mask)
    assert not x.isnan().any()


@pytest.mark.parametrize("name", ["mcar", "self-masking-hard"])
def test_mechanisms_of_tables_see_each_value_as_a_column(name):
    x = pictures(dtype="float64")
    flat = ampute(x.reshape(len(x), -1), name, rate=0.3, random_state=5)
    np.testing.assert_array_equal(ampute(x, name, rate=0.3, random_state=5), flat.reshape(x.shape))


@pytest.mark.parametrize("name", ["self-masking", "mnar-logistic"])
def test_soft_mechanisms_reach_their_rate_in_every_pixel(name):
    x = pictures(4000, (1, 3, 3))
    share = np.isnan(ampute(x, name, rate=0.3, random_state=0)).mean(0)
    assert np.abs(share - 0.3).max() < 4.5 * np.sqrt(0.21 / 4000)


@pytest.mark.parametrize("link", ["probit", "logistic"])
def test_tied_self_masking_has_its_rate_over_all_pixels(link):
    x = pictures(3000, (1, 3, 3)) ** [1.0, 2.0, 4.0]
    x[:, 0, 2, 1][::2] = np.nan
    law = SelfMasking("high", link=link, slope=3.0, tied=True)
    gone = np.isnan(ampute(x, law, rate=0.3, random_state=0))[~np.isnan(x)]
    assert gone.mean() == pytest.approx(0.3, abs=4.5 * np.sqrt(0.21 / gone.size))
    # One curve for all: half of the values at its location are missing, wherever they stand.
    standard = (x - np.nanmean(x)) / np.nanstd(x)
    at = np.abs(standard[~np.isnan(x)] - float(law.location.detach()[0, 0])) < 0.1
    assert gone[at].mean() == pytest.approx(0.5, abs=0.06)


def test_masks_are_those_of_the_object_and_its_seed_alone():
    x = pictures()
    for law in (DropoutMask(0.2, by_channel=True), BlockMask(3), RectangleMask(), SquareMask(2)):
        mask = ampute(x, law, random_state=0, return_mask=True)[1]
        few = ampute(1 - x[:7], law, random_state=0, return_mask=True)[1]
        np.testing.assert_array_equal(mask[:7], few)
    assert (ampute(x, SquareMask(2), return_mask=True)[1].sum((2, 3)) == 32).all()


def test_holes_that_exist_stay():
    x = pictures()
    x[np.random.default_rng(1).random(x.shape) < 0.3] = np.nan
    for law in ("square", ClippingMask(), "mcar"):
        out, mask = ampute(x, law, random_state=0, return_mask=True)
        assert np.isnan(out[np.isnan(x)]).all()
        np.testing.assert_array_equal(mask, ~np.isnan(out))
        assert np.isnan(out).sum() > np.isnan(x).sum()


def test_columns_are_values_along_channel_row_and_column():
    mask = ampute(pictures(), "dropout", columns=range(36, 42), return_mask=True)[1]
    assert mask[:, 0].all()
    assert mask[:, 1, 1:].all()
    assert not mask[:, 1, 0].all(0).any()


class Corner(ImageMask):
    """The first pixel of each picture is missing."""

    def sample(self, images, generator):
        s = torch.ones_like(images)
        s[:, :, 0, 0] = 0
        return s


def test_a_mask_of_the_user():
    mask = ampute(pictures(), Corner(), return_mask=True)[1]
    assert (~mask).sum() == 2 * 300
    with pytest.raises(SettingError, match=r"rate=0\.3 for Corner"):
        ampute(pictures(), Corner(), rate=0.3)


def test_clipping_of_faces(shared_data):
    faces = load_images("celeba_32", shared_data, grey=True).x_test[:400]
    out = ampute(faces, ClippingMask(threshold=0.75, slope=50.0), random_state=0)
    gone = np.isnan(out)
    # The paper has 15.45 % with another crop of other faces.
    assert gone.mean() == pytest.approx(0.15, abs=0.05)
    expected = 1 / (1 + np.exp(-50 * (faces.astype(float) - 0.75)))
    error = np.sqrt((expected * (1 - expected)).mean() / faces.size)
    assert abs(gone.mean() - expected.mean()) < 4.5 * error


@pytest.mark.parametrize("dtype", ["uint8", "int64", "bool"])
def test_pictures_of_whole_numbers_are_refused(dtype):
    with pytest.raises(TypeError, match="divide by 255"):
        ampute((255 * pictures()).astype(dtype), "dropout")


def test_masks_of_pictures_are_not_for_tables():
    for law in ("square", SquareMask(2)):
        with pytest.raises(SettingError, match=r"pictures of shape \(n, c, h, w\)"):
            ampute(np.zeros((5, 4)), law)
    with pytest.raises(SettingError, match="'block', 'rectangle'"):
        ampute(pictures(), "squares")
    assert np.isnan(ampute(pictures(), MCAR(0.5), random_state=0)).mean() > 0.45
