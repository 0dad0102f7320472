"""Settings that the autoencoders of several modalities share: their texts, and those published."""

from __future__ import annotations

from typing import Any

import numpy as np

from halfseen.errors import SettingError

__all__ = ["SHARED", "TINY", "published_settings"]

#: Settings with which the public checks of these methods run in seconds.
TINY = {"hidden": (16,), "max_steps": 30, "n_members": 2, "n_importance_predict": 10}

#: Descriptions for the docstrings of the family.
SHARED = """n_latent : int or None
        Latent numbers per modality; None chooses by their number and width.
    blocks : mapping of str to list of str or int, or None
        Names of modalities and of their columns, which may be places in an array; columns
        outside are modalities of their own, and so are all columns with None. Data given as a
        dictionary has its modalities already.
    hidden, decoder_hidden : sequence of int or None
        Widths of the hidden layers of encoders and decoder; None takes (128, 128, 128), and for
        the decoder those of the encoders.
    encoder_input : {"mask", "zero", "constant", "set"}
        How an incomplete row enters the encoder of all modalities: zeros beside the mask, zeros
        alone, learned constants, or a permutation-invariant set encoder.
    decoder : {"auto", "deep", "linear", "skip"}
        A network, a linear map, or their sum; "auto" is the sum for up to 256 features, and the
        network alone for images and other wide data.
    observation : {"gaussian", "student", "bernoulli"}
        Law of continuous columns given z; "bernoulli" for all numbers, which must lie in [0, 1].
    noise : {"row", "column", "fixed"}
        Whether the scale of a column depends on z, is one number, or is the floor itself.
    noise_floor : float or "auto"
        Smallest scale, in standard deviations; "auto" ties it to a column's repetitions.
    repeats : {"auto", "none"}
        Whether numeric columns in which values come back get probabilities for them.
    activation : {"silu", "gelu", "relu", "leaky_relu", "elu", "tanh"}
        Of all networks.
    normalize : bool
        Whether the first layer of each network is followed by batch normalisation.
    residual, encoder_linear : bool
        Whether layers of equal width add their input; whether the encoder adds a linear map.
    init : {"torch", "glorot"}
        Initial weights.
    standardize, skewed : bool
        Whether numeric columns are standardised by their seen cells, and skewed ones bent.
    n_members : int
        Independent starts, trained at once and averaged.
    n_importance, n_importance_predict : int
        Samples of z per row in training, and when answering.
    importance_weights : bool
        Whether the samples of an answer are weighted by importance; the papers of this family
        count them all the same.
    decision : {"mean", "median", "mode"}
        Which summary of the predictive law ``transform`` gives.
    hide_rate, hide_share : float
        Training masks: in a share of the rows, what is seen is hidden from the encoder at a rate
        drawn from U(0, hide_rate), while it is still scored. None hides in all rows where some
        modality is a picture, and in none elsewhere: with columns, groups of them, or texts a
        model learns to use its latents less, answers worse, and generates rows of unrelated
        columns.
    hide_pattern : {"blocks", "bernoulli", "copy"}
        Modalities as a whole, independent cells, or the holes of another row.
    bound : {"evidence", "importance"}
        The evidence bound, with its divergence in closed form, or the importance-weighted bound
        of ``n_importance`` samples, which holds prior and data closer together: for generating.
    modality_weights : mapping of str to float, or None
        What the log-densities of modalities count in training, by name; others, and all with
        None, count 1. Answers and likelihoods are those of the model, without weights.
    kl_weight, kl_warm_up : float
        Weight of the divergence from the prior, 1 in an evidence bound, and the share of the
        steps over which it rises to that.
    calibrate : bool
        Whether the spread of all laws is widened by a temperature chosen on held-out cells.
    validation, validation_fraction
        What is held out to choose the best state, "cells", "rows" or "none", and how much.
    max_steps, batch_size : int
        Optimiser steps (None chooses from the number of rows), and rows in each.
    lr, schedule, weight_decay, beta2, clip_norm
        Peak learning rate, how it moves ("one-cycle", "cosine" or "constant"), decoupled decay,
        Adam's second moment, largest gradient norm.
    average : float
        Decay of a moving average of the parameters, 0 for none.
    patience : int or None
        Checks without a better held-out score before training stops.
    time_budget : float or None
        Seconds after which training stops.
    kinds : mapping or None
        Kinds of columns where the inferred ones are wrong; of a modality's under its name.
    keep_empty_features : bool
        Whether columns without any observed value are kept (filled with 0) or refused.
    random_state : int, RandomState, Generator or None
        Same seed, same answer.
    device : str
        Where tensors live.
    verbose : bool
        Whether a progress bar is drawn on a terminal."""

# "-MSE" as a log-density is a Gaussian of this scale, up to a constant.
UNIT_ERROR = float(np.sqrt(0.5))
# Learning rates of appendix B by what the data are.
PUBLISHED_LR = {"numeric": 1e-3, "categorical": 1e-2, "images": 1e-4}


def published_settings(data: str) -> dict[str, Any]:
    """The settings of appendix B of the VSAE paper.

    Parameters
    ----------
    data : {"numeric", "categorical", "images"}
        Tables of numbers or of categories, or pairs of 28 x 28 images in [0, 1].

    Raises
    ------
    SettingError
        When it is another word.

    Examples
    --------
    >>> published_settings("images")["n_latent"]
    256
    """
    if data not in PUBLISHED_LR:
        raise SettingError(f"Got data={data!r}. Expected one of {tuple(PUBLISHED_LR)}.")
    return {
        "n_latent": 256 if data == "images" else 20,
        "hidden": (128,) * 3 if data == "images" else (64,) * 3,
        "decoder_hidden": (128,) * 3,
        "decoder": "deep",
        "noise": "fixed",
        "noise_floor": UNIT_ERROR,
        "repeats": "none",
        "activation": "leaky_relu",
        "normalize": data != "images",
        "residual": False,
        "encoder_linear": False,
        "standardize": False,
        "n_members": 1,
        "n_importance_predict": 1,
        "hide_share": 0.0,
        "bound": "evidence",
        "n_importance": 1,
        "importance_weights": False,
        "validation": "rows",
        "validation_fraction": 0.2,
        "max_steps": 15_000,
        "lr": PUBLISHED_LR[data],
        "schedule": "constant",
        "beta2": 0.999,
        "average": 0.0,
        "clip_norm": None,
    }
