"""The autoencoder family as estimators: settings, files, copies, training that survives."""

import copy
import inspect
import pickle
import re

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone

import halfseen
from halfseen.errors import SettingError
from halfseen.estimators.autoencoder import AutoencoderImputer
from halfseen.methods.hivae import HIVAEImputer
from halfseen.methods.mvae import MVAEImputer
from halfseen.methods.vae import AEImputer, CVAEImputer, VAEImputer
from halfseen.methods.vaeac import VAEACImputer
from halfseen.methods.vsae import VSAEImputer
from halfseen.nn.norm import StackedBatchNorm
from halfseen.testing.tables import same_bits, some_frame, some_table

FAMILY = (AEImputer, VAEImputer, CVAEImputer, MVAEImputer, VAEACImputer, VSAEImputer)
SMALL = {"hidden": (8,), "max_steps": 15, "n_importance_predict": 10, "random_state": 0}
# Models in which a part is held at two places.
SHARED = [
    VSAEImputer(decode_with_mask=True, **SMALL),
    VSAEImputer(decode_with_mask=True, blocks={"pair": ["a", "c"]}, aggregator="mean", **SMALL),
    VAEACImputer(memory=True, **SMALL),
    VAEACImputer(memory=False, **SMALL),
    CVAEImputer(condition="data", **SMALL),
    MVAEImputer(**SMALL),
]


def frame():
    return pd.DataFrame(some_table(), columns=list("abcd"))


# ---- settings ------------------------------------------------------------------------------


@pytest.mark.parametrize("method", FAMILY)
def test_signatures_list_every_setting_once(method):
    shared = inspect.signature(AutoencoderImputer).parameters
    own = inspect.signature(method).parameters
    assert set(shared) <= set(own)
    assert all(p.kind is inspect.Parameter.KEYWORD_ONLY for p in own.values())
    assert set(method().get_params()) == set(own)
    for name in own:
        line = rf"^ {{4}}(\w+, )*{name}(, \w+)*( : .+)?$"
        assert len(re.findall(line, method.__doc__, re.MULTILINE)) == 1, name
    assert "{shared}" not in method.__doc__


@pytest.mark.parametrize("method", FAMILY)
def test_settings_arrive_and_unknown_ones_do_not(method):
    estimator = method(lr=0.5, hidden=(3,))
    assert (estimator.lr, estimator.hidden) == (0.5, (3,))
    assert estimator.set_params(lr=0.25, blocks={"a": ["b"]}) is estimator
    assert clone(estimator).get_params() == estimator.get_params()
    with pytest.raises(TypeError, match="learning_rate"):
        method(learning_rate=0.1)
    with pytest.raises(ValueError, match="learning_rate"):
        method().set_params(learning_rate=0.1)
    with pytest.raises(TypeError):
        method(3)


def test_defaults_of_subclasses_win():
    assert AutoencoderImputer().encoder_input == "mask"
    assert VAEImputer().encoder_input == VAEImputer().get_params()["encoder_input"] == "zero"
    assert inspect.signature(VAEImputer).parameters["encoder_input"].default == "zero"
    assert VSAEImputer().encoder_input == AEImputer().encoder_input == "mask"
    assert AEImputer.published().encoder_input == "zero"
    assert AEImputer(encoder_input="set").encoder_input == "set"
    for method in FAMILY:
        for name, parameter in inspect.signature(method).parameters.items():
            assert getattr(method(), name) == parameter.default, name


def test_a_subclass_of_a_subclass_adds_and_changes():
    from halfseen.estimators.signature import adds_to

    class Mine(VSAEImputer):
        @adds_to(VSAEImputer)
        def __init__(self, *, depth: int = 2, aggregator: str = "max", **shared):
            super().__init__(aggregator=aggregator, **shared)
            self.depth = depth

    mine = Mine(lr=1.0, unseen_weight=0.25)
    assert (mine.depth, mine.aggregator, mine.lr, mine.unseen_weight) == (2, "max", 1.0, 0.25)
    assert list(inspect.signature(Mine).parameters)[:2] == ["depth", "aggregator"]
    assert clone(mine).get_params() == mine.get_params()


@pytest.mark.parametrize(
    "estimator",
    [
        VSAEImputer(aggregator="sum"),
        VSAEImputer(unseen_weight=-1.0),
        VSAEImputer(n_latent=0),
        VSAEImputer(calibrate=True),
        VSAEImputer(validation="cells"),
        CVAEImputer(condition="rows"),
        CVAEImputer(condition="data", hide_share=0.0),
        VAEACImputer(hide_rate=0.0),
        MVAEImputer(n_subsets=-1),
        MVAEImputer(n_subsets=0.5),
        MVAEImputer(hide_pattern="all"),
        VAEImputer(n_importance_predict=0),
        VSAEImputer(n_importance=0),
        VAEACImputer(batch_size=0),
        VAEImputer(kl_weight=-1.0),
        VAEImputer(kl_weight="small"),
        VAEImputer(kl_warm_up=2.0),
        VSAEImputer(unseen_start=3.0),
        VSAEImputer(unseen_start="late"),
        VSAEImputer(unseen_weight="a"),
        VSAEImputer(unseen_weight=float("nan")),
        VSAEImputer(unseen_weight=float("inf")),
        VSAEImputer(mask_hidden=8),
        VSAEImputer(mask_hidden=(-1,)),
        VSAEImputer(mask_hidden=(0,)),
        VAEImputer(hidden=8),
        VAEImputer(hide_rate="a"),
        VAEImputer(hide_share=float("nan")),
        VAEImputer(kl_weight=True),
        VAEACImputer(prior_weight="a"),
        VAEACImputer(prior_weight=float("nan")),
        VAEACImputer(hide_share=None, hide_rate=2.0),
    ],
)
def test_settings_that_make_no_model_are_refused(estimator):
    with pytest.raises(SettingError, match=r"Got .*Expected|use validation"):
        estimator.set_params(max_steps=2).fit(some_table())


@pytest.mark.parametrize("method", FAMILY)
def test_published_settings_are_of_known_data(method):
    with pytest.raises(SettingError, match=r"Got data='foo'. Expected .*images"):
        method.published("foo")


@pytest.mark.parametrize(
    "weights",
    [3.0, ["pair"], {"a": 1.0}, {"pair": -1.0}, {"pair": "x"}, {"pair": float("nan")}],
)
def test_weights_are_of_modalities(weights):
    imputer = VAEImputer(**SMALL, blocks={"pair": ["a", "c"]}, modality_weights=weights)
    with pytest.raises(SettingError, match=r"modality_weights=.*pair.*0 or more"):
        imputer.fit(frame())


@pytest.mark.parametrize("method", [*FAMILY, HIVAEImputer])
def test_weights_arrive_at_the_columns_of_their_modality(method, tmp_path):
    weights = {"network": 10.0, "d": 0.0}
    settings = SMALL | {"blocks": {"network": ["a", "c"]}}
    imputer = method(**settings, modality_weights=weights).fit(frame())
    assert imputer._objective().weights.cells.tolist() == [10.0, 1.0, 10.0, 0.0]
    plain = method(**settings).fit(frame())
    assert plain._objective().weights is None
    assert not same_bits(
        imputer.transform(frame()).to_numpy(), plain.transform(frame()).to_numpy()
    )
    imputer.save(tmp_path / "model")
    assert halfseen.load(tmp_path / "model").modality_weights == weights


def test_the_mask_has_a_weight():
    imputer = VSAEImputer(**SMALL, mask_weight=0.25).fit(frame())
    assert imputer._objective().weights.mask == 0.25
    with pytest.raises(SettingError, match="mask_weight"):
        VSAEImputer(**SMALL, mask_weight=-1).fit(frame())


def test_what_learns_from_hidden_cells_hides_in_all_rows_by_itself():
    for method in (VAEACImputer(), CVAEImputer(condition="data")):
        some = clone(method).set_params(**SMALL, hide_share=None).fit(some_table())
        whole = clone(method).set_params(**SMALL, hide_share=1.0).fit(some_table())
        assert some.history_[-1]["model.observation"] == whole.history_[-1]["model.observation"]


@pytest.mark.parametrize("n_importance", [0, 1.5, "many"])
def test_a_number_of_samples_is_a_positive_whole_number(n_importance):
    imputer = VAEImputer(**SMALL).fit(some_table())
    with pytest.raises(SettingError, match="positive whole"):
        imputer.log_likelihood(some_table(), n_importance)


@pytest.mark.parametrize("imputer", [AEImputer(), CVAEImputer(condition="data")])
def test_what_has_no_density_of_rows_does_not_pretend(imputer):
    fitted = clone(imputer).set_params(**SMALL).fit(some_table())
    with pytest.raises(SettingError, match="no density"):
        fitted.log_likelihood(some_table(), 10)


@pytest.mark.parametrize(
    "blocks",
    [
        {"pairs": ["ab", "cd"]},
        {"network": ["ab", "cd"]},
        {"estimator": ["ab"], "settings": ["cd"]},
        {"lab": np.array(["ab", "cd"])},
        {"lab": pd.Index(["ab", "cd"])},
    ],
)
def test_blocks_of_any_name_come_back_from_files(blocks, tmp_path):
    table = pd.DataFrame(some_table()[:, :3], columns=["ab", "cd", "ef"])
    imputer = VSAEImputer(**SMALL, blocks=blocks).fit(table)
    imputer.save(tmp_path / "model")
    again = halfseen.load(tmp_path / "model")
    assert again.blocks == {name: list(names) for name, names in blocks.items()}
    pd.testing.assert_frame_equal(again.transform(table), imputer.transform(table))


def test_blocks_of_arrays_are_places_and_come_back_from_files(tmp_path):
    imputer = VSAEImputer(**SMALL, blocks={"pair": np.array([0, 2])}).fit(some_table())
    named = VSAEImputer(**SMALL, blocks={"pair": ["x0", "x2"]}).fit(some_table())
    assert same_bits(imputer.transform(some_table()), named.transform(some_table()))
    imputer.save(tmp_path / "model")
    again = halfseen.load(tmp_path / "model")
    assert again.blocks == {"pair": [0, 2]}
    assert same_bits(again.transform(some_table()), named.transform(some_table()))


@pytest.mark.parametrize("method", FAMILY)
def test_linear_models_are_among_them(method):
    filled = method(**SMALL | {"hidden": ()}).fit_transform(some_table())
    assert np.isfinite(filled).all()


@pytest.mark.parametrize("method", FAMILY)
@pytest.mark.parametrize("data", ["numeric", "categorical"])
def test_published_settings_run(method, data):
    imputer = method.published(data, max_steps=3, hidden=(8, 8), random_state=0)
    table = some_table() if data == "numeric" else some_frame()[["city", "group", "size"]]
    assert not pd.DataFrame(imputer.fit_transform(table)).isna().any(axis=None)
    assert any(isinstance(m, StackedBatchNorm) for m in imputer.model_.modules())


def test_settings_of_another_paper_are_not_those_of_hi_vae():
    with pytest.raises(SettingError, match="Expected the constructor"):
        HIVAEImputer.published("numeric", max_steps=3)


# ---- files and copies ----------------------------------------------------------------------


@pytest.mark.parametrize("estimator", SHARED)
def test_files_and_copies_answer_alike(estimator, tmp_path):
    X = frame()
    fitted = clone(estimator).fit(X)
    fitted.save(tmp_path / "model.safetensors")
    loaded = halfseen.load(tmp_path / "model.safetensors")
    copied = copy.deepcopy(fitted)
    again = clone(fitted).fit(X)
    pickled = pickle.loads(pickle.dumps(fitted))
    expected = fitted.transform(X).to_numpy()
    for other in (loaded, copied, again, pickled):
        assert same_bits(other.transform(X).to_numpy(), expected)
        assert same_bits(other.score_samples(X), fitted.score_samples(X))
        if fitted._has_density():
            assert same_bits(other.generate(5).to_numpy(), fitted.generate(5).to_numpy())
    assert not hasattr(clone(fitted), "model_")


@pytest.mark.parametrize("estimator", SHARED)
def test_parts_held_at_two_places_are_one_part_in_copies(estimator):
    """A copy whose decoder still looked at the original would change with it."""
    X = frame()
    fitted = clone(estimator).fit(X)
    copied = copy.deepcopy(fitted)
    before = copied.transform(X).to_numpy()
    with torch.no_grad():
        for parameter in fitted.model_.parameters():
            parameter.add_(1.0)
    assert same_bits(copied.transform(X).to_numpy(), before)
    names = list(fitted.model_.state_dict())
    assert not [n for n in names if ".term" in n or ("conditions" in n and "inputs" not in n)]
    tensors = [p.data_ptr() for p in fitted.model_.parameters()]
    assert len(tensors) == len(set(tensors))


def test_a_memory_looks_at_the_prior_of_its_own_model():
    fitted = VAEACImputer(memory=True, **SMALL).fit(frame())
    for imputer in (fitted, copy.deepcopy(fitted)):
        model = imputer.model_
        assert model.observation.code.conditions[1].prior[0] is model.prior
        assert model.proposal.prior[0] is model.prior


# ---- training that survives ----------------------------------------------------------------


@pytest.mark.parametrize("method", FAMILY)
@pytest.mark.parametrize(("rows", "batch"), [(33, 16), (7, 1)])
def test_batch_norm_survives_batches_of_one_row(method, rows, batch):
    """Tables of batch * k + 1 rows, and batches of one row."""
    X = some_table()[:rows]
    imputer = method(**SMALL | {"normalize": True, "batch_size": batch}).fit(X)
    assert np.isfinite(imputer.transform(some_table())).all()
    norms = [m for m in imputer.model_.modules() if isinstance(m, StackedBatchNorm)]
    assert norms
    for norm in norms:
        assert torch.isfinite(norm.mean).all()
        assert (norm.variance > 0).all()


def test_normalised_answers_do_not_depend_on_neighbours():
    X = some_table()
    imputer = VSAEImputer(normalize=True, **SMALL).fit(X)
    alone = np.vstack([imputer.transform(X[[i]]) for i in range(len(X))])
    np.testing.assert_allclose(alone, imputer.transform(X), rtol=1e-5)
