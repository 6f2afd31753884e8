"""Ours: the gateway as ``mabos gateway run`` runs it."""

from benchmarks.wire import read_road
from mabos.cli.logs import LogFormat, configure_logs
from mabos.gateway import run_gateway
from mabos.kafka.settings import load_settings


def main() -> None:
    """Serve until it is told to stop."""
    road = read_road()
    configure_logs(LogFormat.JSON)
    settings = load_settings(
        bootstrap_servers=road.servers,
        schema_registry_url=road.registry_url,
        queue=road.queue,
        cache_dir=road.cache_dir,
        home=road.cache_dir,  # a database that ran in the usual home is not missed here
    )
    run_gateway(settings, port=road.limits["port"])


if __name__ == "__main__":
    main()
