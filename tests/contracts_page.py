"""docs/contracts.md, made from ``COLUMNS`` of the contracts.

Rewrite the page by PYTHONPATH=src python tests/contracts_page.py
"""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

PAGE = Path(__file__).parents[1] / "docs" / "contracts.md"
ARTIFACTS = Path(__file__).parents[1] / "src" / "receptive" / "artifacts"

HEAD = """# Contracts

What each stage leaves in `data/`, for other stages and for your own code. Each contract is one module of
`src/receptive/artifacts/`, which writes and reads the files and describes their arrays. This page is made from these
modules by `PYTHONPATH=src python tests/contracts_page.py`; a test holds both equal.

Names that recur: `network` is the name of a training (`resnet34-2` is the second), `layer` a module of the network,
`alias` the papers' name of it, `depth` its number of weight layers, `unit` a channel, `image` a row of the prepared
set, `y` and `x` a position in the layer's map. Boxes (`top_px, left_px, bottom_px, right_px`) are half-open and may
leave the image.
"""


def contracts() -> Iterator[tuple[str, ModuleType]]:
    """The modules of ``receptive.artifacts`` that hold a contract, by name."""
    for path in sorted(ARTIFACTS.glob("*.py")):
        if path.stem != "__init__":
            module = import_module(f"receptive.artifacts.{path.stem}")
            if hasattr(module, "FOLDER") and (hasattr(module, "STAGE") or hasattr(module, "COMMAND")):
                yield path.stem, module


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    for name, module in contracts():
        subject = (module.__doc__ or "").splitlines()[0].rpartition("``: ")[2]
        maker = f"stage `{module.STAGE}`" if hasattr(module, "STAGE") else f"command `receptive {module.COMMAND}`"
        place = f"Folder `{module.FOLDER.as_posix()}`, made by the {maker}; `artifacts/{name}.py`."
        parts.append(f"## {name}\n\n{subject[:1].upper()}{subject[1:]}\n\n{place}\n")
        columns = getattr(module, "COLUMNS", {})
        if not isinstance(columns, dict):
            columns = {"its table": columns}
        if columns:
            rows = [f"| `{file}` | {', '.join(f'`{column}`' for column in names)} |" for file, names in columns.items()]
            parts.append("| table | columns |\n|---|---|\n" + "\n".join(rows) + "\n")
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page())
