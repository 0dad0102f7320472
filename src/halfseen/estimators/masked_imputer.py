"""What MisGAN and AmbientGAN share: settings, networks, training, imputers for new masks."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self

import torch
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from halfseen.core.noise import new_generator, seed_from
from halfseen.core.spec import DataSpec
from halfseen.errors import SettingError
from halfseen.estimators.adversarial import AdversarialImputer
from halfseen.estimators.adversarial_networks import (
    GAN_NETWORKS,
    IMPUTER_NETWORKS,
    check_imputer_size,
)
from halfseen.estimators.adversarial_settings import (
    check_numbers,
    check_sizes,
    check_width_words,
    check_words,
    rounds_of_fit,
)
from halfseen.estimators.base import store
from halfseen.estimators.dealing import Dealer, Held
from halfseen.estimators.given_masks import mask_source
from halfseen.estimators.mask_units import MaskUnits
from halfseen.estimators.masked_game import MaskedGame, Stakes
from halfseen.estimators.masked_monitors import MONITORS, watch
from halfseen.estimators.masked_rows import MaskedRows
from halfseen.estimators.players import CellImputer, RowMaker
from halfseen.estimators.resuming import check_ended
from halfseen.nn.critics import Critic
from halfseen.nn.outputs import CellOutput
from halfseen.training.settings import check_training, is_count

__all__ = ["MaskedImputer"]

SHARED = """imputer : {"joint", "standalone", "none"}
        How the imputer learns: together with rows and masks (Eq. 9 and 10), afterwards from a
        generator that stays as it is (Eq. 9), or not at all. :meth:`adapt` makes one for other
        masks, also later (Eq. 11).
    network : {"mlp", "conv"}
        Of generators and critics; convolutions are for images.
    imputer_network : {"mlp", "unet"}
        Of the imputer.
    n_latent : int
        Numbers of standard normal noise behind a row, and behind a mask.
    hidden, critic_hidden : sequence of int or None
        Hidden widths of generators and of critics, or channels of convolutions, the widest last,
        three for 28 x 28 pixels and one per halving of other sizes; None takes (256, 512) and
        (512, 256, 128) for images, (128, 128) for tables, and the published channels.
    imputer_hidden : sequence of int or None
        Hidden widths of the imputer, or channels of the U-Net's first level and its depth; None
        takes (500, 500) for images, (128, 128) for tables, and (64, 5).
    imputer_sees_mask : bool
        Whether the imputer sees the mask beside the row; published ones see noise in the holes.
    fill : float
        What hides a missing cell from the critic, tau: in standard deviations from the mean of a
        column, or where a picture's seen pixels span [0, 1].
    gumbel_temperature : float
        Of categories.
    gradient_penalty : float
        Its weight.
    one_sided : bool or None
        Whether only gradients of critics that are longer than 1 cost. Published penalties cost
        shorter ones as well, with which critics of few columns cannot turn round; None is one
        side for tables, and both for images.
    beta : float
        Weight of the completions' critic for generated rows, with ``imputer="joint"``.
    reconstruction : float
        Weight of the squared error of what the imputer says of seen cells.
    n_critic : int
        Steps of critics for one of the others.
    skewed : bool
        Whether strongly skewed columns are bent before they are scaled to [0, 1].
    n_members : int
        Independent games, played at once; answers come from all.
    decision : {"mean", "draw"}
        Whether ``transform`` gives the mean over draws, or one draw.
    n_draws_predict : int
        Draws behind a mean, per member.
    monitor : {"sliced-wasserstein", "frechet", "critic-gap", "none"}
        By which the best state is chosen: the distance of generated and completed rows from
        held-out ones where these were seen, what the critic says of them, or the last state.
    monitor_features : Module or None
        From rows, such as flat images (B, c * h * w), to features that the Frechet distance
        compares, such as :func:`halfseen.metrics.lenet_features`; None takes the cells. A file
        does not keep it: ``load(path, monitor_features=None)``.
    validation_fraction : float
        Share of the rows that is held out for that. Fewer than 20 are not worth it: with the
        default, tables under 195 rows hold out none, are not watched and keep the last state.
    max_steps, imputer_steps : int or None
        Rounds, each of ``n_critic`` steps of critics and one of the others; None chooses from the
        number of rows, and for a standalone imputer as many again.
    batch_size : int
        Rows in each step.
    lr, imputer_lr : float
        Learning rates.
    schedule : {"constant", "cosine", "one-cycle"}
        How they move.
    betas : pair of float
        Adam's moment decays.
    average : float
        Decay of a moving average of the parameters, 0 for none.
    clip_norm, time_budget
        Largest gradient norm; seconds after which training stops. A standalone imputer gets the
        share of its rounds, and what the rows leave.
    kinds : mapping or None
        Kinds of columns where the inferred ones are wrong.
    keep_empty_features : bool
        Whether columns without any observed value are kept (filled with 0) or refused.
    random_state : int, RandomState, Generator or None
        Same seed, same answer.
    device : str
        Where tensors live.
    verbose : bool
        Whether a progress bar is drawn on a terminal."""


class MaskedImputer(MaskedRows, AdversarialImputer):
    """Base of the models whose critic sees generated rows behind masks.

    A method says where masks come from; its docstring takes the shared settings in place of
    ``{shared}``.
    """

    def __init_subclass__(cls, **keywords: Any) -> None:
        """Write the shared settings into the docstring."""
        super().__init_subclass__(**keywords)
        cls.__doc__ = (cls.__doc__ or "").replace("{shared}", SHARED)

    def __init__(
        self,
        *,
        imputer: Literal["joint", "standalone", "none"] = "joint",
        network: Literal["mlp", "conv"] = "mlp",
        imputer_network: Literal["mlp", "unet"] = "mlp",
        n_latent: int = 128,
        hidden: Sequence[int] | None = None,
        critic_hidden: Sequence[int] | None = None,
        imputer_hidden: Sequence[int] | None = None,
        imputer_sees_mask: bool = True,
        fill: float = 0.0,
        gumbel_temperature: float = 0.5,
        gradient_penalty: float = 10.0,
        one_sided: bool | None = None,
        beta: float = 0.1,
        reconstruction: float = 0.0,
        n_critic: int = 3,
        skewed: bool = False,
        n_members: int = 1,
        decision: Literal["mean", "draw"] = "mean",
        n_draws_predict: int = 20,
        monitor: Literal[
            "sliced-wasserstein", "frechet", "critic-gap", "none"
        ] = "sliced-wasserstein",
        monitor_features: nn.Module | None = None,
        validation_fraction: float = 0.1,
        max_steps: int | None = None,
        imputer_steps: int | None = None,
        batch_size: int = 64,
        lr: float = 5e-4,
        imputer_lr: float = 5e-4,
        schedule: Literal["constant", "cosine", "one-cycle"] = "constant",
        betas: tuple[float, float] = (0.5, 0.9),
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

    # ---- what a method says -------------------------------------------------------------

    @abstractmethod
    def _masks(self, masks: Tensor, generator: torch.Generator) -> tuple[nn.Module, Critic | None]:
        """Where masks come from, given those of the table (n, U), and their critic."""

    def _stakes(self, spec: DataSpec) -> Stakes:
        """Weights of the losses."""
        return Stakes(
            fill=self.fill,
            penalty=self.gradient_penalty,
            one_sided=spec.shape is None if self.one_sided is None else self.one_sided,
            beta=self.beta,
            reconstruction=self.reconstruction,
            n_critic=self.n_critic,
            lr=self.lr,
            imputer_lr=self.imputer_lr,
            betas=tuple(self.betas),
        )

    # ---- fitting ------------------------------------------------------------------------

    def _check_settings(self) -> None:
        super()._check_settings()
        words = {
            "imputer": ("joint", "standalone", "none"),
            "network": tuple(GAN_NETWORKS),
            "imputer_network": tuple(IMPUTER_NETWORKS),
            "monitor": (*MONITORS, "none"),
        }
        check_words(self, words)
        check_sizes(self, ("n_latent", "n_critic"), optional=("imputer_steps",))
        check_width_words(self, ("hidden", "critic_hidden", "imputer_hidden"), None)
        ranges = {
            "a finite number": ("fill",),
            "a number of 0 or more": ("gradient_penalty", "beta", "reconstruction"),
        }
        check_numbers(self, ranges)

    def _make_game(self, spec: DataSpec, masks: Tensor, generator: torch.Generator) -> MaskedGame:
        build, (low, high) = GAN_NETWORKS[self.network], self.range_
        output = CellOutput(spec, low, high, self.gumbel_temperature)
        network = build.generator(self, self.n_latent, spec.n_features, spec.shape, generator)
        rows = RowMaker(network, self.n_latent, output)
        source, mask_critic = self._masks(masks, generator)
        data_critic = build.critic(self, spec.n_features, spec.shape, generator)
        imputer, imputer_critic = None, None
        if self.imputer != "none":
            made = IMPUTER_NETWORKS[self.imputer_network](self, spec, generator)
            imputer = CellImputer(made, output, sees_mask=self.imputer_sees_mask)
            imputer_critic = build.critic(self, spec.n_features, spec.shape, generator)
        return MaskedGame(
            rows,
            source,
            data_critic,
            mask_critic,
            imputer,
            imputer_critic,
            self.mask_units_,
            self._stakes(spec),
        )

    def _learn(self, dealer: Dealer, held: Held | None) -> None:
        game, steps = self.game_, self._steps(len(dealer.masks))
        joint = self.imputer == "joint"
        phases = game.generation(dealer, joint=joint)
        if joint:
            phases += game.imputation(dealer, joint=True)
        monitor = self._monitor("both" if joint else "rows", held)
        label = "joint" if joint else "rows"
        if self.imputer != "standalone":
            self._play(label, phases, monitor, steps, dealer, self.time_budget)
            return
        more = steps if self.imputer_steps is None else self.imputer_steps
        budget = self.time_budget
        # An imputer that got no time would know nothing: it has its share of the rounds.
        share = None if budget is None else budget * steps / (steps + more)
        spent = self._play(label, phases, monitor, steps, dealer, share)
        check_ended(self, "the rows")
        left = None if budget is None else max(budget - spent, 0.0)
        monitor = self._monitor("completions", held)
        self._play("imputer", game.imputation(dealer), monitor, more, dealer, left)

    def _monitor(self, what: str, held: Held | None) -> Any:
        if held is None or self.monitor == "none":
            return None
        features = self.monitor_features
        return watch(self.monitor, what, self.game_, held, self.n_members, self.seed_, features)

    def adapt(self, masks: Any, *, max_steps: int | None = None, random_state: Any = None) -> Self:
        """An imputer for another law of masks, from the generator alone (Eq. 11).

        It learns to complete generated rows, and needs no data. So a generator that was fitted
        without one, or read from a file, gets its imputer here.

        Parameters
        ----------
        masks : bool array of shape (m, p), images of shape (m, c, h, w), table, dict or law
            Masks to expect, True where a cell is seen. Tables go by the names of their columns,
            and a dict has masks of each modality, as :meth:`generate_masks` gives them. Or
            ``MCAR(rate)``, or a law of holes in pictures such as ``BlockMask(rate=0.5)``.
        max_steps : int or None, default=None
            Rounds; None takes those of the fit.
        random_state : int, optional
            Seed; by default that of the fit.

        Returns
        -------
        Self
            A fitted copy with another imputer, ``imputer="standalone"`` where this one has
            "none"; this estimator is unchanged.

        Raises
        ------
        SettingError
            When a setting cannot be, or masks do not fit the data or look at what they hide.
        """
        check_is_fitted(self, "codec_")
        check_training(self.get_params(deep=False))
        self._check_settings()
        if max_steps is not None and not is_count(max_steps):
            raise SettingError(f"Got max_steps={max_steps!r}. Expected a positive whole number.")
        other = copy.deepcopy(self)
        # It has an imputer from here on, in files too.
        other.imputer = "standalone" if self.imputer == "none" else self.imputer
        if not other._varying:
            return other
        steps = rounds_of_fit(self.n_iter_) if max_steps is None else max_steps
        other.seed_ = self.seed_ if random_state is None else seed_from(random_state)
        # Another law may tell apart what was always seen together.
        cells = MaskUnits(other._spec, torch.arange(other._spec.n_columns)).to(other.device)
        source = other._mask_law(masks, cells).to(other.device)
        none = torch.empty(0, 0, device=other.device)
        bank = none.new_zeros(other.batch_size, other.mask_units_.n_units)
        generator = new_generator(other.seed_, 9, other.device)
        dealer = Dealer(none, bank, other.batch_size, other.n_members, generator)
        fresh = other._make_game(other.units_.spec, bank, new_generator(other.seed_, 10))
        other.game_.imputer, other.game_.imputer_critic = fresh.imputer, fresh.imputer_critic
        other.game_.to(other.device, torch.float32).requires_grad_(True)
        other.game_.units, other.n_iter_ = cells, 0
        phases = other.game_.imputation(dealer, source)
        other._play("adapt", phases, None, steps, dealer, other.time_budget)
        other.game_.units = other.mask_units_
        other.game_.requires_grad_(False).eval()
        return other

    def _mask_law(self, masks: Any, units: MaskUnits) -> nn.Module:
        """Masks that a user gives, as a source of masks of units."""
        return mask_source(masks, self.codec_, self._varying, units)

    def _set_state(self, facts: dict[str, Any], tensors: dict[str, Any]) -> None:
        if self.imputer == "none":
            check_imputer_size(self, self._spec)
        super()._set_state(facts, tensors)

    # ---- answering ----------------------------------------------------------------------

    def _completer(self) -> CellImputer:
        if self.game_.imputer is None:
            raise SettingError(
                f"Got a {type(self).__name__} with imputer='none', which generates rows and "
                "completes none. Expected imputer='joint' or 'standalone', or adapt(masks), which "
                "teaches one."
            )
        return self.game_.imputer
