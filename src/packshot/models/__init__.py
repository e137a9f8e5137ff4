"""PyTorch networks, one readable file each. Needs the extra ``train`` or ``export``."""

try:
    import torch as _torch  # noqa: F401
except ImportError as error:
    raise ImportError(
        "packshot.models needs PyTorch: pip install 'packshot[export]' or 'packshot[train]'"
    ) from error
