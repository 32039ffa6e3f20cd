"""The packages of the core layer, which every function carries.

Promises: `load` imports each of them whole, with its compiled part. `migrate` does so before any other function changes, so that
a layer which was built for another processor, or with a package missing, stops a deployment and never an exit.
"""

from importlib import import_module

# by package as it is installed, the module that loads what it is used for
CORE = {
    "aws-lambda-powertools": "aws_lambda_powertools.event_handler",
    "cryptography": "cryptography.hazmat.primitives.ciphers.aead",
    "pg8000": "pg8000.native",
    "pydantic": "pydantic",
}


def load() -> None:
    """Import every one. Raises ImportError for the first that is not whole."""
    for module in CORE.values():
        import_module(module)
