"""Receptive: what does each unit of a convolutional network prefer to see, and what does each layer keep?"""

__version__ = "0.1.0"
