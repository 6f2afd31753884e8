"""``mabos keys``: API keys of the HTTP door."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mabos.cli.options import OutputOption, YesOption, settings_for
from mabos.cli.output import Output, print_line, print_note, print_record, print_rows
from mabos.cli.spans import read_span
from mabos.schemas.errors import MabosError

if TYPE_CHECKING:
    from mabos.gateway.apikeys import ApiKey
    from mabos.gateway.keystore import KeyStore

_LONGEST = timedelta(weeks=99_999)
_COLUMNS = ("id", "name", "state", "scopes", "agents", "rate_per_s", "created_at", "expires_at")

app = typer.Typer(
    no_args_is_help=True,
    help="Make, list and revoke API keys of the HTTP door.",
    epilog='Example: mabos keys create --name billing --scope tasks:write --scope tasks:read --agent "billing-*"',
)


@app.command("create", epilog='Example: mabos keys create --name ci --scope tasks:write --agent "test-*" --expires 30d')
def create(
    name: Annotated[str, typer.Option(help="What it is for.")],
    scope: Annotated[
        list[str],
        typer.Option(help="What it allows: tasks:write, tasks:read, tasks:cancel, replay:run, ops:read, ops:write."),
    ],
    agent: Annotated[
        list[str] | None, typer.Option(help="For which agents; * stands for anything. All of them.")
    ] = None,
    rate: Annotated[float | None, typer.Option(help="Requests a second, at most.", min=0.01)] = None,
    expires: Annotated[str | None, typer.Option(help="How long it holds, such as 12h, 30d or 52w.")] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Make a key. It is shown once, and kept as a hash only.

    Send it as the header `Authorization: Bearer KEY`. A gateway that runs knows it within a second.
    """
    key, text = _store().create(_wanted(name, scope, agent or ["*"], rate, expires))
    if output is not Output.TABLE:
        print_record({**_row(key), "key": text}, output)
        return
    print_note(f"key {key.id} for {key.name}; this is the only time that it is shown:")
    print_line(text)


@app.command("list", epilog="Example: mabos keys list -o json")
def show(output: OutputOption = Output.TABLE) -> None:
    """List the keys, without their secrets."""
    print_rows([_row(key) for key in _store().list()], _COLUMNS, output)


@app.command("revoke", epilog="Example: mabos keys revoke 0123456789ab --yes")
def revoke(
    key_id: Annotated[str, typer.Argument(help="The key's id, as `mabos keys list` shows it.", metavar="KEY_ID")],
    yes: YesOption = False,
) -> None:
    """Have a key refused from now on. It cannot be undone; a gateway that runs knows within five seconds."""
    if not yes:
        typer.confirm(f"revoke key {key_id} for ever?", abort=True, err=True)
    key = _store().revoke(key_id)
    print_line(f"key {key.id} for {key.name} is revoked")


def _store() -> KeyStore:
    try:
        from mabos.gateway.keystore import KeyStore  # noqa: PLC0415 - an extra that only some install
    except ModuleNotFoundError as error:
        raise MabosError(f"keys need {error.name}: pip install 'mabos[gateway]'") from error
    return KeyStore(settings_for(None))


def _wanted(name: str, scopes: list[str], agents: list[str], rate: float | None, expires: str | None) -> ApiKey:
    from mabos.gateway.apikeys import ApiKey  # noqa: PLC0415 - as above
    from mabos.gateway.principals import check_pattern, read_scopes  # noqa: PLC0415

    try:
        return ApiKey(
            id="",
            name=name,
            secret_sha256=b"",
            scopes=read_scopes(scopes),
            agents=tuple(check_pattern(pattern) for pattern in agents),
            rate_per_s=rate,
            expires_at=None if expires is None else datetime.now(UTC) + _read_duration(expires),
        )
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def _read_duration(text: str) -> timedelta:
    span = read_span(text)
    if not span or span > _LONGEST:
        raise ValueError(f'--expires: "{text}" is no duration such as 12h, 30d or 52w')
    return span


def _row(key: ApiKey) -> dict[str, Any]:
    now = datetime.now(UTC)
    has_expired = key.expires_at is not None and key.expires_at <= now
    state = "revoked" if key.revoked_at is not None else "expired" if has_expired else "holds"
    return {
        "id": key.id,
        "name": key.name,
        "state": state,
        "scopes": " ".join(sorted(key.scopes)),
        "agents": " ".join(key.agents),
        "rate_per_s": key.rate_per_s,
        "created_at": _show(key.created_at),
        "expires_at": _show(key.expires_at),
    }


def _show(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat(timespec="seconds")
