"""ECR by its own provider against the local double, which verifies signatures: a control plane whose clock is moved.

The double's time is the control plane's: a signature that is five minutes off is refused, and a token ends twelve hours
after it was given. Source: issue "Registry providers", "Shown by"; requirements B-42, D-09 and U-02.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from portreeve import providers
from portreeve.core.policy import Registry
from portreeve.providers.contract import Minted, Outside
from portreeve.providers.contract import Stored as Credential
from portreeve.server.credentials.material import place_of
from portreeve.server.documents.stored import Stored
from portreeve.transport.exchange import Request, Response
from portreeve.vault.jws import sign_rs256
from tests.fakes.ecr_fake import FakeAws
from tests.fakes.network import header, says
from tests.server.plane import NOW, Clock, running
from tests.server.test_refresh import FIRST
from tests.server.test_refresh_over_days import lived, scene


@dataclass
class Aws:
    """The double behind the real provider. `down` answers as AWS does while it has no capacity."""

    clock: Clock
    down: bool = False
    fake: FakeAws = field(default_factory=lambda: FakeAws(NOW, {"AKIAIOSFODNN7EXAMPLE": FIRST}))
    asked: list[datetime] = field(default_factory=list)
    given: list[datetime] = field(default_factory=list)

    async def send(self, request: Request) -> Response:
        self.asked.append(self.clock())
        if self.down:
            return says({"__type": "ServerException"}, 503)
        self.fake.now = self.clock()
        if "GetAuthorizationToken" in header(request, "x-amz-target"):
            self.fake.token = f"ecr-token-{len(self.given)}-0123456789abcdef"
        answer = await self.fake.send(request)
        if answer.status == 200:
            self.given.append(self.clock())
        return answer

    async def mint(self, registry: Stored, credential: Credential, now: datetime) -> Minted:
        """As `server.refresh.minter.Minter`, over the double in place of the network."""
        assert isinstance(registry.value, Registry)
        provider = providers.named(registry.value.provider)
        return await provider.mint(place_of(registry), credential, Outside(self, now, sign_rs256))


async def test_ecr_tokens_are_renewed_by_themselves_for_three_days(database_url: str, tmp_path: Path) -> None:
    clock = Clock()
    aws = Aws(clock)
    async with running(database_url, tmp_path, clock=clock, minter=aws) as plane:
        await scene(plane)
        seen = await lived(plane, 24)
        aws.down = True
        before = len(aws.asked)
        seen += await lived(plane, 5)
        # Sweeps come every ten minutes here, and each asks at most once: an outage is no storm.
        assert len(aws.asked) - before <= 5 * 6
        aws.down = False
        seen += await lived(plane, 43)
    held = [one for one in seen if one is not None]
    assert len(held) == 72 * 6
    for at, (password, ends) in enumerate(held):
        assert password.startswith("ecr-token-")
        assert ends > NOW + timedelta(minutes=10 * (at + 1)), f"an ended token was delivered at step {at}"
    # Twelve hours of life, told as ending ten minutes early, renewed at no more than half of it.
    assert 72 / 6 <= len(aws.given) <= 72 / 4.5 + 3


async def test_a_wrong_key_delivers_nothing_and_says_why(database_url: str, tmp_path: Path) -> None:
    clock = Clock()
    aws = Aws(clock)
    aws.fake.keys["AKIAIOSFODNN7EXAMPLE"] = "another-secret"
    async with running(database_url, tmp_path, clock=clock, minter=aws) as plane:
        await scene(plane)
        assert await lived(plane, 0.5) == [None] * 3
        admin = await plane.client("root2", "platform-admin")
        conditions = (await admin.get("/api/v1/registries/ecr")).json()["status"]["conditions"]
    assert "Unauthorized" in {one["reason"] for one in conditions}
