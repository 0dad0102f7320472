"""Convolutional generators and critics are the published ones, and their penalty is exact."""

import math

import pytest
import torch
from torch import nn
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from halfseen.errors import SettingError
from halfseen.nn.adversarial_conv import ConvCritic, ConvGenerator
from halfseen.nn.critics import Critic

# Channels of a picture, its size, and small widths.
PICTURES = [
    (1, (28, 28), (3, 4, 5)),
    (3, (32, 32), (3, 4, 5)),
    (3, (64, 64), (2, 3, 4, 5)),
    (2, (12, 8), (3, 4)),
]
DIGITS, SMALL = PICTURES[0], PICTURES[3]


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def generator_of(picture, n_members=2, seed=0):
    n_channels, size, channels = picture
    return ConvGenerator(n_members, 6, n_channels, size, generator(seed), channels=channels)


def critic_of(picture, n_members=2, seed=0):
    n_channels, size, channels = picture
    return ConvCritic(n_members, n_channels, size, generator(seed), channels=channels)


def area(picture):
    return picture[0] * math.prod(picture[1])


def rows(n_rows, width, seed=1, n_members=2):
    return torch.randn(n_members, n_rows, width, generator=generator(seed))


def counted(network):
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize("picture", PICTURES)
def test_shapes(picture):
    made = generator_of(picture)(rows(3, 6))
    assert made.shape == (2, 3, area(picture))
    assert critic_of(picture)(made).shape == (2, 3)


def test_published_networks_have_the_published_numbers_of_parameters():
    digits = ConvGenerator(1, 128, 1, (28, 28), generator())
    linear, ups = 128 * 4096 + 4096, 25 * 256 * 128 + 128 + 25 * 128 * 64 + 64 + 64 * 64 + 1
    assert counted(digits) == linear + ups == 1_556_673
    halvings = 25 * 64 + 64 + 25 * 64 * 128 + 128 + 25 * 128 * 256 + 256
    assert counted(ConvCritic(1, 1, (28, 28), generator())) == halvings + 4096 + 1 == 1_030_145
    faces = ConvGenerator(1, 128, 3, (64, 64), generator())
    linear, norms = 128 * 8192, 2 * (8192 + 256 + 128 + 64)
    ups = 25 * (512 * 256 + 256 * 128 + 128 * 64 + 64 * 3) + 3
    assert counted(faces) == linear + norms + ups == 5_371_459
    halvings = 25 * (3 * 64 + 64 * 128 + 128 * 256 + 256 * 512) + 64 + 128 + 256 + 512
    norms, last = 2 * (128 + 256 + 512), 16 * 512 + 1
    found = counted(ConvCritic(1, 3, (64, 64), generator()))
    assert found == halvings + norms + last == 4_316_545


class PlainDigits(nn.Module):
    """The generator of digits, written down once more."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(6, 5 * 16)
        self.first = nn.ConvTranspose2d(5, 4, 5)
        self.second = nn.ConvTranspose2d(4, 3, 5)
        self.third = nn.ConvTranspose2d(3, 1, 8, stride=2)

    def forward(self, z):
        h = self.linear(z).relu().view(-1, 5, 4, 4)
        h = self.first(h).relu()
        assert h.shape[-2:] == (8, 8)
        h = self.second(h[:, :, :7, :7]).relu()
        assert h.shape[-2:] == (11, 11)
        return self.third(h).flatten(1)


def up(n_in, n_out, **settings):
    return nn.ConvTranspose2d(n_in, n_out, 5, 2, padding=2, output_padding=1, **settings)


def plain_pictures():
    return nn.Sequential(
        nn.Sequential(nn.Linear(6, 80, bias=False), nn.BatchNorm1d(80), nn.ReLU()),
        nn.Unflatten(1, (5, 4, 4)),
        nn.Sequential(up(5, 4, bias=False), nn.BatchNorm2d(4), nn.ReLU()),
        nn.Sequential(up(4, 3, bias=False), nn.BatchNorm2d(3), nn.ReLU()),
        up(3, 3),
        nn.Flatten(),
    )


def plain_digits_critic():
    return nn.Sequential(
        nn.Unflatten(1, (1, 28, 28)),
        *(nn.Conv2d(1, 3, 5, stride=2, padding=2), nn.ReLU()),
        *(nn.Conv2d(3, 4, 5, stride=2, padding=2), nn.ReLU()),
        *(nn.Conv2d(4, 5, 5, stride=2, padding=2), nn.ReLU()),
        nn.Flatten(),
        nn.Linear(5 * 16, 1),
    )


def plain_picture_critic():
    return nn.Sequential(
        nn.Unflatten(1, (3, 32, 32)),
        *(nn.Conv2d(3, 3, 5, 2, 2), nn.LeakyReLU(0.2)),
        *(nn.Conv2d(3, 4, 5, 2, 2), nn.InstanceNorm2d(4, affine=True), nn.LeakyReLU(0.2)),
        *(nn.Conv2d(4, 5, 5, 2, 2), nn.InstanceNorm2d(5, affine=True), nn.LeakyReLU(0.2)),
        nn.Conv2d(5, 1, 4),
        nn.Flatten(),
    )


def with_values_of(plain, network, m):
    """The plain network with the parameters of one member, other scales and shifts included."""
    with torch.random.fork_rng():
        plain = plain()
    with torch.no_grad():
        mine, theirs = list(network.copies[m].parameters()), list(plain.parameters())
        for ours, other in zip(mine, theirs, strict=True):
            assert ours.shape == other.shape
            ours.add_(0.1 * torch.randn(ours.shape, generator=generator(7)))
            other.copy_(ours)
    return plain


@pytest.mark.parametrize(
    ("picture", "plain"), [(DIGITS, PlainDigits), (PICTURES[1], plain_pictures)]
)
def test_a_generator_is_the_plain_network(picture, plain):
    network = generator_of(picture)
    references = [with_values_of(plain, network, m) for m in range(2)]
    for step in range(2):
        z = rows(4, 6, seed=10 + step)
        expected = torch.stack([reference(z[m]) for m, reference in enumerate(references)])
        torch.testing.assert_close(network(z), expected)
    network.eval()
    expected = torch.stack([reference.eval()(z[m]) for m, reference in enumerate(references)])
    torch.testing.assert_close(network(z), expected)


@pytest.mark.parametrize(
    ("picture", "plain"),
    [(DIGITS, plain_digits_critic), (PICTURES[1], plain_picture_critic)],
)
def test_a_critic_is_the_plain_network_and_so_is_its_penalty(picture, plain):
    network = critic_of(picture)
    references = [with_values_of(plain, network, m).double() for m in range(2)]
    network.double()
    real, fake = (rows(4, area(picture), seed).double() for seed in (2, 3))
    share = torch.rand(2, 4, 1, generator=generator(4)).double()
    said = network.compare(real, fake, share)
    loss = (said.fake - said.real).sum() + ((said.slope - 1) ** 2).sum()
    found = torch.autograd.grad(loss, list(network.parameters()))
    expected = []
    for m, reference in enumerate(references):
        between = share[m] * real[m] + (1 - share[m]) * fake[m]
        between.requires_grad_()
        score = reference(between).sum()
        (gradient,) = torch.autograd.grad(score, between, create_graph=True)
        slope = (gradient**2).sum(1).sqrt()
        torch.testing.assert_close(said.slope[m], slope)
        torch.testing.assert_close(said.real[m], reference(real[m])[:, 0])
        torch.testing.assert_close(said.fake[m], reference(fake[m])[:, 0])
        loss = (reference(fake[m]) - reference(real[m])).sum() + ((slope - 1) ** 2).sum()
        expected += torch.autograd.grad(loss, list(reference.parameters()))
    for mine, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("picture", PICTURES)
def test_closed_form_and_its_derivatives_equal_autograd(picture):
    critic = critic_of(picture).double()
    real, fake = (rows(3, area(picture), seed).double() for seed in (2, 3))
    share = torch.rand(2, 3, 1, generator=generator(4)).double()
    ours, slow = critic.compare(real, fake, share), Critic.compare(critic, real, fake, share)
    parameters = list(critic.parameters())
    found = []
    for said in (ours, slow):
        loss = (said.fake - said.real).sum() + ((said.slope - 1) ** 2).sum()
        found.append(torch.autograd.grad(loss, parameters, retain_graph=True))
    for name in ("real", "fake", "slope"):
        torch.testing.assert_close(getattr(ours, name), getattr(slow, name))
    for mine, theirs in zip(*found, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("picture", [DIGITS, SMALL])
def test_slopes_and_the_penaltys_gradient_are_finite_differences(picture):
    critic, n = critic_of(picture, n_members=1).double(), area(picture)
    real, fake = (rows(1, n, seed, n_members=1).double() for seed in (2, 3))
    share = torch.full((1, 1, 1), 0.3, dtype=torch.float64)
    between, step = (0.3 * real + 0.7 * fake)[0], 1e-6 * torch.eye(n, dtype=torch.float64)
    with torch.no_grad():
        gradient = (critic((between + step)[None]) - critic((between - step)[None])) / 2e-6
    said = critic.compare(real, fake, share)
    torch.testing.assert_close(said.slope[0, 0], gradient.norm(), rtol=1e-6, atol=0)
    parameters = list(critic.parameters())
    gradients = torch.autograd.grad(
        ((said.slope - 1) ** 2).sum(), parameters, allow_unused=True, materialize_grads=True
    )
    values = parameters_to_vector(parameters).detach()
    direction = torch.randn(len(values), generator=generator(5)).double()
    penalties = []
    for sign in (1, -1):
        vector_to_parameters(values + sign * 1e-7 * direction, parameters)
        penalties.append(((critic.compare(real, fake, share).slope - 1) ** 2).item())
    expected = (penalties[0] - penalties[1]) / 2e-7
    found = torch.cat([gradient.flatten() for gradient in gradients]) @ direction
    assert float(found) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("picture", [DIGITS, SMALL])
def test_members_are_networks_of_their_own(picture):
    for network, width in ((generator_of(picture), 6), (critic_of(picture), area(picture))):
        x = rows(3, width)
        network(x)[0].square().sum().backward()
        first, second = network.copies
        assert all((parameter.grad == 0).all() for parameter in second.parameters())
        assert any((parameter.grad != 0).any() for parameter in first.parameters())
    critic = critic_of(picture)
    real, fake = rows(3, area(picture)), rows(3, area(picture), 2)
    share = torch.rand(2, 3, 1, generator=generator(4))
    both, changed = critic.compare(real, fake, share), real.clone()
    changed[1] += 1
    again = critic.compare(changed, fake, share)
    assert torch.equal(both.slope[0], again.slope[0])
    assert not torch.equal(both.slope[1], again.slope[1])


@pytest.mark.parametrize("picture", [DIGITS, SMALL])
def test_a_seed_says_it_all_and_the_first_member_starts_as_one_alone(picture):
    before = torch.get_rng_state()
    for make in (generator_of, critic_of):
        one, same, other = make(picture, seed=3), make(picture, seed=3), make(picture, seed=4)
        vectors = [parameters_to_vector(network.parameters()) for network in (one, same, other)]
        assert torch.equal(vectors[0], vectors[1])
        assert not torch.equal(vectors[0], vectors[2])
        alone = make(picture, n_members=1, seed=3).copies[0].state_dict()
        for name, tensor in one.copies[0].state_dict().items():
            assert torch.equal(tensor, alone[name])
        weights = [next(iter(member.parameters())) for member in one.copies]
        assert not torch.equal(*weights)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("picture", [DIGITS, SMALL])
def test_a_rows_answer_does_not_depend_on_its_neighbours(picture):
    network, z = generator_of(picture), rows(5, 6)
    trained = network(z)
    if picture is SMALL:
        assert not torch.allclose(network(z[:, :2]), trained[:, :2])
    network.eval()
    torch.testing.assert_close(network(z)[:, 2:3], network(z[:, 2:3]))
    critic, x = critic_of(picture), rows(5, area(picture))
    torch.testing.assert_close(critic(x)[:, 2:3], critic(x[:, 2:3]))


def test_a_batch_of_one_row_does_not_break_training():
    network = generator_of(SMALL)
    network(rows(8, 6))
    network(rows(1, 6, seed=2)).square().sum().backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in network.parameters())
    assert all(torch.isfinite(buffer).all() for buffer in network.buffers())


def test_settings_that_do_not_fit_are_refused():
    with pytest.raises(SettingError, match="Got 27 x 27 pixels"):
        ConvGenerator(1, 3, 1, (27, 27), generator())
    with pytest.raises(SettingError, match="Expected 28 x 28 pixels"):
        ConvCritic(1, 1, (32, 32), generator(), layout="digits")
