"""The interactive maps: the representation spaces of one network on one page, reached from the report."""

from tqdm import tqdm

from receptive.io import artifacts
from receptive.params.schema import Params
from receptive.report.interactive import LayerMap, map_page
from receptive.report.page import Link
from receptive.report.writer import Writer

_BOX = ["top_px", "left_px", "bottom_px", "right_px"]


def links(params: Params, write: Writer) -> list[Link]:
    """A page a network whose layers have maps, and the link to it."""
    found = []
    for network in tqdm(params.models, desc="maps", unit="network"):
        images = artifacts.read_images(params, network).images
        maps = _maps(network, images.shape[1:3])
        if maps:
            title = f"{network}: maps of its representation spaces"
            layers = ", ".join(f"{layer.title}, {len(layer.points):,} points" for layer in maps)
            caption = f"({layers}). Pan, zoom, filter by class; a point shows its patch, image and strongest units."
            found.append(write.map(network, map_page(title, maps, images), f"Interactive map of {network}", caption))
    return found


def _maps(network: str, size: tuple[int, int]) -> list[LayerMap]:
    """The network's maps, shallow layers first; each says how much of the image its patches show."""
    table = artifacts.read_embedding(network, "layers").sort_values("depth", kind="stable")
    maps = []
    for name, alias in table.loc[table["reason"] == "", ["layer", "alias"]].itertuples(index=False):
        points = artifacts.read_embedding(network, name)
        box = points[_BOX].iloc[0]
        whole = (points[_BOX] == [0, 0, *size]).all(axis=None)
        seen = (
            "the whole image"
            if whole
            else f"{max(box['bottom_px'] - box['top_px'], box['right_px'] - box['left_px'])} px"
        )
        maps.append(LayerMap(f"{alias}: {seen}", points))
    return maps
