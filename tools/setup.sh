#!/bin/sh
# Makes what the Makefile's targets need:  tools/setup.sh [project] [ministack] [sam] [build] [runtime] [checkov] [audit]
#
# Finds Python 3.13 and hands over to tools/setup.py, which makes the environments from their locks. Quick when nothing has
# changed, safe under two makes at once. Never installs anything outside this directory, except a Python that uv fetches.
# Exit code 2 and one message when the machine lacks something.
set -u

cd "$(dirname "$0")/.." || exit 2
[ $# -gt 0 ] || set -- project

say() { printf 'setup: %s\n' "$*" >&2; }

is_python_3_13() {
    [ -n "$1" ] && "$1" -I -c 'import sys; sys.exit(sys.version_info[:2] != (3, 13))' >/dev/null 2>&1
}

# An environment that exists answers for itself: when all that is asked for is current, nothing else is looked at.
if is_python_3_13 .venv/bin/python && .venv/bin/python -I tools/setup.py --current "$@"; then
    exit 0
fi

home=${HOME:-/nonexistent}
uv_pythons=${UV_PYTHON_INSTALL_DIR:-${XDG_DATA_HOME:-$home/.local/share}/uv/python}

find_uv() {
    for candidate in .tools/uv/bin/uv "$(command -v uv 2>/dev/null)"; do
        if [ -n "$candidate" ] && [ -x "$candidate" ]; then
            printf '%s\n' "$candidate"
            return 0
        fi
    done
    return 1
}

# Prints the first Python 3.13 of: $PYTHON, python3.13 on PATH, pyenv's, uv's.
find_python() {
    for candidate in "${PYTHON:-}" "$(command -v python3.13 2>/dev/null)" \
        "${PYENV_ROOT:-$home/.pyenv}"/versions/3.13*/bin/python3.13 \
        "$uv_pythons"/cpython-3.13*/bin/python3.13; do
        if is_python_3_13 "$candidate"; then
            printf '%s\n' "$candidate"
            return 0
        fi
    done
    if uv=$(find_uv); then
        candidate=$("$uv" python find --system --no-python-downloads 3.13 2>/dev/null)
        if is_python_3_13 "$candidate"; then
            printf '%s\n' "$candidate"
            return 0
        fi
    fi
    return 1
}

# Whether uv's builds of Python can be had from here; answers within two seconds.
downloads_are_reachable() {
    url=${UV_PYTHON_INSTALL_MIRROR:-https://github.com/astral-sh/python-build-standalone/releases/download}
    if command -v curl >/dev/null 2>&1; then
        curl --silent --head --output /dev/null --max-time 2 "$url"
    elif command -v python3 >/dev/null 2>&1; then
        python3 -I - "$url" >/dev/null 2>&1 <<'PROBE'
import signal, sys, urllib.error, urllib.request
signal.alarm(2)
try:
    urllib.request.urlopen(urllib.request.Request(sys.argv[1], method="HEAD"), timeout=2)
except urllib.error.HTTPError:
    pass
PROBE
    else
        return 1
    fi
}

install_python() {
    [ "${UV_PYTHON_DOWNLOADS:-}" != never ] && downloads_are_reachable || return 1
    if ! uv=$(find_uv); then
        python3 -c 'import sys; sys.exit(sys.version_info < (3, 9))' >/dev/null 2>&1 || return 1
        python3 -I tools/setup.py uv || return 1
        uv=$(find_uv) || return 1
    fi
    say "no Python 3.13 here: uv fetches one"
    UV_HTTP_CONNECT_TIMEOUT=2 UV_HTTP_RETRIES=0 "$uv" python install --no-bin 3.13 >&2
}

if [ -n "${PYTHON:-}" ] && ! is_python_3_13 "$PYTHON"; then
    say "PYTHON=$PYTHON is not Python 3.13; looking further"
fi
if ! python=$(find_python); then
    install_python && python=$(find_python) || {
        cat >&2 <<'MESSAGE'
Outcry needs Python 3.13, and none was found. Any one of these gives it:
  Debian, Ubuntu   sudo apt install python3.13 python3.13-venv    (where the release has it; else pyenv or uv)
  Fedora           sudo dnf install python3.13
  macOS            brew install python@3.13
  Windows          wsl --install, then as on Ubuntu, inside WSL
  pyenv or uv      pyenv install 3.13    or    uv python install 3.13
If you have one already, say where: make PYTHON=/path/to/python3.13
MESSAGE
        exit 2
    }
fi

exec "$python" -I tools/setup.py "$@"
