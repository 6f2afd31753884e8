"""Fixtures for the tests of the view's tables."""

from __future__ import annotations

import pytest

from mabos.kafka.settings import Settings
from mabos.streams.database import drop_generation, ensure_view, live_schema


@pytest.fixture
def schema(settings: Settings) -> str:
    """An empty view."""
    schema = live_schema(settings.queue)
    drop_generation(settings, schema)
    ensure_view(settings, schema)
    return schema
