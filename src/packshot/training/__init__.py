"""Data, degradations, losses, loops and recipes. Needs the extra ``train``."""

try:
    import scipy as _scipy  # noqa: F401
    import torch as _torch  # noqa: F401
except ImportError as error:
    raise ImportError(
        f"packshot.training needs {error.name}: pip install 'packshot[train]'"
    ) from error
