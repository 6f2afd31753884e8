"""The console's files as the gateway serves them: from a folder made here, and from the real build."""

from __future__ import annotations

import asyncio
import gzip
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from mabos.gateway.console import Console
from mabos.gateway.problems import add_problem_handlers
from tests.gateway.fakes import Door
from tests.gateway.shape import read_problem
from tests.support.console import TYPES_FILE, build_console, write_types

HTML = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
SCRIPT = b"console.log('x');" * 100
FIRST_LOAD_BYTES = 300_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A build in small."""
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<!doctype html><title>console</title>", encoding="utf-8")
    (tmp_path / "assets" / "index-1a2b.js").write_bytes(SCRIPT)
    (tmp_path / "theme.js").write_text("1", encoding="utf-8")
    return tmp_path


def _list_tasks() -> list[str]:
    return []


def ask(folder: Path, path: str, method: str = "GET", **headers: str) -> httpx.Response:
    """One answer of an application that has one route of its own, ``GET /api/tasks``, and the console behind it."""
    app = FastAPI(redirect_slashes=False)
    add_problem_handlers(app)
    app.get("/api/tasks")(_list_tasks)
    app.router.default = Console(folder)

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
            return await client.request(method, path, headers={"accept": "*/*"} | headers)

    return asyncio.run(ask())


def test_the_page_runs_only_what_the_gateway_serves(folder: Path) -> None:
    """The policy forbids inline scripts and styles, and anything from elsewhere; nobody may frame the console."""
    headers = ask(folder, "/").headers
    policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert {name for name, value in policy.items() if value == "'self'"} == {
        "script-src",
        "style-src",
        "img-src",
        "font-src",
        "connect-src",
    }
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"


def test_a_file_with_a_hash_in_its_name_is_kept_and_the_page_is_asked_for_again(folder: Path) -> None:
    """A new console is seen at the next visit, and what did not change is not loaded again."""
    assert ask(folder, "/assets/index-1a2b.js").headers["cache-control"] == "public, max-age=31536000, immutable"
    for path in ("/", "/index.html", "/theme.js"):
        first = ask(folder, path)
        assert (first.status_code, first.headers["cache-control"]) == (200, "no-cache")
        again = ask(folder, path, **{"if-none-match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert "content-security-policy" in again.headers  # a cache may take the headers of a 304


@pytest.mark.parametrize(("path", "kind"), [("/", "text/html"), ("/assets/index-1a2b.js", "text/javascript")])
def test_each_file_has_its_type(folder: Path, path: str, kind: str) -> None:
    """Whatever the machine's own table of types says."""
    assert ask(folder, path).headers["content-type"] == f"{kind}; charset=utf-8"


def test_a_browser_gets_it_compressed_and_others_as_it_is(folder: Path) -> None:
    """Both are the same file."""
    packed = ask(folder, "/assets/index-1a2b.js", **{"accept-encoding": "br, gzip"})
    plain = ask(folder, "/assets/index-1a2b.js", **{"accept-encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) < len(SCRIPT) / 2
    assert "content-encoding" not in plain.headers
    assert packed.content == plain.content == SCRIPT
    assert "accept-encoding" in packed.headers["vary"]


def test_whoever_navigates_to_a_page_of_the_console_gets_the_console(folder: Path) -> None:
    """An address that only the console knows can be opened, reloaded and sent to somebody."""
    for path in ("/live", "/live?status=failed", "/tasks/a%2Fb"):
        answer = ask(folder, path, **HTML)
        assert answer.status_code == 200
        assert "<title>console</title>" in answer.text


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/api", HTML),
        ("/api/nothing", HTML),
        ("/api/tasks/", HTML),
        ("/live", {}),  # no browser: curl gets no page that it did not ask for
        ("/assets/index-old.js", {}),  # HTML for a script would be a riddle
        ("/../secret", {}),
        ("/%2e%2e/secret", {}),
        ("/assets/../../secret", {}),
    ],
)
def test_what_is_not_there_stays_a_problem(folder: Path, path: str, headers: dict[str, str]) -> None:
    """The console swallows no 404 of the API, and gives nothing that is not its own."""
    (folder.parent / "secret").write_text("secret", encoding="utf-8")
    read_problem(ask(folder, path, **headers), 404)


def test_a_wrong_method_stays_a_problem(folder: Path) -> None:
    """A path of the API keeps its 405, and the console takes nothing."""
    assert read_problem(ask(folder, "/api/tasks", "POST", **HTML), 405)
    assert read_problem(ask(folder, "/live", "POST", **HTML), 404)
    assert ask(folder, "/live", "HEAD", **HTML).status_code == 200


def test_a_console_that_is_not_built_says_how_to_build_it(tmp_path: Path) -> None:
    """A checkout works without Node; its start page is one line."""
    answer = ask(tmp_path / "none", "/", **HTML)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "run <code>make web</code>" in answer.text
    assert "content-security-policy" in answer.headers
    read_problem(ask(tmp_path / "none", "/live", **HTML), 404)


def test_the_gateway_has_the_console_behind_its_routes() -> None:
    """The real application serves the real build, and its own routes first."""
    build_console()
    door = Door()
    assert '<div id="root">' in door.ask("GET", "/live", headers=HTML).text
    assert door.ask("GET", "/healthz", headers=HTML).json() == {"status": "ok"}
    read_problem(door.ask("GET", "/api/nothing", headers=HTML), 404)
    assert "Swagger" in door.ask("GET", "/docs", headers=HTML).text


def test_the_build_fits_the_policy_and_loads_at_once() -> None:
    """No inline script or style, nothing from elsewhere, and a first visit loads less than 300 kB."""
    built = build_console()
    page = (built / "index.html").read_text(encoding="utf-8")
    loaded = re.findall(r'(?:src|href)="(/[^"]+)"', page)
    loaded.remove("/docs")  # for whoever has no JavaScript
    assert not re.search(r"<style|style=|<script(?![^>]*\bsrc=)|\bon\w+=|https?:|data:", page)
    size_bytes = len(gzip.compress(page.encode())) + sum(_packed_bytes(built, path) for path in loaded)
    assert 20_000 < size_bytes < FIRST_LOAD_BYTES


def _packed_bytes(built: Path, path: str) -> int:
    answer: Any = ask(built, path, **{"accept-encoding": "gzip"})
    assert answer.status_code == 200, path
    return int(answer.headers["content-length"])


def test_the_console_knows_the_api_as_it_is(tmp_path: Path) -> None:
    """Its types are those that the gateway's own description gives: `make web-client` writes them anew."""
    fresh = tmp_path / "schema.ts"
    write_types(fresh)
    assert fresh.read_text(encoding="utf-8") == TYPES_FILE.read_text(encoding="utf-8"), "run make web-client"
