"""``GET /api/me``: who asks, and what that caller may do."""

from __future__ import annotations

from fastapi import APIRouter, Depends

from mabos.gateway.access import needs
from mabos.gateway.principals import Principal
from mabos.gateway.viewmodels import Caller


def caller_routes() -> APIRouter:
    """``GET /api/me``."""
    router = APIRouter(prefix="/api", tags=["access"])

    @router.get("/me", summary="Who asks")
    async def show_caller(caller: Principal = Depends(needs())) -> Caller:  # noqa: B008 - FastAPI's way
        """The caller, as the gateway knows it: any that is known may ask."""
        return Caller(name=caller.name, scopes=sorted(caller.scopes), agents=list(caller.agents))

    return router
