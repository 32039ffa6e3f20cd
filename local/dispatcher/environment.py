"""One execution environment, as a process: `python -m local.dispatcher.environment <function> …`.

Promises: imports the function's real handler with its folder and the core layer on the path, and nothing of
the repository's root; takes one event at a time; hands over a context with Lambda's names; tells the
dispatcher of each message that the function sends, the moment SQS has it. Started and killed by
`local.dispatcher.pool` alone.
"""

import argparse
import importlib
import json
import os
import socket
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.dispatcher import sabotage
from local.dispatcher.channel import Channel

_ROOT = Path(__file__).resolve().parents[2]
_LAYER = _ROOT / "layers" / "core"

Handler = Callable[[Any, "Context"], Any]


@dataclass(frozen=True, slots=True)
class Context:
    """What Lambda hands to a handler beside the event."""

    function_name: str
    memory_limit_in_mb: int
    invoked_function_arn: str
    aws_request_id: str
    log_group_name: str
    log_stream_name: str
    deadline_s: float
    function_version: str = "$LATEST"

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int((self.deadline_s - time.monotonic()) * 1000))


def main(arguments: list[str] | None = None) -> int:
    """Serve events until the dispatcher hangs up; the exit code."""
    options = _options(arguments)
    channel = Channel(socket.socket(fileno=options.channel))
    try:
        _announce_sends(channel)
        handler = _load(options)
        if options.sabotage:
            sabotage.apply(options.sabotage, options.function)
    except Exception as error:  # noqa: BLE001 - the edge: what cannot be imported is told, and the process ends
        traceback.print_exc()
        channel.send({"init_error": _described(error)})
        return 1
    channel.send({"ready": True})
    while (message := channel.receive()) is not None:
        channel.send(_invoke(handler, message, options))
    return 0


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m local.dispatcher.environment")
    parser.add_argument("function")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--handler", required=True, help="module.function")
    parser.add_argument("--timeout", type=float, required=True, help="seconds")
    parser.add_argument("--memory", type=int, required=True, help="MB, told to the handler")
    parser.add_argument(
        "--channel", type=int, required=True, help="file descriptor of the line to the dispatcher"
    )
    parser.add_argument("--break", dest="sabotage", choices=sabotage.KINDS)
    return parser.parse_args(arguments)


def _load(options: argparse.Namespace) -> Handler:
    """The handler, imported as Lambda would: the function's own folder first, then the layer."""
    os.environ.pop("PYTHONPATH", None)
    sys.path[:] = [path for path in sys.path if Path(path or ".").resolve() not in {_ROOT, Path.cwd()}]
    sys.path[:0] = [str(options.folder), str(_LAYER)]
    module, _, name = options.handler.rpartition(".")
    handler: Handler = getattr(importlib.import_module(module), name)
    return handler


def _invoke(handler: Handler, message: Mapping[str, Any], options: argparse.Namespace) -> dict[str, Any]:
    context = Context(
        function_name=options.function,
        memory_limit_in_mb=options.memory,
        invoked_function_arn=f"arn:aws:lambda:us-east-1:000000000000:function:{options.function}",
        aws_request_id=str(message["request_id"]),
        log_group_name=f"/aws/lambda/{options.function}",
        log_stream_name=str(os.getpid()),
        deadline_s=time.monotonic() + options.timeout,
    )
    try:
        answer = handler(message["event"], context)
        json.dumps(answer)  # Lambda, too, fails an answer that is not JSON
        return {"answer": answer}
    except Exception as error:  # noqa: BLE001 - the edge: what a handler raises is the run's result
        traceback.print_exc()
        return {"error": _described(error)}
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


def _described(error: Exception) -> dict[str, str]:
    return {"type": type(error).__name__, "message": str(error)}


def _announce_sends(channel: Channel) -> None:
    """Tell of every message sent through boto3, which Lambda's runtime, too, brings along.

    The dispatcher then knows when something falls due, and need not ask the queues at every step of the
    clock.
    """
    import boto3

    boto3.setup_default_session()
    session = boto3.DEFAULT_SESSION
    assert session is not None
    asked: list[tuple[str, list[int]]] = []

    def before(params: dict[str, Any], **_: Any) -> None:
        asked[:] = [(params["QueueUrl"], [int(entry.get("DelaySeconds", 0)) for entry in params["Entries"]])]

    def after(**_: Any) -> None:
        for url, delays in asked:
            channel.send({"sent": [[url, delay] for delay in sorted(set(delays))]})
        asked.clear()

    session.events.register("provide-client-params.sqs.SendMessageBatch", before)
    session.events.register("after-call.sqs.SendMessageBatch", after)


if __name__ == "__main__":
    sys.exit(main())
