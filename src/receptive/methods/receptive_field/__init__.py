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
the kernel), pads a whole window (padding of at least the kernel) or leaves the last pixels of its input unread. Then
what is seen at the border is a little smaller than the box, never larger.

- ``fields``: the numbers: ``Axis``, ``Field``, ``NodeField``. Needs no torch.
- ``graph``: ``receptive_fields``, the walk through the network.
- ``operations``: the operations that have a rule, and their rules.
- ``sites``: ``response_sites``, where responses are read; ``Sum``, a sum that can be read.
"""
