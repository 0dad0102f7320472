"""Numbers of the VSAE paper, by model: its Tables 1 to 12, misprints where they are said.

"Learning from Partially-Observed Multimodal Data with Variational Autoencoders" (under review
at ICLR 2020). "cvae-data" and "vaeac" were trained on complete rows there.
"""

from __future__ import annotations

__all__ = [
    "GENERATED_RATES",
    "IMAGE_TEXT",
    "LABELS",
    "MOSI",
    "PAIRS",
    "PAIRS_BY_SIDE",
    "UCI_ERRORS",
]

LABELS: dict[str, str] = {
    "ae": "AE",
    "vae": "VAE",
    "cvae-mask": "CVAE that sees the mask",
    "mvae": "MVAE",
    "vsae": "VSAE",
    "cvae-data": "CVAE that sees the data, complete training",
    "vaeac": "VAEAC, complete training",
}

UCI_TABLES = ("phishing_websites", "zoo", "mushroom", "yeast", "wine_white", "glass")
_UCI_ROWS = {
    "ae": (0.348, 0.295, 0.556, 0.737, 0.3772, 1.651),
    "vae": (0.293, 0.304, 0.470, 0.468, 0.3714, 1.409),
    "cvae-mask": (0.241, 0.270, 0.445, 0.470, 0.3716, 1.498),
    "mvae": (0.308, 0.233, 0.586, 0.475, 0.3722, 1.572),
    "vsae": (0.237, 0.213, 0.396, 0.455, 0.3711, 1.312),
    "cvae-data": (0.301, 0.323, 0.485, 0.449, 0.3567, 1.380),
    "vaeac": (0.240, 0.168, 0.403, 0.447, 0.3647, 1.432),
}
#: Tables 1, 4 and 5 (half missing): PFC of the first three tables, "NRMSE" of the others; and
#: Table 9, Yeast under other mechanisms. Table 3 has 0.456 for the last one of VSAE.
UCI_ERRORS: dict[str, dict[str, float]] = {
    name: {f"{t}, mcar-0.5": value for t, value in zip(UCI_TABLES, values, strict=True)}
    for name, values in _UCI_ROWS.items()
}
UCI_ERRORS["vsae"] |= {"yeast, mar": 0.472, "yeast, nmar": 0.455}
UCI_ERRORS["miwae"] = {"yeast, mcar-0.5": 0.467, "yeast, mar": 0.493, "yeast, nmar": 0.513}

#: Section 4.3: share of missing modalities in generated masks, a mean over all tables.
GENERATED_RATES: dict[str, float] = {"mcar-0.3": 0.3123, "mcar-0.5": 0.4964, "mcar-0.7": 0.6927}

_RATIOS = ("mcar-0.3", "mcar-0.5", "mcar-0.7")
_MNIST = {
    "ae": (0.2124, 0.2147, 0.2180),
    "vae": (0.1396, 0.1416, 0.1435),
    "cvae-mask": (0.1393, 0.1412, 0.1425),
    "mvae": (0.1547, 0.1562, 0.1579),
    "vsae": (0.1371, 0.1376, 0.1379),
    "cvae-data": (0.1336, 0.1340, 0.1343),
    "vaeac": (0.1333, 0.1338, 0.1344),
}
_SVHN = {
    "ae": (0.1941, 0.2342, 0.2678),
    "vae": (0.1264, 0.1273, 0.1322),
    "cvae-mask": (0.1255, 0.1251, 0.1295),
    "mvae": (0.1275, 0.1309, 0.1313),
    "vsae": (0.1217, 0.1198, 0.1202),
    "cvae-data": (0.1288, 0.1266, 0.1248),
    "vaeac": (0.1218, 0.1206, 0.1211),
}
#: Tables 6 and 8: sum of the mean squared errors of both pictures.
PAIRS: dict[str, dict[str, float]] = {
    name: {
        f"{table}, {ratio}": value
        for table, values in (("mnist", _MNIST[name]), ("mnist_svhn", _SVHN[name]))
        for ratio, value in zip(_RATIOS, values, strict=True)
    }
    for name in LABELS
}
_SIDES = {
    "ae": ((0.1077, 0.1070), (0.0867, 0.1475)),
    "vae": ((0.0734, 0.0682), (0.0714, 0.0559)),
    "cvae-mask": ((0.0733, 0.0679), (0.0692, 0.0558)),
    "mvae": ((0.0760, 0.0802), (0.0707, 0.0602)),  # The last is printed as 0.602.
    "vsae": ((0.0712, 0.0663), (0.0682, 0.0516)),
    "cvae-data": ((0.0694, 0.0646), (0.0716, 0.0550)),
    "vaeac": ((0.0693, 0.0645), (0.0682, 0.0523)),
}
#: Tables 2 and 7 (half missing): mean squared error of the first and of the second picture.
PAIRS_BY_SIDE: dict[str, tuple[dict[str, float], dict[str, float]]] = {
    name: (
        {"mnist, mcar-0.5": mnist[0], "mnist_svhn, mcar-0.5": svhn[0]},
        {"mnist, mcar-0.5": mnist[1], "mnist_svhn, mcar-0.5": svhn[1]},
    )
    for name, (mnist, svhn) in _SIDES.items()
}

_IMAGE_TEXT = {
    "ae": (86.63, 0.366, 54.90, 0.406),
    "vae": (69.38, 0.411, 53.82, 0.406),
    "cvae-mask": (69.53, 0.412, 53.82, 0.419),
    "mvae": (109.95, 0.374, 178.40, 0.448),
    "vsae": (68.49, 0.356, 53.42, 0.397),
    "cvae-data": (54.15, 0.259, 47.38, 0.237),
    "vaeac": (61.59, 0.283, 51.49, 0.250),
}
#: Table 10 (half missing): squared error of a picture, summed over its pixels, and PFC of texts.
IMAGE_TEXT: dict[str, dict[str, dict[str, float]]] = {
    name: {
        "image": {"fashion_mnist, mcar-0.5": values[0], "mnist, mcar-0.5": values[2]},
        "text": {"fashion_mnist, mcar-0.5": values[1], "mnist, mcar-0.5": values[3]},
    }
    for name, values in _IMAGE_TEXT.items()
}

#: Table 11 (half missing): mean squared errors of text, audio and video of other features of
#: CMU-MOSI. Some look misprinted: 0.1273 of VAE, 0.43 and 0.44 of CVAE and MVAE.
MOSI: dict[str, tuple[float, float, float]] = {
    "ae": (0.035, 0.224, 0.019),
    "vae": (0.034, 0.202, 0.1273),
    "cvae-mask": (0.43, 0.257, 0.020),
    "mvae": (0.44, 0.213, 0.025),
    "vsae": (0.033, 0.200, 0.017),
    "cvae-data": (0.036, 0.186, 0.018),
    "vaeac": (0.042, 0.257, 0.019),
}
