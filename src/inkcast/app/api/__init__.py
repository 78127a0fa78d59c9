"""The HTTP API, version 1: one module per kind of thing. See `docs/api.md`."""
