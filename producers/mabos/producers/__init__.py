"""Who asks: publish tasks for agents and cancel them, from threads or an event loop, with a receipt for each."""

from mabos.producers.errors import (
    ForkedClient,
    ProducerStopped,
    PublishError,
    PublishFailed,
    PublishQueueFull,
    RecordTooLarge,
)
from mabos.producers.producer import AsyncTaskProducer, TaskProducer
from mabos.producers.publisher import Publisher, Record
from mabos.producers.receipts import Receipt

__all__ = [
    "AsyncTaskProducer",
    "ForkedClient",
    "ProducerStopped",
    "PublishError",
    "PublishFailed",
    "PublishQueueFull",
    "Publisher",
    "Receipt",
    "Record",
    "RecordTooLarge",
    "TaskProducer",
]
