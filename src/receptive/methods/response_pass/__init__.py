"""One reading of a layer's responses: the greatest, their sum, the zeros and the histogram of every unit at once.

``reading`` says what is read and picks who reads it. ``reference`` reads with torch's own operations, one quantity
after the other; it is the meaning of the others and stands in for them. ``compiled`` reads once on a CPU (numba),
``triton`` once on a GPU. The results of all three are the same to the bit, but for the sums, which add the same float64
numbers in other orders.
"""
