"""What importing the venue and custody costs a function that never signs."""

import os
import subprocess
import sys
from pathlib import Path

_HEAVY = ("hyperliquid", "eth_account", "eth_utils", "coincurve", "requests", "boto3", "web3", "openai")


def test_neither_the_venue_nor_custody_imports_an_sdk_before_it_is_used(repository: Path) -> None:
    program = (
        "import sys, outcry.venues.hyperliquid.venue, outcry.custody.keyring\n"
        f"print(*[name for name in {_HEAVY!r} if name in sys.modules])"
    )
    environment = {**os.environ, "PYTHONPATH": str(repository / "layers" / "core")}

    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    assert done.stdout.strip() == ""
