"""Signing in and out: one page without scripts, and the two forms' targets."""

from __future__ import annotations

import html
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from inkcast.app.accounts import LONGEST_NAME, LONGEST_PASSWORD, Accounts
from inkcast.app.door import COOKIE, SIGN_IN, cookie, safe_next
from inkcast.app.limits import PerMinute
from inkcast.cast.names import name_key
from inkcast.errors import AccountError, DatabaseError

SIGN_OUT = "/sign-out"
PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Sign in – Inkcast</title>
<style>
  :root {{
    color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif;
    --paper: #fbf8f1; --field: #fff; --ink: #1d1a16; --line: #7d7466; --act: #c43a23; --wrong: #a93019;
  }}
  @media (prefers-color-scheme: dark) {{
    :root {{ --paper: #131110; --field: #1d1a16; --ink: #f5f0e5; --act: #a93019; --wrong: #f6bfb4; }}
  }}
  body {{ display: grid; place-content: center; min-height: 100vh; margin: 0; }}
  body {{ background: var(--paper); color: var(--ink); }}
  main {{ width: min(20rem, 90vw); }}
  label {{ display: block; margin: 1rem 0 .25rem; }}
  input, button {{ width: 100%; box-sizing: border-box; padding: .6rem; font: inherit; border-radius: .4rem; }}
  input {{ border: 1px solid var(--line); background: var(--field); color: inherit; }}
  button {{ margin-top: 1.5rem; border: 0; background: var(--act); color: #fff; font-weight: 600; cursor: pointer; }}
  :focus-visible {{ outline: 3px solid var(--line); outline-offset: 2px; }}
  [role=alert] {{ color: var(--wrong); }}
</style>
<main>
  <h1>Inkcast</h1>
  {notice}
  <form method="post" action="/sign-in">
    <input type="hidden" name="next" value="{next}">
    <label for="name">Name</label>
    <input id="name" name="name" autocomplete="username" required autofocus value="{name}">
    <label for="password">Password</label>
    <input id="password" name="password" type="password" autocomplete="current-password" required>
    <button>Sign in</button>
  </form>
</main>
</html>
"""


def page(address: str, name: str = "", notice: str = "", status: int = 200, wait: int = 0) -> HTMLResponse:
    told = f'<p role="alert">{html.escape(notice)}</p>' if notice else ""
    body = PAGE.format(notice=told, next=html.escape(safe_next(address)), name=html.escape(name[:LONGEST_NAME]))
    headers = {"Cache-Control": "no-store", **({"Retry-After": str(wait)} if wait else {})}
    return HTMLResponse(body, status, headers)


def sign_in_routes(accounts: Accounts, *, per_minute: int, session_days: float) -> APIRouter:
    """The pages of a studio with accounts."""
    router = APIRouter(include_in_schema=False)
    tries = PerMinute(per_minute)

    @router.get(SIGN_IN)
    def show(next: str = "/") -> HTMLResponse:
        return page(next)

    @router.post(SIGN_IN)
    def enter(
        request: Request,
        name: Annotated[str, Form(max_length=LONGEST_NAME * 5)],
        password: Annotated[str, Form(max_length=LONGEST_PASSWORD * 5)],
        next: Annotated[str, Form()] = "/",
    ) -> Response:
        address = request.client.host if request.client else ""
        wait = tries.wait(f"from {address}") or tries.wait(f"as {name_key(name)}")
        if wait:
            return page(next, name, f"Too many tries: wait {wait} seconds.", 429, wait)
        try:
            secret = accounts.sign_in(name, password)
        except DatabaseError as error:
            return page(next, name, str(error).capitalize() + ".", 503)
        except AccountError as error:
            return page(next, name, str(error).capitalize() + ".", 401)
        response = RedirectResponse(safe_next(next), 303)
        response.set_cookie(
            COOKIE,
            secret,
            max_age=int(session_days * 86400),
            httponly=True,
            samesite="lax",
            secure=request.url.scheme == "https",
        )
        return response

    @router.post(SIGN_OUT)
    def leave(request: Request) -> Response:
        accounts.sign_out(cookie(request.headers.get("cookie", "")))
        response = RedirectResponse(SIGN_IN, 303)
        response.delete_cookie(COOKIE, httponly=True, samesite="lax")
        return response

    return router
