"""The interactive map of a representation space: one page a network that needs nothing but a browser.

The plot is Bokeh's (drawn by WebGL where a graphics card does it, else on a canvas); the pictures under the cursor are
cut out of one sheet by style rules. A page holds no time and no path: the same points and images give the same bytes.
"""

import base64
import io
import json
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
import pandas as pd

from receptive.figures.style import CLASS_COLOURS, OUTSIDE, as_colour
from receptive.methods.preferred_stimuli import cut_patches

_SHEET_PX = 20_000_000  # beyond this many pixels of whole images a page holds shrunken patches instead
_SHEET_WIDTH_PX = 4096  # widths up to this can be drawn by every browser
_BLOCK_PX = 8  # of a JPEG with full colour resolution: pictures that begin on blocks do not bleed into each other
_PATCH_PX = 32  # side of a shrunken patch
_SHOWN_PX = 128  # side of a picture under the cursor
_LEGEND_CLASSES = 24  # a legend of more is no help; colours and markers repeat from there on
_MARKERS = ("circle", "triangle", "square")  # as colours come in eights, no class of 24 has the look of another
_COMPONENTS = ["bokeh", "bokeh-gl", "bokeh-widgets"]


@dataclass(frozen=True)
class LayerMap:
    """One layer's map.

    Attributes:
        title: of its tab: "c5_3, 196 px".
        points: one row a position of an image: ``image, y, x, class_name``, its place in the plane ``e1, e2``, its
            receptive field's box ``top_px, left_px, bottom_px, right_px`` (half-open, may leave the image), and
            its strongest units ``unit_1 ... unit_n`` (-1: no more are active) with their responses ``activation_1 ...
            activation_n``.
    """

    title: str
    points: pd.DataFrame


@dataclass(frozen=True)
class Sheet:
    """Many equal pictures as one JPEG, row by row.

    Attributes:
        jpeg: the file's bytes.
        columns: pictures a row; pitch: px from one picture to the next; height, width: of a picture, px.
        size: height and width of the whole, px.
        whole: the pictures are whole images, not patches.
    """

    jpeg: bytes
    columns: int
    pitch: tuple[int, int]
    height: int
    width: int
    size: tuple[int, int]
    whole: bool


def map_page(title: str, layers: list[LayerMap], images: np.ndarray) -> str:
    """The page: a tab a layer, filtered by class, with every point's patch, image and strongest units on hover.

    Args:
        images: uint8, image x height x width x 1 or 3 channels; ``image`` of the points counts in them.
    """
    from bokeh import __version__
    from bokeh.embed import json_item
    from bokeh.resources import Resources
    from jinja2 import Environment, StrictUndefined

    library = Resources("inline", components=_COMPONENTS)
    sheet, tiles = pictures([layer.points for layer in layers], images)
    item = json.dumps(_renumbered(json_item(_widgets(layers, sheet, tiles), "map")), separators=(",", ":"))
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string((files("receptive.report") / "templates" / "map.html").read_text())
    return template.render(
        title=title,
        version=__version__,
        scripts=[script.replace("</script", "<\\/script") for script in library.js_raw],
        item=item.replace("</", "<\\/"),
        sheet=base64.b64encode(sheet.jpeg).decode(),
        whole=sheet.whole,
    )


# ---------------------------------------------------------------- pictures


def pictures(tables: list[pd.DataFrame], images: np.ndarray) -> tuple[Sheet, list[pd.DataFrame]]:
    """The sheet of what the points show, and where on it each point finds its picture.

    All images that occur, whole and once, when they are few or small enough; then a patch is cut from its
    image in full resolution and the image itself can be shown around it. Otherwise the points' patches, shrunk.

    Returns:
        The sheet, and for each table the columns ``tile_y, tile_x`` (where the picture begins on the sheet, px) and
        ``top, left, side`` (the patch in px of that picture; ``side`` is the longer one).
    """
    occurring = np.unique(np.concatenate([table["image"].to_numpy() for table in tables]))
    whole = len(occurring) * images.shape[1] * images.shape[2] <= _SHEET_PX
    if whole:
        sheet = _sheet(images[occurring], whole=True)
        numbers = [np.searchsorted(occurring, table["image"].to_numpy()) for table in tables]
        boxes = [table[["top_px", "left_px", "bottom_px", "right_px"]].to_numpy() for table in tables]
    else:
        sheet = _sheet(np.concatenate([_shrunken_patches(table, images) for table in tables]), whole=False)
        ends = np.cumsum([len(table) for table in tables])
        numbers = [np.arange(end - len(table), end) for table, end in zip(tables, ends, strict=True)]
        boxes = [np.tile([0, 0, _PATCH_PX, _PATCH_PX], (len(table), 1)) for table in tables]
    return sheet, [_places(sheet, number, box) for number, box in zip(numbers, boxes, strict=True)]


def _places(sheet: Sheet, number: np.ndarray, box: np.ndarray) -> pd.DataFrame:
    top, left, bottom, right = box.T
    row, column = np.divmod(number, sheet.columns)
    places = {
        "tile_y": row * sheet.pitch[0],
        "tile_x": column * sheet.pitch[1],
        "top": top,
        "left": left,
        "side": np.maximum(bottom - top, right - left),
    }
    return pd.DataFrame({name: values.astype(np.int32) for name, values in places.items()})


def _shrunken_patches(points: pd.DataFrame, images: np.ndarray) -> np.ndarray:
    """Every point's patch, shrunk or enlarged to one size, what lies outside its image in one colour."""
    from PIL import Image

    shrunken = np.empty((len(points), _PATCH_PX, _PATCH_PX, 3), np.uint8)
    boxes = points[["top_px", "left_px", "bottom_px", "right_px"]].to_numpy()
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
    """Pictures side by side as a JPEG; each begins on a block of its own, its last row and column go on to the next.

    Args:
        tiles: uint8, picture x height x width x 1 or 3 channels.
    """
    from PIL import Image

    count, height, width, channels = tiles.shape
    pitch = tuple(-(-side // _BLOCK_PX) * _BLOCK_PX for side in (height, width))
    columns = max(1, min(count, _SHEET_WIDTH_PX // pitch[1]))
    rows = -(-count // columns)
    canvas = np.zeros((rows, pitch[0], columns, pitch[1], channels), np.uint8)
    row, column = np.divmod(np.arange(count), columns)
    padding = ((0, 0), (0, pitch[0] - height), (0, pitch[1] - width), (0, 0))
    canvas[row, :, column] = np.pad(tiles, padding, mode="edge")
    canvas = canvas.reshape(rows * pitch[0], columns * pitch[1], channels)
    file = io.BytesIO()
    Image.fromarray(canvas.squeeze(-1) if channels == 1 else canvas).save(file, "JPEG", quality=80, subsampling="4:4:4")
    return Sheet(file.getvalue(), columns, pitch, height, width, canvas.shape[:2], whole)


# ---------------------------------------------------------------- the plot


def _widgets(layers: list[LayerMap], sheet: Sheet, tiles: list[pd.DataFrame]):
    """A tab a layer and, above all, the choice of classes."""
    from bokeh.layouts import column, row
    from bokeh.models import CustomJS, Div, MultiChoice, TabPanel, Tabs

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
    choice = MultiChoice(options=classes, placeholder="show only the classes ... (all)", name="classes", width=560)
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


def _plot(layer: LayerMap, sheet: Sheet, places: pd.DataFrame, classes: list[str]):
    """The plane of one layer: pan, zoom, hover."""
    from bokeh.models import BooleanFilter, CDSView, ColumnDataSource, Legend, LegendItem
    from bokeh.plotting import figure
    from bokeh.transform import factor_cmap, factor_mark

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
    """What the browser needs of every point, in types as small as they can be."""
    points = layer.points
    columns = {name: points[name].to_numpy().astype(np.int32) for name in ("image", "y", "x")}
    columns |= {name: points[name].to_numpy().astype(np.float32) for name in ("e1", "e2")}
    columns |= {name: places[name].to_numpy() for name in places}
    columns["units"] = np.array(_strongest(points), dtype=object)
    return columns | {"class_name": points["class_name"].to_numpy(dtype=object)}


def _strongest(points: pd.DataFrame) -> list[str]:
    """Each point's strongest units and their responses in words: "12 (3.41), 7 (0.882)"."""
    ranks = range(1, 1 + sum(column.startswith("unit_") for column in points))
    units = points[[f"unit_{rank}" for rank in ranks]].to_numpy()
    responses = points[[f"activation_{rank}" for rank in ranks]].to_numpy()
    return [
        ", ".join(f"{unit} ({value:.3g})" for unit, value in zip(*row, strict=True) if unit >= 0) or "none is active"
        for row in zip(units, responses, strict=True)
    ]


def _hover(sheet: Sheet):
    """The patch and, where it is known, the image around it; class, image, position and strongest units.

    A picture is a window on the whole sheet, enlarged ``--k`` times and moved so that the wanted part lies under it.
    """
    from bokeh.models import HoverTool

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
    solid = "<style>:host{opacity:1!important}</style>"  # else the points behind shine through the pictures
    return HoverTool(
        tooltips=f'<div style="display:flex;gap:8px">{solid}{patch}{image if sheet.whole else ""}{words}</div>',
        limit=1,  # where points lie on each other, one is enough to look at
        point_policy="snap_to_data",
    )


def _renumbered(item: dict) -> dict:
    """The same plot with its objects numbered from 1: Bokeh counts all that were ever made in this process."""
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
