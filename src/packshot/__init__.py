"""packshot: an inference stack for e-commerce product photos."""

__version__ = "0.1.0"
