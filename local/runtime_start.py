"""The first lines that run in the environment of a built function: a path of exactly what it has on Lambda, then AWS's own client.

    python -I -S -B runtime_start.py FD HANDLER DIRECTORY ...      as local/runtime_process.py starts it, and nobody else

Promises: nothing is on the path but the given directories, in their order, and the standard library behind them. Whenever a line
comes in on FD, all modules that are loaded go out on it, each with its file. Imports only the standard library, and little of that.
"""

import json
import os
import runpy
import sys
import threading


def answer(fd: int) -> None:
    """Say what is loaded, each time that it is asked."""
    while os.read(fd, 1):
        loaded = {name: getattr(module, "__file__", None) for name, module in list(sys.modules.items())}
        with os.fdopen(os.dup(fd), "wb") as line:
            line.write(json.dumps(loaded).encode() + b"\n")


if __name__ == "__main__":
    line, handler, directories = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
    # a thread, because the main one waits for the next event in native code; it uses nothing that the function uses
    threading.Thread(target=answer, args=(line,), daemon=True).start()
    sys.path[:0] = directories
    sys.argv = ["awslambdaric", handler]
    runpy.run_module("awslambdaric", run_name="__main__", alter_sys=True)
