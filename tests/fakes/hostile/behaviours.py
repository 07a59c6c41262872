"""Everything that the hostile registry does."""

from __future__ import annotations

from tests.fakes.hostile.challenges import challenges
from tests.fakes.hostile.floods import floods
from tests.fakes.hostile.lies import lies
from tests.fakes.hostile.lists import lists
from tests.fakes.hostile.realms import realms
from tests.fakes.hostile.redirects import redirects
from tests.fakes.hostile.refusals import refusals

BEHAVIOURS = [*realms(), *challenges(), *redirects(), *floods(), *lies(), *lists(), *refusals()]
