"""Channel identity: are equal channels of different layers alike, trained and untrained (KS 3.3)?"""

from itertools import combinations
from typing import Annotated

import typer

from receptive.stages import run

MODE = "interior"
"""Which mean preferred stimuli are compared: those of positions that see nothing but the image."""

COLUMNS = [
    *("group", "layer", "alias", "depth", "other_layer", "other_alias", "other_depth"),
    *("unit", "own", "others", "share_less_similar"),
]


def main(network: Annotated[str, typer.Argument(help="Name of the network.")]) -> None:
    """Write data/identity/NETWORK."""
    from receptive.params.reading import load_params

    params = load_params()
    params.recipe(network)

    import numpy as np
    import pandas as pd
    from tqdm import tqdm

    from receptive.io import artifacts
    from receptive.methods.capture import for_inference
    from receptive.networks.layers import comparable_layers, layers
    from receptive.parallel.device import pick_device
    from receptive.seeds import named_seed

    prepared = artifacts.read_images(params, network)
    device = pick_device(params.device)
    units, tests, kept = [], [], {}
    with tqdm(desc=f"identity {network}", unit="image") as bar:
        for trained in (True, False):
            state = "trained" if trained else "untrained"
            net, normalisation, description = artifacts.read_network(network, trained=trained)
            size = description["image_size"]
            groups = comparable_layers(net, layers(net, size, description["channels"]))
            net, normalisation = for_inference(net).to(device), normalisation.to(device)
            found = responses(net, normalisation, prepared, groups, params.identity, device, bar.update)
            measures = {"responses": found}
            limit = params.stimuli.largest_field * size
            small = [
                [layer for layer in group if max(layer.field.y.size, layer.field.x.size) <= limit] for group in groups
            ]
            if trained:
                means = {layer: _as_mined(network, layer) for group in small for layer in group}
            else:
                means = mean_stimuli(net, normalisation, prepared, small, params.stimuli.batch_size, device, bar.update)
            measures["stimuli"] = stimuli(small, means)
            for measure, pairs in measures.items():
                for (one, other), similarity in pairs.items():
                    units.append(_rows(groups, one, other, similarity).assign(state=state, measure=measure))
                    kept[artifacts.identity_pair(state, measure, one.name, other.name)] = similarity.astype(np.float32)
                rng = np.random.default_rng(named_seed(params.seed, "identity", network, state, measure))
                tests += [
                    {"network": network, "state": state, "measure": measure, **test}
                    for test in _tests(groups, pairs, rng, params.identity.draws)
                ]
    heading = ["network", "state", "measure"]
    rows = pd.concat(units, ignore_index=True) if units else pd.DataFrame(columns=[*heading[1:], *COLUMNS])
    rows = rows.assign(network=network)[[*heading, *COLUMNS]]
    table = pd.DataFrame(tests, columns=[*heading, "group", "pairs", "value", "p_value", "draws"])
    folder = artifacts.write_identity(network, rows, table, kept, _metrics(table))
    print(f"{folder}: {len(groups)} groups of layers, {len(kept)} pairs")


def responses(net, normalisation, prepared, groups, settings, device, tell) -> dict:
    """Pair of layers to the correlation of their channels' responses to the first validation images."""
    import torch

    from receptive.loading import Batches, normalised
    from receptive.methods.capture import capture
    from receptive.methods.identity import ResponseCorrelations

    gathered = [ResponseCorrelations() for _ in groups]
    names = [layer.name for group in groups for layer in group]
    if not names:
        return {}
    batches = Batches(prepared, "validation", settings.batch_size, device, settings.images)
    with torch.no_grad(), capture(net, names, stop=True) as read:
        for numbers, images in normalised(batches, normalisation):
            net(images.contiguous(memory_format=torch.channels_last))
            for group, correlations in zip(groups, gathered, strict=True):
                correlations.add([read[layer.name] for layer in group])
            tell(len(numbers))
    pairs = {}
    for group, correlations in zip(groups, gathered, strict=True):
        whole = correlations.result()
        for (i, one), (j, other) in combinations(enumerate(group), 2):
            count = one.units
            pairs[one, other] = whole[i * count : (i + 1) * count, j * count : (j + 1) * count]
    return pairs


def mean_stimuli(net, normalisation, prepared, groups, batch_size: int, device, tell) -> dict:
    """Layer to its mean preferred stimuli and the mean of all patches, as stage ``mine`` makes them."""
    import torch

    from receptive.loading import Batches
    from receptive.methods.capture import capture
    from receptive.methods.mean_stimulus import MeanStimulus

    means = {
        layer: MeanStimulus(layer.field, layer.map_size, MODE) for group in groups if len(group) > 1 for layer in group
    }
    if not means:
        return {}
    with torch.no_grad(), capture(net, [layer.name for layer in means], stop=True) as read:
        for numbers, pixels in Batches(prepared, "validation", batch_size, device):
            net(normalisation(pixels).contiguous(memory_format=torch.channels_last))
            for layer, mean in means.items():
                mean.add(pixels, read[layer.name])
            tell(len(numbers))
    found = {}
    for layer, mean in means.items():
        stimulus, _, baseline = mean.result()
        if stimulus.dim() == 4:
            found[layer] = stimulus.movedim(1, -1).cpu().numpy(), baseline.movedim(0, -1).cpu().numpy()
    return found


def stimuli(groups, means: dict) -> dict:
    """Pair of layers to the correlation of their channels' mean preferred stimuli, in the part that both see."""
    from receptive.methods.identity import common_window, correlations

    pairs = {}
    for group in groups:
        for one, other in combinations([layer for layer in group if means.get(layer) is not None], 2):
            (less, its_mean), (more, others_mean) = means[one], means[other]
            start = (other.field.y.start, other.field.x.start)
            window = common_window(more - others_mean, start, less.shape[1:3], (one.field.y.start, one.field.x.start))
            flat = [part.reshape(len(part), -1) for part in (less - its_mean, window)]
            pairs[one, other] = correlations(*flat)
    return pairs


def _as_mined(network: str, layer):
    """The layer's mean preferred stimuli and the mean of all patches; None where no position sees only the image."""
    from receptive.io import artifacts

    arrays = artifacts.read_stimuli(network, layer.name)
    mean = arrays[f"mean_{MODE}"]
    return (mean, arrays[f"baseline_{MODE}"]) if mean.ndim == 4 else None


def _group_of(groups, layer) -> str:
    """The group's name: its first layer's alias."""
    return next(group[0].alias for group in groups if layer in group)


def _rows(groups, one, other, similarity):
    """One row a channel of a pair of layers."""
    import numpy as np
    import pandas as pd

    from receptive.methods.identity import own_and_others, share_less_similar

    own, others = own_and_others(similarity)
    return pd.DataFrame(
        {
            "group": _group_of(groups, one),
            "layer": one.name,
            "alias": one.alias,
            "depth": one.depth,
            "other_layer": other.name,
            "other_alias": other.alias,
            "other_depth": other.depth,
            "unit": np.arange(len(own)),
            "own": own,
            "others": others,
            "share_less_similar": share_less_similar(similarity),
        }
    )


def _tests(groups, pairs: dict, rng, draws: int) -> list[dict]:
    """The permutation test of every group, and of all together."""
    from receptive.methods.identity import identity_test

    numbers = {layer: number for number, layer in enumerate(layer for group in groups for layer in group)}
    named = {
        group[0].alias: {pair: similarity for pair, similarity in pairs.items() if pair[0] in group} for group in groups
    }
    found = []
    for name, its in [*named.items(), ("all", pairs)]:
        if its:
            by_number = {(numbers[one], numbers[other]): similarity for (one, other), similarity in its.items()}
            value, p_value = identity_test(by_number, rng, draws)
            found.append({"group": name, "pairs": len(its), "value": value, "p_value": p_value, "draws": draws})
    return found


def _metrics(tests) -> dict:
    """For MLflow: how much more alike equal channels are than others, in all groups together."""
    whole = tests[(tests["group"] == "all") & tests["value"].notna()]
    return {f"{row.measure}.{row.state}": row.value for row in whole.itertuples()}


if __name__ == "__main__":
    run(main)
