"""Bundled and public tables, and simulations against brute force."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from halfseen import datasets
from halfseen.datasets import uci
from halfseen.datasets.uci import UCI
from halfseen.tables import infer_kinds, read_kinds


def test_horse_colic_is_small_and_really_incomplete():
    assert datasets.path_of("horse_colic").stat().st_size < 60_000
    table = datasets.load_horse_colic()
    kinds = infer_kinds(table)
    assert table.shape == (300, 23)
    assert sorted(set(kinds.values())) == ["binary", "continuous", "nominal", "ordered"]
    assert sum(kind == "ordered" for kind in kinds.values()) == 8
    assert table["outcome"].isna().sum() == 1


def test_its_kinds_name_the_levels_that_occur():
    kinds = read_kinds(datasets.path_of("horse_colic.toml"))
    plain = pd.read_csv(datasets.path_of("horse_colic"))
    for name, setting in kinds.items():
        assert set(plain[name].dropna()) == set(setting["levels"])


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="horse_colic"):
        datasets.path_of("nothing")
    with pytest.raises(ValueError, match="banknote"):
        datasets.load_uci("bank note")


def test_local_files_are_found_and_checked(tmp_path, monkeypatch):
    columns = list(UCI["banknote"].columns)
    table = pd.DataFrame(np.arange(1372.0 * 5).reshape(1372, 5), columns=columns)
    with pytest.raises(FileNotFoundError, match="fetch=True"):
        datasets.load_uci("banknote", tmp_path)
    (tmp_path / "tables").mkdir()
    table.to_parquet(tmp_path / "tables" / "banknote.parquet")
    pd.testing.assert_frame_equal(datasets.load_uci("banknote", tmp_path), table)
    monkeypatch.setenv("HALFSEEN_DATA", str(tmp_path))
    pd.testing.assert_frame_equal(datasets.load_uci("banknote"), table)
    table[:10].to_csv(tmp_path / "banknote.csv", index=False)
    with pytest.raises(ValueError, match="1372 rows"):
        datasets.load_uci("banknote")


def test_a_fetched_table_is_kept_in_the_folder(tmp_path):
    # The one table whose publisher's copy comes with an installed package.
    name = "breast_cancer_diagnostic"
    table = datasets.load_uci(name, tmp_path, fetch=True)
    assert table.shape == (569, 31)
    again = datasets.load_uci(name, tmp_path)
    np.testing.assert_allclose(again.iloc[:, :30].to_numpy(), table.iloc[:, :30].to_numpy())


def test_files_of_publishers_are_read_into_our_columns(monkeypatch):
    texts = {
        "00379/PhishingData.arff": "% a comment\n@relation r\n@data\n" + "1,0,-1,1,1,1,1,1,0,-1\n",
        "zoo/zoo.data": "bear,1,0,0,1,0,0,1,1,1,1,0,0,4,0,0,1,1\nseal," + "0," * 16 + "4\n",
        "mushroom/agaricus-lepiota.data": "p," + ",".join("abcdefghijklmnopqrstuv") + "\n",
        "glass/glass.data": "1,1.52,13.6,4.5,1.1,71.8,0.06,8.75,0,0,7\n",
        "letter-recognition/letter-recognition.data": "T,2,8,3,5,1,8,13,0,6,6,10,8,0,8,0,8\n",
        "spambase/spambase.data": "0.5," + "0," * 56 + "1\n" + "0," * 57 + "0\n",
    }
    monkeypatch.setattr(uci, "_text", texts.__getitem__)
    names = ("phishing_website", "zoo", "mushroom", "glass", "letter", "spambase")
    tables = {name: UCI[name].fetch() for name in names}
    for name, table in tables.items():
        assert list(table.columns) == list(UCI[name].columns)
    row = tables["phishing_website"].iloc[0]
    assert ",".join(row) == "1,0,-1,1,1,1,1,1,0,-1"
    assert tables["zoo"]["type"].tolist() == ["mammal", "fish"]
    assert tables["zoo"]["legs"].tolist() == ["4", "0"]
    assert tables["mushroom"][["cap_shape", "habitat", "class"]].iloc[0].tolist() == [
        "a",
        "v",
        "p",
    ]
    assert tables["glass"][["RI", "type"]].iloc[0].tolist() == [1.52, 7]
    assert tables["letter"][["x_box", "yegvx", "letter"]].iloc[0].tolist() == [2, 8, "T"]
    assert tables["spambase"]["type"].tolist() == ["spam", "nonspam"]
    assert tables["spambase"]["make"].tolist() == [0.5, 0.0]


@pytest.mark.parametrize(
    ("name", "n_rows", "n_features", "first"),
    [
        ("letter", 20000, 16, [2, 8, 3, 5, 1]),
        ("spambase", 4601, 57, [0.0, 0.64, 0.64, 0.0, 0.32]),
        ("default_credit_card", 30000, 23, [20000, 2, 2, 1, 24]),
        ("breast_cancer_diagnostic", 569, 30, [17.99, 10.38, 122.8, 1001.0, 0.1184]),
    ],
)
def test_the_tables_of_gain_are_complete_numbers_beside_their_target(
    shared_data, name, n_rows, n_features, first
):
    features = datasets.load_uci(name, shared_data).drop(columns=UCI[name].target)
    assert features.shape == (n_rows, n_features)
    assert np.isfinite(features.to_numpy(float)).all()
    assert features.iloc[0, :5].tolist() == first


def test_every_source_has_as_many_names_as_columns():
    for source in UCI.values():
        assert len(set(source.columns)) == len(source.columns)
        assert source.target == source.columns[-1]


def test_exact_answers_agree_with_the_joint_density():
    model = datasets.linear_gaussian(n=6, p=4, d=2, random_state=3)
    s = np.array(
        [[1, 0, 1, 0], [1, 1, 1, 1], [0, 0, 0, 0], [0, 1, 1, 1], [1, 0, 1, 0], [1, 0, 0, 0]]
    )
    holed = np.where(s == 1, model.X, 1e9)
    filled, log_prob = model.conditional_mean(holed, s), model.log_prob(holed, s)
    for i, seen in enumerate(s.astype(bool)):
        joint = stats.multivariate_normal(model.mu, model.covariance)
        if seen.any():
            part = stats.multivariate_normal(model.mu[seen], model.covariance[np.ix_(seen, seen)])
            assert log_prob[i] == pytest.approx(part.logpdf(model.X[i, seen]))
        else:
            assert log_prob[i] == 0.0
        # The conditional mean maximises the joint density over the missing cells.
        for step in 1e-3 * np.eye(4)[~seen]:
            assert joint.logpdf(filled[i]) > joint.logpdf(filled[i] + step)
            assert joint.logpdf(filled[i]) > joint.logpdf(filled[i] - step)


def test_simulations_follow_their_seed():
    first, again = (datasets.linear_gaussian(random_state=1) for _ in range(2))
    np.testing.assert_array_equal(first.X, again.X)
    assert first.X.shape == (500, 5)
    assert not np.array_equal(first.X, datasets.linear_gaussian(random_state=2).X)
