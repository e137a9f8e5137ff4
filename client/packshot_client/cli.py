"""The command ``packshot``: its way in, which needs no extra to say what is missing."""

from __future__ import annotations

import sys

USAGE_ERROR = 2


def main() -> None:
    """Run the command line."""
    try:
        from packshot_client.commands import app
    except ImportError as error:
        if error.name is not None and error.name.startswith("packshot"):
            raise
        sys.stderr.write(
            f"packshot: the command line needs {error.name}, which is not installed. "
            f"Install it with: pip install 'packshot[cli]'\n"
        )
        sys.exit(USAGE_ERROR)
    app()


if __name__ == "__main__":
    main()
