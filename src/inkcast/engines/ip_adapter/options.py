"""What a panel may set about the IP-Adapter."""

from __future__ import annotations

from inkcast.engines.settings import Number, Setting

SUBJECT_SCALE = Setting("subject_scale", Number())
SETTINGS = (SUBJECT_SCALE,)
