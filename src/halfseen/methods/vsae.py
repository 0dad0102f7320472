"""VSAE: the variational selective autoencoder, of data and masks together.

"Learning from Partially-Observed Multimodal Data with Variational Autoencoders" (2020).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch

from halfseen.core.noise import Noise, new_generator
from halfseen.core.spec import DataSpec
from halfseen.core.stored import member, numbers
from halfseen.errors import FileFormatError, SettingError
from halfseen.estimators.autoencoder import TINY, AutoencoderImputer
from halfseen.estimators.card import MethodCard
from halfseen.estimators.recipes import Parts, Recipe, mask_term, selective_proposal
from halfseen.estimators.signature import adds_to
from halfseen.nn.unimodal import BlockMask
from halfseen.objectives.evidence import Importance, Objective, Selective
from halfseen.terms.code import AGGREGATORS, Code, DecodedMask
from halfseen.terms.completion import Term
from halfseen.terms.mask import MaskTerm

__all__ = ["VSAEImputer"]

# Columns of the widest modality up to which importance weights do not fall on one sample.
WEIGHABLE = 64
# Latents over which rates are taken: 2048 at least, more of them for few modalities.
FEWEST, MOST_FLOATS = 2048, 2**18


class VSAEImputer(AutoencoderImputer):
    r"""Complete modalities, and learn which of them are seen together.

    .. math:: E_q [ \sum_{i \in O} \log p(x_i | m, z)
              + \lambda \sum_{j \in U} \log p(\tilde x_j | m, z) + \log p(m | z) ]
              - \sum_i KL(q(z_i) || N(0, I))

    Each modality has latents z_i of its own, from its own encoder where it is seen and from one
    encoder of all that is seen where it is not (Eq. 4, 8). All encoders of single modalities
    are one batched product. The mask is decoded too: whole modalities where the table never
    shows one in part, else single cells.

    Parameters
    ----------
    aggregator : {"concat", "mean", "max"}
        How the modalities' latents are put together for the data decoder; that of the mask
        reads all of them.
    decode_with_mask : bool
        Whether the data decoder sees the probabilities of the decoded mask.
    mask_hidden : sequence of int or None
        Hidden widths of the mask decoder; None takes (64, 64).
    mask_weight : float
        What the log-density of the mask counts in training.
    match_rates : bool
        Whether the biases of the mask decoder are shifted after training until masks from the
        prior have the table's rates, which latents of wide modalities miss; not with
        ``decode_with_mask``, whose data decoder has learned from the mask as it was.
    unseen_weight : float
        The weight lambda of unseen modalities, which the model completes itself in a first
        pass without gradient; 1 in the paper. Learning from its own guesses makes answers
        worse where it was measured, so the default is 0: cells that training hides are told
        the truth instead.
    unseen_start : float
        Share of the steps before that term counts.
    {shared}

    Attributes
    ----------
    whole_ : bool
        Whether masks are of whole modalities, in the columns that vary.
    weighable_ : bool
        Whether the modalities are such that importance weights do not fall on one sample.
    companions_ : array of int of shape (p,)
        Where each column stands in generated masks: in its own place, or, where it never varies,
        in that of a column of its modality that is seen in the same rows.

    Notes
    -----
    Where ``bound``, ``n_importance`` and ``importance_weights`` are None, columns, groups of
    them and texts get the importance-weighted bound of 5 samples and weighted answers, which
    learn cells and masks best; with pictures, or a modality of more than 64 columns, it is the
    evidence bound of one sample and equal weights, which suit many latents.

    ``score_samples`` is of log p(x_obs, m). ``generate(n, return_mask=True)`` gives rows and
    masks together.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[0.0, 0.1], [1.0, np.nan], [2.0, 1.9], [3.0, 3.1]] * 10)
    >>> imputer = VSAEImputer(max_steps=20, random_state=0).fit(X)
    >>> rows, masks = imputer.generate(5, return_mask=True)
    >>> imputer.transform(X).shape, rows.shape, masks.dtype
    ((40, 2), (5, 2), dtype('bool'))
    """

    card: ClassVar[MethodCard] = MethodCard(
        name="vsae",
        summary="Selective proposals per modality; data and masks decoded together.",
        paper="Learning from Partially-Observed Multimodal Data with VAEs, 2020",
        mechanism="MNAR",
        check_params={**TINY, "n_latent": 2, "mask_hidden": (8,)},
    )

    @adds_to(AutoencoderImputer)
    def __init__(
        self,
        *,
        aggregator: Literal["concat", "mean", "max"] = "concat",
        decode_with_mask: bool = False,
        mask_hidden: Sequence[int] | None = None,
        mask_weight: float = 1.0,
        match_rates: bool = True,
        unseen_weight: float = 0.0,
        unseen_start: float = 0.02,
        bound: Literal["evidence", "importance"] | None = None,
        n_importance: int | None = None,
        importance_weights: bool | None = None,
        **shared: Any,
    ) -> None:
        super().__init__(**shared)
        self.bound = bound
        self.n_importance = n_importance  # type: ignore[assignment]
        self.importance_weights = importance_weights  # type: ignore[assignment]
        self.aggregator, self.decode_with_mask = aggregator, decode_with_mask
        self.mask_hidden, self.mask_weight = mask_hidden, mask_weight
        self.match_rates = match_rates
        self.unseen_weight, self.unseen_start = unseen_weight, unseen_start

    def _check_settings(self) -> None:
        super()._check_settings()
        if self.aggregator not in AGGREGATORS:
            raise SettingError(
                f"Got aggregator={self.aggregator!r}. Expected one of {AGGREGATORS}."
            )
        self._check_numbers(unseen_weight=np.inf, unseen_start=1.0, mask_weight=np.inf)
        if self.unseen_weight > 0 and self.bound == "importance":
            raise SettingError(
                f"Got unseen_weight={self.unseen_weight} with bound='importance'. Expected 0: the "
                "unseen term belongs to the evidence bound."
            )

    def _scores_mask(self) -> bool:
        return True

    def _latents(self, spec: DataSpec) -> int:
        n = len(spec.modalities)
        if self.n_latent is not None:
            return n * self.n_latent
        return n * max(4, min(64, -(-spec.n_columns // n)))

    def _fit_values(self, values: np.ndarray, spec: DataSpec) -> None:
        self.whole_ = _whole(~np.isnan(values), spec)
        self.weighable_ = _weighable(spec)
        super()._fit_values(values, spec)

    def _train(self, x: np.ndarray) -> None:
        super()._train(x)
        term = self.model_.terms["mask"]
        assert isinstance(term, MaskTerm)
        if not self.match_rates or self.decode_with_mask:
            return
        seen = torch.from_numpy(~np.isnan(x)).to(self.device, torch.float32)
        seen = seen if term.blocks is None else term.blocks(seen)
        rates = seen.mean(0)
        n = max(FEWEST, MOST_FLOATS // (self.n_members_ * len(rates)))
        noise = Noise(new_generator(self.seed_, 7, self.device), (self.n_members_, 1, n))
        term.match(rates, noise.normal(self.model_.n_latent))

    def _recipe(self) -> Recipe:
        return Recipe(proposal=selective_proposal, terms=self._terms, code=self._code)

    def _terms(self, parts: Parts) -> dict[str, Term]:
        hidden = (64, 64) if self.mask_hidden is None else tuple(self.mask_hidden)
        return {"mask": mask_term(parts, hidden, whole=self.whole_)}

    def _code(self, parts: Parts) -> Code:
        spec, term = parts.spec, parts.terms["mask"]
        assert isinstance(term, MaskTerm)
        n = len(spec.modalities)
        width = n if self.whole_ else spec.n_columns
        conditions = [DecodedMask(term, width)] if self.decode_with_mask else []
        return Code(parts.design.n_latent, n, self.aggregator, conditions)

    def _is_importance(self) -> bool:
        if self.bound is None:
            return self.unseen_weight == 0 and self.weighable_
        return self.bound == "importance"

    def _n_samples(self) -> int:
        chosen = 5 if self._is_importance() else 1
        return chosen if self.n_importance is None else self.n_importance

    def _weighs(self) -> bool:
        if self.importance_weights is None:
            return self._is_importance()
        return self.importance_weights

    def _objective(self) -> Objective:
        weights = self._weights(self.mask_weight)
        if self._is_importance():
            return Importance(weights)
        settings = (self.kl_weight, self.kl_warm_up, self.unseen_weight, self.unseen_start)
        return Selective(*settings, weights=weights)

    def _fit_table(self, X: Any) -> None:
        super()._fit_table(X)
        # Read again where it is needed alone: columns that never vary are rare.
        constant = len(self._varying) < self.codec_.spec.n_columns
        missing = self._encode(X).missing if constant else np.zeros((0, 0))
        self.companions_ = self._tied(lambda i, j: np.array_equal(missing[:, i], missing[:, j]))

    def _tied(self, alike: Callable[[int, int], bool]) -> np.ndarray:
        """For each column (p,) that never varies, one of its modality whose holes are ``alike``.

        Others, and those that are always or never seen, stand for themselves.
        """
        of, varying = np.arange(self.codec_.spec.n_columns), set(self._varying)
        sometimes = (self.missing_share_ > 0) & (self.missing_share_ < 1)
        for block in self.codec_.spec.with_blocks(self.blocks).modalities:
            constant = [j for j in block.columns if j not in varying and sometimes[j]]
            known = [j for j in block.columns if j in varying]
            for j in constant:
                of[j] = next((i for i in known if alike(i, j)), j)
                known += [j] if of[j] == j else []
        return of

    def _companions(self) -> dict[int, int]:
        pairs = enumerate(self.companions_.tolist())
        return {column: companion for column, companion in pairs if column != companion}

    def _state(self) -> tuple[dict[str, Any], dict[str, Any]]:
        facts, tensors = super()._state()
        facts |= {"whole": self.whole_, "weighable": self.weighable_}
        return facts | {"companions": self.companions_.tolist()}, tensors

    def _set_state(self, facts: dict[str, Any], tensors: dict[str, Any]) -> None:
        self.whole_ = bool(member(facts, "whole"))
        super()._set_state(facts, tensors)
        # In earlier versions no groups of columns were weighed.
        alone = len(self._spec.modalities) == self._spec.n_columns
        self.weighable_ = bool(facts.get("weighable", alone))
        if "companions" in facts:
            self.companions_ = _places(facts, self.codec_.spec.n_columns)
        else:
            # Files of earlier versions know how often columns were seen, and not in which rows.
            share = self.missing_share_
            self.companions_ = self._tied(lambda i, j: bool(self.whole_ and share[i] == share[j]))

    @classmethod
    def published(
        cls, data: Literal["numeric", "categorical", "images"] = "numeric", **changes: Any
    ) -> Self:
        """The settings of appendix B; see :meth:`AutoencoderImputer.published`.

        Parameters
        ----------
        data : {"numeric", "categorical", "images"}
            Tables of numbers or of categories, or pairs of 28 x 28 images in [0, 1].
        **changes
            Settings that differ.
        """
        hidden = (16, 16, 16) if data == "images" else (64, 64, 64)
        own = {"mask_hidden": hidden, "unseen_weight": 1.0, "match_rates": False}
        return super().published(data, **{**own, **changes})


def _whole(s: np.ndarray, spec: DataSpec) -> bool:
    """Whether every row shows every modality as a whole or not at all."""
    seen = torch.from_numpy(s.astype(np.float32))
    blocks = BlockMask(spec)
    return bool((blocks.cells(blocks(seen)) == seen).all())


def _weighable(spec: DataSpec) -> bool:
    """Whether importance weights hold up: neither pictures nor other wide modalities."""
    widest = max((len(block.columns) for block in spec.modalities), default=0)
    return not spec.images and widest <= WEIGHABLE


def _places(facts: dict[str, Any], n: int) -> np.ndarray:
    """A column for each of ``n`` columns, as a file has them."""
    places = numbers(facts, "companions", n).astype(int)
    if ((places < 0) | (places >= n)).any():
        raise FileFormatError(
            f"The file's 'companions' are {places.tolist()[:20]}. Expected places of columns, "
            f"from 0 to {n - 1}."
        )
    return places
