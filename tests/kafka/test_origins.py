"""Origins as browsers send them; what would match nothing, or everything, is refused."""

from __future__ import annotations

import pytest

from mabos.kafka.errors import InvalidSettings
from mabos.kafka.origins import read_origins
from mabos.kafka.settings import load_settings


@pytest.mark.parametrize(
    ("text", "origins"),
    [
        ("", ()),
        (" , ", ()),
        ("https://console.example.com", ("https://console.example.com",)),
        ("http://localhost:5173, https://a.example", ("http://localhost:5173", "https://a.example")),
        ("http://[::1]:8080", ("http://[::1]:8080",)),
    ],
)
def test_origins_are_read(text: str, origins: tuple[str, ...]) -> None:
    """A scheme, a host, a port unless it is the scheme's own; comma separated."""
    assert read_origins(text) == origins


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("*", "name each origin"),
        ("https://*.example.com", "name each origin"),
        ("null", "is no origin"),
        ("console.example.com", "is no origin"),
        ("file:///tmp", "is no origin"),
        ("https://", "is no origin"),
        ("https://a b", "is no origin"),
        ("https://a.example:99999", "is no origin"),
        ("https://a.example/", "write https://a.example"),
        ("https://a.example/path", "write https://a.example"),
        ("https://A.example", "write https://a.example"),
        ("https://a.example:443", "write https://a.example"),
        ("http://a.example:8080?x", "write http://a.example:8080"),
        ("https://user:secret@a.example", "write https://a.example"),
    ],
)
def test_what_is_no_origin_is_refused_at_the_start(text: str, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a line that names the setting and says what to write, and tells no password."""
    monkeypatch.setenv("MABOS_GATEWAY_CORS_ORIGINS", f"https://good.example,{text}")
    with pytest.raises(InvalidSettings) as caught:
        load_settings()
    assert "MABOS_GATEWAY_CORS_ORIGINS: " in str(caught.value)
    assert says in str(caught.value)
    assert "secret" not in str(caught.value)
