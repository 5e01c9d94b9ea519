"""The interactive map of a representation space: one page per network that needs nothing but a browser.

Bokeh draws the plot, with WebGL where there is a graphics card and else on a canvas. Style rules cut the pictures under
the cursor out of one sheet. A page holds no time and no path: the same points and images give the same bytes.
"""

import base64
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import bokeh
import numpy as np
import pandas as pd
from bokeh.embed import json_item
from bokeh.layouts import column, row
from bokeh.models import (
    BooleanFilter,
    CDSView,
    Column,
    ColumnDataSource,
    CustomJS,
    Div,
    HoverTool,
    Legend,
    LegendItem,
    MultiChoice,
    TabPanel,
    Tabs,
)
from bokeh.plotting import figure
from bokeh.resources import Resources
from bokeh.transform import factor_cmap, factor_mark
from PIL import Image

from receptive.figures.style import CLASS_COLOURS, OUTSIDE, as_colour
from receptive.methods.preferred_stimuli import cut_patches
from receptive.report.page import environment, template_text

SHEET_PX = 20_000_000
"""With more pixels of whole images than this, a page holds shrunken patches instead."""
_SHEET_WIDTH_PX = 4096  # every browser can draw this width
_BLOCK_PX = 8  # of a JPEG with full colour resolution: pictures that begin on blocks do not bleed into each other
_PATCH_PX = 32  # side of a shrunken patch
_SHOWN_PX = 128  # side of a picture under the cursor
_LEGEND_CLASSES = 24  # with more classes colours and markers repeat, and a legend is no help
_MARKERS = ("circle", "triangle", "square")  # with eight colours: 24 classes look different
_BOX = ["top_px", "left_px", "bottom_px", "right_px"]
_COMPONENTS = ["bokeh", "bokeh-gl", "bokeh-widgets"]


@dataclass(frozen=True)
class LayerMap:
    """The map of one layer.

    Attributes:
        title: of its tab: "c5_3, 196 px".
        points: one row per position of an image: ``image, y, x, class_name``, its place in the plane ``e1, e2``, the
            box of its receptive field ``top_px, left_px, bottom_px, right_px`` (half-open, may leave the image), and
            its strongest units ``unit_1 ... unit_n`` (-1 where fewer are active) with their responses ``activation_1
            ... activation_n``.
    """

    title: str
    points: pd.DataFrame


@dataclass(frozen=True)
class Sheet:
    """Many pictures of one size as one JPEG, row by row.

    Attributes:
        jpeg: the file's bytes.
        columns: pictures per row.
        pitch: px from one picture to the next, down and across.
        height, width: of a picture, px.
        size: height and width of the whole sheet, px.
        whole: whether the pictures are whole images; else they are patches.
    """

    jpeg: bytes
    columns: int
    pitch: tuple[int, int]
    height: int
    width: int
    size: tuple[int, int]
    whole: bool


def map_page(title: str, layers: Sequence[LayerMap], images: np.ndarray, sheet_px: int = SHEET_PX) -> str:
    """The page: one tab per layer, filtered by class; a point under the cursor shows its patch, image and units.

    Args:
        images: uint8, image x y x x x 1 or 3 channels; ``image`` of the points counts in them.
        sheet_px: of ``pictures``.
    """
    library = Resources("inline", components=_COMPONENTS)
    sheet, tiles = pictures([layer.points for layer in layers], images, sheet_px)
    item = json.dumps(_renumbered(json_item(_widgets(layers, sheet, tiles), "map")), separators=(",", ":"))
    template = environment().from_string(template_text("map.html"))
    return template.render(
        title=title,
        version=bokeh.__version__,
        scripts=[script.replace("</script", "<\\/script") for script in library.js_raw],
        item=item.replace("<", "\\u003c"),  # JSON's other spelling of it: no name in it can end or open a tag
        sheet=base64.b64encode(sheet.jpeg).decode(),
        whole=sheet.whole,
    )


# ---------------------------------------------------------------- pictures


def pictures(
    tables: Sequence[pd.DataFrame], images: np.ndarray, sheet_px: int = SHEET_PX
) -> tuple[Sheet, list[pd.DataFrame]]:
    """The sheet with the pictures of all points, and the place of each point's picture on it.

    Where the images of the points have together at most ``sheet_px`` pixels, the sheet holds each of them once and
    whole: a patch then has full resolution, and its image can be shown around it. Else it holds the points' patches,
    shrunken.

    Args:
        tables: the points of each layer (``LayerMap``).
        images: uint8, image x y x x x 1 or 3 channels.

    Returns:
        The sheet, and per table the columns ``tile_y, tile_x`` (where the picture begins on the sheet, px) and ``top,
        left, side`` (the patch in px of that picture; ``side`` is its longer side).
    """
    occurring = np.unique(np.concatenate([table["image"].to_numpy() for table in tables]))
    whole = len(occurring) * images.shape[1] * images.shape[2] <= sheet_px
    if whole:
        sheet = _sheet(images[occurring], whole=True)
        numbers = [np.searchsorted(occurring, table["image"].to_numpy()) for table in tables]
        boxes = [table[_BOX].to_numpy() for table in tables]
    else:
        sheet = _sheet(np.concatenate([_shrunken_patches(table, images) for table in tables]), whole=False)
        ends = np.cumsum([len(table) for table in tables])
        numbers = [np.arange(end - len(table), end) for table, end in zip(tables, ends, strict=True)]
        boxes = [np.tile([0, 0, _PATCH_PX, _PATCH_PX], (len(table), 1)) for table in tables]
    return sheet, [_places(sheet, number, box) for number, box in zip(numbers, boxes, strict=True)]


def _places(sheet: Sheet, number: np.ndarray, box: np.ndarray) -> pd.DataFrame:
    top, left, bottom, right = box.T
    y, x = np.divmod(number, sheet.columns)
    places = {
        "tile_y": y * sheet.pitch[0],
        "tile_x": x * sheet.pitch[1],
        "top": top,
        "left": left,
        "side": np.maximum(bottom - top, right - left),
    }
    return pd.DataFrame({name: values.astype(np.int32) for name, values in places.items()})


def _shrunken_patches(points: pd.DataFrame, images: np.ndarray) -> np.ndarray:
    """Every point's patch, scaled to one size; the part outside its image has one colour.

    Returns:
        uint8, point x y x x x 3.
    """
    shrunken = np.empty((len(points), _PATCH_PX, _PATCH_PX, 3), np.uint8)
    boxes = points[_BOX].to_numpy()
    for i, (number, box) in enumerate(zip(points["image"], boxes, strict=True)):
        side = max(box[2] - box[0], box[3] - box[1])
        image = as_colour(images[number])[None]
        square = np.array([[box[0], box[1], box[0] + side, box[1] + side]])
        patch = cut_patches(image, square, (side, side))[0]
        outside = cut_patches(np.zeros_like(image), square, (side, side), outside=1)[0].astype(bool)
        picture = Image.fromarray(np.where(outside, OUTSIDE[0], patch))
        shrunken[i] = np.asarray(picture.resize((_PATCH_PX, _PATCH_PX), Image.Resampling.BOX))
    return shrunken


def _sheet(tiles: np.ndarray, whole: bool) -> Sheet:
    """Pictures side by side as a JPEG. Each begins on a block; its last row and column are repeated up to the next.

    Args:
        tiles: uint8, picture x y x x x 1 or 3 channels.
    """
    count, height, width, channels = tiles.shape
    pitch = tuple(-(-side // _BLOCK_PX) * _BLOCK_PX for side in (height, width))
    columns = max(1, min(count, _SHEET_WIDTH_PX // pitch[1]))
    rows = -(-count // columns)
    canvas = np.zeros((rows, pitch[0], columns, pitch[1], channels), np.uint8)
    y, x = np.divmod(np.arange(count), columns)
    padding = ((0, 0), (0, pitch[0] - height), (0, pitch[1] - width), (0, 0))
    canvas[y, :, x] = np.pad(tiles, padding, mode="edge")
    canvas = canvas.reshape(rows * pitch[0], columns * pitch[1], channels)
    file = io.BytesIO()
    Image.fromarray(canvas.squeeze(-1) if channels == 1 else canvas).save(file, "JPEG", quality=80, subsampling="4:4:4")
    return Sheet(file.getvalue(), columns, pitch, height, width, canvas.shape[:2], whole)


# ---------------------------------------------------------------- the plot


def _widgets(layers: Sequence[LayerMap], sheet: Sheet, tiles: list[pd.DataFrame]) -> Column:
    """The choice of classes and, below it, one tab per layer."""
    classes = sorted({name for layer in layers for name in layer.points["class_name"].unique()})
    plots = [_plot(layer, sheet, places, classes) for layer, places in zip(layers, tiles, strict=True)]
    for number, plot in enumerate(plots):
        plot.renderers[0].name = f"tab {number}"
    tabs = Tabs(
        tabs=[TabPanel(child=plot, title=layer.title) for plot, layer in zip(plots, layers, strict=True)],
        sizing_mode="stretch_width",
    )
    renderers = [plot.renderers[0] for plot in plots]
    counts = [f"{len(layer.points):,} of {len(layer.points):,} points shown" for layer in layers]
    count = Div(text=counts[0], name="count")
    options = [(name, escape(name)) for name in classes]  # value and label; the widget takes the label for HTML
    choice = MultiChoice(options=options, placeholder="show only the classes ... (all)", name="classes", width=560)
    filtered = CustomJS(
        args={"renderers": renderers, "tabs": tabs, "choice": choice, "count": count},
        code="""
        const wanted = new Set(choice.value)
        for (const {view, data_source} of renderers)
          view.filter.booleans = Array.from(data_source.data.class_name, (name) => wanted.size == 0 || wanted.has(name))
        const shown = renderers[tabs.active].view.filter.booleans
        const number = (n) => n.toLocaleString("en")
        count.text = `${number(shown.filter((is) => is).length)} of ${number(shown.length)} points shown`
        """,
    )
    choice.js_on_change("value", filtered)
    tabs.js_on_change("active", filtered)
    return column(row(choice, count), tabs, sizing_mode="stretch_width")


def _plot(layer: LayerMap, sheet: Sheet, places: pd.DataFrame, classes: list[str]) -> figure:
    """The plane of one layer, to pan, to zoom and to point at."""
    source = ColumnDataSource(_columns(layer, places))
    looks = [(CLASS_COLOURS[i % len(CLASS_COLOURS)], _MARKERS[i % len(_MARKERS)]) for i in range(len(classes))]
    plot = figure(
        height=640,
        sizing_mode="stretch_width",
        match_aspect=True,
        output_backend="webgl",
        lod_threshold=None,  # a graphics card draws every point of every frame; without one, see map.html
        tools="pan,wheel_zoom,box_zoom,reset,save",
        active_scroll="wheel_zoom",
        name=layer.title,
    )
    plot.axis.visible = False  # the coordinates of a t-SNE mean nothing; only neighbourhoods do
    plot.grid.visible = False
    plot.toolbar.logo = None
    renderer = plot.scatter(
        "e1",
        "e2",
        source=source,
        view=CDSView(filter=BooleanFilter([True] * len(layer.points))),
        size=7,
        fill_alpha=0.75,
        line_color=None,
        color=factor_cmap("class_name", [colour for colour, _ in looks], classes),
        marker=factor_mark("class_name", [marker for _, marker in looks], classes),
    )
    plot.add_tools(_hover(sheet))
    if len(classes) <= _LEGEND_CLASSES:
        first = {name: i for i, name in reversed(list(enumerate(layer.points["class_name"])))}
        items = [LegendItem(label=name, renderers=[renderer], index=first[name]) for name in classes if name in first]
        plot.add_layout(Legend(items=items), "right")
    return plot


def _columns(layer: LayerMap, places: pd.DataFrame) -> dict[str, np.ndarray]:
    """The columns of points that the browser needs, in the smallest types."""
    points = layer.points
    columns = {name: points[name].to_numpy().astype(np.int32) for name in ("image", "y", "x")}
    columns |= {name: points[name].to_numpy().astype(np.float32) for name in ("e1", "e2")}
    columns |= {name: places[name].to_numpy() for name in places}
    columns["units"] = np.array(_strongest(points), dtype=object)
    return columns | {"class_name": points["class_name"].to_numpy(dtype=object)}


def _strongest(points: pd.DataFrame) -> list[str]:
    """Each point's strongest units with their responses, as text: "12 (3.41), 7 (0.882)"."""
    ranks = range(1, 1 + sum(name.startswith("unit_") for name in points))
    units = points[[f"unit_{rank}" for rank in ranks]].to_numpy()
    responses = points[[f"activation_{rank}" for rank in ranks]].to_numpy()
    return [
        ", ".join(f"{unit} ({value:.3g})" for unit, value in zip(*point, strict=True) if unit >= 0) or "none is active"
        for point in zip(units, responses, strict=True)
    ]


def _hover(sheet: Sheet) -> HoverTool:
    """What a point under the cursor shows: patch, image (where the sheet has it), class, position, strongest units.

    A picture is a window on the whole sheet, which is enlarged ``--k`` times and moved until the part to be shown lies
    below the window.
    """
    light, dark = ("#{:02x}{:02x}{:02x}".format(*colour) for colour in OUTSIDE)
    window = (
        f"position:relative;overflow:hidden;width:{_SHOWN_PX}px;height:{_SHOWN_PX}px;flex:none;"
        f"background:repeating-conic-gradient({light} 0 25%,{dark} 0 50%) 0 0/16px 16px"
    )
    tile = (
        "position:absolute;image-rendering:pixelated;background-repeat:no-repeat;background-image:var(--sheet);"
        f"width:calc({sheet.width}px*var(--k));height:calc({sheet.height}px*var(--k));"
        f"background-size:calc({sheet.size[1]}px*var(--k)) calc({sheet.size[0]}px*var(--k));"
        "background-position:calc(-1px*@tile_x{0}*var(--k)) calc(-1px*@tile_y{0}*var(--k))"
    )
    patch = (
        f'<div class="patch" style="{window};--k:calc({_SHOWN_PX}/@side{{0}})">'
        f'<div style="{tile};left:calc(-1px*@left{{0}}*var(--k));top:calc(-1px*@top{{0}}*var(--k))"></div></div>'
    )
    scale = _SHOWN_PX / max(sheet.height, sheet.width)
    image = (
        f'<div class="image" style="{window};--k:{scale:.6g}"><div style="{tile};left:0;top:0"></div>'
        '<div style="position:absolute;box-sizing:border-box;border:2px solid #fff;outline:1px solid #000;'
        "left:calc(1px*@left{0}*var(--k));top:calc(1px*@top{0}*var(--k));"
        'width:calc(1px*@side{0}*var(--k));height:calc(1px*@side{0}*var(--k))"></div></div>'
    )
    words = (
        '<div class="words"><b>@class_name</b><br>image @image{0}, position (@y{0}, @x{0})<br>'
        "strongest units<br>@units</div>"
    )
    solid = "<style>:host{opacity:1!important}</style>"  # else the points below shine through the pictures
    return HoverTool(
        tooltips=f'<div style="display:flex;gap:8px">{solid}{patch}{image if sheet.whole else ""}{words}</div>',
        limit=1,  # of points that lie on each other, one
        point_policy="snap_to_data",
    )


def _renumbered(item: dict) -> dict:
    """The same plot with its objects numbered from 1: Bokeh goes on counting through all plots of a process."""
    numbers: dict[str, str] = {}

    def renumber(value, key: str = ""):
        if isinstance(value, dict):
            return {name: renumber(part, name) for name, part in value.items()}
        if isinstance(value, (list, tuple)):
            return [renumber(part) for part in value]
        if key in ("id", "root_id"):
            return numbers.setdefault(value, f"p{len(numbers) + 1}")
        return value

    return renumber(item)
