"""The methods: pure functions and classes on tensors, for any network. Nothing here reads or writes files.

Shapes are annotations (jaxtyping), the axes in their order, and the tests check them on every call. Within one
signature all axes of one name have one length. The names of axes are the same in all modules:

- image: images of a batch or of a set; channel: channels of an image, 1 (grey) or 3 (red, green, blue);
- y, x: rows and columns of an image or of a map; map_y, map_x: of a map, in signatures that hold an image too;
- side_y, side_x, window_y, window_x, canvas_y, canvas_x: of a part of the image, or of a plane that is larger;
- unit: units of a layer, which are the channels of its map or the numbers of its vector;
- position: positions of a map, row by row, 1 for a layer without a map;
- kernel_y, kernel_x, taps, composed_y, composed_x: rows and columns of a kernel, of two, or of both together;
- filter: kernels of one layer that are compared; other: what they are compared with;
- first, second: units of the first and of the second of two layers; inputs: input channels of a kernel;
- active, inactive: units that answer some image, and units that answer none; slot: units that one image has noise on;
- score: class scores;
- patch, pictures: pieces cut out of images, and pictures of any kind in any number of axes;
- feature: numbers that describe a patch;
- bin, edge: bins of a histogram, and the edges between them; hit, rank: great responses, and places in their list;
- point, dimension: points of a representation space, one vector each, and its dimensions;
- neighbour: the nearest other points of a point; selected: numbers of some points;
- cell_y, cell_x: rows and columns of a grid over a plane of points;
- condition, phase, orientation, diameter: stimuli, phases at which one is shown, orientations of bars, sizes of discs;
- frequency, frequency_y, frequency_x, part: of a Fourier transform, and what is transformed together;
- iteration, draw, turn: steps of an optimisation, random draws, and angles that a kernel is turned by;
- row, column, value, rows, shape: of anything that is compared or computed row by row or number by number.

A number is a fixed length ("point 2"), "_" any length, and "..." any axes at all.
"""
