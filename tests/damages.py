"""Ways in which files get damaged, and what every folder of results must hold against time and place."""

import time
from pathlib import Path


def files(folder: Path) -> dict[str, bytes]:
    """The content of every file in a folder, by its path there."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def twice(tmp_path, monkeypatch, write) -> list[dict[str, bytes]]:
    """What ``write`` leaves in two folders, in the second one a year later."""
    written = []
    for folder, later in (("one", 0), ("another/deep", 366 * 86400)):
        (tmp_path / folder).mkdir(parents=True)
        now = time.time
        with monkeypatch.context() as patch:
            patch.chdir(tmp_path / folder)
            patch.setattr(time, "time", lambda: now() + later)  # noqa: B023
            write()
        written.append(files(tmp_path / folder))
    return written


def truncated(path: Path) -> None:
    """The first half."""
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def garbage(path: Path) -> None:
    """Other bytes."""
    path.write_bytes(b"\x00\xffnothing that anybody wrote" * 50)


def empty(path: Path) -> None:
    """No bytes."""
    path.write_bytes(b"")


def half_json(path: Path) -> None:
    """A JSON that is cut off."""
    path.write_text('{"a": [1, 2')


def other_json(path: Path) -> None:
    """A JSON of another kind."""
    path.write_text("[1, 2]")


def poor_json(path: Path) -> None:
    """A JSON that lacks everything."""
    path.write_text("{}")


BINARY = (truncated, garbage, empty)
JSON = (half_json, other_json, garbage, empty)


def message_of_damage(path: Path, stage: str, line: str) -> bool:
    """Whether a line says that a file is damaged, why, and which stage makes it anew."""
    cure = f"): remove it and run 'dvc checkout', or 'dvc repro {stage}'"
    return line.startswith(f"{path} is damaged (") and line.endswith(cure) and "\n" not in line and len(line) < 500
