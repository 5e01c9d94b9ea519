"""Reads params.yaml, and composes it from conf/."""

import os
from importlib import import_module
from pathlib import Path

from pydantic import ValidationError
from ruamel.yaml import YAML, YAMLError

from receptive.errors import ReceptiveError
from receptive.params.schema import Params


def load_params(path: Path = Path("params.yaml")) -> Params:
    """The validated parameters of a project.

    Args:
        path: of params.yaml; as it stands in the current folder.

    Raises:
        ReceptiveError: the file is missing or no YAML, or parameters are unknown, missing or impossible; the line names
            every such parameter.
    """
    try:
        values = YAML(typ="safe").load(Path(path).read_text())
    except FileNotFoundError:
        raise ReceptiveError(
            f"{path} is missing: run this in the project's folder, or 'receptive compose' there"
        ) from None
    except (YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise ReceptiveError(f"{path} is no valid YAML ({reason}): mend it, or run 'receptive compose'") from None
    try:
        return Params.model_validate(values)
    except ValidationError as error:
        sentences = [_sentence(e) for e in error.errors()]
        raise ReceptiveError(f"{path}: {'; '.join(sentences)}") from None
    except ReceptiveError as error:
        raise ReceptiveError(f"{path}: {error}") from None


def _sentence(error: dict) -> str:
    section, *rest = error["loc"] or [""]
    where = ".".join(str(part) for part in [section, *rest] if part != "[key]")
    if error["type"] == "model_type" and not where:
        return "it holds no parameters: run 'receptive compose'"
    if error["type"] == "extra_forbidden":
        return f"{where} is not a parameter: remove it"
    if error["type"] == "missing":
        return f"{where} is missing: add it, or run 'receptive compose'"
    reason = error["msg"].removeprefix("Value error, ")
    if error["type"] == "value_error":
        return f"{where}: {reason}" if where else reason
    return f"{where}: {reason[0].lower()}{reason[1:]}, not {error['input']!r}"


def compose(folder: Path = Path(), overrides: tuple[str, ...] = ()) -> Path:
    """Writes params.yaml from conf/, just as ``dvc exp run -S ...`` does, and returns its path.

    Args:
        folder: the project's folder, which holds conf/.
        overrides: as ``-S`` takes them: "profile=smoke", "seed=1".

    Raises:
        ReceptiveError: there is no conf/, an override does not fit it, or the parameters would be impossible (as in
            ``load_params``). Then params.yaml stays as it was.
    """
    if not (folder / "conf" / "config.yaml").exists():
        raise ReceptiveError("conf/config.yaml is missing: run this in the project's folder")
    target, conf = folder / "params.yaml", str((folder / "conf").resolve())
    beside = folder / "params.part.yaml"  # DVC writes YAML where the suffix says so
    dvc = import_module(
        "dvc.utils.hydra"
    )  # DVC's own composer, so that the bytes agree; only here, for it loads slowly
    try:
        try:
            dvc.compose_and_dump(beside, conf, None, "config", conf, list(overrides))
        except Exception as error:  # Hydra raises a family of its own, wrapped by DVC
            raise ReceptiveError(f"conf/ cannot be composed: {' '.join(str(error).split())}") from None
        try:
            load_params(beside)
        except ReceptiveError as error:
            raise ReceptiveError(f"{target} is not written: {str(error).removeprefix(f'{beside}: ')}") from None
        os.replace(beside, target)
    finally:
        beside.unlink(missing_ok=True)
    return target
