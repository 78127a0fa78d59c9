"""The studio's door: every request passes here before the API or the web app sees it.

It refuses requests by a name that is not the studio's (DNS rebinding) or sent by another site's page (cross-site
requests), what is too large or too often, and, with accounts, whoever is not signed in. Behind it, `Studio.user` knows
who asks.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from inkcast.app.accounts import Accounts
from inkcast.app.context import LOCAL, SCOPE_KEY, User
from inkcast.app.limits import PerMinute
from inkcast.app.problems import PREFIX, problem
from inkcast.errors import InkcastError

if TYPE_CHECKING:
    from fastapi import Response

# ASGI's terms
Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

COOKIE = "inkcast_session"
SIGN_IN = "/sign-in"
OPEN_TO_ALL = (SIGN_IN, f"{PREFIX}/health", "/favicon.ico")
COUNTED = (PREFIX, "/gradio_api/upload")  # what each user may do only so often; a page's own requests are left out
LOOPBACK = ("127.0.0.1", "localhost", "::1")
SAFE = ("GET", "HEAD", "OPTIONS")
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    "Referrer-Policy": "same-origin",
    # Nothing is loaded from, or sent to, another host; Gradio's pages need inline scripts and styles.
    "Content-Security-Policy": (
        "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self' data:; worker-src 'self' blob:; "
        "connect-src 'self' data: blob:; frame-ancestors 'self'; form-action 'self'; base-uri 'self'; object-src 'none'"
    ),
}


@dataclass(frozen=True)
class Rules:
    """`hosts` are the names by which the studio may be called (empty: any); `accounts` None is one local user."""

    hosts: Sequence[str]
    accounts: Accounts | None
    largest: int
    per_minute: PerMinute = field(default_factory=lambda: PerMinute(1200))


class Door:
    def __init__(self, app: ASGIApp, rules: Rules) -> None:
        self._app = app
        self._rules = rules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        refused, user = await self._look(scope, headers)
        if refused is not None:
            await _refuse(scope, receive, send, refused)
            return
        if user is not None:
            scope[SCOPE_KEY] = user
        await self._pass(scope, receive, send)

    async def _look(self, scope: Scope, headers: dict[str, str]) -> tuple[Response | None, User | None]:
        """A refusal, or who asks; nobody where anybody may ask."""
        refused = self._misdirected(headers) or self._too_large(headers)
        if refused is not None:
            return refused, None
        secret = _bearer(headers)
        if not secret and _foreign(scope, headers):
            return problem("forbidden", "the request comes from another site's page: use the studio's own"), None
        try:
            user = await self._who(secret, headers)
        except InkcastError as error:
            return problem("unavailable", str(error)), None
        if user is None and scope["path"] not in OPEN_TO_ALL:
            return _sign_in_first(scope, headers), None
        if user is not None and scope["path"].startswith(COUNTED):
            wait = self._rules.per_minute.wait(user.id)
            if wait:
                detail = f"more than {self._rules.per_minute.amount} requests in a minute: wait {wait} s"
                return problem("too-many", detail, headers={"Retry-After": str(wait)}), None
        return None, user

    def _misdirected(self, headers: dict[str, str]) -> Response | None:
        host = _host_name(headers.get("host", ""))
        if self._rules.hosts and host not in self._rules.hosts:
            return problem("forbidden", f"this studio is not called {host!r}: use {' or '.join(self._rules.hosts)}")
        return None

    def _too_large(self, headers: dict[str, str]) -> Response | None:
        told = headers.get("content-length", "")
        if told.isdecimal() and int(told) > self._rules.largest:
            return problem("too-large", self._too_much)
        return None

    @property
    def _too_much(self) -> str:
        return f"the request is larger than {self._rules.largest / 1e6:g} MB: send less at once"

    async def _who(self, secret: str, headers: dict[str, str]) -> User | None:
        from fastapi.concurrency import run_in_threadpool

        accounts = self._rules.accounts
        if accounts is None:
            return LOCAL
        if secret:
            return await run_in_threadpool(accounts.token_user, secret)
        held = cookie(headers.get("cookie", ""))
        return await run_in_threadpool(accounts.signed_in, held) if held else None

    async def _pass(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Lets the request in, counting what it sends; adds the headers that every answer has."""
        from fastapi import HTTPException

        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self._rules.largest:
                raise HTTPException(413, self._too_much)
            return message

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                present = {name.lower() for name, _ in message["headers"]}
                extra = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
                message["headers"] = [*message["headers"], *(pair for pair in extra if pair[0] not in present)]
            await send(message)

        await self._app(scope, counted, marked)


def cookie(header: str) -> str:
    """The sign-in that a Cookie header holds, or nothing."""
    jar = SimpleCookie()
    try:
        jar.load(header)
    except CookieError:
        return ""
    return jar[COOKIE].value if COOKIE in jar else ""


def safe_next(address: str) -> str:
    """`address` where it is a path of this studio; else its front page."""
    fine = address.startswith("/") and not address.startswith("//") and "\\" not in address
    return address if fine and not any(ord(sign) < 32 for sign in address) else "/"


def _bearer(headers: dict[str, str]) -> str:
    scheme, _, secret = headers.get("authorization", "").partition(" ")
    return secret.strip() if scheme.lower() == "bearer" else ""


def _host_name(host: str) -> str:
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def _foreign(scope: Scope, headers: dict[str, str]) -> bool:
    """Whether a browser says that a page of another site sent this; opening the studio by a link is fine."""
    site = headers.get("sec-fetch-site", "")
    origin = headers.get("origin", "")
    changes = scope["type"] == "websocket" or scope["method"] not in SAFE
    if changes:
        if origin:
            return urlsplit(origin).netloc.lower() != headers.get("host", "").lower()
        return site not in ("", "none", "same-origin")
    return site == "cross-site" and headers.get("sec-fetch-mode") != "navigate"


def _sign_in_first(scope: Scope, headers: dict[str, str]) -> Response:
    from fastapi.responses import RedirectResponse

    wants_page = "text/html" in headers.get("accept", "") and not scope["path"].startswith(PREFIX)
    if scope["type"] == "http" and scope["method"] == "GET" and wants_page:
        return RedirectResponse(f"{SIGN_IN}?next={quote(scope['path'])}", 303)
    return problem("not-signed-in", "sign in, or send a token that is valid", headers={"WWW-Authenticate": "Bearer"})


async def _refuse(scope: Scope, receive: Receive, send: Send, refused: Response) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
        return
    for name, value in HEADERS.items():
        refused.headers.setdefault(name, value)
    await refused(scope, receive, send)
