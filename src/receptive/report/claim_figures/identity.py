"""Figure of claim 4: what equal channels prefer, how alike all channels are, and the rows."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from receptive.claims.identity import MEASURES, PLAINNET, RESNET, Quantity
from receptive.claims.row import Row
from receptive.claims.study import Study
from receptive.figures.identity import CHANNELS, SHOWN, channel_identity


def figure(study: Study, rows: list[Row]) -> Figure:
    """Stimuli of equal channels, similarity of all channels, how it falls with distance, and the rows."""
    networks = [name for name in (RESNET, PLAINNET) if name in study.networks]
    measure = MEASURES[Quantity.RESPONSES]
    strips, matrices = {}, {}
    for network in networks:
        shown = [layer for layer in study.layers(network) if layer.alias in SHOWN]
        units = min(layer.units for layer in shown)
        first = study.params.channel_of(network, units)
        channels = list(dict.fromkeys([first, *range(min(units, CHANNELS))]))[:CHANNELS]
        strips[network] = channels, {layer.alias: _stimuli(study, network, layer.name, channels) for layer in shown}
        low, high = shown[-2:]
        similarity = study.similarity(network, "trained", measure, low.name, high.name)
        matrices[network] = low.alias, high.alias, similarity
    distances = by_distance({network: study.identity(network, "units") for network in networks}, measure)
    return channel_identity(strips, matrices, distances, [row for row in rows if row.value is not None or row.decides])


def by_distance(tables: dict[str, pd.DataFrame], measure: str) -> pd.DataFrame:
    """Mean own-minus-other similarity by network, state and number of weight layers between the two layers.

    Args:
        tables: network to units.parquet of stage identity.
        measure: "responses" or "stimuli".

    Returns:
        ``network, state, steps, value``.
    """
    parts = []
    for network, table in tables.items():
        rows = table[table["measure"] == measure]
        gaps = pd.DataFrame(
            {
                "state": rows["state"],
                "steps": (rows["other_depth"] - rows["depth"]).astype(int),
                "value": (rows["own"] - rows["others"]).astype(float),
            }
        )
        means = gaps.groupby(["state", "steps"])["value"].mean().reset_index()
        parts.append(means.assign(network=network))
    columns = ["network", "state", "steps", "value"]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def _stimuli(study: Study, network: str, layer: str, channels: list[int]) -> np.ndarray | None:
    """Mean preferred stimuli less the mean of all patches; None where there are none."""
    stimuli = study.stimuli(network, layer)
    if stimuli is None or stimuli["mean_interior"].ndim < 4:
        return None
    return stimuli["mean_interior"][channels] - stimuli["baseline_interior"]
