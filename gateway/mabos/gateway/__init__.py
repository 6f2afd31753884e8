"""The HTTP door: publish tasks over HTTP. Needs the extra ``gateway``."""

from mabos.gateway.app import create_app
from mabos.gateway.errors import AddressRefused, GatewayError
from mabos.gateway.server import run_gateway

__all__ = ["AddressRefused", "GatewayError", "create_app", "run_gateway"]
