"""PyTorch networks, one readable file each. Needs the extra ``train`` or ``export``."""
