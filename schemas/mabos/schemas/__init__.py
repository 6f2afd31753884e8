"""The contract: the three events, their Avro schemas, the wire format, the registry and what may change."""

from mabos.schemas.codec import CONTROL, REQUEST, RESPONSE, Codec, EventType
from mabos.schemas.compatibility import find_breaks
from mabos.schemas.errors import (
    DecodeError,
    IncompatibleSchema,
    InvalidTask,
    MabosError,
    RegistryError,
    RegistryUnavailable,
    SchemaError,
)
from mabos.schemas.events import Status, TaskControl, TaskError, TaskRequest, TaskResponse, Verb
from mabos.schemas.fields import new_task_id
from mabos.schemas.registry import SchemaRegistry
from mabos.schemas.vetting import parse_schema_text

__all__ = [
    "CONTROL",
    "REQUEST",
    "RESPONSE",
    "Codec",
    "DecodeError",
    "EventType",
    "IncompatibleSchema",
    "InvalidTask",
    "MabosError",
    "RegistryError",
    "RegistryUnavailable",
    "SchemaError",
    "SchemaRegistry",
    "Status",
    "TaskControl",
    "TaskError",
    "TaskRequest",
    "TaskResponse",
    "Verb",
    "find_breaks",
    "new_task_id",
    "parse_schema_text",
]
