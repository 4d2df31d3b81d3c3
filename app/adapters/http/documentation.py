"""`/docs` and `/redoc`: the OpenAPI document to look at and to try, with all that the pages load.

Nothing comes from elsewhere, so they work without internet, and no other host learns who reads.
"""

from functools import cache
from importlib.resources import as_file, files
from typing import Final

from anyio import to_thread
from fastapi import FastAPI, HTTPException, Request
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from fastapi.responses import FileResponse, HTMLResponse, Response

_AT: Final = "/docs/files"
_REDOC: Final = "redoc.standalone.js"
_FILES: Final = frozenset({"swagger-ui-bundle.js", "swagger-ui.css", _REDOC, "favicon.png"})
_STATIC: Final = files("fastapi_offline") / "static"
# The one thing that ReDoc asks another host for, and an empty picture in its place.
_LOGO: Final = b"https://cdn.redoc.ly/redoc/logo-mini.svg"
_NO_LOGO: Final = b"data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw=="
# Both pages begin with a script of a few lines that names the document; ReDoc searches in a worker.
_POLICY: Final = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline';"
    " img-src 'self' data:; font-src 'self' data:; connect-src 'self'; worker-src blob:;"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def add_documentation(app: FastAPI) -> None:
    """Add the pages; neither is in the document that they show."""
    for path, answer in (("/docs", _swagger_ui), ("/redoc", _redoc), (f"{_AT}/{{name}}", _file)):
        app.get(path, include_in_schema=False)(answer)


async def _swagger_ui(request: Request) -> HTMLResponse:
    root = request.scope.get("root_path", "")
    page = get_swagger_ui_html(
        openapi_url=f"{root}/openapi.json",
        title="Tickgate",
        swagger_js_url=f"{root}{_AT}/swagger-ui-bundle.js",
        swagger_css_url=f"{root}{_AT}/swagger-ui.css",
        swagger_favicon_url=f"{root}{_AT}/favicon.png",
        swagger_ui_parameters={"persistAuthorization": False, "validatorUrl": None},
    )
    return _guarded(page)


async def _redoc(request: Request) -> HTMLResponse:
    root = request.scope.get("root_path", "")
    page = get_redoc_html(
        openapi_url=f"{root}/openapi.json",
        title="Tickgate",
        redoc_js_url=f"{root}{_AT}/{_REDOC}",
        redoc_favicon_url=f"{root}{_AT}/favicon.png",
        with_google_fonts=False,
    )
    return _guarded(page)


async def _file(name: str) -> Response:
    if name not in _FILES:
        raise HTTPException(404)
    kept = {"Cache-Control": "public, max-age=86400"}
    if name == _REDOC:
        script = await to_thread.run_sync(_redoc_without_logo)
        return Response(script, headers=kept, media_type="text/javascript")
    with as_file(_STATIC / name) as path:
        return FileResponse(path, headers=kept)


@cache
def _redoc_without_logo() -> bytes:
    return (_STATIC / _REDOC).read_bytes().replace(_LOGO, _NO_LOGO)


def _guarded(page: HTMLResponse) -> HTMLResponse:
    page.headers["Content-Security-Policy"] = _POLICY
    page.headers["X-Content-Type-Options"] = "nosniff"
    page.headers["Referrer-Policy"] = "no-referrer"
    return page
