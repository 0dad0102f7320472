"""GAIN: an imputer against a critic that says, cell by cell, what was observed.

Yoon, Jordon and van der Schaar, "GAIN: Missing Data Imputation using Generative Adversarial Nets"
(ICML 2018).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, Self

import torch
from torch import Tensor

from halfseen.core.spec import DataSpec
from halfseen.estimators.adversarial import AdversarialImputer
from halfseen.estimators.adversarial_networks import plain_network
from halfseen.estimators.adversarial_settings import (
    check_numbers,
    check_sizes,
    check_width_words,
    check_words,
)
from halfseen.estimators.base import store
from halfseen.estimators.card import MethodCard
from halfseen.estimators.cell_game import HINTS, CellGame, CellStakes
from halfseen.estimators.dealing import Dealer, Held
from halfseen.estimators.players import CellImputer
from halfseen.estimators.refining import RefiningImputer
from halfseen.nn.outputs import BOUNDS, CellOutput
from halfseen.nn.stacked import INITS
from halfseen.training.hiding import HideCells

__all__ = ["GAINImputer"]

# Noise in holes is uniform in (0, 0.01), as released.
NOISE = 0.01
WORDS = {
    "hint": HINTS,
    "scale": ("standard", "unit"),
    "bound": BOUNDS,
    "init": INITS,
    "hide_pattern": ("bernoulli", "copy"),
    "monitor": ("hidden-cells", "none"),
}


class GAINImputer(AdversarialImputer):
    r"""Complete a table by a network that a critic is to believe, cell by cell.

    With the mask s, noise w in holes, :math:`\bar x = G(s x + (1 - s) w, s)` and
    :math:`\hat x = s x + (1 - s) \bar x`, a critic D that is given a hint h tells observed cells
    from completed ones, and

    .. math::
        L_D &= - mean(s \log D(\hat x, h) + (1 - s) \log(1 - D(\hat x, h))) \\
        L_G &= - mean((1 - s) \log D(\hat x, h)) + \alpha \, mean((s x - s \bar x)^2) / mean(s)

    Parameters
    ----------
    alpha : float
        Weight of the error of seen cells: squares of numbers, cross-entropies of categories.
    hint : {"released", "paper"}
        What the critic is told of the mask, with b = 1 where it is told: b s as in the released
        code, or b s + (1 - b) / 2 as in the paper.
    hint_rate : float
        How often b is 1.
    hidden, critic_hidden : sequence of int or "row"
        Hidden widths of imputer and critic; "row" is two layers as wide as a row has features.
    init : {"torch", "he", "glorot"}
        Initial weights, see :class:`halfseen.nn.stacked.StackedLinear`.
    scale : {"standard", "unit"}
        Whether columns of a table are standardised, or what was seen of them spans [0, 1], as
        the pixels of images always do.
    bound : {"clip", "sigmoid"}
        How numbers stay within what was seen: answers are clipped, or outputs are squeezed.
    n_passes : int
        How often the imputer reads a row: first with noise in holes, then with what it said of
        them, as chained equations do. The published imputer reads once.
    hide_rate, hide_share : float
        Training masks: in a share of the rows, hide seen cells from both players at a rate drawn
        from U(0, hide_rate), while their error counts. The published imputer learns from the
        error of cells that it is shown, and of missing ones from the critic alone.
    hide_pattern : {"bernoulli", "copy"}
        Independent cells, or the holes of another row.
    gumbel_temperature : float
        Of categories.
    skewed : bool
        Whether strongly skewed columns are bent before they are scaled.
    n_members : int
        Independent games, played at once; answers come from all.
    decision : {"mean", "draw"}
        Whether ``transform`` gives the mean over draws, or one draw.
    n_draws_predict : int
        Draws behind a mean, per member.
    monitor : {"hidden-cells", "none"}
        By which the best state is chosen: the error of cells that are hidden from held-out rows,
        or the last state.
    validation_fraction : float
        Share of the rows that is held out for that; 0 keeps the last state. Fewer than 20 are not
        worth it: with the default, tables under 195 rows hold out none and keep the last state.
    max_steps : int or None
        Rounds, one step of each player; None chooses from the number of rows.
    batch_size : int
        Rows in each step.
    lr : float
        Learning rate.
    schedule : {"one-cycle", "cosine", "constant"}
        How it moves.
    betas : pair of float
        Adam's moment decays.
    average : float
        Decay of a moving average of the parameters, 0 for none.
    clip_norm, time_budget
        Largest gradient norm; seconds after which training stops.
    kinds : mapping or None
        Kinds of columns where the inferred ones are wrong.
    keep_empty_features : bool
        Whether columns without any observed value are kept (filled with 0) or refused.
    random_state : int, RandomState, Generator or None
        Same seed, same answer.
    device : str
        Where tensors live.
    verbose : bool
        Whether a progress bar is drawn on a terminal.

    Attributes
    ----------
    history_ : list of dict
        Losses and the monitor at every check.

    Notes
    -----
    Draws differ by their members, by choices between categories and by little else: where
    ``alpha`` is large an answer is close to a mean. For multiple imputation prefer a method that
    has a law of what is missing.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[0.0, 0.1], [1.0, np.nan], [2.0, 1.9], [np.nan, 3.1]] * 20)
    >>> GAINImputer(max_steps=150, random_state=0).fit_transform(X)[[1, 3]].round(0)
    array([[1., 1.],
           [3., 3.]])
    """

    card: ClassVar[MethodCard] = MethodCard(
        name="gain",
        summary="An imputer against a critic that says, cell by cell, what was observed.",
        paper="Yoon, Jordon and van der Schaar, ICML 2018",
        mechanism="MCAR",
        check_params={
            "max_steps": 12,
            "hidden": (8,),
            "critic_hidden": (8,),
            "n_members": 2,
            "n_draws_predict": 3,
        },
    )

    game_: CellGame

    def __init__(
        self,
        *,
        alpha: float = 100.0,
        hint: Literal["released", "paper"] = "released",
        hint_rate: float = 0.9,
        hidden: Sequence[int] | Literal["row"] = (128, 128),
        critic_hidden: Sequence[int] | Literal["row"] = "row",
        init: Literal["torch", "he", "glorot"] = "torch",
        scale: Literal["standard", "unit"] = "standard",
        bound: Literal["clip", "sigmoid"] = "clip",
        n_passes: int = 3,
        hide_rate: float = 0.3,
        hide_share: float = 1.0,
        hide_pattern: Literal["bernoulli", "copy"] = "bernoulli",
        gumbel_temperature: float = 0.5,
        skewed: bool = False,
        n_members: int = 4,
        decision: Literal["mean", "draw"] = "mean",
        n_draws_predict: int = 10,
        monitor: Literal["hidden-cells", "none"] = "hidden-cells",
        validation_fraction: float = 0.1,
        max_steps: int | None = None,
        batch_size: int = 128,
        lr: float = 8e-3,
        schedule: Literal["one-cycle", "cosine", "constant"] = "one-cycle",
        betas: tuple[float, float] = (0.9, 0.999),
        average: float = 0.0,
        clip_norm: float | None = None,
        time_budget: float | None = None,
        kinds: Mapping[str, Any] | None = None,
        keep_empty_features: bool = False,
        random_state: Any = None,
        device: str = "cpu",
        verbose: bool = False,
    ) -> None:
        store(self, locals())

    @classmethod
    def published(cls, **changes: Any) -> Self:
        """The settings of the released code; numbers are scaled to [0, 1] by what was seen.

        Parameters
        ----------
        **changes
            Settings that differ, such as ``hint="paper"``.

        Examples
        --------
        >>> GAINImputer.published(hint="paper").max_steps
        10000
        """
        settings: dict[str, Any] = {
            "hidden": "row",
            "critic_hidden": "row",
            "init": "he",
            "scale": "unit",
            "bound": "sigmoid",
            "n_passes": 1,
            "hide_rate": 0.0,
            "hide_share": 0.0,
            "n_members": 1,
            "n_draws_predict": 1,
            "monitor": "none",
            "validation_fraction": 0.0,
            "max_steps": 10_000,
            "lr": 1e-3,
            "schedule": "constant",
        }
        return cls(**{**settings, **changes})

    # ---- the game -----------------------------------------------------------------------

    def _check_settings(self) -> None:
        super()._check_settings()
        check_words(self, WORDS)
        check_sizes(self, ("n_passes",))
        check_width_words(self, ("hidden", "critic_hidden"), "row")
        ranges = {
            "a number of 0 or more": ("alpha",),
            "a number from 0 to 1": ("hint_rate", "hide_rate", "hide_share"),
        }
        check_numbers(self, ranges)

    def _make_game(self, spec: DataSpec, masks: Tensor, generator: torch.Generator) -> CellGame:
        (low, high), n_units = self.range_, self.mask_units_.n_units
        reads, hears = 2 * spec.n_features, spec.n_features + n_units
        imputer = RefiningImputer(
            self._network(reads, self.hidden, spec.n_features, generator),
            CellOutput(spec, low, high, self.gumbel_temperature, self.bound),
            noise_scale=NOISE,
            n_passes=self.n_passes,
        )
        critic = self._network(hears, self.critic_hidden, n_units, generator)
        return CellGame(imputer, critic, spec, self.mask_units_, self._stakes())

    def _network(
        self,
        n_in: int,
        hidden: Sequence[int] | Literal["row"],
        n_out: int,
        generator: torch.Generator,
    ) -> torch.nn.Module:
        n_features = self.units_.spec.n_features
        widths = (n_features, n_features) if hidden == "row" else tuple(hidden)
        return plain_network(self.n_members, n_in, widths, n_out, generator, self.init)

    def _stakes(self) -> CellStakes:
        hides = HideCells(self.hide_rate, self.hide_share, self.hide_pattern)
        return CellStakes(
            alpha=self.alpha,
            hint=self.hint,
            hint_rate=self.hint_rate,
            hide=hides if hides.share and (hides.rate or hides.pattern == "copy") else None,
            lr=self.lr,
            betas=tuple(self.betas),
        )

    def _learn(self, dealer: Dealer, held: Held | None) -> None:
        game, monitor = self.game_, None
        if held is not None and self.monitor == "hidden-cells":

            def monitor() -> Tensor:
                return -game.held_error(held, self.n_members, self.seed_)

        steps = self._steps(len(dealer.masks))
        self._play("cells", game.phases(dealer), monitor, steps, dealer, self.time_budget)

    def _completer(self) -> CellImputer:
        return self.game_.imputer
