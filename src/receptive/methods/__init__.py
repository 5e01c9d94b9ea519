"""The methods: pure functions and classes on tensors, for any network. Nothing here reads or writes files.

Shapes are annotations (jaxtyping), the axes in their order; the tests check them on every call. Within one signature
an axis of one name has one length. The names of axes, the same in all modules:

================================  ======================================================================================
image                             images of a batch or of a set
channel                           channels of an image: 1 (grey) or 3 (red, green, blue)
y, x                              rows and columns of an image, or of a map
map_y, map_x                      rows and columns of a map, where the image's are named beside it
unit                              units of a layer: channels of its map, or numbers of its vector
position                          positions of a map, row by row; 1 for a layer without a map
kernel_y, kernel_x                rows and columns of a kernel, in a convolution or as a filter
filter                            filters that are compared with one another: kernels of one layer
first, second                     units of the first and of the second of two layers
patch                             pieces cut out of images, or means of such pieces
bin, edge                         bins of a histogram, and the edges between them
rank, pair, slot, draw, iteration places in a list: by size, of two partners, for a unit, of a draw, in time
point, dimension                  points of a representation space (one vector each), and its dimensions
neighbour                         the nearest other points of a point
cell_y, cell_x                    rows and columns of a grid over a plane of points
condition, phase, orientation     stimuli, the phases at which one is shown, the orientations of bars
row, column, value                anything that is compared row by row
================================  ======================================================================================

A leading number is a fixed length ("point 2"), and "..." any axes at all.
"""
