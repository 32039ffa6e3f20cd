"""Looks for secrets in every file that is tracked: tokens, passwords, private keys, and text too random to be words.

Promises: works without a network and changes nothing. What is found is shown by file, line and kind, never in full. A value that
is no secret is allowed by file and fingerprint in tools/secrets_allowed.toml, with the reason; one that is not found any more is
refused too, so that the list cannot grow old.

Two readers look. Our own, `KINDS`, knows what this project is given to keep, and reads every line of every file as it stands:
quoted or not, in code, data, prose and locks. detect-secrets knows what others keep; it judges by quotes and by the kind of file,
and is not asked about locks, which consist of fingerprints, nor about two kinds of word after the word secret or password: in a
line that names a secret by its address, and in a test.

`python tools/scan_secrets.py [DIRECTORY]`; exit code 1 where something was found.
"""

import hashlib
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class
from detect_secrets.core.scan import scan_file
from detect_secrets.settings import transient_settings

TOOLS = Path(__file__).resolve().parent
ALLOWED = "tools/secrets_allowed.toml"
_KEYWORD = "Secret Keyword"
_ADDRESS = re.compile(r"secretsmanager:|!If \[")
LEFT_OUT = ("requirements-*.txt", "layers/*/requirements.txt", "tools/*.txt", ALLOWED)

# What this project is given to keep, by its shape.
KINDS = {
    # With or without 0x: a signing key. A digest is told by the word before it, as locks and image names write it.
    "Key of 32 bytes": re.compile(r"(?<!sha256:)(?<![0-9a-zA-Z])(?:0[xX])?[0-9a-fA-F]{64}(?![0-9a-zA-Z])"),
    "Bearer token of X": re.compile(r"(?<![\w%])A{20,}[\w%]{40,}"),
    "API key of a model": re.compile(r"(?<![\w-])sk-[\w-]{32,}"),
    "Webhook of Discord": re.compile(r"discord(?:app)?\.com/api/(?:v\d+/)?webhooks/\d+/[\w-]+"),
    "Bot of Telegram": re.compile(r"(?<!\d)\d{8,10}:[\w-]{35}(?![\w-])"),
    "Secret key of AWS": re.compile(r"(?i)secret_?access_?key['\"]?\s*[:=]\s*['\"]?[\w/+]{40}(?![\w/+])"),
}
_FILTERS = (
    "is_indirect_reference",
    "is_likely_id_string",
    "is_not_alphanumeric_string",
    "is_potential_uuid",
    "is_prefixed_with_dollar_sign",
    "is_sequential_string",
    "is_templated_secret",
)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that looks like a secret. `fingerprint` is the SHA-1 of it, by which it can be allowed."""

    path: str
    line: int
    kind: str
    fingerprint: str

    @property
    def key(self) -> tuple[str, str]:
        return self.path, self.fingerprint


def main(arguments: Sequence[str]) -> int:
    """Scan and say what was found."""
    root = Path(arguments[0] if arguments else TOOLS.parent).resolve()
    allowed = dict(_allowed(root))
    found = list(_findings(root))
    unknown = [finding for finding in found if finding.key not in allowed]
    stale = set(allowed) - {finding.key for finding in found}
    for finding in unknown:
        print(
            f"{finding.path}:{finding.line}: {finding.kind}. If it is none, allow {finding.fingerprint} in {ALLOWED}"
        )
    for path, fingerprint in sorted(stale):
        print(f"{ALLOWED}: {fingerprint} is not in {path} any more: take it out")
    print(f"secrets: {len(unknown)} found, {len(found) - len(unknown)} allowed")
    return 1 if unknown or stale else 0


def _allowed(root: Path) -> Iterator[tuple[tuple[str, str], str]]:
    file = root / ALLOWED
    if not file.exists():
        return
    for entry in tomllib.loads(file.read_text())["allowed"]:
        if len(str(entry["reason"])) < 10:
            raise SystemExit(f"{ALLOWED}: say why {entry['fingerprint']} is no secret")
        yield (str(entry["path"]), str(entry["fingerprint"])), str(entry["reason"])


def _findings(root: Path) -> Iterator[Finding]:
    tracked = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    )
    with transient_settings(_settings()):
        for path in sorted(set(filter(None, tracked.stdout.split("\0")))):
            if (root / path).is_file():
                lines = (root / path).read_text(errors="replace").split("\n")
                yield from _of_our_own(path, lines)
                if not any(fnmatchcase(path, pattern) for pattern in LEFT_OUT):
                    yield from _of_others(root, path, lines)


def _of_our_own(path: str, lines: Sequence[str]) -> Iterator[Finding]:
    for number, line in enumerate(lines, start=1):
        for kind, shape in KINDS.items():
            for found in shape.finditer(line):
                fingerprint = hashlib.sha1(found[0].encode(), usedforsecurity=False).hexdigest()
                yield Finding(path, number, kind, fingerprint)


def _of_others(root: Path, path: str, lines: Sequence[str]) -> Iterator[Finding]:
    for secret in scan_file(str(root / path)):
        line = lines[secret.line_number - 1]
        if secret.type != _KEYWORD or not (path.startswith("tests/") or _ADDRESS.search(line)):
            yield Finding(path, secret.line_number, secret.type, secret.secret_hash)


def _settings() -> dict[str, Any]:
    """Every detector of detect-secrets; its filters, but for the one that lets a comment in the line allow it."""
    known: dict[str, type] = get_mapping_from_secret_type_to_class()
    return {
        "plugins_used": [{"name": name} for name in sorted(each.__name__ for each in known.values())],
        "filters_used": [{"path": f"detect_secrets.filters.heuristic.{name}"} for name in _FILTERS],
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
