"""A small OpenAI-compatible chat server on a free port of this machine, answering from a list of prepared replies."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Reply:
    """`arguments` of the tool call the server answers with: any text; or a bare `status`; after `delay` seconds."""

    arguments: str = "{}"
    status: int = 200
    delay: float = 0.0


@dataclass
class Server:
    url: str
    requests: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)


@contextmanager
def openai_server(replies: Sequence[Reply]) -> Iterator[Server]:
    """Serves `replies` one by one, the last one for ever after; yields where, and what was asked."""
    waiting = list(replies)
    state = Server("")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            state.requests.append(body)
            state.keys.append(self.headers["Authorization"])
            reply = waiting.pop(0) if len(waiting) > 1 else waiting[0]
            time.sleep(reply.delay)
            payload = _completion(body, reply) if reply.status == 200 else {"error": {"message": "out of order"}}
            data = json.dumps(payload).encode()
            try:
                self.send_response(reply.status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)
            except (BrokenPipeError, ConnectionResetError):
                pass

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()


def _completion(body: dict[str, Any], reply: Reply) -> dict[str, Any]:
    call = {
        "id": "call_1",
        "type": "function",
        "function": {"name": body["tools"][0]["function"]["name"], "arguments": reply.arguments},
    }
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    return {
        "id": "chat_1",
        "object": "chat.completion",
        "created": 1,
        "model": body["model"],
        "choices": [{"index": 0, "finish_reason": "tool_calls", "message": message}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    }
