"""The channel's loop: carries out what `core.channel` decides, one thing after the other.

Nothing else sends while a certificate is renewed, so no request with the one before comes behind one with the next.
What a document means is for `Actor`; it gets each document that is believed, once, after it is on the disk, and at a
start the one that was kept, unless that has ended.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Protocol

from portreeve.agent.connection import Connection
from portreeve.agent.state import StateDirectory
from portreeve.core import channel
from portreeve.core.channel import Ask, Document, Effect, Event, Keep, Renew, State, Tell, Use, Wait
from portreeve.errors import Invalid, PortreeveError, Unauthenticated
from portreeve.reconciler.document import judged
from portreeve.reconciler.reporting import Reporter
from portreeve.wire.channel import Signed, read_signed

AGAIN_S: Final = 5.0
"""Seconds before it goes on after a mistake of ours."""

log = logging.getLogger("portreeve.agent")


class Actor(Protocol):
    """Whoever acts on documents."""

    async def act(self, document: Mapping[str, Any]) -> None:
        """A document is believed, and is on the disk. It does not come again: what fails is for the actor to repeat."""


class Channel(StrEnum):
    """How the channel stands, as it is shown."""

    STARTING = "starting"
    ANSWERED = "answered"
    FAILING = "failing"
    """The last thing that was tried there failed; it is tried again."""
    REFUSED = "refused"


class Loop:
    """One agent's channel. `chance` gives a random number from 0 to below 1, `pause` waits for seconds.

    Without a `reporter` that somebody serves, what there is to say is said at once.
    """

    def __init__(
        self,
        state: StateDirectory,
        connection: Connection,
        actor: Actor,
        *,
        clock: Callable[[], datetime],
        chance: Callable[[], float],
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
        reporter: Reporter | None = None,
    ) -> None:
        self._state = state
        self._connection = connection
        self._actor = actor
        self._clock = clock
        self._chance = chance
        self._pause = pause
        self._came: tuple[bytes, Signed] | None = None
        self._flushing = reporter is None
        self.reporter = reporter or Reporter(connection.report, clock=clock, monotonic=time.monotonic, chance=chance)
        self.heard_at: datetime | None = None
        """When the control plane answered last."""
        self.channel = Channel.STARTING
        begins, ends = connection.validity
        self.state = State(connection.enrolled.environment, begins, ends)

    async def run(self) -> None:
        """Go on until cancelled.

        Raises:
            Invalid: what was kept cannot be read from the disk.
        """
        await self.begin()
        event: Event = channel.Began(self._clock())
        while True:
            try:
                event = await self.turn(event)
            except Exception:
                # A mistake of ours about one message must not take the credentials of a cluster away with it.
                log.exception("the channel failed, and goes on")
                await self._pause(AGAIN_S)
                event = channel.Began(self._clock())

    async def begin(self) -> None:
        """Take up what was kept: nothing older is believed any more, and it goes on to count until it ends."""
        held = self._state.document()
        if held is None:
            return
        try:
            signed = read_signed(held)
            document = self.judged(signed)
        except Invalid:
            log.warning("the document that was kept is damaged, and counts for nothing")
            return
        if not document.signed or document.environment != self.state.environment:
            log.warning("the document that was kept is not one of this control plane's, and counts for nothing")
            return
        self.state = replace(self.state, known=channel.known_of(document))
        if self._clock() < document.not_after:
            await self._actor.act(signed.document)

    async def turn(self, event: Event) -> Event:
        """Decide, carry it out, and say what came of it."""
        before = self.state.known
        self.state, effects = channel.step(self.state, event)
        for effect in effects:
            try:
                following = await self._carried_out(effect)
            except Unauthenticated as error:
                log.warning("refused by the control plane: %s", error.code)
                self.channel = Channel.REFUSED
                return self._failed(effect, channel.ShutOut(self._clock(), self._chance()))
            except PortreeveError as error:
                log.warning("%s: %s", error.code, error.message)
                self.channel = Channel.FAILING
                if isinstance(effect, Keep):
                    # What is not on the disk was never believed: else a restart could believe something older.
                    self.state = replace(self.state, known=before)
                after = error.retry_after_s or 0.0
                return self._failed(effect, channel.Failed(self._clock(), self._chance(), after))
            if following is not None:
                return following
        return channel.Began(self._clock())

    def _failed(self, effect: Effect, event: Event) -> Event:
        return channel.NotRenewed(self._clock(), self._chance()) if isinstance(effect, Renew) else event

    async def _carried_out(self, effect: Effect) -> Event | None:
        match effect:
            case Ask(generation):
                return await self._asked(generation)
            case Renew():
                await self._connection.renew()
                begins, ends = self._connection.validity
                return channel.Renewed(begins, ends, self._clock())
            case Keep():
                assert self._came is not None, "something has come"
                self._state.keep_document(self._came[0])
            case Use():
                assert self._came is not None, "something has come"
                await self._actor.act(self._came[1].document)
            case Tell(code):
                await self._tell(code)
            case Wait(seconds):
                await self._pause(seconds)
        return None

    async def _asked(self, generation: int) -> Event:
        data = await self._connection.ask(generation)
        self.heard_at, self.channel = self._clock(), Channel.ANSWERED
        if data is None:
            return channel.Unchanged(self._clock())
        signed = read_signed(data)
        self._came = data, signed
        return channel.Came(self.judged(signed), self._clock(), self._chance())

    def judged(self, signed: Signed) -> Document:
        """What a document says of itself, and whether the pinned key has signed it."""
        return judged(signed, self._connection.enrolled.signing_key)

    async def _tell(self, code: str) -> None:
        """Say that all is well, or why not. That it cannot be said stops nothing."""
        log.log(logging.WARNING if code else logging.INFO, "desired state: %s", code or "accepted")
        if code == "agent_refused":
            return
        self.reporter.accepted(self.state.known.generation, code)
        if self._flushing:
            try:
                await self.reporter.flush()
            except PortreeveError as error:
                log.warning("%s: %s", error.code, error.message)
