"""A detector for detect-secrets: 32 bytes in hexadecimal, which is what a private key of an Ethereum account looks like.

Its own detectors look at how random text in quotes is, and never find hexadecimal digits after 0x random enough.
"""

import re
from typing import ClassVar

from detect_secrets.plugins.base import RegexBasedDetector


class KeyOf32BytesDetector(RegexBasedDetector):
    """0x and 64 digits. Hashes look the same: the few that are written down are allowed one by one."""

    secret_type = "Key of 32 bytes"  # noqa: S105 - its name
    denylist: ClassVar = [re.compile(r"(?<![0-9a-zA-Z])(0x[0-9a-fA-F]{64})(?![0-9a-zA-Z])")]
