"""Ours: a projector, as ``mabos view run`` has it."""

from pydantic import SecretStr

from benchmarks.wire import read_road
from mabos.cli.signals import call_on_signals
from mabos.kafka.settings import load_settings
from mabos.streams.projector import Projector


def main() -> None:
    """Keep the view until SIGTERM."""
    road = read_road()
    settings = load_settings(
        bootstrap_servers=road.servers,
        schema_registry_url=road.registry_url,
        queue=road.queue,
        cache_dir=road.cache_dir,
        database_url=SecretStr(road.limits["database_url"]),
    )
    projector = Projector(settings)
    call_on_signals(projector.stop)
    projector.run()


if __name__ == "__main__":
    main()
