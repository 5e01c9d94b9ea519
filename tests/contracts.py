"""What the tests of all contracts share: the same bytes for the same content, and damage told in one line."""

import time
from collections.abc import Callable, Iterable
from pathlib import Path

import pandas as pd
import pytest

from receptive.errors import ReceptiveError

NO_JSON = (b'{"a": [1, 2', b"[1, 2]", b"\x00\xffnothing" * 50, b"")


def files(folder: Path) -> dict[str, bytes]:
    """The content of every file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def written_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[], object]) -> dict[str, bytes]:
    """What ``write`` leaves: the same in two folders, in the second one a year later."""
    written, clock = [], time.time
    for folder, later in (("a", 0), ("another/deep", 366 * 86400)):
        (tmp_path / folder).mkdir(parents=True)
        with monkeypatch.context() as patch:
            patch.chdir(tmp_path / folder)
            patch.setattr(time, "time", lambda later=later: clock() + later)
            write()
        written.append(files(tmp_path / folder))
    assert written[0] == written[1]
    return written[0]


def refuses_missing_and_damaged(path: Path, stage: str, read: Callable[[], object]) -> None:
    """Asserts that ``read`` names the file and the cure, where ``path`` is missing, cut short or filled with rubbish.

    Args:
        path: a file that ``read`` reads, relative to the current folder; it is left as it was.
        stage: what makes it, "extract@digitcnn".
    """
    content = path.read_bytes()
    read()
    damages = NO_JSON if path.suffix == ".json" else (content[: len(content) // 2], b"\x00\xffnothing" * 50, b"")
    for damage in damages:
        path.write_bytes(damage)
        with pytest.raises(ReceptiveError) as caught:
            read()
        message = str(caught.value)
        assert message.startswith(f"{path} is damaged (")
        assert message.endswith(f"): remove it and run 'dvc checkout', or 'dvc repro {stage}'")
        assert "\n" not in message
        assert len(message) < 500
    path.unlink()
    with pytest.raises(ReceptiveError) as caught:
        read()
    assert str(caught.value) == f"{path} is missing: run 'dvc repro {stage}'"
    path.write_bytes(content)


def needs_columns(path: Path, stage: str, read: Callable[[], object], columns: Iterable[str]) -> None:
    """Asserts that ``read`` refuses the table at ``path`` without any one of ``columns``, and takes one more."""
    whole = pd.read_parquet(path)
    for column in columns:
        whole.drop(columns=column).to_parquet(path, index=False)
        with pytest.raises(ReceptiveError) as caught:
            read()
        cause = f"{path} is damaged (it lacks {column})"
        assert str(caught.value) == f"{cause}: remove it and run 'dvc checkout', or 'dvc repro {stage}'"
    whole.assign(more=1).to_parquet(path, index=False)
    read()
    whole.to_parquet(path, index=False)
