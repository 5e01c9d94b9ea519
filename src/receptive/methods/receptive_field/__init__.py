"""Receptive fields of every node of a network, read from its traced graph.

The receptive field is the patch of the image that one position of a feature map can see (KS 2.2; YU 3.2). Along one
axis it follows from the layers alone, by three numbers:

    size   <- size + (kernel - 1) * dilation * stride
    start  <- start - padding * stride
    stride <- stride * layer_stride

Position ``i`` sees the pixels from ``start + i * stride`` on, ``size`` of them. Where branches meet, the field is the
hull of their fields, which needs equal strides.

The box is the hull of what a position can see, and it may leave the image. Cut to the image it is exact wherever the
whole box lies inside. At the borders it is exact too, unless a layer skips pixels (dilation above 1, or a stride above
the kernel), pads a whole window (padding of at least the kernel), cuts pixels off or leaves the last pixels of its
input unread. Then what is seen at the border is a little smaller than the box, never larger: a layer whose padding
repeats pixels from outside the box is refused. Beside the box, each position's first and last pixel is followed, which
is exact in all these cases (``NodeField.seen``).

Some operations let every position see the whole image: means over the map that are given back to it (squeeze and
excitation), normalisation by the map's own statistics, attention. The field is then the whole image, and the field
of the paths that keep their place is kept beside it (``NodeField.local``).

- ``fields``: the numbers: ``Axis``, ``Field``. Needs no torch.
- ``sights``: what each position sees, position by position: ``Sight``, ``View``. Needs no torch.
- ``nodes``: one node of the graph with its fields: ``NodeField``.
- ``graph``: ``receptive_fields``, the walk through the network.
- ``rules``: what each operation does to what is seen; ``operations``: which there are, and their geometry.
- ``sites``: ``response_sites``, where responses are read; ``Sum``, a sum that can be read.
"""
