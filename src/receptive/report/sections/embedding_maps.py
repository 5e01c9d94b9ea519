"""The interactive maps: the representation spaces of one network on one page, to which the report links."""

from tqdm import tqdm

from receptive.artifacts.embedding import read_embedding
from receptive.params.schema import Params
from receptive.report.images import images_of
from receptive.report.interactive import LayerMap, map_page
from receptive.report.page import Link
from receptive.report.writer import Writer

_BOX = ["top_px", "left_px", "bottom_px", "right_px"]


def links(params: Params, write: Writer) -> list[Link]:
    """One page per network whose layers have maps, and the link to it."""
    parts = []
    for network in tqdm(params.models, desc="maps", unit="network"):
        images = images_of(params, network).images
        maps = _maps(network, images.shape[1:3])
        if maps:
            title = f"{network}: maps of its representation spaces"
            layers = ", ".join(f"{layer.title}, {len(layer.points):,} points" for layer in maps)
            caption = f"({layers}). Pan, zoom, filter by class; a point shows its patch, image and strongest units."
            parts.append(write.map(network, map_page(title, maps, images), f"Interactive map of {network}", caption))
    return parts


def _maps(network: str, size: tuple[int, int]) -> list[LayerMap]:
    """The maps of a network, shallow layers first; each title says how much of the image its patches show.

    Args:
        size: height and width of the images, px.
    """
    table = read_embedding(network, "layers").sort_values("depth", kind="stable")
    maps = []
    for name, alias in table.loc[table["reason"] == "", ["layer", "alias"]].itertuples(index=False):
        points = read_embedding(network, name)
        top, left, bottom, right = points[_BOX].iloc[0]
        whole = (points[_BOX] == [0, 0, *size]).all(axis=None)
        extent = "the whole image" if whole else f"{max(bottom - top, right - left)} px"
        maps.append(LayerMap(f"{alias}: {extent}", points))
    return maps
