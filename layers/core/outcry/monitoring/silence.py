"""How long a stage that runs by itself may be silent before something is wrong. The others run only when there is work."""

from datetime import timedelta

LATE_AFTER = {
    "tick": timedelta(minutes=3),
    "ingest_posts": timedelta(minutes=3),
    "monitor_hyperliquid": timedelta(minutes=1),
}
