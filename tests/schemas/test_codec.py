"""Codec: the bytes of the contract, both ways, from our writers and from older and newer ones."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path
from typing import Any

import fastavro
import pytest
from hypothesis import given

from mabos.schemas import (
    CONTROL,
    REQUEST,
    RESPONSE,
    Codec,
    DecodeError,
    EventType,
    InvalidTask,
    RegistryUnavailable,
    SchemaError,
    Status,
    TaskControl,
    TaskError,
    TaskRequest,
    TaskResponse,
    Verb,
)
from mabos.schemas.writer import compile_writer
from tests.schemas.strategies import controls, requests, responses

GOLDEN = sorted((Path(__file__).parent / "golden").glob("*.json"))
REQUEST_SCHEMA: dict[str, Any] = json.loads(REQUEST.schema_text)
CONTROL_SCHEMA: dict[str, Any] = json.loads(CONTROL.schema_text)
RESPONSE_SCHEMA: dict[str, Any] = json.loads(RESPONSE.schema_text)
PLAIN = TaskRequest(task_id="t", agent_id="a", payload_json='{"action":"add"}')


class Schemas(dict[int, str]):
    """A registry of a few schemas that counts how often it is asked."""

    asked = 0

    def schema_text(self, schema_id: int) -> str | None:
        """As the registry does."""
        self.asked += 1
        return self.get(schema_id)


class AwayRegistry:
    """A registry that does not answer."""

    def schema_text(self, schema_id: int) -> str | None:
        """As the registry does."""
        raise RegistryUnavailable(f"nobody knows {schema_id}")


def record_of(schema: dict[str, Any], value: dict[str, Any], schema_id: int = 9) -> bytes:
    out = BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(json.loads(json.dumps(schema))), value)
    return b"\0" + schema_id.to_bytes(4, "big") + out.getvalue()


def changed(schema: dict[str, Any], **fields: dict[str, Any] | None) -> dict[str, Any]:
    """The schema with fields replaced, added or, where None is given, removed."""
    kept = [field for field in schema["fields"] if field["name"] not in fields]
    return schema | {"fields": kept + [{"name": name} | field for name, field in fields.items() if field is not None]}


def without_times(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema with times as plain numbers, as our events hold them."""
    plain: dict[str, Any] = json.loads(json.dumps(schema).replace("logicalType", "wasLogicalType"))
    return plain


def decode_foreign(schema: dict[str, Any], value: dict[str, Any]) -> Any:
    event_type: Any = {found.name: found for found in (REQUEST, RESPONSE, CONTROL)}[schema["name"]]
    return Codec(event_type, 1, Schemas({9: json.dumps(schema)})).decode(record_of(schema, value))


@pytest.mark.parametrize("file", GOLDEN, ids=lambda file: file.stem)
def test_golden_records(file: Path) -> None:
    """The bytes of an event are those that the specification gives, and stay so; they read back as the event."""
    golden = json.loads(file.read_text(encoding="utf-8"))
    fields: dict[str, Any] = golden["fields"]
    codec: Codec[Any]
    event: TaskRequest | TaskResponse | TaskControl
    if file.stem.startswith("request"):
        codec, event = Codec(REQUEST, golden["schema_id"], Schemas()), TaskRequest(**fields)
    elif file.stem.startswith("control"):
        codec = Codec(CONTROL, golden["schema_id"], Schemas())
        event = TaskControl(**fields | {"verb": Verb(fields["verb"])})
    else:
        error = fields.pop("error")
        codec = Codec(RESPONSE, golden["schema_id"], Schemas())
        event = TaskResponse(
            **fields | {"status": Status(fields["status"]), "error": None if error is None else TaskError(**error)}
        )
    assert codec.encode(event).hex() == golden["hex"]
    assert codec.decode(bytes.fromhex(golden["hex"])) == event


@given(requests)
def test_a_request_survives_the_wire(request: TaskRequest) -> None:
    """Whatever a request holds, its bytes decode to it."""
    codec = Codec(REQUEST, 3, Schemas())
    assert codec.decode(codec.encode(request)) == request


@given(responses)
def test_a_response_survives_the_wire(response: TaskResponse) -> None:
    """Whatever a response holds, its bytes decode to it."""
    codec = Codec(RESPONSE, 3, Schemas())
    assert codec.decode(codec.encode(response)) == response


@given(controls)
def test_a_control_survives_the_wire(control: TaskControl) -> None:
    """Whatever a control holds, its bytes decode to it."""
    codec = Codec(CONTROL, 3, Schemas())
    assert codec.decode(codec.encode(control)) == control


@given(requests)
def test_fastavro_reads_what_we_write(request: TaskRequest) -> None:
    """Any Avro library reads our body under the bundled schema, times as datetimes."""
    body = BytesIO(Codec(REQUEST, 3, Schemas()).encode(request)[5:])
    record: Any = fastavro.schemaless_reader(body, fastavro.parse_schema(json.loads(REQUEST.schema_text)), None)
    assert (record["task_id"], record["agent_id"], record["payload"]) == (
        request.task_id,
        request.agent_id,
        request.payload_json,
    )
    assert record["deadline"] == request.deadline


@given(requests | responses | controls)
def test_we_write_what_fastavro_writes(event: TaskRequest | TaskResponse | TaskControl) -> None:
    """Our bytes are those of fastavro under the same schema and id."""
    event_type: Any = {found.event: found for found in (REQUEST, RESPONSE, CONTROL)}[type(event)]
    schema = without_times(json.loads(event_type.schema_text))
    assert Codec(event_type, 9, Schemas()).encode(event) == record_of(schema, event.to_record())


@pytest.mark.parametrize("kind", ["bytes", "float", ["null", "int", "string"], {"type": "array", "items": "int"}])
def test_a_contract_that_outgrows_the_writer_is_told_at_once(kind: Any) -> None:
    """A type that our writer cannot write fails when the codec is made, not when a record is sent."""
    text = json.dumps(changed(REQUEST_SCHEMA, more={"type": kind}))
    with pytest.raises(SchemaError, match="outgrew"):
        Codec(EventType(name="TaskRequest", schema_text=text, event=TaskRequest), 1, Schemas())


@pytest.mark.parametrize(
    ("kind", "value"),
    [("int", 2**31), ("int", -(2**31) - 1), ("long", 2**63), ("long", 1.5), ("long", 1.0), ("int", "1"), ("int", [])],
)
def test_a_number_that_does_not_fit_is_not_written(kind: str, value: Any) -> None:
    """The writer never makes bytes that a reader would refuse, nor takes a fraction for the number that it equals."""
    assert compile_writer(kind)(1) == b"\x02"
    with pytest.raises((ValueError, TypeError)):
        compile_writer(kind)(value)


def test_the_statuses_are_the_symbols() -> None:
    """Each symbol of the schema is a status and each status a symbol, in one order."""
    (status,) = [field["type"] for field in RESPONSE_SCHEMA["fields"] if field["name"] == "status"]
    assert status["symbols"] == [status.value for status in Status]


def test_the_verbs_are_the_symbols() -> None:
    """Each symbol of the schema is a verb and each verb a symbol, in one order."""
    (verb,) = [field["type"] for field in CONTROL_SCHEMA["fields"] if field["name"] == "verb"]
    assert verb["symbols"] == [verb.value for verb in Verb]


@pytest.mark.parametrize("schema_id", [0, -1, 2**31])
def test_a_codec_needs_a_schema_id(schema_id: int) -> None:
    """A codec is not made for an id that no registry gives."""
    with pytest.raises(SchemaError):
        Codec(REQUEST, schema_id, Schemas())


@pytest.mark.parametrize(
    "event",
    [
        TaskRequest(task_id="t", agent_id="a", payload_json="\ud800"),
        TaskResponse(task_id="t", agent_id="a", status=Status.FAILED, error=TaskError(code="\udfff", message="")),
        TaskResponse(task_id="t", agent_id="a", status=Status.FAILED, error=TaskError(code=5, message="")),  # type: ignore[arg-type]
        TaskResponse(task_id="t", agent_id="a", status=Status.FAILED, error="oops"),  # type: ignore[arg-type]
    ],
)
def test_what_avro_cannot_hold_is_refused(event: Any) -> None:
    """An event that cannot be written raises InvalidTask, whatever its caller put into it."""
    event_type: Any = REQUEST if isinstance(event, TaskRequest) else RESPONSE
    with pytest.raises(InvalidTask, match="cannot be encoded"):
        Codec(event_type, 1, Schemas()).encode(event)


def test_our_schema_under_another_id_is_ours() -> None:
    """The bundled schema registered elsewhere, with other docs and spaces, reads as our own."""
    text = json.dumps({key: value for key, value in REQUEST_SCHEMA.items() if key != "doc"}, indent=3)
    codec = Codec(REQUEST, 1, Schemas({9: text}))
    value = codec.encode(PLAIN)
    assert codec.decode(b"\0\0\0\0\x09" + value[5:]) == PLAIN


def test_an_older_writer_is_read() -> None:
    """Fields that an older version did not have yet come from their defaults."""
    older = changed(REQUEST_SCHEMA, type=None, deadline=None)
    assert decode_foreign(older, {"task_id": "t", "agent_id": "a", "payload": "{}"}) == TaskRequest(
        task_id="t", agent_id="a", payload_json="{}"
    )
    ids = {"task_id": "t", "agent_id": "a", "result": "{}"}
    oldest = changed(RESPONSE_SCHEMA, type=None, status=None, error=None, attempt=None, started_at=None)
    assert decode_foreign(oldest, ids) == TaskResponse(task_id="t", agent_id="a", status=Status.IN_PROGRESS)


def test_a_newer_writer_is_read() -> None:
    """Fields of a newer version are passed over, whatever they are."""
    tags = {"type": {"type": "array", "items": {"type": "map", "values": "double"}}, "default": []}
    newer = changed(REQUEST_SCHEMA, tags=tags, priority={"type": ["null", "int", "long"], "default": None})
    record = PLAIN.to_record() | {"tags": [{"x": 1.5}, {}], "priority": 2**40}
    assert decode_foreign(newer, record) == PLAIN


def test_an_unknown_status_reads_as_in_progress() -> None:
    """A symbol that a newer writer added is read as the default symbol, so its task stays open for us."""
    status = {
        "type": {"type": "enum", "name": "TaskStatus", "symbols": ["paused", "failed"], "default": "paused"},
        "default": "paused",
    }
    newer = changed(RESPONSE_SCHEMA, status=status)
    event = TaskResponse(task_id="t", agent_id="a", status=Status.FAILED)
    assert decode_foreign(newer, event.to_record()) == event
    assert decode_foreign(newer, event.to_record() | {"status": "paused"}).status is Status.IN_PROGRESS


def test_an_unknown_verb_is_no_cancel() -> None:
    """What a newer writer says and this reader does not know does nothing; an older writer said nothing at all."""
    verb = {"type": {"type": "enum", "name": "TaskVerb", "symbols": ["other", "cancel", "park"], "default": "other"}}
    newer = changed(CONTROL_SCHEMA, verb=verb | {"default": "other"})
    event = TaskControl(task_id="t", agent_id="a", verb=Verb.CANCEL, reason="r")
    assert decode_foreign(newer, event.to_record()) == event
    assert decode_foreign(newer, event.to_record() | {"verb": "park"}).verb is Verb.OTHER
    oldest = changed(CONTROL_SCHEMA, type=None, verb=None, reason=None)
    assert decode_foreign(oldest, {"task_id": "t", "agent_id": "a"}).verb is Verb.OTHER


def test_a_default_of_a_newer_writer_is_no_code() -> None:
    """Whatever text a foreign schema has for a default, it is only a text."""
    hostile = '"\n    raise SystemExit #\\'
    newer = changed(REQUEST_SCHEMA, note={"type": "string", "default": hostile})
    for note in (hostile, "other"):
        assert decode_foreign(newer, PLAIN.to_record() | {"note": note}) == PLAIN


def test_a_foreign_schema_with_code_for_a_name_is_refused() -> None:
    """Names are letters, digits and underscores before anything is made of them."""
    text = json.dumps(changed(REQUEST_SCHEMA, **{'x"]; raise SystemExit #': {"type": "int"}}))
    with pytest.raises(DecodeError) as refused:
        Codec(REQUEST, 1, Schemas({9: text})).decode(b"\0\0\0\0\x09" + b"\0" * 100)
    assert refused.value.code == "refused_schema"


def test_promoted_and_aliased_types_are_read() -> None:
    """An int is read as the long that we want, bytes as text, and a plain time as an optional one."""
    newer = changed(REQUEST_SCHEMA, deadline={"type": "int"}, payload={"type": "bytes"})
    record = PLAIN.to_record() | {"deadline": 7, "payload": b'{"a":"\xc3\xa9"}'}
    assert decode_foreign(newer, record) == TaskRequest(
        task_id="t", agent_id="a", payload_json='{"a":"é"}', deadline_ms=7
    )
    with pytest.raises(DecodeError) as refused:
        decode_foreign(newer, record | {"payload": b"\xff"})
    assert refused.value.code == "bad_text"


def test_blocks_of_any_shape_are_read() -> None:
    """Arrays in several blocks, and blocks that give their size, are as good as those that fastavro writes."""
    newer = changed(REQUEST_SCHEMA, tags={"type": {"type": "array", "items": "int"}, "default": []})
    codec = Codec(REQUEST, 1, Schemas({9: json.dumps(newer)}))
    start = record_of(newer, PLAIN.to_record() | {"tags": []})[:-1]
    assert codec.decode(start + bytes.fromhex("02 02 03 04 04 06 00")) == PLAIN  # [1] then, in 2 bytes, [2, 3]
    for tail, code in {
        "03 06 04 06 00": "bad_value",  # says 3 bytes where 2 are
        "03 01 04 06 00": "bad_value",  # says -1 bytes
        "02 02": "truncated",
        "ff ff ff ff ff ff ff ff ff 01 02 02": "bad_value",  # -2^63 items
        "fe ff ff ff 0f": "bad_value",  # 2^31-1 items
        "02 02 00 00": "trailing_bytes",
    }.items():
        with pytest.raises(DecodeError) as refused:
            codec.decode(start + bytes.fromhex(tail))
        assert refused.value.code == code, tail


@pytest.mark.parametrize(
    ("text", "code", "reason"),
    [
        ("{", "refused_schema", "not JSON"),
        ('"string"', "refused_schema", "must be a record"),
        (json.dumps(changed(REQUEST_SCHEMA, x={"type": ["null", "TaskRequest"]})), "refused_schema", "contains itself"),
        (json.dumps(changed(REQUEST_SCHEMA, x={"type": {"type": "array", "items": "null"}})), "refused_schema", "x: "),
        (
            json.dumps(changed(REQUEST_SCHEMA, x={"type": json.loads('{"type":' * 40 + '"int"' + "}" * 40)})),
            "refused_schema",
            "x: nests deeper",
        ),
        (RESPONSE.schema_text, "foreign_schema", "TaskResponse, not TaskRequest"),
        (json.dumps(changed(REQUEST_SCHEMA, task_id=None)), "foreign_schema", '"task_id": is missing'),
        (json.dumps(changed(REQUEST_SCHEMA, agent_id={"type": "int"})), "foreign_schema", '"agent_id": type int'),
    ],
)
def test_a_foreign_schema_is_refused_once(text: str, code: str, reason: str) -> None:
    """A schema that is dangerous or of another event is looked at once; its records are refused ever after."""
    schemas = Schemas({9: text})
    codec = Codec(REQUEST, 1, schemas)
    for _ in range(3):
        with pytest.raises(DecodeError, match=r"schema 9") as refused:
            codec.decode(b"\0\0\0\0\x09" + b"\x00" * 100)
        assert refused.value.code == code
        assert reason in refused.value.reason
    assert schemas.asked == 1


def test_items_are_bounded() -> None:
    """A record cannot claim more items than can be read in no time, in one array or in many."""
    nested = {"type": {"type": "array", "items": {"type": "array", "items": ["null", "int"]}}, "default": []}
    newer = changed(REQUEST_SCHEMA, tags=nested)
    codec = Codec(REQUEST, 1, Schemas({9: json.dumps(newer)}))
    record = PLAIN.to_record()
    assert codec.decode(record_of(newer, record | {"tags": [[None] * 1000] * 16})) == PLAIN
    for tags in ([[None] * 16_384], [[None] * 1000] * 17, [[]] * 20_000):
        with pytest.raises(DecodeError, match="more than 16384 items"):
            codec.decode(record_of(newer, record | {"tags": tags}))


def test_a_map_key_stands_once() -> None:
    """A map whose key stands twice has no value that two readers would agree on."""
    newer = changed(REQUEST_SCHEMA, tags={"type": {"type": "map", "values": "int"}, "default": {}})
    codec = Codec(REQUEST, 1, Schemas({9: json.dumps(newer)}))
    start = record_of(newer, PLAIN.to_record() | {"tags": {}})[:-1]
    assert codec.decode(start + b"\x04\x02a\x02\x02b\x02\x00") == PLAIN
    with pytest.raises(DecodeError, match="stands twice"):
        codec.decode(start + b"\x04\x02a\x02\x02a\x02\x00")


def test_a_registry_that_is_away_is_no_bad_record() -> None:
    """A record whose schema cannot be looked up now is not called undecodable: it may be read later."""
    codec = Codec(REQUEST, 1, AwayRegistry())
    value = codec.encode(PLAIN)
    assert codec.decode(value) == PLAIN
    with pytest.raises(RegistryUnavailable):
        codec.decode(b"\0\0\0\0\x09" + value[5:])
