"""Claim 12: deeper is better, and the small task is the easier one."""

import numpy as np

from receptive.claims import Row, Study, across_seeds, measured, not_measured
from receptive.io import artifacts
from receptive.methods.inference import difference_of_shares, mcnemar, paired_difference, share
from receptive.published import ACCURACY

NUMBER = 12
TITLE = "Depth and size of the task"
STATEMENT = "The deeper VGGCNN beats AlexCNN; ten digits are an easier task than five classes of natural images."
SOURCE = "YU 3.1; TG 1.3, 2.1, 4.1"
STATISTIC = "Top-1 accuracy on the validation images, and differences of it."
CONTROL = "Chance: one over the number of classes."
RULE = (
    "Two rows decide: VGGCNN minus AlexCNN, paired over the same images (bootstrap; p of McNemar's exact test), and "
    "DigitCNN minus FiveCNN (Newcombe). Supported where both intervals lie above 0. Single accuracies have Wilson "
    "intervals and stand beside the papers', which are of other data and other sizes of network; so does ResNet34 "
    "minus PlainNet34, of which KS print no accuracy."
)
DEEPER, SHALLOWER = "vggcnn", "alexcnn"
DIGITS, FIVE = "digitcnn", "fivecnn"
RESIDUAL, PLAIN = "resnet34", "plainnet34"


def measure(study: Study) -> list[Row]:
    """Accuracies of every network, and the differences."""
    right = {network: [_right(study, one) for one in study.replicas(network)] for network in study.networks}
    rows = [
        _compare(study, right, DEEPER, SHALLOWER, _same_images),
        _compare(study, right, DIGITS, FIVE, _other_images),
    ]
    if not study.missing(RESIDUAL, PLAIN):
        rows.append(_compare(study, right, RESIDUAL, PLAIN, _same_images, decides=False))
    for network in study.networks:
        chance = 1 / len(artifacts.read_description(network)["classes"])
        rows.append(
            across_seeds(
                [
                    measured(
                        one, "top-1 accuracy", share(int(its.sum()), len(its)), "images", control=chance,
                        threshold=chance, images=len(its), published=_published(network), decides=False,
                    )
                    for one, its in zip(study.replicas(network), right[network], strict=True)
                ]
            )
        )  # fmt: skip
    return rows


def figure(study: Study, rows: list[Row]):
    """Accuracies beside the published ones, and the differences."""
    from receptive.figures import claims

    single = [row for row in rows if row.what == "top-1 accuracy"]
    apart = [row for row in rows if row.what != "top-1 accuracy"]
    return claims.panels([(single, "top-1 accuracy"), (apart, "difference of top-1 accuracy")])


def _right(study: Study, network: str) -> np.ndarray:
    """Whether the network is right, for every validation image."""
    import torch

    from receptive.loading import Batches, normalised
    from receptive.methods.capture import for_inference
    from receptive.parallel.device import pick_device

    net, normalisation, _ = artifacts.read_network(network)
    device = pick_device(study.params.device)
    net, normalisation = for_inference(net).to(device), normalisation.to(device)
    prepared = artifacts.read_images(study.params, network)
    batches = Batches(prepared, "validation", study.params.claims.batch_size, device)
    labels = prepared.labels.set_index("image")["label"].loc[batches.numbers].to_numpy()
    with torch.no_grad():
        said = [net(images).argmax(1).cpu() for _, images in normalised(batches, normalisation)]
    return torch.cat(said).numpy() == labels


def _compare(study: Study, right: dict, one: str, other: str, compare, decides: bool = True) -> Row:
    what = "difference of top-1 accuracy"
    published = _published(one), _published(other)
    paper = None if None in published else published[0] - published[1]
    missing = study.missing(one, other)
    if missing:
        return not_measured(f"{one} - {other}", what, missing, published=paper)
    pairs = zip(study.replicas(one), study.replicas(other), right[one], right[other], strict=True)
    return across_seeds(
        [
            compare(study, f"{a} - {b}", what, mine, its, images=len(mine), published=paper, decides=decides)
            for a, b, mine, its in pairs
        ]
    )


def _same_images(study: Study, network: str, what: str, one: np.ndarray, other: np.ndarray, **more) -> Row:
    chance = study.chance("accuracies", len(one))
    estimate = paired_difference(one, other, chance, resamples=study.params.claims.resamples)
    return measured(network, what, estimate, "images, paired", p_value=mcnemar(one, other), **more)


def _other_images(study: Study, network: str, what: str, one: np.ndarray, other: np.ndarray, **more) -> Row:
    estimate = difference_of_shares(int(one.sum()), len(one), int(other.sum()), len(other))
    return measured(network, what, estimate, "images", **more)


def _published(network: str) -> float | None:
    return ACCURACY.get(network, {}).get("validation")
