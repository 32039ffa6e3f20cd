"""A Hyperliquid perpetuals venue on 127.0.0.1, for development, tests and the demo.

Promises: the unmodified hyperliquid-python-sdk trades on it through `base_url`; every signature is
recovered and refused as the venue refuses it; time comes from the injected clock alone, and what happened
between two requests happened at its own time. Never deployed, never talks to the network, holds no key.
"""

from local.hyperliquid.config import VenueConfig, load_config
from local.hyperliquid.engine import Engine
from local.hyperliquid.server import HyperliquidServer

__all__ = ["Engine", "HyperliquidServer", "VenueConfig", "load_config"]
