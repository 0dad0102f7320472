"""What MisGAN is watched by: how far its rows are from held-out ones, where these were observed.

The losses of the players say nothing about convergence. Generated rows are hidden by the masks of
held-out rows, and compared with these; rows are completed from less than was seen, and compared
where they were. Where masks look at their rows, generated rows are hidden by their own: those of
other rows would say that what is never seen does not exist.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from halfseen.core.noise import Noise, new_generator
from halfseen.core.sliced import random_directions, sliced_wasserstein_tensors
from halfseen.estimators.dealing import Held
from halfseen.estimators.masked_game import MaskedGame
from halfseen.estimators.players import LearnedMasks
from halfseen.metrics import fid
from halfseen.nn.critics import Critic

__all__ = ["MONITORS", "MaskedMonitor", "watch"]

Distance = Callable[[Tensor, Tensor, int], Tensor]
Stages = dict[str, Callable[["MaskedMonitor"], Tensor]]

N_DIRECTIONS = 256


def sliced(fake: Tensor, real: Tensor, seed: int) -> Tensor:
    """Sliced Wasserstein distance of rows (h, F), always along the same directions."""
    generator = new_generator(seed, 7, real.device)
    along = random_directions(real.shape[1], N_DIRECTIONS, generator)
    return sliced_wasserstein_tensors(fake, real, along)


@dataclass(frozen=True)
class Frechet:
    """Frechet distance of rows (h, F), or of what a network makes of them.

    Parameters
    ----------
    features : callable or None
        From rows (B, F) to features (B, d).
    """

    features: Callable[[Tensor], Tensor] | None = None

    def __call__(self, fake: Tensor, real: Tensor, seed: int) -> Tensor:
        """The distance; nothing is random in it."""
        return torch.tensor(fid(fake, real, self.features), device=real.device)


class MaskedMonitor:
    """Scores of generated and of completed rows; higher is better, one for each member.

    Parameters
    ----------
    game : MaskedGame
        The players.
    held : Held
        Rows that training does not see.
    n_members, seed : int
        M, and where the noise comes from: the same at every check.
    distance : callable, default=sliced
        From generated rows, held-out rows and a seed to a number.
    """

    def __init__(
        self,
        game: MaskedGame,
        held: Held,
        n_members: int,
        seed: int,
        distance: Distance = sliced,
    ) -> None:
        self.game, self.held, self.n_members, self.seed = game, held, n_members, seed
        self.distance = distance

    def _noise(self) -> Noise:
        generator = new_generator(self.seed, 8, self.held.x.device)
        return Noise(generator, (self.n_members, len(self.held.masks)))

    def _hidden(self, x: Tensor) -> Tensor:
        return self.game.hidden(x, self.held.masks)

    def _generated(self) -> Tensor:
        """Generated rows, hidden like held-out ones."""
        game, noise = self.game.eval(), self._noise()
        fake, source = game.rows(noise, hard=True), game.masks
        if not (isinstance(source, LearnedMasks) and source.given_data):
            return self._hidden(fake)
        made = source(noise, fake)
        return game.hidden(fake, (noise.uniform(made.shape[-1]) < made).to(fake.dtype))

    def _distances(self, fake: Tensor) -> Tensor:
        real = self._hidden(self.held.x)
        return torch.stack([self.distance(one, real, self.seed) for one in fake])

    @torch.no_grad()
    def generation(self) -> Tensor:
        """Minus the distance of generated rows, hidden like held-out ones."""
        return -self._distances(self._generated())

    @torch.no_grad()
    def completion(self) -> Tensor:
        """Minus that of rows completed from less than was seen."""
        game, held = self.game.eval(), self.held
        assert game.imputer is not None
        s = game.units.spread(held.shown)
        done = game.imputer.complete(held.x, s, self._noise(), hard=True)
        return -self._distances(self._hidden(done))

    def both(self) -> Tensor:
        """Their sum."""
        return self.generation() + self.completion()

    @torch.no_grad()
    def critic_gap(self) -> Tensor:
        """Minus what the rows' critic says of held-out rows more than of generated ones."""
        fake = self._generated()
        return -_gap(self.game.data_critic, self._hidden(self.held.x), fake)


def _gap(critic: Critic, real: Tensor, fake: Tensor) -> Tensor:
    return (critic(real.expand_as(fake)) - critic(fake)).mean(-1).abs()


_BY_DISTANCE: Stages = {
    "rows": MaskedMonitor.generation,
    "completions": MaskedMonitor.completion,
    "both": MaskedMonitor.both,
}
#: Names of monitors, and what each looks at while rows, completions, or both are learned.
MONITORS: dict[str, Stages] = {
    "sliced-wasserstein": _BY_DISTANCE,
    "frechet": _BY_DISTANCE,
    "critic-gap": {
        "rows": MaskedMonitor.critic_gap,
        "completions": MaskedMonitor.completion,
        "both": MaskedMonitor.critic_gap,
    },
}


def watch(
    name: str,
    what: str,
    game: MaskedGame,
    held: Held,
    n_members: int,
    seed: int,
    features: Callable[[Tensor], Tensor] | None = None,
) -> Callable[[], Tensor]:
    """A monitor for the training loop.

    Parameters
    ----------
    name : str
        One of ``MONITORS``.
    what : {"rows", "completions", "both"}
        What is learned.
    game, held, n_members, seed
        As in :class:`MaskedMonitor`.
    features : callable or None, default=None
        What the Frechet distance compares, in place of cells.
    """
    distance = Frechet(features) if name == "frechet" else sliced
    watched = MaskedMonitor(game, held, n_members, seed, distance)
    score = MONITORS[name][what]
    return lambda: score(watched)
