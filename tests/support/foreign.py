"""What only a program in another language would write: through the librdkafka that lies beside the Python client."""

from __future__ import annotations

import ctypes
from pathlib import Path

import confluent_kafka

_TOPIC, _VALUE, _KEY, _FLAGS, _HEADERS, _END = 1, 4, 5, 7, 10, 0  # rd_kafka_vtype_t
_COPY = 2  # RD_KAFKA_MSG_F_COPY
_PRODUCER = 0


def find_library() -> Path | None:
    """The librdkafka that the Python client brings along; None where it is linked in some other way."""
    folder = Path(confluent_kafka.__file__).parents[1] / "confluent_kafka.libs"
    return next(folder.glob("librdkafka*.so*"), None)


def produce_with_header(library: Path, servers: str, topic: str, key: bytes, value: bytes, header: bytes) -> None:
    """Publish a record with a header of this name, whatever its bytes are."""
    lib = ctypes.CDLL(str(library))
    for function in (lib.rd_kafka_conf_new, lib.rd_kafka_new, lib.rd_kafka_headers_new):
        function.restype = ctypes.c_void_p
    error = ctypes.create_string_buffer(512)
    config = ctypes.c_void_p(lib.rd_kafka_conf_new())
    for name, setting in ((b"bootstrap.servers", servers.encode()), (b"partitioner", b"murmur2_random")):
        assert lib.rd_kafka_conf_set(config, name, setting, error, ctypes.c_size_t(512)) == 0, error.value
    client = ctypes.c_void_p(lib.rd_kafka_new(_PRODUCER, config, error, ctypes.c_size_t(512)))
    headers = ctypes.c_void_p(lib.rd_kafka_headers_new(ctypes.c_size_t(1)))
    lib.rd_kafka_header_add(headers, header, ctypes.c_ssize_t(len(header)), b"x", ctypes.c_ssize_t(1))
    refused = lib.rd_kafka_producev(
        client,
        *(_TOPIC, topic.encode()),
        *(_FLAGS, _COPY),
        *(_KEY, key, ctypes.c_size_t(len(key))),
        *(_VALUE, value, ctypes.c_size_t(len(value))),
        *(_HEADERS, headers),
        _END,
    )
    assert refused == 0
    assert lib.rd_kafka_flush(client, 10_000) == 0
    lib.rd_kafka_destroy(client)
