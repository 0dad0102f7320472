"""Loaders of several modalities: counts, pairs, splits, refusals."""

import numpy as np
import pytest
from scipy.io import savemat

from halfseen.datasets import (
    load_digit_pairs,
    load_image_text,
    load_mmmo,
    load_mnist_svhn,
    load_mosi,
    load_uci,
    load_youtube,
)
from halfseen.datasets.captions import CAPTIONS
from halfseen.datasets.pairs import DIGIT_PAIRS
from halfseen.errors import FileFormatError, SettingError


def write_digits(folder, n_train=200, n_test=60):
    """Pictures whose first two pixels are their number, so that each can be known again."""
    rng = np.random.default_rng(0)
    arrays = {}
    for part, n in (("train", n_train), ("test", n_test)):
        x = rng.integers(0, 256, (n, 28, 28)).astype(np.uint8)
        x[:, 0, 0] = np.arange(n)
        arrays |= {f"x_{part}": x, f"y_{part}": rng.integers(0, 10, n)}
    for name in ("mnist", "fashion_mnist"):
        np.savez(folder / f"{name}.npz", **arrays)
    return arrays


def write_house_numbers(folder, n_train=150, n_test=80, **changed):
    rng = np.random.default_rng(1)
    arrays = {}
    for part, n in (("train", n_train), ("test", n_test)):
        x = rng.integers(0, 256, (32, 32, 3, n)).astype(np.uint8)
        x[3, 5, 2] = np.arange(n)
        arrays[part] = {"X": x, "y": rng.integers(1, 11, (n, 1)).astype(np.uint8)} | changed
        savemat(folder / f"{part}_32x32.mat", arrays[part])
    return arrays


def numbers(pictures):
    return np.rint(pictures[:, 0, 0, 0] * 255).astype(int)


def test_pairs_are_of_the_right_classes_and_use_each_picture_once(tmp_path):
    arrays = write_digits(tmp_path)
    pairs = load_digit_pairs(tmp_path)
    count = {part: np.bincount(arrays[f"y_{part}"], minlength=10) for part in ("train", "test")}
    total = {part: sum(min(n[a], n[b]) for a, b in DIGIT_PAIRS) for part, n in count.items()}
    assert len(pairs.y_train) + len(pairs.y_valid) == total["train"]
    assert len(pairs.y_valid) == round(0.2 * total["train"])
    assert len(pairs.y_test) == total["test"]
    used = []
    for part, place in (("train", "train"), ("valid", "train"), ("test", "test")):
        rows, labels = getattr(pairs, part), getattr(pairs, f"y_{part}")
        assert {tuple(pair) for pair in labels.tolist()} <= set(DIGIT_PAIRS)
        for j, side in enumerate(("left", "right")):
            assert rows[side].dtype == np.float32
            assert rows[side].shape == (len(labels), 1, 28, 28)
            known = numbers(rows[side])
            used += [(place, number) for number in known]
            np.testing.assert_array_equal(arrays[f"y_{place}"][known], labels[:, j])
            bytes_ = arrays[f"x_{place}"][known]
            np.testing.assert_array_equal(np.rint(rows[side][:, 0] * 255), bytes_)
    assert len(used) == len(set(used))


def test_pairs_follow_their_seed_and_can_be_fewer(tmp_path):
    write_digits(tmp_path)
    first, again, other = (load_digit_pairs(tmp_path, random_state=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.train["left"], again.train["left"])
    assert not np.array_equal(first.test["right"], other.test["right"])
    few = load_digit_pairs(tmp_path, n_train=20, n_test=5)
    assert [len(y) for y in (few.y_train, few.y_valid, few.y_test)] == [16, 4, 5]
    np.testing.assert_array_equal(few.test["left"], first.test["left"][:5])
    with pytest.raises(SettingError, match="request for 1000 pairs"):
        load_digit_pairs(tmp_path, n_train=1000)
    with pytest.raises(SettingError, match="'cifar10'"):
        load_digit_pairs(tmp_path, dataset="cifar10")
    with pytest.raises(SettingError, match="validation_fraction=1"):
        load_digit_pairs(tmp_path, validation_fraction=1.0)


def test_pairs_of_the_complete_files(shared_data):
    pairs = load_digit_pairs(shared_data)
    assert [len(y) for y in (pairs.y_train, pairs.y_valid, pairs.y_test)] == [23_257, 5_814, 4_832]
    assert pairs.train["left"].min() == 0
    assert pairs.train["left"].max() == 1
    garments = load_digit_pairs(shared_data, dataset="fashion_mnist")
    assert [len(y) for y in (garments.y_train, garments.y_valid, garments.y_test)] == [
        24_000,
        6_000,
        5_000,
    ]


def test_house_numbers_are_paired_with_the_same_digit(tmp_path):
    digits, houses = write_digits(tmp_path), write_house_numbers(tmp_path)
    pairs = load_mnist_svhn(tmp_path)
    label = {part: houses[part]["y"].ravel() % 10 for part in ("train", "test")}
    total = {
        part: np.minimum(
            np.bincount(digits[f"y_{part}"], minlength=10), np.bincount(label[part], minlength=10)
        ).sum()
        for part in ("train", "test")
    }
    assert len(pairs.y_train) + len(pairs.y_valid) == total["train"]
    assert len(pairs.y_test) == total["test"]
    np.testing.assert_array_equal(pairs.y_test[:, 0], pairs.y_test[:, 1])
    assert pairs.test["svhn"].shape == (total["test"], 3, 32, 32)
    assert pairs.test["svhn"].dtype == np.float32
    known = np.rint(pairs.test["svhn"][:, 2, 3, 5] * 255).astype(int)
    assert len(set(known)) == len(known)
    np.testing.assert_array_equal(label["test"][known], pairs.y_test[:, 1])
    wanted = houses["test"]["X"].transpose(3, 2, 0, 1)[known] / np.float32(255)
    np.testing.assert_array_equal(pairs.test["svhn"], wanted)


def test_house_numbers_that_are_not_there_or_not_right(tmp_path):
    write_digits(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"train_32x32.mat .*Street View House Numbers"):
        load_mnist_svhn(tmp_path)
    write_house_numbers(tmp_path, y=np.zeros((3, 1)))
    with pytest.raises(FileFormatError, match="n labels y"):
        load_mnist_svhn(tmp_path)
    (tmp_path / "train_32x32.mat").write_bytes(b"no numbers" * 50)
    with pytest.raises(FileFormatError, match="no MATLAB file"):
        load_mnist_svhn(tmp_path)


def test_texts_say_what_is_on_the_pictures(tmp_path):
    arrays = write_digits(tmp_path)
    data = load_image_text(tmp_path, dataset="fashion_mnist")
    assert [len(y) for y in (data.y_train, data.y_valid, data.y_test)] == [160, 40, 60]
    for part, place in (("train", "train"), ("valid", "train"), ("test", "test")):
        rows = getattr(data, part)
        known = numbers(rows["image"])
        np.testing.assert_array_equal(arrays[f"y_{place}"][known], getattr(data, f"y_{part}"))
        assert all(isinstance(text, str) for text in rows["text"])
        boots = [text == "ankle boot" for text in rows["text"]]
        np.testing.assert_array_equal(boots, arrays[f"y_{place}"][known] == 9)
    both = np.concatenate([numbers(data.train["image"]), numbers(data.valid["image"])])
    assert sorted(both) == list(range(200))
    few = load_image_text(tmp_path, n_train=10, n_test=4)
    assert [len(few.train["text"]), len(few.valid["text"]), len(few.test["text"])] == [8, 2, 4]
    assert set(few.test["text"]) <= set(CAPTIONS["mnist"])
    with pytest.raises(SettingError, match="request for 0"):
        load_image_text(tmp_path, n_test=0)
    with pytest.raises(SettingError, match="'celeba_32'"):
        load_image_text(tmp_path, dataset="celeba_32")


def write_mosi(folder, **changed):
    rng = np.random.default_rng(0)
    names = np.array([f"vid_{i % 10}_{i}" for i in range(40)])
    arrays = {"id_train": names, "id_test": names[:6]}
    for part, n in (("train", 40), ("test", 6)):
        widths = {"text": 100, "audio": 73, "video": 100}
        arrays |= {f"{m}_{part}": rng.normal(size=(n, p)) for m, p in widths.items()}
        arrays[f"y_{part}"] = np.arange(n, dtype=np.int8) % 2
    arrays["video_train"][:, 0] = np.arange(40)
    arrays |= changed
    np.savez(
        folder / "cmu_mosi_utterance.npz", **{k: v for k, v in arrays.items() if v is not None}
    )


def test_a_video_is_in_one_part(tmp_path):
    write_mosi(tmp_path)
    data = load_mosi(tmp_path)
    assert [len(y) for y in (data.y_train, data.y_valid, data.y_test)] == [32, 8, 6]
    train, valid = (rows["video"][:, 0].astype(int) for rows in (data.train, data.valid))
    assert sorted([*train, *valid]) == list(range(40))
    assert not set(train % 10) & set(valid % 10)
    np.testing.assert_array_equal(data.y_train, train % 2)
    assert data.train["audio"].dtype == np.float32
    other = load_mosi(tmp_path, random_state=1).valid["video"][:, 0]
    assert set(other) != set(valid)


def test_files_without_the_arrays_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="Set HALFSEEN_DATA"):
        load_mosi(tmp_path)
    write_mosi(tmp_path, audio_test=None)
    with pytest.raises(FileFormatError, match="audio_test"):
        load_mosi(tmp_path)
    write_mosi(tmp_path, y_test=np.zeros(5, np.int8))
    with pytest.raises(FileFormatError, match="one number of rows"):
        load_mosi(tmp_path)


def test_shared_utterances(shared_data):
    data = load_mosi(shared_data)
    assert len(data.y_train) + len(data.y_valid) == 1447
    assert len(data.y_test) == 752
    assert [data.test[name].shape[1] for name in ("text", "audio", "video")] == [100, 73, 100]


@pytest.mark.parametrize(
    ("load", "rows"), [(load_mmmo, (220, 40, 80)), (load_youtube, (173, 36, 60))]
)
def test_shared_sequences(shared_data, load, rows):
    data = load(shared_data)
    assert (len(data.y_train), len(data.y_valid), len(data.y_test)) == rows
    assert list(data.train) == ["audio", "video"]
    assert list(data.test) == ["text", "audio", "video"]
    assert data.train["audio"].shape == (rows[0], 20, 74)
    assert data.valid["video"].shape == (rows[1], 20, 36)
    assert data.test["text"].shape == (rows[2], 20, 300)
    gaps = sum(int(np.isnan(part["audio"]).sum()) for part in (data.train, data.valid, data.test))
    assert gaps == (16 if load is load_mmmo else 0)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("phishing_website", (1353, 10)),
        ("phishing_websites", (11_055, 31)),
        ("zoo", (101, 17)),
        ("mushroom", (8124, 23)),
        ("yeast", (1484, 9)),
        ("wine_white", (4898, 12)),
        ("glass", (214, 10)),
    ],
)
def test_shared_tables_of_features(shared_data, name, shape):
    assert load_uci(name, shared_data).shape == shape
