"""Settings: read from everywhere, checked once, told all at once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from mabos.kafka.errors import InvalidSettings
from mabos.kafka.settings import Settings, load_settings


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No settings of the machine: neither its environment nor its files."""
    for name in list(os.environ):
        if name.startswith("MABOS_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def problems(**overrides: Any) -> list[str]:
    """What is wrong with the settings as they are."""
    with pytest.raises(InvalidSettings) as caught:
        load_settings(**overrides)
    assert str(caught.value) == "invalid settings: " + "; ".join(caught.value.problems)
    return list(caught.value.problems)


def test_the_defaults_are_what_mabos_up_serves() -> None:
    """With nothing set, everything is on this machine."""
    settings = load_settings()
    assert settings.bootstrap_servers == "127.0.0.1:9092"
    assert settings.schema_registry_url == "http://127.0.0.1:8081/apis/ccompat/v7"
    assert settings.queue == "tasks"


def test_the_database_is_that_of_the_home() -> None:
    """Unless another is set; where the path is too long for a socket, it is elsewhere."""
    url = load_settings(home=Path("/srv/my home")).database_url.get_secret_value()
    assert url == "postgresql://mabos@/mabos?host=/srv/my%20home/database/socket"
    assert "host=/tmp/mabos-" in load_settings(home=Path("/" + "a" * 120)).database_url.get_secret_value()
    other = "postgresql://me@db.example.test:5432,db2.example.test:5432/tasks"
    assert load_settings(database_url=other).database_url.get_secret_value() == other


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("mysql://me:secret@db/tasks", '"mysql://db/tasks" is not a postgresql:// URL'),
        ("me:secret@db", '"***" is not a postgresql:// URL'),
        ("postgresql://me:secret@db:99999/tasks", '"postgresql://db:99999/tasks" is not a postgresql:// URL'),
        ("postgresql://me:secret@/tasks", '"postgresql:///tasks" names no host'),
        ("postgresql://db?password=secret", '"postgresql://db" names no database'),
    ],
)
def test_a_database_url_is_refused_without_its_password(url: str, told: str) -> None:
    """Passwords are neither in errors nor in what the settings show of themselves."""
    (problem,) = problems(database_url=url)
    assert problem.replace("postgresql://USER@HOST:PORT/DATABASE", "postgresql://").startswith(
        f"MABOS_DATABASE_URL: {told}"
    )
    assert "secret" not in problem
    assert "secret" not in repr(load_settings(database_url="postgresql://me:secret@db/tasks?password=secret"))


def test_arguments_win_over_the_environment_and_that_over_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """In this order, setting by setting."""
    file = 'queue = "file"\nlinger_ms = 7\nbootstrap_servers = "file:1"\n'
    (tmp_path / "mabos.toml").write_text(file, encoding="utf-8")
    monkeypatch.setenv("MABOS_QUEUE", "environment")
    monkeypatch.setenv("MABOS_BOOTSTRAP_SERVERS", "environment:1")
    settings = load_settings(bootstrap_servers="argument:1")
    assert (settings.bootstrap_servers, settings.queue, settings.linger_ms) == ("argument:1", "environment", 7)


def test_a_file_may_stand_elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """MABOS_CONFIG says where; also relative to the current folder, also with Windows line ends."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "my.toml").write_bytes(b'queue = "mine"\r\n')
    monkeypatch.setenv("MABOS_CONFIG", "etc/my.toml")
    assert load_settings().queue == "mine"


def test_an_empty_variable_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """As compose files write it."""
    monkeypatch.setenv("MABOS_QUEUE", "")
    assert load_settings().queue == "tasks"


@pytest.mark.parametrize(
    ("name", "value", "hint"),
    [
        ("bootstrap_servers", "", '"" is not host:port'),
        ("bootstrap_servers", "a", '"a" is not host:port'),
        ("bootstrap_servers", "a:b:c", '"a:b:c" is not host:port'),
        ("bootstrap_servers", "a:1,,b:2", '"" is not host:port'),
        ("bootstrap_servers", "a:0", "is not host:port"),
        ("bootstrap_servers", "a:65536", "is not host:port"),
        ("bootstrap_servers", "a:\u0661\u0662", "is not host:port"),
        ("bootstrap_servers", "a b:1", "is not host:port"),
        ("bootstrap_servers", "::1:9092", "is not host:port"),
        ("bootstrap_servers", "PLAINTEXT://a:9092", "is not host:port"),
        ("schema_registry_url", "registry:8081", "is not an http:// or https:// URL"),
        ("schema_registry_url", "ftp://registry", "is not an http:// or https:// URL"),
        ("schema_registry_url", "http://", "is not an http:// or https:// URL"),
        ("schema_registry_url", "http://registry:99999", "Port out of range"),
        ("gateway_url", "gateway", "is not an http:// or https:// URL"),
        ("queue", "Tasks", "must be lower-case letters, digits and hyphens"),
        ("queue", "a.b", "must be lower-case letters, digits and hyphens"),
        ("queue", "-a", "must be lower-case letters, digits and hyphens"),
        ("queue", "a\n", "must be lower-case letters, digits and hyphens"),
        ("queue", "a" * 101, "must be lower-case letters, digits and hyphens"),
        ("security_protocol", "TLS", "Input should be 'PLAINTEXT', 'SSL'"),
        ("sasl_mechanism", "GSSAPI", "Input should be 'PLAIN'"),
        ("max_payload_bytes", 1023, "greater than or equal to 1024"),
        ("max_payload_bytes", 4_000_001, "less than or equal to 4000000"),
        ("max_payload_bytes", "1 MiB", "unable to parse string as an integer"),
        ("publish_timeout_s", 0, "greater than 0"),
        ("publish_timeout_s", float("nan"), "less than or equal to 900"),
        ("publish_timeout_s", float("inf"), "less than or equal to 900"),
        ("queue_full_timeout_s", -1, "greater than or equal to 0"),
        ("linger_ms", 1001, "less than or equal to 1000"),
        ("group_protocol", "share", "Input should be 'consumer' or 'classic'"),
        ("classic_session_timeout_s", 5, "greater than or equal to 6"),
    ],
    ids=lambda value: str(value)[:24].encode("ascii", "replace").decode(),
)
def test_a_bad_value_is_refused_by_name(name: str, value: object, hint: str) -> None:
    """The line names the setting and what is wrong with it."""
    [problem] = problems(**{name: value})
    assert problem.startswith(f"MABOS_{name.upper()}: ")
    assert hint in problem


@pytest.mark.parametrize(
    "servers", ["a:1", "a.b-c.example:65535", "10.0.0.1:9092,b:2", "a:1, b:2", "[::1]:9092", "[fe80::1]:1,a:2"]
)
def test_good_servers_are_taken(servers: str) -> None:
    """Names, addresses, several, and version 6 in brackets."""
    assert load_settings(bootstrap_servers=servers).bootstrap_servers == servers


def test_all_problems_are_told_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nobody has to start three times to hear of three slips, wherever they stand."""
    (tmp_path / "mabos.toml").write_text('qeue = "x"\nlinger_ms = "much"\n', encoding="utf-8")
    monkeypatch.setenv("MABOS_BOOTSTRAP_SERVER", "a:1")
    monkeypatch.setenv("MABOS_QUEUE", "NO")
    found = problems(max_payload_bytes=1)
    assert len(found) == 5
    for start in ("MABOS_BOOTSTRAP_SERVER is no setting", "qeue is no setting", "MABOS_LINGER_MS: ", "MABOS_QUEUE: "):
        assert [line for line in found if line.startswith(start)]


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        ("MABOS_BOOTSTRAP_SERVER", "did you mean MABOS_BOOTSTRAP_SERVERS?"),
        ("MABOS_QEUE", "did you mean MABOS_QUEUE?"),
        ("MABOS_XYZZY", "MABOS_XYZZY is no setting"),
    ],
)
def test_a_misspelled_variable_is_told(monkeypatch: pytest.MonkeyPatch, wrong: str, hint: str) -> None:
    """It would otherwise be passed over, and the default used."""
    monkeypatch.setenv(wrong, "x")
    assert hint in problems()[0]


def test_the_suites_own_switches_are_no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """MABOS_TEST_* is left alone."""
    monkeypatch.setenv("MABOS_TEST_PLATFORM", "local")
    load_settings()


def test_a_misspelled_name_in_the_file_is_told(tmp_path: Path) -> None:
    """With the name that is near."""
    (tmp_path / "mabos.toml").write_text('sasl_user_name = "x"\n', encoding="utf-8")
    assert problems() == ["sasl_user_name is no setting, did you mean sasl_username?"]


@pytest.mark.parametrize(
    "content",
    [b"queue: tasks\n", b"\xef\xbb\xbfqueue = 'x'\n", b"queue = '\xff'\n", b"{}", b"x" * 10_000_000],
    ids=["yaml", "byte order mark", "not utf-8", "json", "10 MB"],
)
def test_a_file_that_is_no_toml_is_told(tmp_path: Path, content: bytes) -> None:
    """By its name."""
    (tmp_path / "mabos.toml").write_bytes(content)
    [problem] = problems()
    assert problem.startswith("mabos.toml: ")


def test_a_file_that_is_named_and_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The defaults would be a surprise."""
    monkeypatch.setenv("MABOS_CONFIG", "missing.toml")
    assert problems() == ["MABOS_CONFIG: there is no file missing.toml"]


LOGIN = {"sasl_mechanism": "PLAIN", "sasl_username": "me", "sasl_password": "hunter2hunter2"}


def test_a_file_with_a_password_must_be_private(tmp_path: Path) -> None:
    """Others on the machine could read it; the line says what to run."""
    file = tmp_path / "mabos.toml"
    lines = [f'{name} = "{value}"' for name, value in (LOGIN | {"security_protocol": "SASL_SSL"}).items()]
    file.write_text("\n".join(lines), encoding="utf-8")
    file.chmod(0o644)
    assert problems() == ["mabos.toml: holds sasl_password and others can read it: run `chmod 600 mabos.toml`"]
    file.chmod(0o600)
    assert load_settings().sasl_username == "me"


@pytest.mark.parametrize("missing", sorted(LOGIN))
def test_half_a_login_is_refused(missing: str) -> None:
    """It would be found out by the broker only, in other words."""
    half = {name: value for name, value in LOGIN.items() if name != missing}
    assert problems(security_protocol="SASL_SSL", **half) == [
        "security_protocol SASL_SSL needs sasl_mechanism, sasl_username and sasl_password"
    ]


def test_a_login_over_a_protocol_without_one_is_refused() -> None:
    """Whoever sets a password expects that it is used."""
    assert problems(**LOGIN) == ["sasl_* is set, but security_protocol is PLAINTEXT"]


def test_secrets_are_not_shown() -> None:
    """Neither in repr, nor in str, nor in what is logged, nor in an error; users in URLs neither."""
    settings = load_settings(
        security_protocol="SASL_SSL", schema_registry_url="https://me:hunter2hunter2@registry", **LOGIN
    )
    assert "hunter2" not in repr(settings) + str(settings) + f"{settings}"
    assert "https://***@registry" in repr(settings)
    assert settings.sasl_password is not None
    assert settings.sasl_password.get_secret_value() == "hunter2hunter2"
    for wrong in ({"schema_registry_url": "htp://me:hunter2hunter2@registry"}, LOGIN, {"sasl_password": ["hunter2"]}):
        assert "hunter2" not in "".join(problems(**wrong))


def test_settings_are_frozen() -> None:
    """They are checked once, and passed down."""
    with pytest.raises(ValidationError, match="frozen"):
        load_settings().queue = "other"  # type: ignore[misc]  # that is the test


def test_a_copy_of_settings_makes_the_same_settings() -> None:
    """What one part has been given can be given to another."""
    settings = load_settings(queue="mine")
    assert Settings(**settings.model_dump()) == settings
