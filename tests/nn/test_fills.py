"""Parts in front of any network: the right numbers come out, and gradients go where they may."""

import pytest
import torch
from torch import nn

from halfseen.core.spec import Column, DataSpec
from halfseen.errors import SettingError
from halfseen.nn.fills import FillChannels, FillConstant, FillMean, FillZero, SetFill
from halfseen.nn.inputs import ConstantChannels, FixedConstant, LearnedConstant, SetEncoder

NAN = float("nan")
ROWS = torch.tensor([[1.0, NAN, 3.0], [NAN, NAN, NAN], [4.0, 5.0, 6.0]])
IMAGE = (1, 4, 4)


def images(n=3):
    x = torch.randn(n, *IMAGE, generator=torch.Generator().manual_seed(0))
    return x.masked_fill(x > 0.5, NAN)


def everything(shape):
    parts = [FillZero(), FillMean(shape), FillConstant(shape), FillChannels(shape)]
    return parts + ([SetFill(shape[0], code=5)] if len(shape) == 1 else [])


def test_values_by_hand():
    start = torch.tensor([7.0, 8.0, 9.0])
    assert FillZero()(ROWS).tolist() == [[1, 0, 3], [0, 0, 0], [4, 5, 6]]
    filled = [[1, 8, 3], [7, 8, 9], [4, 5, 6]]
    assert FillConstant((3,), start)(ROWS).tolist() == filled
    assert FillMean((3,), start)(ROWS).tolist() == filled
    assert FillChannels((3,), start)(ROWS)[0].tolist() == [1, 0, 3, 7, 8, 9, 1, 0, 1]


def test_means_are_learned_from_what_is_seen():
    fill = FillMean((3,)).fit(torch.tensor([[1.0, NAN, 2.0], [3.0, NAN, NAN]]))
    # A column that no row shows takes the mean of all seen cells.
    assert fill.mean.tolist() == [2.0, 2.0, 2.0]
    assert FillMean((2,)).fit(torch.full((2, 2), NAN)).mean.tolist() == [0.0, 0.0]
    assert "mean" in fill.state_dict()


def test_channels_of_images_are_stacked():
    x = images()
    out = FillChannels(IMAGE, torch.full(IMAGE, 0.5))(x)
    assert out.shape == (3, 3, 4, 4)
    torch.testing.assert_close(out[:, :1], torch.nan_to_num(x))
    assert (out[:, 1] == 0.5).all()
    torch.testing.assert_close(out[:, 2:], (~torch.isnan(x)).float())


@pytest.mark.parametrize("shape", [(3,), IMAGE], ids=["table", "images"])
def test_any_network_trains_behind_them(shape):
    rows = ROWS if len(shape) == 1 else images()
    for fill in everything(shape):
        x = rows.clone().requires_grad_(True)
        out = fill(x)
        assert torch.isfinite(out).all()
        with torch.random.fork_rng():
            network = nn.Sequential(fill, nn.Flatten(), nn.Linear(out[0].numel(), 2))
        network(x).square().sum().backward()
        assert torch.isfinite(x.grad).all()
        assert (x.grad[torch.isnan(x)] == 0).all()
        assert all(torch.isfinite(p.grad).all() for p in network.parameters())


def test_only_missing_cells_teach_the_constants():
    fill = FillConstant((3,))
    (fill(ROWS) * torch.tensor([1.0, 10.0, 100.0])).sum().backward()
    assert fill.constant.grad.tolist() == [1.0, 20.0, 100.0]


def test_the_set_code_knows_no_order_of_columns():
    fill = SetFill(3, code=8)
    order = [2, 0, 1]
    other = SetFill(3, code=8)
    other.load_state_dict(fill.state_dict())
    other.encoder.embedding.data = fill.encoder.embedding.data[..., order, :]
    torch.testing.assert_close(other(ROWS[:, order]), fill(ROWS))
    # What is missing does not enter; with nothing seen the code is zero.
    assert (fill(ROWS)[1] == 0).all()


def test_parts_agree_with_input_layers():
    """The parts for tensors with NaN and the layers of the estimators are one thing."""
    x, s = torch.nan_to_num(ROWS), (~torch.isnan(ROWS)).float()
    spec, generator = DataSpec.continuous(3), torch.Generator()
    start = torch.tensor([7.0, 8.0, 9.0])
    for kind, part in ((LearnedConstant, FillConstant), (ConstantChannels, FillChannels)):
        layer = kind(spec, 2, generator)
        layer.constant.data += start
        for member in layer(x, s)[:, 0]:
            torch.testing.assert_close(member, part((3,), start)(ROWS))
    fixed = FixedConstant(spec, 2, start)(x, s)
    assert fixed.shape == (2, 1, 3, 3)
    torch.testing.assert_close(fixed[1, 0], FillMean((3,), start)(ROWS))
    part = SetFill(3)
    torch.testing.assert_close(part.encoder(x, s)[0, 0], part(ROWS))
    assert isinstance(part.encoder, SetEncoder)


def test_missing_categories_take_their_constants():
    spec = DataSpec((Column("a", "continuous"), Column("b", "nominal", n_levels=3)))
    layer = FixedConstant(spec, 1, torch.tensor([0.0, 0.5, 0.3, 0.2]))
    x, s = torch.tensor([[1.0, 2.0], [0.0, 0.0]]), torch.tensor([[1.0, 1.0], [0.0, 0.0]])
    torch.testing.assert_close(
        layer(x, s)[0, 0], torch.tensor([[1.0, 0.0, 0.0, 1.0], [0.0, 0.5, 0.3, 0.2]])
    )


def test_wrong_shapes_are_named():
    with pytest.raises(SettingError, match=r"Expected \(2,\)"):
        FillMean((2,))(ROWS)
    with pytest.raises(SettingError, match="Got values of shape"):
        FillConstant((2,), torch.zeros(3))
