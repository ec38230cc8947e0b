"""The app over HTTP, on loopback."""

from __future__ import annotations

import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from threading import Event, Thread
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.middleware.trustedhost import TrustedHostMiddleware
from fastapi.responses import JSONResponse

from nightslate.errors import ContractError, NightslateError, SpecError, UnavailableError
from nightslate.online.answers import HEADER
from nightslate.online.requests import MOST_BYTES
from nightslate.online.service import Service

LOOPBACK = ("127.0.0.1", "localhost", "::1")
REFRESH_SECONDS = 2.0
"""How often it looks for a newer night, and for days that are over."""

_DISCARDED = 64 * MOST_BYTES
"""How much of a body that is too large is read, and forgotten, so that who sends it hears why."""
_RETRY = {"Retry-After": "60"}


class _TooLargeError(Exception):
    pass


def require_loopback(host: str) -> None:
    """Raise SpecError for any other address: the app has no login."""
    if host not in LOOPBACK:
        raise SpecError(
            f"--host {host}: the app has no login, and answers on {LOOPBACK[0]} alone (or ::1); put what has"
            " one before it"
        )


def application(service: Service, refresh_seconds: float = REFRESH_SECONDS) -> FastAPI:
    """POST /decisions, GET /health. The service is looked after as long as it runs, and closed at its end."""

    @asynccontextmanager
    async def looked_after(_: FastAPI) -> AsyncIterator[None]:
        stopped = Event()
        thread = Thread(target=_look_after, args=(service, refresh_seconds, stopped), daemon=True)
        await run_in_threadpool(service.refresh)
        thread.start()
        try:
            yield
        finally:
            stopped.set()
            await run_in_threadpool(thread.join)
            await run_in_threadpool(service.close)

    app = FastAPI(title="nightslate", lifespan=looked_after, docs_url=None, redoc_url=None)
    # A page of somebody else's in a browser on this machine must not be able to ask under a name of its own.
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost", "[::1]"])

    @app.exception_handler(NightslateError)
    async def refused(_: Request, error: NightslateError) -> Response:
        return _said(503 if isinstance(error, UnavailableError) else 500, str(error))

    @app.post("/decisions")
    async def decisions(request: Request) -> Response:
        return await _answered(request, service)

    @app.get("/health")
    def health() -> dict[str, Any]:
        return service.state()

    return app


async def _answered(request: Request, service: Service) -> Response:
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        return _said(415, "send application/json")
    try:
        body = await _body(request)
        answer = await run_in_threadpool(service.decide, body, request.headers.get(HEADER))
    except _TooLargeError:
        return _said(
            413, f"a request has {MOST_BYTES} bytes at most: send what the user did since the last one"
        )
    except ContractError as error:
        return _said(422, str(error))
    return JSONResponse(answer.to_json())


async def _body(request: Request) -> bytes:
    """Raises _TooLargeError; then no more than the limit was ever kept."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size <= MOST_BYTES:
            parts.append(part)
        else:
            parts.clear()
        if size > _DISCARDED:
            break
    if size > MOST_BYTES:
        raise _TooLargeError
    return b"".join(parts)


def _said(status: int, text: str) -> Response:
    return JSONResponse({"error": text}, status, _RETRY if status == 503 else None)


def _look_after(service: Service, seconds: float, stopped: Event) -> None:
    while not stopped.wait(seconds):
        try:
            service.refresh()
        except Exception:  # the next time may go better, and until then requests go on
            traceback.print_exc()
