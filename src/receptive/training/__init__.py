"""Training: the loop, the choice of weights, and how images are changed on their way."""
