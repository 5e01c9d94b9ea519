"""One node of a traced network, with its receptive field. Needs no torch."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from receptive.methods.receptive_field.fields import Field, Positions
from receptive.methods.receptive_field.sights import Sight


@dataclass(frozen=True)
class NodeField:
    """One node of the traced network, and what it sees.

    Attributes:
        name: of the node in the traced graph; unique, also where one module is called twice.
        module: path of the module that is called; '' for functions and methods.
        call: how many times that module was called before in the same pass.
        operation: type of the module, or name of the function: 'Conv2d', 'relu', 'add'.
        kind: 'input', 'conv', 'linear' (of a vector), 'elementwise linear' (of each element of a sequence), 'norm',
            'activation', 'pool', 'global_pool', 'add' (of two branches), 'concat' or 'other'.
        depth: weight layers (convolutions and linear layers) on the longest path from the input to this node, which
            counts too.
        field: its receptive field.
        local: the same without what operations over the whole map add (squeeze and excitation, normalisation over
            the map): the field of the paths that keep their place. It equals ``field`` where there is no such
            operation before, and is the whole image where no path keeps its place.
        whole_from: the operation from which on every position sees the whole image (the full height, or the full
            width); '' where ``field`` has windows along both axes.
        sights: what each row (first) and each column (second) of the map really sees.
        channels: length of the channel axis.
        map_size: height and width of the map; None for vectors.
        inputs: names of the nodes that it reads.
    """

    name: str
    module: str
    call: int
    operation: str
    kind: str
    depth: int
    field: Field
    local: Field
    whole_from: str
    sights: tuple[Sight, Sight]
    channels: int
    map_size: tuple[int, int] | None
    inputs: tuple[str, ...]

    @property
    def interior(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Half-open ranges of the rows and columns whose boxes lie wholly inside the image; (0, 0) twice if none."""
        return self.field.inside(self.map_size or (1, 1))

    def seen(self, y: Positions, x: Positions) -> tuple[Positions, Positions, Positions, Positions]:
        """The smallest boxes around all pixels that positions really see, as ``top, left, bottom, right``.

        Unlike ``field.box`` they never leave the image, and are exact at the borders too: where the box meets padding,
        unread pixels or unequal windows. A position that sees nothing has the box (0, 0, 0, 0). They can be too large
        only where branches merge and one of them sees nothing but padding.

        Args:
            y: rows of the map; x: columns. Their shapes broadcast. A vector has one position.
        """
        rows, columns = self.sights
        box: list[Any] = [rows.first[y], columns.first[x], rows.after[y], columns.after[x]]
        sees = (box[0] < box[2]) & (box[1] < box[3])
        sides = (np.where(sees, side, 0) for side in box)
        found: Any = tuple(int(side) if isinstance(y, int) and isinstance(x, int) else side for side in sides)
        return found
