"""``data/selectivity/<network>``: what every unit is tuned to."""

from pathlib import Path

import numpy as np
import pandas as pd

from receptive.artifacts.files import read_arrays, read_table, write_json, write_table, writing

PROBE = Path("data/selectivity")


def write_selectivity(
    network: str, units: "pd.DataFrame", filters: "pd.DataFrame", shown: list, tuning: dict[str, tuple]
) -> Path:
    """``data/probe/<network>``: what every unit is tuned to.

    - units.parquet: one row a state ("trained", "untrained", "shuffled"), layer and unit: ``network, state, layer,
      alias, depth, kind, unit``, the columns of ``methods.selectivity.measures``, and ``selective, single_opponent,
      double_opponent``; NA where a unit answers nothing, or the images have no colour.
    - filters.parquet: the same of the first convolution, from its kernels alone.
    - stimuli.parquet: one row a condition, ``axis, orientation, frequency``; tuning.npz: under
      "strength/<layer>" and "rate/<layer>" those of the trained units, condition x unit, in the same order.
    """
    folder = PROBE / network
    judged = ["selective", "single_opponent", "double_opponent"]
    metrics = {}
    for (state, alias), its in units.groupby(["state", "alias"], sort=False):
        shares = its[judged].astype("Float64").mean().dropna()
        metrics |= {f"{name}.{state}.{alias}".replace(" ", "_"): float(share) for name, share in shares.items()}
    with writing(folder) as new:
        for name, table in (("units", units), ("filters", filters)):
            table.insert(0, "network", network)
            write_table(new / f"{name}.parquet", table)
        write_table(new / "stimuli.parquet", pd.DataFrame(shown))
        arrays = {}
        for name, (strengths, rates) in tuning.items():
            arrays[f"strength/{name}"] = strengths.astype(np.float32)
            arrays[f"rate/{name}"] = rates.astype(np.float32)
        np.savez(new / "tuning.npz", **arrays)
        write_json(new / "metrics.json", metrics)
    return folder


def read_selectivity(network: str, table: str = "units") -> "pd.DataFrame":
    """One of the tables of ``write_selectivity``: "units", "filters" or "stimuli"."""
    return read_table(PROBE / network / f"{table}.parquet", f"probe@{network}")


def read_tuning(network: str) -> dict[str, np.ndarray]:
    """The arrays of tuning.npz, condition x unit, in the order of stimuli.parquet."""
    return read_arrays(PROBE / network / "tuning.npz", f"probe@{network}")
