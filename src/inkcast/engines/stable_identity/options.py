"""What a panel may set about StableIdentity."""

from __future__ import annotations

from inkcast.engines.settings import Setting, Switch

NOUN = Setting("noun", Switch())
SETTINGS = (NOUN,)
