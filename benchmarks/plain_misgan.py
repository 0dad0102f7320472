"""The published MisGAN recipe in plain PyTorch, as one writes it first: the speed reference.

Li, Jiang and Marlin (ICLR 2019), fully connected networks for 28 x 28 digits: generators
128-256-512-784, critics 784-512-256-128-1, an imputer of 500-500-500, ReLU; Adam at 1e-4, and 2e-4
for imputer and its critic, moments (0.5, 0.9); penalty 10 by a second derivative; five steps of
the critics, one after the other, for one of the generators; fresh fakes in each step.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

__all__ = ["PENALTY", "PlainMisGAN", "critic_loss"]

N_LATENT, PENALTY, ALPHA, BETA, TEMPERATURE = 128, 10.0, 0.2, 0.1, 0.66
Batches = Iterator[tuple[Tensor, Tensor]]


class PlainMisGAN:
    """All networks and their optimisers.

    Parameters
    ----------
    x, masks : Tensor of shape (n, 784)
        Digits between 0 and 1, and which pixels are seen (1).
    loader : bool
        Whether batches come from a ``DataLoader``, or from indices of a permutation.
    imputer : bool
        Whether an imputer and its critic are trained too (Eq. 9 and 10).
    """

    def __init__(
        self,
        x: Tensor,
        masks: Tensor,
        *,
        loader: bool = True,
        imputer: bool = False,
        batch_size: int = 64,
        seed: int = 0,
    ) -> None:
        torch.manual_seed(seed)
        p, self.batch_size, self.imputer = x.shape[1], batch_size, imputer
        generator, critic = (N_LATENT, 256, 512, p), (p, 512, 256, 128, 1)
        self.networks = {
            "rows": nn.Sequential(*_mlp(generator), nn.Sigmoid()),
            "masks": nn.Sequential(*_mlp(generator)),
            "data_critic": nn.Sequential(*_mlp(critic)),
            "mask_critic": nn.Sequential(*_mlp(critic)),
        }
        if imputer:
            completions = nn.Sequential(*_mlp((p, 500, 500, 500, p)), nn.Sigmoid())
            more = {"imputer": completions, "imputer_critic": nn.Sequential(*_mlp(critic))}
            self.networks |= more
        self.optimisers = {
            name: torch.optim.Adam(
                network.parameters(), lr=2e-4 if "imputer" in name else 1e-4, betas=(0.5, 0.9)
            )
            for name, network in self.networks.items()
        }
        self.batches = (
            _from_loader(x, masks, batch_size)
            if loader
            else _from_permutations(x, masks, batch_size)
        )

    def round(self, n_critic: int = 5) -> None:
        """Some steps of the critics, and one of the generators."""
        for _ in range(n_critic):
            x, m = self.critics()
        self.generators(x, m)

    def critics(self) -> tuple[Tensor, Tensor]:
        """One step of every critic on a new batch, which is returned."""
        x, m = next(self.batches)
        self._learn_from_critics(learns=True)
        fake, made = self._rows(), self._masks()
        self._critic("data_critic", x * m, fake * made)
        self._critic("mask_critic", m, made)
        if self.imputer:
            self._critic("imputer_critic", fake, self._completed(x, m))
        return x, m

    def _critic(self, name: str, real: Tensor, fake: Tensor) -> None:
        share = torch.rand(len(real), 1)
        self._step(name, critic_loss(self.networks[name], real, fake.detach(), share))

    def generators(self, x: Tensor, m: Tensor) -> None:
        """One step of every generator."""
        self._learn_from_critics(learns=False)
        fake, made = self._rows(), self._masks()
        loss = -self.networks["data_critic"](fake * made).mean()
        if self.imputer:
            loss = loss + BETA * self.networks["imputer_critic"](fake).mean()
        self._step("rows", loss)
        fake, made = self._rows().detach(), self._masks()
        said = self.networks["mask_critic"](made).mean()
        self._step("masks", -said - ALPHA * self.networks["data_critic"](fake * made).mean())
        if self.imputer:
            done = self._completed(x, m)
            self._step("imputer", -self.networks["imputer_critic"](done).mean())

    def _step(self, name: str, loss: Tensor) -> None:
        self.optimisers[name].zero_grad()
        loss.backward()
        self.optimisers[name].step()

    def _rows(self) -> Tensor:
        return self.networks["rows"](torch.randn(self.batch_size, N_LATENT))

    def _masks(self) -> Tensor:
        raw = self.networks["masks"](torch.randn(self.batch_size, N_LATENT))
        return torch.sigmoid(raw / TEMPERATURE)

    def _completed(self, x: Tensor, m: Tensor) -> Tensor:
        said = self.networks["imputer"](x * m + torch.rand_like(x) * (1 - m))
        return x * m + said * (1 - m)

    def _learn_from_critics(self, *, learns: bool) -> None:
        for name, network in self.networks.items():
            if "critic" in name:
                network.requires_grad_(learns)


def critic_loss(critic: nn.Module, real: Tensor, fake: Tensor, share: Tensor) -> Tensor:
    """Minus the estimated distance, and the gradient penalty at ``share`` of real ones."""
    gap = critic(fake).mean() - critic(real).mean()
    between = (share * real + (1 - share) * fake).requires_grad_()
    (gradient,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    return gap + PENALTY * ((gradient.norm(dim=1) - 1) ** 2).mean()


def _mlp(widths: tuple[int, ...]) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for a, b in itertools.pairwise(widths):
        layers += [nn.Linear(a, b), nn.ReLU()]
    return layers[:-1]


def _from_loader(x: Tensor, masks: Tensor, batch_size: int) -> Batches:
    rows = TensorDataset(x, masks)
    loader = DataLoader(rows, batch_size, shuffle=True, drop_last=True)
    while True:
        yield from loader


def _from_permutations(x: Tensor, masks: Tensor, batch_size: int) -> Batches:
    while True:
        for index in torch.randperm(len(x)).split(batch_size):
            if len(index) == batch_size:
                yield x[index], masks[index]
