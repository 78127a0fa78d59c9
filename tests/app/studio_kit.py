"""Studios to test: their ASGI application with no server around it, signed in or not."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient
from PIL import Image, ImageDraw

from inkcast.app.accounts import Accounts
from inkcast.app.accounts_tables import AccountsDatabase
from inkcast.app.context import Studio
from inkcast.app.server import Serving, make_app

LOCAL = "http://127.0.0.1:7860"
PASSWORD = "correct horse"


@contextmanager
def studio_client(home: Path, *, auth: bool = False, **serving: Any) -> Iterator[TestClient]:
    """A client of a studio in `home`, without web app and worker; cookies are kept as a browser keeps them."""
    app = make_app(Studio(home, "", auth), Serving(**{"web": False, "worker": False, **serving}))
    with TestClient(app, base_url=LOCAL, follow_redirects=False) as client:
        yield client


def add_user(home: Path, name: str) -> str:
    """A new user of the studio in `home`; answers with a token of theirs."""
    database = AccountsDatabase("", home)
    accounts = Accounts(database)
    _, secret = accounts.add_token(accounts.add(name, PASSWORD), "test")
    database.close()
    return secret


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def portrait(colour: str = "red", side: int = 64, form: str = "PNG", **options: Any) -> bytes:
    """A picture file: a disc on white."""
    picture = Image.new("RGB", (side, side), "white")
    ImageDraw.Draw(picture).ellipse((side // 6, side // 6, side - side // 6, side - 2), fill=colour)
    stream = io.BytesIO()
    picture.save(stream, form, **options)
    return stream.getvalue()


def add_character(client: TestClient, name: str, colour: str = "red", **more: Any) -> dict[str, Any]:
    """The character as the API answers."""
    headers = more.pop("headers", None)
    files = [("picture", (f"{name}.png", portrait(colour), "image/png"))]
    response = client.post("/api/v1/characters", data={"name": name, **more}, files=files, headers=headers)
    assert response.status_code == 201, response.text
    found: dict[str, Any] = response.json()
    return found
