"""Compile the PyTorch networks into Triton model versions. Needs the extra ``export``."""
