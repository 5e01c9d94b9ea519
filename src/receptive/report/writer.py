"""Saves figures and tables, and hands them back as parts of the page."""

import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from receptive.report.page import ABSENT, Link, Picture, Table, cells, numeric_columns


class Writer:
    """Saves figures and tables under a report folder and returns them as parts of the page."""

    def __init__(self, folder: Path):
        self.folder = folder
        for name in ("figures", "maps", "tables"):
            (folder / name).mkdir(parents=True, exist_ok=True)

    def picture(self, name: str, figure: Figure, alt: str, caption: str) -> Picture:
        """A figure as PNG; the file holds no date and no version, so the same figure has the same bytes.

        The pixels are those that ``figure.savefig`` writes. That function draws the whole figure a second time for its
        layout, and takes twice as long to compress it. Looking for runs of equal bytes alone takes three quarters of
        the time of zlib's third level, and the file is 1% larger.
        """
        for axes in figure.axes:
            for axis in (axes.xaxis, axes.yaxis):
                if not (len(axis.get_ticklocs()) or axis.get_label_text()):
                    axis.set_visible(False)  # nothing of it shows, but it would be measured for the layout all the same
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        pixels = np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[..., :3])  # the background is opaque
        file = self.folder / "figures" / f"{name}.png"
        Image.fromarray(pixels).save(file, compress_level=1, compress_type=zlib.Z_RLE, dpi=(figure.dpi, figure.dpi))
        return Picture(f"figures/{name}.png", alt, caption)

    def map(self, name: str, page: str, label: str, caption: str) -> Link:
        """An interactive map (``report.interactive.map_page``) as a page of its own."""
        (self.folder / "maps" / f"{name}.html").write_text(page, encoding="utf-8")
        return Link(f"maps/{name}.html", label, caption)

    def table(
        self,
        name: str,
        table: pd.DataFrame,
        caption: str,
        formats: Mapping[str, str] | None = None,
        folded: bool = False,
        open: bool = False,
    ) -> Table:
        """A table as CSV, as Markdown and on the page.

        Args:
            formats: of ``page.cells``, for the page; the files keep all digits (Markdown: four).
            folded, open: of ``page.Table``.
        """
        table.to_csv(self.folder / "tables" / f"{name}.csv", index=False)
        values = table.map(_plain).rename(columns=_plain).astype(object).where(table.notna().to_numpy(), None)
        text = values.to_markdown(index=False, missingval=ABSENT, floatfmt=".4g")
        (self.folder / "tables" / f"{name}.md").write_text(text + "\n", encoding="utf-8")
        files = [f"tables/{name}.csv", f"tables/{name}.md"]
        return Table(list(table.columns), numeric_columns(table), cells(table, formats), caption, files, folded, open)


def _plain(value: object) -> object:
    """A text of a Markdown table's cell that neither ends the cell nor begins a tag."""
    return value.replace("|", "\\|").replace("<", "&lt;") if isinstance(value, str) else value
