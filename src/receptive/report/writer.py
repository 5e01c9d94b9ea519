"""Saves figures and tables and hands them back as parts of the page."""

from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from receptive.report.page import Picture, Table, table_html


class Writer:
    """Saves figures and tables under a report folder and returns them as parts of the page."""

    def __init__(self, folder: Path):
        self.folder = folder
        for name in ("figures", "tables"):
            (folder / name).mkdir(parents=True, exist_ok=True)

    def picture(self, name: str, figure: Figure, alt: str, caption: str) -> Picture:
        """A figure as PNG; the file holds no date and no version, so the same figure has the same bytes."""
        figure.savefig(self.folder / "figures" / f"{name}.png", metadata={"Software": None})
        return Picture(f"figures/{name}.png", alt, caption)

    def table(self, name: str, table: pd.DataFrame, caption: str, formats=None, folded=False, open=False) -> Table:
        """A table as CSV, Markdown and HTML."""
        table.to_csv(self.folder / "tables" / f"{name}.csv", index=False)
        known = table.astype(object).where(table.notna(), None)
        text = known.to_markdown(index=False, missingval="–", floatfmt=".4g")
        (self.folder / "tables" / f"{name}.md").write_text(text + "\n")
        files = [f"tables/{name}.csv", f"tables/{name}.md"]
        return Table(table_html(table, formats), caption, files, folded, open)
