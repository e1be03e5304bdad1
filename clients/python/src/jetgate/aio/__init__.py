"""The client for asyncio. What it has in common with the one for threads is in `jetgate` itself."""

from jetgate.aio.client import Client, connect
from jetgate.aio.consumer import Consumer, Message
from jetgate.aio.publisher import Publisher
from jetgate.aio.reader import Reader

__all__ = ["Client", "Consumer", "Message", "Publisher", "Reader", "connect"]
