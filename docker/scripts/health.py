#!/usr/bin/env python3
"""Exit status 0 while the supervisor of this container calls it ready."""

import os
import sys
import urllib.error
import urllib.request

PORT = os.environ.get("PACKSHOT_HEALTH_PORT", "8003")

try:
    with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/health/ready", timeout=2):
        sys.exit(0)
except (urllib.error.URLError, OSError) as error:
    sys.exit(f"not ready: {error}")
