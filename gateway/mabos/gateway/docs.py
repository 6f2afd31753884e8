"""``GET /docs``: the OpenAPI page, with Swagger UI's files from a wheel. It works without the internet."""

from __future__ import annotations

from importlib.resources import files

from fastapi import APIRouter
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import FileResponse, HTMLResponse

_FILES = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "favicon.png": "image/png",
}


def docs_routes(title: str) -> APIRouter:
    """``GET /docs`` and the files that it needs."""
    folder = files("fastapi_offline") / "static"
    router = APIRouter(include_in_schema=False)

    @router.get("/docs")
    async def show_docs() -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url="openapi.json",
            title=title,
            swagger_js_url="docs/swagger-ui-bundle.js",
            swagger_css_url="docs/swagger-ui.css",
            swagger_favicon_url="docs/favicon.png",
        )

    def serve(name: str, media_type: str) -> None:
        @router.get(f"/docs/{name}")
        async def send_file() -> FileResponse:
            return FileResponse(str(folder / name), media_type=media_type)

    for name, media_type in _FILES.items():
        serve(name, media_type)
    return router
