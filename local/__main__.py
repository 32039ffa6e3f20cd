"""`python -m local demo …`, `stack …`, `sim …`, `crash …`, `load …`: what of `local/` a person starts by name."""

import sys

_USAGE = "usage: python -m local demo|stack|sim|crash|load [--help] …"


def main(arguments: list[str]) -> int:
    """Run the named part; the exit code."""
    match arguments:
        case ["demo", *rest]:
            from local.demo.run import main as demo

            return demo(rest)
        case ["stack", *rest]:
            from local.stack.run import main as stack

            return stack(rest)
        case ["crash", *rest]:
            from local.crash.run import main as crash

            return crash(rest)
        case ["sim", *rest]:
            from local.simulation.command import main as simulate

            return simulate(rest)
        case ["load", *rest]:
            from local.load.run import main as load

            return load(rest)
    print(_USAGE, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
