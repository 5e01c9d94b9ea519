"""``docs/results/<name>``: the small results of a study, kept beside the code and compared with other studies'."""

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from ruamel.yaml import YAML, YAMLError

from receptive.artifacts import claims, report, sparsity
from receptive.artifacts.files import read_json, read_table, write_json, write_table, writing
from receptive.errors import ReceptiveError

FOLDER = Path("docs/results")
COMMAND = "keep"
COLUMNS = {
    "claims.parquet": claims.COLUMNS,
    "measurements.parquet": ("training", "network", "stage", "quantity", "value"),
}
"""``claims.parquet``: all rows of all claims. ``measurements.parquet``: the numbers of every training that the stages
sum up in their ``metrics.json``, and each layer's share of zeros; ``value`` is a float."""
SUMMARY = Path("tables/claims_summary.csv")
LARGEST_BYTES = 1_000_000
"""The largest picture that is kept."""
_ALSO_KEPT = ("bench.json", "README.md")
"""What others put into the folder: it stays when the results are kept again."""


class Results(NamedTuple):
    """What a study measured, without its pictures.

    Attributes:
        claims: one row per measured number of a claim (``artifacts.claims.COLUMNS``).
        verdicts: claim (number), title, verdict; one row per claim.
        measurements: ``COLUMNS["measurements.parquet"]``.
        params: the content of params.yaml.
        versions: what the study was computed with: names to texts and numbers, nested; empty where it is not recorded.
        lacking: what is not there and how to get it, one sentence each.
    """

    claims: pd.DataFrame
    verdicts: pd.DataFrame
    measurements: pd.DataFrame
    params: dict[str, Any]
    versions: dict[str, Any]
    lacking: tuple[str, ...] = ()


def read_study(project: Path = Path()) -> Results:
    """The results of the study in a project's folder, as far as its stages have run.

    Raises:
        ReceptiveError: params.yaml is missing or damaged.
    """
    params = _read_params(project / "params.yaml")
    trainings = trainings_of(params)
    found, rows, lacking = [], pd.DataFrame(columns=list(claims.COLUMNS)), []
    for training, facts in trainings.items():
        numbers = _metrics_of(project, training)
        if not numbers:
            lacking.append(f"{training} is not measured: run 'dvc repro'")
        found += [(training, facts.get("network", training), *number) for number in numbers]
    try:
        rows = read_table(project / claims.FOLDER / "rows.parquet", claims.STAGE, claims.COLUMNS)
    except ReceptiveError as error:
        lacking.append(_without(project, error))
    verdicts = _read_verdicts(project / report.FOLDER / SUMMARY)
    if verdicts.empty:
        lacking.append(f"{report.FOLDER / SUMMARY} is missing: run 'dvc repro report'")
    measurements = pd.DataFrame(found, columns=list(COLUMNS["measurements.parquet"])).astype({"value": float})
    return Results(rows, verdicts, measurements, params, {}, tuple(lacking))


def trainings_of(params: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The trainings of a study by name; of studies from before trainings had a section, the networks."""
    return params.get("trainings") or {name: {} for name in params.get("models", [])}


def needed(trainings: Iterable[str]) -> list[Path]:
    """The files that ``read_study`` reads of a study with these trainings, relative to the project's folder."""
    files = [Path("params.yaml"), claims.FOLDER / "rows.parquet", report.FOLDER / SUMMARY]
    for training in trainings:
        files += [Path(f"data/{stage}/{training}/metrics.json") for stage in SUMMED_UP]
        files.append(sparsity.FOLDER / training / "layers.parquet")
    return files


SUMMED_UP = (
    *("networks", "activations", "stimuli", "ablation", "deconvolution", "embedding", "filters", "identity"),
    *("maximization", "selectivity"),
)
"""The folders below data/ that may hold a ``metrics.json`` for each training."""


def is_kept(folder: Path) -> bool:
    """Whether a folder holds results that were kept."""
    return all((folder / name).exists() for name in (*COLUMNS, "params.yaml", "versions.json"))


def kept_names(project: Path = Path()) -> list[str]:
    """Names of the kept results of a project."""
    return sorted(path.name for path in (project / FOLDER).glob("*") if is_kept(path))


def read_results(folder: Path) -> Results:
    """Results that were kept in a folder.

    Raises:
        ReceptiveError: a file is missing or damaged.
    """
    try:
        return Results(
            read_table(folder / "claims.parquet", COMMAND, claims.COLUMNS),
            _read_verdicts(folder / SUMMARY),
            read_table(folder / "measurements.parquet", COMMAND, COLUMNS["measurements.parquet"]),
            _read_params(folder / "params.yaml"),
            read_json(folder / "versions.json", COMMAND),
        )
    except ReceptiveError as error:
        cause = str(error).rpartition(": ")[0]
        raise ReceptiveError(f"{cause}: bring it back with 'git checkout {folder}'") from None


def write_results(
    folder: Path, results: Results, versions: Mapping[str, Any], figures: Iterable[str], project: Path = Path()
) -> Path:
    """Keeps the results of a project's study in ``folder``; results that were kept there before are replaced.

    Beside the results go the report's tables (without the long ``claims``, which ``claims.parquet`` holds), some of
    its figures of at most ``LARGEST_BYTES``, ``metrics.json``, ``params.yaml`` and ``dvc.lock``, as they are.

    Args:
        results: of ``read_study``.
        versions: what the study was computed with, for ``versions.json``.
        figures: patterns of the names of figures.
    """
    with writing(folder) as new:
        write_table(new / "claims.parquet", results.claims[list(claims.COLUMNS)])
        write_table(new / "measurements.parquet", results.measurements)
        write_json(new / "versions.json", versions)
        for name, source in (("metrics.json", report.FOLDER), ("params.yaml", Path()), ("dvc.lock", Path())):
            if (project / source / name).exists():
                shutil.copy(project / source / name, new / name)
        tables, pictures = project / report.FOLDER / "tables", project / report.FOLDER / "figures"
        (new / "tables").mkdir()
        for path in sorted(tables.glob("*")):
            if path.stem != "claims":
                shutil.copy(path, new / "tables" / path.name)
        (new / "figures").mkdir()
        for path in sorted({path for pattern in figures for path in pictures.glob(pattern)}):
            if path.stat().st_size <= LARGEST_BYTES:
                shutil.copy(path, new / "figures" / path.name)
        for name in _ALSO_KEPT:
            if (folder / name).exists():
                shutil.copy(folder / name, new / name)
    return folder


def _metrics_of(project: Path, training: str) -> list[tuple[str, str, float]]:
    """Stage, quantity and value of every number that the stages sum a training up in."""
    numbers: list[tuple[str, str, float]] = []
    for stage in SUMMED_UP:
        path = project / "data" / stage / training / "metrics.json"
        if path.exists():
            values = read_json(path, stage)
            numbers += [(stage, name, float(value)) for name, value in _flat(values).items() if value is not None]
    path = project / sparsity.FOLDER / training / "layers.parquet"
    if path.exists():
        table = read_table(path, sparsity.STAGE, ("layer", "zero_fraction"))
        numbers += [
            ("sparsity", f"zero_fraction.{layer}", float(value))
            for layer, value in zip(table["layer"], table["zero_fraction"], strict=True)
        ]
    return numbers


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Numbers of nested dictionaries, the names joined by dots."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{name}.")
        elif isinstance(value, int | float):
            flat[f"{prefix}{name}"] = value
    return flat


def _read_verdicts(path: Path) -> pd.DataFrame:
    columns = ["claim", "title", "verdict"]
    if not path.exists():
        return pd.DataFrame(columns=columns)
    table = pd.read_csv(path)
    return table[columns] if set(columns) <= set(table) else pd.DataFrame(columns=columns)


def _read_params(path: Path) -> dict[str, Any]:
    try:
        values = YAML(typ="safe").load(path.read_text())
    except FileNotFoundError:
        raise ReceptiveError(f"{path} is missing: name a project's folder, or results in {FOLDER}") from None
    except (YAMLError, UnicodeDecodeError):
        raise ReceptiveError(f"{path} is no valid YAML: mend it, or run 'receptive compose'") from None
    if not isinstance(values, dict):
        raise ReceptiveError(f"{path} holds no parameters: run 'receptive compose'")
    return values


def _without(project: Path, error: ReceptiveError) -> str:
    """The line of an error, with paths as they are in the project's folder."""
    return str(error).replace(f"{project.as_posix()}/", "") if project != Path() else str(error)
