"""Benchmarks and load tests. Needs the extra ``bench``."""

try:
    import openvino as _openvino  # noqa: F401
    import psutil as _psutil  # noqa: F401
except ImportError as error:
    raise ImportError(
        f"packshot_loadtest needs {error.name}: pip install 'packshot[bench]'"
    ) from error
