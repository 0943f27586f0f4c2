"""Settings of the property tests: no time limit for one example, since machines are shared."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("steady", deadline=None)
settings.load_profile("steady")
