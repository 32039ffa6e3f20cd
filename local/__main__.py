"""`python -m local demo …`: what of `local/` a person starts by name."""

import sys

_USAGE = "usage: python -m local demo [--help] …"


def main(arguments: list[str]) -> int:
    """Run the named part; the exit code."""
    if not arguments or arguments[0] != "demo":
        print(_USAGE, file=sys.stderr)
        return 2
    from local.demo.run import main as demo

    return demo(arguments[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
