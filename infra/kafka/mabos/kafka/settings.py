"""Settings: from ``MABOS_*`` environment variables and ``mabos.toml``, checked once, then passed down.

The environment wins over the file. The defaults are what ``mabos up`` serves.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from mabos.kafka.artifacts import default_cache_dir
from mabos.kafka.database_address import check_database_url, local_database_url
from mabos.kafka.errors import InvalidSettings
from mabos.kafka.origins import read_origins

_PREFIX = "MABOS_"
_TEST_PREFIX = "MABOS_TEST_"  # the test suite's own switches
_QUEUE = re.compile(r"[a-z0-9][a-z0-9-]*\Z")
_SERVER = re.compile(r"(?:[^\s:/\[\]]+|\[[0-9a-fA-F:.]+\]):[0-9]{1,5}\Z")
_USER_INFO = re.compile(r"//[^/\s]*@")


def _local_database(found: dict[str, Any]) -> SecretStr:
    """The database of the home that was set; that of the default one where the home is refused."""
    return SecretStr(local_database_url(found.get("home") or _data_folder()))


def _data_folder() -> Path:
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "mabos"


class Settings(BaseSettings):
    """Where things are, and how the clients behave. Frozen; make it with :func:`load_settings`."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, frozen=True, extra="forbid", env_ignore_empty=True)

    bootstrap_servers: str = Field("127.0.0.1:9092", description="Kafka brokers, host:port, comma separated")
    schema_registry_url: str = Field(
        "http://127.0.0.1:8081/apis/ccompat/v7", description="base of the Confluent schema registry API"
    )
    gateway_url: str = Field("http://127.0.0.1:8000", description="where the HTTP door is")
    home: Path = Field(default_factory=_data_folder, description="where the local platform keeps its data")
    cache_dir: Path = Field(default_factory=default_cache_dir, description="downloads and what the registry told")
    database_url: SecretStr = Field(
        default_factory=_local_database, description="PostgreSQL of the task view; by default the one in home"
    )
    queue: str = Field("tasks", description="the queue; its topics are mabos.<queue>.requests, .responses, ...")

    gateway_auth: Literal["loopback-open", "required"] = Field(
        "loopback-open", description="required: callers must say who they are; without it the gateway stays on loopback"
    )
    gateway_rate_per_s: float = Field(
        1000.0, gt=0, description="requests a second of one caller, tasks of a batch counted one by one"
    )
    gateway_cors_origins: str = Field(
        "", description="origins whose web pages may ask the gateway, comma separated; none by default"
    )
    oidc_issuer: str | None = Field(None, description="the OpenID provider whose tokens the gateway takes")
    oidc_audience: str | None = Field(None, description="for whom its tokens must be")
    oidc_jwks_url: str | None = Field(None, description="where it publishes its keys")

    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = None
    sasl_username: str | None = None
    sasl_password: SecretStr | None = None
    ssl_ca_location: Path | None = None

    max_payload_bytes: int = Field(1024 * 1024, ge=1024, le=4_000_000, description="largest payload or result, as JSON")
    publish_timeout_s: float = Field(30.0, gt=0, le=900, description="after this a record not acknowledged has failed")
    queue_full_timeout_s: float = Field(10.0, ge=0, le=900, description="how long a send waits for a full local queue")
    linger_ms: float = Field(1.0, ge=0, le=1000, description="how long a record may wait for others to travel with")

    view_retention_days: int = Field(30, ge=1, le=36_500, description="how long the task view keeps a task")

    group_protocol: Literal["consumer", "classic"] = Field("consumer", description="consumer is KIP-848")
    classic_session_timeout_s: float = Field(10.0, ge=6, le=300, description="for the classic protocol only")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic-settings names them
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments win over the environment, the environment over the file."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, _config_file())

    @field_validator("bootstrap_servers")
    @classmethod
    def _check_servers(cls, value: str) -> str:
        """Refuse what librdkafka would take and never reach (it accepts ``a:b:c``)."""
        for server in value.split(","):
            if not _SERVER.match(server.strip()) or not 0 < int(server.rpartition(":")[2]) < 65536:
                raise ValueError(f'"{server}" is not host:port')
        return value

    @field_validator("schema_registry_url", "gateway_url", "oidc_jwks_url")
    @classmethod
    def _check_url(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        parts.port  # noqa: B018 - it raises where the port is none
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f'"{_mask(value)}" is not an http:// or https:// URL')
        return value.rstrip("/")

    @field_validator("database_url")
    @classmethod
    def _check_database(cls, value: SecretStr) -> SecretStr:
        check_database_url(value.get_secret_value())
        return value

    @field_validator("gateway_cors_origins")
    @classmethod
    def _check_origins(cls, value: str) -> str:
        read_origins(value)
        return value

    @field_validator("queue")
    @classmethod
    def _check_queue(cls, value: str) -> str:
        if not _QUEUE.match(value) or len(value) > 100:
            raise ValueError(f'"{value}" must be lower-case letters, digits and hyphens')
        return value

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        """As pydantic does it, without the user and password that a URL may hold."""
        for name, value in super().__repr_args__():
            yield name, _mask(value) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _check_security(self) -> Self:
        """Refuse half a login."""
        if self.security_protocol.startswith("SASL"):
            if not (self.sasl_mechanism and self.sasl_username and self.sasl_password):
                raise ValueError(
                    f"security_protocol {self.security_protocol} needs sasl_mechanism, sasl_username and sasl_password"
                )
        elif self.sasl_username or self.sasl_password or self.sasl_mechanism:
            raise ValueError(f"sasl_* is set, but security_protocol is {self.security_protocol}")
        provider = (self.oidc_issuer, self.oidc_audience, self.oidc_jwks_url)
        if any(provider) and not all(provider):
            raise ValueError("tokens need all of oidc_issuer, oidc_audience and oidc_jwks_url")
        return self


def load_settings(**overrides: Any) -> Settings:  # noqa: ANN401 - each setting has its own type
    """The settings of this process.

    Args:
        overrides: Settings by name, which win over environment and file.

    Raises:
        InvalidSettings: Something is refused; every problem is listed, each by the name that was used for it.
    """
    problems = _find_unknown(os.environ) + _find_file_problems()
    settings: Settings | None = None
    try:
        settings = Settings(**overrides)
    except ValidationError as error:
        told = [
            detail for detail in error.errors() if detail["type"] != "default_factory_not_called"
        ]  # another is wrong
        problems += [_say(detail) for detail in told]
    except (ValueError, OSError) as error:  # the file is no TOML, or cannot be read
        problems.append(f"{_config_file()}: {error}")
    if settings is None or problems:
        raise InvalidSettings(problems)
    return settings


def _config_file() -> Path:
    return Path(os.environ.get("MABOS_CONFIG") or "mabos.toml")


def _find_file_problems() -> list[str]:
    """What is wrong with the file as such; what stands in it is looked at with all other settings."""
    file = _config_file()
    if not file.is_file():
        return [f"MABOS_CONFIG: there is no file {file}"] if os.environ.get("MABOS_CONFIG") else []
    try:
        found = tomllib.loads(file.read_text(encoding="utf-8"))
    except (ValueError, OSError):
        return []  # said where the settings are read
    for name in ("sasl_password", "database_url"):
        if name in found and os.name == "posix" and file.stat().st_mode & 0o077:
            return [f"{file}: holds {name} and others can read it: run `chmod 600 {file}`"]
    return []


def _find_unknown(environment: Mapping[str, str]) -> list[str]:
    known = [_PREFIX + name.upper() for name in Settings.model_fields] + ["MABOS_CONFIG"]
    unknown = [
        name
        for name in sorted(environment)
        if name.startswith(_PREFIX) and name not in known and not name.startswith(_TEST_PREFIX)
    ]
    return [f"{name} is no setting{_suggest(name, known)}" for name in unknown]


def _say(detail: Any) -> str:  # noqa: ANN401 - pydantic's ErrorDetails
    name = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "extra_forbidden":
        return f"{name} is no setting{_suggest(name, list(Settings.model_fields))}"
    text = detail["msg"].removeprefix("Value error, ")
    return f"{_PREFIX}{name.upper()}: {text}" if name else text


def _mask(text: str) -> str:
    return _USER_INFO.sub("//***@", text)


def _suggest(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f", did you mean {near[0]}?" if near else ""
