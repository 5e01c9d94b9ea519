"""Numbers that the papers print, to stand beside ours.

tests/report/test_tables.py repeats them on purpose: a slip of the pen in one place shows in the other.
"""

from math import log2

# Accuracy by network; None where the paper gives none.
# KS print no accuracy. YU: single centre-view top-1 error 29.5% (VGGCNN) and 42.6% (AlexCNN). TG 2.1 and 4.1.
ACCURACY = {
    "alexcnn": {"validation": 0.574, "train": None, "on": "ImageNet, 1000 classes (YU)"},
    "vggcnn": {"validation": 0.705, "train": None, "on": "ImageNet, 1000 classes (YU)"},
    "digitcnn": {"validation": 0.982, "train": 0.991, "on": "MNIST, 10,000 test digits (TG)"},
    "fivecnn": {"validation": 0.801, "train": 0.879, "on": "five ImageNet classes (TG)"},
}

# KS table 1: inactive units of the first max pool, dL and dL_rnd (nats), on ImageNet's validation images.
INACTIVE = {
    "resnet34": {"inactive": 13, "delta_loss": 1.26962, "delta_loss_random": 2.40560e-2},
    "plainnet34": {"inactive": 2, "delta_loss": -1.66893e-6, "delta_loss_random": -8.34465e-7},
}

# Receptive fields by network and the layer's alias: (size, stride) in px. YU tables 1 and 2; KS figure 4 (sizes only).
FIELDS = {
    "vggcnn": {
        "c1_1": (3, 1),
        "c1_2": (5, 1),
        "p1": (6, 2),
        "c2_1": (10, 2),
        "c2_2": (14, 2),
        "p2": (16, 4),
        "c3_1": (24, 4),
        "c3_2": (32, 4),
        "c3_3": (40, 4),
        "p3": (44, 8),
        "c4_1": (60, 8),
        "c4_2": (76, 8),
        "c4_3": (92, 8),
        "p4": (100, 16),
        "c5_1": (132, 16),
        "c5_2": (164, 16),
        "c5_3": (196, 16),
        "p5": (212, 32),
    },
    "alexcnn": {
        "c1": (11, 4),
        "p1": (15, 8),
        "c2": (47, 8),
        "p2": (55, 16),
        "c3": (87, 16),
        "c4": (119, 16),
        "c5": (151, 16),
        "p5": (167, 32),
    },
    "resnet34": {"max pool": (11, None), "layer 3": (27, None), "layer 7": (59, None)},
    "plainnet34": {"max pool": (11, None), "layer 3": (27, None), "layer 7": (59, None)},
}

# Cells of macaque V1, for the card of V1 properties: (edges, counts) of a histogram, or (cells, of cells) for a share.
# Counts are as read from the papers' figures by Marques, Schrimpf & DiCarlo (bioRxiv 2021.03.01.433495), in the public
# packaging code of Brain-Score (DeValois1982a, Schiller1976c, Cavanaugh2002a). Only what has the same unit here is
# listed: peak frequencies and diameters of cells are in degrees of visual angle.
V1 = {
    # 110 + 100 of 385 cells within 22.5 degrees of horizontal or vertical (classes of 45 degrees: 110, 83, 100, 92)
    "preferred_orientation": {"share": (210, 385), "source": "De Valois, Yund & Hepler 1982"},
    "frequency_selective": {"share": (73, 87), "source": "Schiller, Finlay & Volman 1976 (III)"},
    # low over high frequency in percent, in classes of 10 from 10 to 100: here the other way round, in octaves
    "frequency_bandwidth": {
        "edges": [log2(100 / percent) for percent in range(100, 0, -10)],
        "counts": [0, 0, 3, 9, 16, 22, 16, 4, 3],
        "source": "Schiller, Finlay & Volman 1976 (III)",
    },
    "suppression_index": {
        "edges": [0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.2],
        "counts": [66, 44, 38, 23, 16, 3],
        "source": "Cavanaugh, Bair & Movshon 2002",
    },
}
