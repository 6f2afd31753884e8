"""Registry: asks as little as it may, believes only a registry, and goes on while there is none."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mabos.schemas import (
    REQUEST,
    RESPONSE,
    Codec,
    DecodeError,
    IncompatibleSchema,
    RegistryError,
    RegistryUnavailable,
    SchemaError,
    SchemaRegistry,
    TaskRequest,
)
from mabos.schemas.registry import MAX_MISSING
from tests.schemas.fake_registry import FakeRegistry, run_fake_registry

SUBJECT = "mabos.tasks.requests-value"
TEXT = REQUEST.schema_text
EVENT = TaskRequest(task_id="t", agent_id="a", payload_json="{}")


class Clock:
    """Seconds that pass when the test says so."""

    now_s = 1000.0

    def __call__(self) -> float:
        """The time."""
        return self.now_s


@pytest.fixture
def fake() -> Iterator[FakeRegistry]:
    with run_fake_registry() as running:
        yield running


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def registry(fake: FakeRegistry, clock: Clock, tmp_path: Path) -> Iterator[SchemaRegistry]:
    with SchemaRegistry(fake.url, cache_dir=tmp_path, timeout_s=5.0, clock=clock) as opened:
        yield opened


def without(text: str, name: str) -> str:
    schema = json.loads(text)
    return json.dumps(schema | {"fields": [field for field in schema["fields"] if field["name"] != name]})


def adding(text: str, **field: Any) -> str:
    schema = json.loads(text)
    return json.dumps(schema | {"fields": [*schema["fields"], field]})


def test_registering_twice_keeps_the_id(fake: FakeRegistry, registry: SchemaRegistry) -> None:
    """A schema has one id however often it is registered, and its subject accepts only compatible ones from then on."""
    first = registry.register(SUBJECT, TEXT)
    assert registry.register(SUBJECT, TEXT) == first == registry.schema_id(SUBJECT, TEXT)
    assert fake.levels == {SUBJECT: "FULL_TRANSITIVE"}
    level, version = f"PUT /config/{SUBJECT}", f"POST /subjects/{SUBJECT}/versions"
    assert fake.calls.index(level) < fake.calls.index(version)


def test_an_emptied_registry_is_filled_again(fake: FakeRegistry, registry: SchemaRegistry) -> None:
    """Registering asks the registry as it is now, not as it was."""
    registry.register(SUBJECT, TEXT)
    fake.texts.clear()
    fake.subjects.clear()
    registry.register(SUBJECT, TEXT)
    assert fake.texts == {1: TEXT}


def test_a_breaking_change_is_refused_by_field(fake: FakeRegistry, registry: SchemaRegistry) -> None:
    """A change that would break readers never reaches the registry; the error names the field."""
    registry.register(SUBJECT, TEXT)
    with pytest.raises(IncompatibleSchema, match='field "agent_id": is missing') as refused:
        registry.register(SUBJECT, without(TEXT, "agent_id"))
    assert refused.value.subject == SUBJECT
    assert len(fake.texts) == 1


def test_a_compatible_change_gets_an_id_of_its_own(registry: SchemaRegistry) -> None:
    """A field with a default may be added; each version is known by its id."""
    first = registry.register(SUBJECT, TEXT)
    newer = adding(TEXT, name="priority", type="int", default=0)
    second = registry.register(SUBJECT, newer)
    assert first != second
    assert [name for name, _ in registry.history(SUBJECT)] == ["version 1", "version 2"]
    assert registry.schema_text(second) == newer


@pytest.mark.parametrize("text", ["{", '"string"', '{"type":"record","name":"a b","fields":[]}'])
def test_a_bad_schema_is_not_sent(fake: FakeRegistry, registry: SchemaRegistry, text: str) -> None:
    """What vetting refuses is refused before anybody is asked."""
    with pytest.raises(SchemaError):
        registry.register(SUBJECT, text)
    assert fake.calls == []


def test_the_registry_may_refuse_too(fake: FakeRegistry, registry: SchemaRegistry) -> None:
    """A conflict that only the registry sees is an incompatible schema, any other refusal says what it says."""
    fake.refuses = 409, {"error_code": 409, "message": "READER_FIELD_MISSING"}
    with pytest.raises(IncompatibleSchema, match="READER_FIELD_MISSING"):
        registry.register(SUBJECT, TEXT)
    fake.refuses = 422, {"error_code": 42201, "message": "Invalid schema"}
    with pytest.raises(RegistryError, match="Invalid schema"):
        registry.register(SUBJECT, TEXT)


@pytest.mark.parametrize("text", ['"string"', "{", '{"type":"record","name":"R","fields":[{"name":"f","type":"R"}]}'])
def test_a_history_that_is_none_is_told(fake: FakeRegistry, registry: SchemaRegistry, text: str) -> None:
    """A version that somebody else registered and that is unsafe is named, instead of ending the process."""
    fake.texts[1], fake.subjects[SUBJECT] = text, [1]
    with pytest.raises(SchemaError, match=f"{SUBJECT}: version 1 in the registry is refused"):
        registry.register(SUBJECT, TEXT)


def test_an_unregistered_schema_says_what_to_do(registry: SchemaRegistry) -> None:
    """A producer whose schema is not registered learns the command that registers it."""
    with pytest.raises(RegistryError, match="mabos schema register") as refused:
        registry.schema_id(SUBJECT, TEXT)
    assert not isinstance(refused.value, RegistryUnavailable)
    assert registry.history(SUBJECT) == []


def test_a_schema_is_found_among_the_versions_of_a_subject(
    fake: FakeRegistry, registry: SchemaRegistry, clock: Clock
) -> None:
    """One that stands under another subject, or nowhere, is no version; a registry that is away does not tell."""
    fake.texts |= {1: TEXT, 2: TEXT + " "}
    fake.subjects |= {SUBJECT: [1, 2], "other-value": [2]}
    assert [registry.version(2, subject) for subject in (SUBJECT, "other-value", "none")] == [2, 1, None]
    assert registry.version(7, SUBJECT) is None
    fake.odd_answer = (503, "busy")
    with pytest.raises(RegistryUnavailable):
        registry.version(2, SUBJECT)


def test_what_is_known_is_not_asked_again(fake: FakeRegistry, registry: SchemaRegistry) -> None:
    """Ids and schemas are asked for once."""
    fake.texts[1], fake.subjects[SUBJECT] = TEXT, [1]
    for _ in range(3):
        assert registry.schema_text(1) == TEXT
        assert registry.schema_id(SUBJECT, TEXT) == 1
    assert len(fake.calls) == 2


def test_an_id_that_does_not_exist_is_asked_for_once_in_a_while(
    fake: FakeRegistry, registry: SchemaRegistry, clock: Clock
) -> None:
    """Records with an unknown id cost one call per half minute; then a schema that came late is found."""
    for _ in range(3):
        assert registry.schema_text(7) is None
    assert len(fake.calls) == 1
    fake.texts[7] = TEXT
    clock.now_s += 31
    assert registry.schema_text(7) == TEXT


def test_unknown_ids_do_not_pile_up(fake: FakeRegistry, registry: SchemaRegistry) -> None:
    """However many ids hostile records name, only so many are remembered, the latest."""
    for schema_id in range(1, MAX_MISSING + 20):
        registry._remember_missing(schema_id)
    assert len(registry._missing) == MAX_MISSING
    assert registry.schema_text(MAX_MISSING + 19) is None
    assert fake.calls == []


ODD_ANSWERS: dict[str, tuple[int, Any]] = {
    "500": (500, {"error_code": 50001, "message": "out of order"}),
    "502 page": (502, "<html>Bad gateway</html>"),
    "503 nothing": (503, ""),
    "404 page": (404, "<html>no such page</html>"),
    "404 of another API": (404, {"title": "could not find resource", "status": 404}),
    "401": (401, {"error_code": 40101, "message": "who are you?"}),
    "403 page": (403, "<html>forbidden</html>"),
    "429": (429, {"message": "slowly"}),
    "302": (302, "<html>log in</html>"),
    "200 page": (200, "<html>welcome to this network</html>"),
    "200 nothing": (200, ""),
    "200 {}": (200, {}),
    "200 []": (200, []),
    "200 null": (200, None),
    "200 text": (200, '"text"'),
    "200 wrong types": (200, {"id": "one", "schema": 5, "version": None}),
    "500 list": (500, ["error"]),
}


@pytest.mark.parametrize("answer", ODD_ANSWERS.values(), ids=ODD_ANSWERS)
def test_an_answer_of_no_registry_is_no_answer(
    fake: FakeRegistry, registry: SchemaRegistry, clock: Clock, answer: tuple[int, Any]
) -> None:
    """A proxy's page, a wrong path or nonsense means that the registry is away, never that an id does not exist."""
    fake.texts[1], fake.subjects[SUBJECT] = TEXT, [1]
    fake.odd_answer = answer
    for ask in (
        lambda: registry.schema_text(1),
        lambda: registry.schema_id(SUBJECT, TEXT),
        lambda: registry.register(SUBJECT, RESPONSE.schema_text) if answer != (200, []) else registry.schema_text(1),
    ):
        with pytest.raises(RegistryUnavailable, match="MABOS_SCHEMA_REGISTRY_URL") as refused:
            ask()
        assert "\n" not in str(refused.value)
        clock.now_s += 10
    fake.odd_answer = None
    assert registry.schema_text(1) == TEXT
    assert registry.schema_id(SUBJECT, TEXT) == 1


def test_a_registry_that_is_away_is_left_alone(fake: FakeRegistry, registry: SchemaRegistry, clock: Clock) -> None:
    """After a failure nobody asks until the pause is over; then the next one does."""
    fake.odd_answer = 500, {"message": "out of order"}
    for _ in range(5):
        with pytest.raises(RegistryUnavailable):
            registry.schema_text(1)
        assert not registry.is_answering()
    assert len(fake.calls) == 1
    fake.odd_answer = None
    clock.now_s += 2.5
    assert registry.is_answering()
    assert registry.schema_text(1) is None


def test_a_registry_that_hangs_costs_no_more_than_the_timeout(fake: FakeRegistry) -> None:
    """A registry that takes the question and says nothing is given up after the timeout."""
    fake.is_hanging = True
    with SchemaRegistry(fake.url, timeout_s=0.2) as registry:
        start_s = time.monotonic()
        with pytest.raises(RegistryUnavailable, match="does not answer"):
            registry.schema_text(1)
        assert 0.15 < time.monotonic() - start_s < 2.0


def test_a_closed_port_is_told_at_once() -> None:
    """A registry that is not there is named with its URL and the setting."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with SchemaRegistry(url) as registry, pytest.raises(RegistryUnavailable, match=url):
            registry.schema_text(1)


@pytest.mark.parametrize(
    "url", ["ftp://u:secret@h/", "u:secret@h", "", "http://u:secret@h:port/", "http://u:secret@[/"]
)
def test_a_url_that_is_none_is_refused(url: str) -> None:
    """A mistyped URL is told when the registry is opened or first asked, without the password in it."""
    with pytest.raises(RegistryError) as refused, SchemaRegistry(url) as registry:
        registry.schema_text(1)
    assert "MABOS_SCHEMA_REGISTRY_URL" in str(refused.value)
    assert "secret" not in f"{refused.value} {refused.value.__cause__}"


def test_a_password_is_sent_but_never_shown(fake: FakeRegistry) -> None:
    """User and password of the URL reach the registry and nobody else."""
    url = fake.url.replace("http://", "http://user:s3cr@t%2F@")
    with SchemaRegistry(url, pause_s=0) as registry:
        assert registry.is_answering()
        fake.odd_answer = 500, {"message": f"cannot serve {url}"}
        with pytest.raises(RegistryUnavailable) as refused:
            registry.schema_text(1)
        assert "***@127.0.0.1" in str(refused.value)
        assert "s3cr" not in f"{refused.value} {registry.url} {registry!r}"


def test_a_new_process_goes_on_without_a_registry(tmp_path: Path) -> None:
    """What a process learned, the next one knows though the registry is down: it encodes, and decodes old and new."""
    newer = adding(TEXT, name="priority", type="int", default=0)
    with run_fake_registry() as fake, SchemaRegistry(fake.url, cache_dir=tmp_path) as first:
        first.register(SUBJECT, TEXT)
        first.register(SUBJECT, newer)
    with SchemaRegistry(fake.url, cache_dir=tmp_path) as second:
        schema_id = second.schema_id(SUBJECT, TEXT)
        codec = Codec(REQUEST, schema_id, second)
        body = codec.encode(EVENT)[5:]
        assert codec.decode(b"\0" + (schema_id + 1).to_bytes(4) + body + b"\0") == EVENT
        with pytest.raises(RegistryUnavailable):
            second.schema_text(77)
        with pytest.raises(RegistryUnavailable):
            second.schema_id("elsewhere-value", TEXT)


def test_what_others_learned_is_kept(fake: FakeRegistry, tmp_path: Path) -> None:
    """Two processes that share a folder add to the file, and neither forgets for the other."""
    fake.texts |= {1: TEXT, 2: RESPONSE.schema_text}
    for schema_id in (1, 2):
        with SchemaRegistry(fake.url, cache_dir=tmp_path) as registry:
            registry.schema_text(schema_id)
    fake.odd_answer = 500, {}
    with SchemaRegistry(fake.url, cache_dir=tmp_path, pause_s=0) as registry:
        assert [registry.schema_text(1), registry.schema_text(2)] == [TEXT, RESPONSE.schema_text]


def test_a_registry_set_up_anew_outdates_the_file(fake: FakeRegistry, tmp_path: Path) -> None:
    """Once the registry gives an id to another schema, nothing that the file told of it holds."""
    fake.texts |= {1: TEXT, 2: RESPONSE.schema_text}
    with SchemaRegistry(fake.url, cache_dir=tmp_path) as registry:
        assert registry.schema_text(1) == TEXT
        assert registry.schema_text(2) == RESPONSE.schema_text
    fake.texts = {1: RESPONSE.schema_text}
    with SchemaRegistry(fake.url, cache_dir=tmp_path, pause_s=0) as registry:
        assert registry.schema_text(1) == RESPONSE.schema_text
        fake.odd_answer = 500, {}
        with pytest.raises(RegistryUnavailable):
            registry.schema_text(2)


def test_another_layout_of_a_schema_outdates_nothing(fake: FakeRegistry, tmp_path: Path) -> None:
    """A registry that gives the same schema with other spaces is the same registry."""
    fake.texts |= {1: TEXT, 2: RESPONSE.schema_text}
    with SchemaRegistry(fake.url, cache_dir=tmp_path) as registry:
        registry.schema_text(1)
        registry.schema_text(2)
    fake.texts[1] = json.dumps(json.loads(TEXT))
    with SchemaRegistry(fake.url, cache_dir=tmp_path, pause_s=0) as registry:
        registry.schema_text(1)
        fake.odd_answer = 500, {}
        assert registry.schema_text(2) == RESPONSE.schema_text


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff", b"[]", b"null", b'{"texts":[],"ids":{}}', b'{"texts":{"1":5}}', b"[" * 100_000],
    ids=range(8),
)
def test_a_damaged_file_is_as_good_as_none(fake: FakeRegistry, tmp_path: Path, content: bytes) -> None:
    """A file that is cut or is something else is passed over, and written anew."""
    fake.texts[1] = TEXT
    with SchemaRegistry(fake.url, cache_dir=tmp_path) as registry:
        registry.schema_text(1)
    (file,) = tmp_path.iterdir()
    good = file.read_bytes()
    file.write_bytes(content)
    with SchemaRegistry(fake.url, cache_dir=tmp_path) as registry:
        fake.is_hanging = False
        assert registry.schema_text(1) == TEXT
    assert file.read_bytes() == good
    file.write_bytes(content)
    fake.odd_answer = 500, {}
    with SchemaRegistry(fake.url, cache_dir=tmp_path) as registry, pytest.raises(RegistryUnavailable):
        registry.schema_text(1)


def test_a_folder_that_cannot_be_written_costs_only_the_memory(fake: FakeRegistry, tmp_path: Path) -> None:
    """Without a place for the file everything works while the registry does."""
    fake.texts[1] = TEXT
    (tmp_path / "file").write_text("in the way")
    with SchemaRegistry(fake.url, cache_dir=tmp_path / "file") as registry:
        assert registry.schema_text(1) == TEXT


def test_threads_share_it(fake: FakeRegistry, registry: SchemaRegistry, tmp_path: Path) -> None:
    """Many threads at once get the right schemas, and leave a whole file behind."""
    fake.texts |= {schema_id: adding(TEXT, name=f"f{schema_id}", type="int", default=0) for schema_id in range(1, 21)}
    wrong: list[int] = []

    def ask() -> None:
        wrong.extend(schema_id for schema_id in fake.texts if registry.schema_text(schema_id) != fake.texts[schema_id])

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    (file,) = tmp_path.iterdir()
    assert len(json.loads(file.read_text())["texts"]) == 20


def test_an_unknown_id_makes_a_record_undecodable(registry: SchemaRegistry) -> None:
    """Only a registry that says so makes a record's schema unknown."""
    codec = Codec(REQUEST, registry.register(SUBJECT, TEXT), registry)
    with pytest.raises(DecodeError) as refused:
        codec.decode(b"\0\0\0\0\x63" + codec.encode(EVENT)[5:])
    assert refused.value.code == "unknown_schema"
