"""``mabos up``, ``mabos down``: the platform on this machine, in the background or in the foreground."""

from __future__ import annotations

from typing import Annotated

import typer

from mabos.cli.background import follow, start_in_background
from mabos.cli.home import FAILED, READY, PlatformHome
from mabos.cli.local_platform import LocalPlatform, StartCancelled
from mabos.cli.options import OutputOption, YesOption
from mabos.cli.output import Output, print_note, print_record, print_step
from mabos.cli.signals import StopRequest, call_on_signals
from mabos.kafka.database_address import show_database
from mabos.kafka.image import prepare_image
from mabos.kafka.local_registry import find_registry
from mabos.kafka.settings import Settings, load_settings
from mabos.schemas.errors import MabosError

_STOP_TIMEOUT_S = 60.0


def up(
    foreground: Annotated[bool, typer.Option("--foreground", help="Stay, and stop it with Ctrl-C.")] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Start broker, registry, database, topics, schemas, view and gateway here; the first time it downloads them."""
    settings = load_settings()
    home = PlatformHome(settings.home)
    if foreground:
        _serve(settings, home)
        return
    if home.is_running():
        follow(home)
        print_note("the platform is up already")
    else:
        LocalPlatform(settings)  # refuses wrong addresses, before anything is downloaded
        prepare_image(settings.cache_dir)  # with a progress bar, which the background has no terminal for
        find_registry(settings.cache_dir)
        start_in_background(home)
    print_record(_addresses(settings), output)


def down(
    delete: Annotated[bool, typer.Option("--delete", help="Also delete its data: topics, schemas, logs.")] = False,
    yes: YesOption = False,
) -> None:
    """Stop the platform. Its data stay, unless they are to be deleted."""
    settings = load_settings()
    home = PlatformHome(settings.home)
    if delete and not yes:
        typer.confirm(f"delete all tasks, schemas and logs in {settings.home}?", abort=True, err=True)
    if home.is_running():
        home.end(_STOP_TIMEOUT_S)
        print_note("the platform is down")
    else:
        print_note("the platform is not up")
    if delete:
        home.delete()
        print_note(f"deleted what it kept in {settings.home}")


def _serve(settings: Settings, home: PlatformHome) -> None:
    stopping = StopRequest()
    call_on_signals(stopping.set)

    def tell(step: str) -> None:
        print_step(step)
        home.write(step)

    with home.lock():
        try:
            with LocalPlatform(settings, on_step=tell, on_end=print_note, is_cancelled=stopping.is_set):
                tell(READY)
                stopping.wait()
        except StartCancelled as cancelled:
            print_note(str(cancelled))
        except MabosError as error:
            home.write(FAILED, str(error))
            raise
        home.forget()


def _addresses(settings: Settings) -> dict[str, str]:
    return {
        "broker": settings.bootstrap_servers,
        "registry": settings.schema_registry_url,
        "database": show_database(settings.database_url.get_secret_value()),
        "gateway": settings.gateway_url,
        "data": str(settings.home),
    }
