"""Samples: every image below its own class, the subject outlined."""

import numpy as np
from drawn import picture

from receptive.figures.prepared import samples


def test_images_stand_below_their_classes_and_are_outlined():
    images = np.arange(12, dtype=np.uint8)[:, None, None, None] * np.full((12, 8, 8, 3), 20, np.uint8)
    masks = np.zeros((12, 8, 8), bool)
    masks[:, 2:6, 2:6] = True
    names = [f"class {i}" for i in range(12)]
    figure = samples(images, names, masks)
    assert [axes.get_title() for axes in figure.axes[:12]] == names
    for axes, image in zip(figure.axes, images, strict=False):
        assert (picture(axes) == image).all()
        # white below black, around the square of the mask
        white, black = axes.collections
        assert (white.get_linewidth()[0], black.get_linewidth()[0]) == (1.6, 0.6)
        (outline,) = black.get_paths()
        assert outline.vertices.min(0).tolist() == [1.5, 1.5]
        assert outline.vertices.max(0).tolist() == [5.5, 5.5]
    # two rows of ten: the other places stay empty
    assert [axes.axison for axes in figure.axes[12:]] == [False] * 8


def test_without_masks_nothing_is_outlined_and_grey_images_are_grey():
    grey = np.full((1, 8, 8, 1), 77, np.uint8)
    axes = samples(grey, ["7"], None).axes[0]
    assert len(axes.collections) == 0
    assert picture(axes).shape == (8, 8, 3)
    assert (picture(axes) == 77).all()
