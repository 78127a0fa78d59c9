"""The web app: what an author opens in a browser. Importing it loads Gradio."""

from inkcast.app.web.look import web_look
from inkcast.app.web.page import build_web

WEB_LOOK = web_look()

__all__ = ["WEB_LOOK", "build_web"]
