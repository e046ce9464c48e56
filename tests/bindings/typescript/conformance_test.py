#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""tests/protocol/conformance.py plays a host against the client."""
import subprocess
import sys

import prepare

with prepare.installed(["driver.mjs"]) as folder:
    script = prepare.ROOT / "tests" / "protocol" / "conformance.py"
    sys.exit(subprocess.run([sys.executable, "-B", script, "client", "--", "node", folder / "driver.mjs"], check=False).returncode)
