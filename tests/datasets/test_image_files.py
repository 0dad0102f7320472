"""Pictures from files: shapes, units, luma, refusals; draws of black and white pixels."""

import numpy as np
import pytest
from scipy import stats

from halfseen.datasets import binarize, load_images
from halfseen.errors import FileFormatError, SettingError


def write(folder, name, shape=(3, 32, 32, 3), **changed):
    rng = np.random.default_rng(0)
    arrays = {
        "x_train": rng.integers(0, 256, shape).astype(np.uint8),
        "y_train": np.arange(shape[0], dtype=np.uint8),
        "x_test": rng.integers(0, 256, (2, *shape[1:])).astype(np.uint8),
        "y_test": np.arange(2, dtype=np.uint8),
    } | changed
    (folder / "images").mkdir(exist_ok=True)
    kept = {key: value for key, value in arrays.items() if value is not None}
    np.savez(folder / "images" / f"{name}.npz", **kept)
    return arrays


def test_colour_is_channels_first_and_between_0_and_1(tmp_path):
    names = np.array(["Bald", "Smiling"])
    y = np.array([[0, 1], [1, 1], [0, 0]], np.uint8)
    arrays = write(tmp_path, "celeba_32", y_train=y, attr_names=names)
    faces = load_images("celeba_32", tmp_path)
    assert faces.x_train.shape == (3, 3, 32, 32)
    assert faces.x_train.dtype == np.float32
    assert faces.x_train[1, 2, 5, 7] == np.float32(arrays["x_train"][1, 5, 7, 2]) / np.float32(255)
    np.testing.assert_array_equal(faces.y_train, y)
    assert faces.y_train.dtype == faces.y_test.dtype == np.int64
    assert faces.attributes == ("Bald", "Smiling")


def test_grey_is_luma_and_leaves_grey_pictures_alone(tmp_path):
    arrays = write(tmp_path, "cifar10_10k")
    grey = load_images("cifar10_10k", tmp_path, grey=True)
    red, green, blue = np.moveaxis(arrays["x_test"].astype(float), -1, 0)
    wanted = (0.299 * red + 0.587 * green + 0.114 * blue) / 255
    np.testing.assert_allclose(grey.x_test[:, 0], wanted, atol=1e-6)
    assert grey.x_test.shape == (2, 1, 32, 32)
    white = np.full((3, 32, 32, 3), 255, np.uint8)
    write(tmp_path, "cifar10_10k", x_train=white)
    assert load_images("cifar10_10k", tmp_path, grey=True).x_train.max() == 1
    write(tmp_path, "mnist", (3, 28, 28))
    plain, same = (load_images("mnist", tmp_path, grey=grey) for grey in (False, True))
    assert plain.x_train.shape == (3, 1, 28, 28)
    np.testing.assert_array_equal(plain.x_train, same.x_train)


def test_the_folder_comes_from_the_environment_and_nothing_is_downloaded(tmp_path, monkeypatch):
    monkeypatch.setenv("HALFSEEN_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"Set HALFSEEN_DATA .* not downloaded"):
        load_images("mnist")
    write(tmp_path, "mnist", (3, 28, 28))
    assert len(load_images("mnist").x_train) == 3


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"y_test": None}, "x_test and y_test"),
        ({"x_train": np.zeros((3, 32, 32, 3))}, "float64 pictures"),
        ({"x_test": np.zeros((2, 28, 28), np.uint8)}, "32, 32, 3"),
        ({"y_train": np.zeros(5, np.uint8)}, "5 labels"),
    ],
)
def test_other_files_are_refused(tmp_path, changed, message):
    write(tmp_path, "cifar10_10k", **changed)
    with pytest.raises(FileFormatError, match=message):
        load_images("cifar10_10k", tmp_path)


def test_unknown_names_are_refused():
    with pytest.raises(SettingError, match="Did you mean 'mnist'"):
        load_images("mnis")


@pytest.mark.parametrize(
    ("name", "shape", "n_test"),
    [
        ("mnist", (60_000, 1, 28, 28), 10_000),
        ("fashion_mnist", (60_000, 1, 28, 28), 10_000),
        ("cifar10_10k", (9_000, 3, 32, 32), 1_000),
        ("celeba_32", (9_000, 3, 32, 32), 1_000),
        ("celeba_64", (1_200, 3, 64, 64), 300),
    ],
)
def test_shared_pictures(shared_data, name, shape, n_test):
    images = load_images(name, shared_data)
    assert images.x_train.shape == shape
    assert len(images.x_test) == len(images.y_test) == n_test
    assert (images.x_test.min(), images.x_test.max()) == (0, 1)
    faces = name.startswith("celeba")
    assert images.y_train.shape == ((shape[0], 40) if faces else shape[:1])
    assert len(images.attributes) == (40 if faces else 0)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_binarize_draws_with_the_grey_value_as_probability(dtype):
    grey = np.repeat(np.array([0.0, 0.1, 0.5, 0.9, 1.0], dtype), 20_000).reshape(5, 1, 100, 200)
    drawn = binarize(grey, 0)
    assert drawn.dtype == dtype
    assert set(np.unique(drawn)) == {0.0, 1.0}
    count = drawn.sum((1, 2, 3))
    assert count[0] == 0
    assert count[-1] == 20_000
    for k in (1, 2, 3):
        assert stats.binomtest(int(count[k]), 20_000, float(grey[k, 0, 0, 0])).pvalue > 1e-4
    np.testing.assert_array_equal(drawn, binarize(grey, 0))
    assert not np.array_equal(drawn, binarize(grey, 1))


def test_binarize_keeps_holes_and_refuses_other_units():
    holed = np.array([[0.0, np.nan], [1.0, 1.0]], np.float32)
    np.testing.assert_array_equal(binarize(holed), holed)
    for wrong in (np.array([0, 255], np.uint8), np.array([0.5, 1.5]), np.array([-0.1])):
        with pytest.raises(SettingError, match="divide bytes by 255"):
            binarize(wrong)
