"""Images go in and come back: same container, same type, seen pixels to the bit."""

import numpy as np
import pytest
import torch

from halfseen.core.spec import DataSpec
from halfseen.errors import ColumnError, SettingError
from halfseen.tables.choice import codec_for, codec_from_json
from halfseen.tables.codec import TableCodec
from halfseen.tables.images import ImageCodec
from halfseen.testing.tables import same_bits


def some_images(n=6, shape=(2, 3, 5), dtype=np.float64, seed=0):
    rng = np.random.default_rng(seed)
    images = rng.random((n, *shape)).astype(dtype)
    images[rng.random(images.shape) < 0.3] = np.nan
    images[0, 0, 0, 0] = -0.0
    images[:, 1, 1, 1] = np.nan
    images[:, 0, 2, 2] = 0.0
    return images


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_arrays_come_back(dtype):
    images = some_images(dtype=dtype)
    before = images.copy()
    codec = ImageCodec().fit(images)
    encoded = codec.encode(images)
    assert encoded.values.shape == (6, 30)
    assert encoded.values.dtype == np.float64
    np.testing.assert_array_equal(encoded.missing, np.isnan(images.reshape(6, -1)))
    filled = codec.restore(images, np.full((6, 30), 0.25))
    assert filled.dtype == dtype
    assert filled.shape == images.shape
    seen = ~np.isnan(images)
    assert same_bits(filled[seen], images[seen])
    assert (filled[~seen] == 0.25).all()
    assert same_bits(images, before)
    assert not np.shares_memory(filled, images)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
def test_tensors_come_back(dtype):
    images = torch.from_numpy(some_images()).to(dtype)
    before = images.clone()
    codec = ImageCodec().fit(images)
    rows = np.arange(180.0).reshape(6, 30)
    filled = codec.restore(images, rows)
    assert filled.dtype == dtype
    assert filled.device == images.device
    missing = images.isnan()
    assert torch.equal(filled[~missing], images[~missing])
    expected = torch.from_numpy(rows).reshape(images.shape)[missing].to(dtype)
    assert torch.equal(filled[missing], expected)
    assert torch.equal(images.isnan(), before.isnan())


def test_a_pixel_keeps_its_place():
    images = some_images()
    encoded = ImageCodec().fit(images).encode(images)
    place = encoded.values.reshape(images.shape)
    np.testing.assert_array_equal(place, images)
    names = DataSpec.pixels((2, 3, 5)).names
    assert names[np.ravel_multi_index((1, 2, 3), (2, 3, 5))] == "pixel[1,2,3]"


def test_the_grid_stays_whole():
    spec = ImageCodec().fit(some_images()).spec
    assert spec.shape == (2, 3, 5)
    assert all(column.constant is None and not column.integer for column in spec.columns)
    assert spec.subset(range(30)).shape == (2, 3, 5)
    assert spec.subset(list(range(30))) == spec
    assert spec.subset(range(29)).shape is None
    with pytest.raises(SettingError, match=r"shape=\(1, 2, 3\) for 5 columns"):
        DataSpec(DataSpec.continuous(5).columns, (1, 2, 3))


def test_one_place_chooses_the_codec():
    images = some_images()
    assert isinstance(codec_for(images), ImageCodec)
    assert isinstance(codec_for(torch.from_numpy(images)), ImageCodec)
    assert isinstance(codec_for(np.zeros((3, 2))), TableCodec)
    codec = ImageCodec().fit(images)
    again = codec_from_json(codec.to_json())
    assert isinstance(again, ImageCodec)
    assert again.spec == codec.spec
    assert (again.levels, again.feature_names) == (codec.levels, codec.feature_names)
    table = TableCodec().fit(np.ones((3, 2)))
    assert codec_from_json(table.to_json()).spec == table.spec


FLOATS = np.zeros((2, 1, 3, 3))
INPUTS = [
    (np.zeros((2, 3, 3)), ValueError, r"add the channel axis, images\[:, None\]"),
    (torch.zeros(2, 3, 3), ValueError, "add the channel axis"),
    (FLOATS.astype(np.uint8), TypeError, "uint8.*divide by 255"),
    (torch.zeros(2, 1, 3, 3, dtype=torch.uint8), TypeError, "uint8.*divide by 255"),
    (FLOATS > 0, TypeError, "bool.*Expected floats"),
    (np.full((2, 1, 3, 3), np.inf), ValueError, "infinite pixels"),
    (np.zeros((0, 1, 3, 3)), ValueError, "at least one image"),
    (np.zeros((2, 1, 0, 3)), ValueError, "at least one image and one pixel"),
    (np.ma.masked_invalid(FLOATS), TypeError, "masked array.*filled"),
]


@pytest.mark.parametrize(("images", "error", "match"), INPUTS)
def test_what_cannot_be_read_is_refused(images, error, match):
    with pytest.raises(error, match=match):
        codec_for(images).fit(images)


def test_other_images_than_those_of_fit_are_refused():
    codec = ImageCodec().fit(FLOATS)
    for other in (np.zeros((2, 3, 3, 3)), np.zeros((2, 1, 4, 3))):
        with pytest.raises(ColumnError, match=r"Expected \(1, 3, 3\), as in fit"):
            codec.encode(other)
    with pytest.raises(ValueError, match="2 axes"):
        codec.encode(np.zeros((2, 9)))
    with pytest.raises(ValueError, match=r"shape \(0, 1, 3, 3\). Expected at least one image"):
        codec.encode(FLOATS[:0])
    with pytest.raises(ValueError, match=r"Expected \(2, 9\), a row per image"):
        codec.restore(FLOATS, np.zeros((2, 8)))
    with pytest.raises(ValueError, match="infinite filled"):
        codec.restore(FLOATS * np.nan, np.full((2, 9), np.inf))
    with pytest.raises(SettingError, match="kinds"):
        ImageCodec().fit(FLOATS, kinds={"x0": "count"})
    with pytest.raises(ValueError, match="dim 4"):
        TableCodec().fit(np.zeros((2, 2))).encode(FLOATS)
