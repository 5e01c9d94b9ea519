"""``data/identity/<network>``: how alike equal channels of two layers are."""

from pathlib import Path

import numpy as np
import pandas as pd

from receptive.artifacts.files import read_arrays, read_table, write_json, write_table, writing

IDENTITY = Path("data/identity")


def write_identity(
    network: str, units: "pd.DataFrame", tests: "pd.DataFrame", similarities: dict[str, np.ndarray], metrics: dict
) -> Path:
    """``data/identity/<network>``: how alike equal channels of two layers are.

    - units.parquet: one row a state ("trained", "untrained"), measure ("responses", "stimuli"), pair of layers and
      channel: ``network, state, measure, group, layer, alias, depth, other_layer, other_alias, other_depth, unit, own,
      others, share_less_similar`` (``methods.identity``); NaN where a channel has no similarity. Empty where the
      network has no two layers of as many channels on the same map.
    - tests.parquet: one row a state, measure and group, and one ("all") of all groups: ``network, state, measure,
      group, pairs, value, p_value, draws`` (``methods.identity.identity_test``).
    - similarities.npz: under ``identity_pair``'s names, channel x channel, float32.
    """
    folder = IDENTITY / network
    with writing(folder) as new:
        write_table(new / "units.parquet", units)
        write_table(new / "tests.parquet", tests)
        np.savez(new / "similarities.npz", **similarities)
        write_json(new / "metrics.json", metrics)
    return folder


def identity_pair(state: str, measure: str, layer: str, other_layer: str) -> str:
    """The name under which the similarities of two layers' channels lie."""
    return "/".join((state, measure, layer, other_layer))


def read_identity(network: str, table: str = "units") -> "pd.DataFrame":
    """One of the tables of ``write_identity``: "units" or "tests"."""
    return read_table(IDENTITY / network / f"{table}.parquet", f"identity@{network}")


def read_similarities(network: str) -> dict[str, np.ndarray]:
    """The channel x channel similarities of ``write_identity``."""
    return read_arrays(IDENTITY / network / "similarities.npz", f"identity@{network}")
