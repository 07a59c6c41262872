"""What services answer, read with suspicion: bounded, typed, and never repeated in a message.

A provider asks through here, so that whatever can go wrong becomes one of a few kinds of failure. There are two
families of codes: `mint_*` while a token is fetched, `browse_*` while something is listed.

What is read is taken field by field, each by its type: a field that is missing or of another type is not there.
"""

from __future__ import annotations

import base64
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import quote, urlencode

from portreeve.core.secret import SecretValue
from portreeve.errors import Denied, Invalid, NotFound, PortreeveError, Stalled, Throttled, Unavailable
from portreeve.providers.contract import Outside
from portreeve.transport import strict
from portreeve.transport.exchange import Request, Response, one_word

MAX_ANSWER_BYTES: Final = 8 << 20
"""Of one answer. A thousand images of ECR with all their fields are about 1 MB."""

MAX_CURSOR_CHARACTERS: Final = 4096
"""Of a token that continues a list, which goes to the caller and comes back."""

SHORTEST_LIFE: Final = timedelta(seconds=60)
"""A token that ends sooner reaches no node in time; a clock is wrong, or it was handed out before.
Source: the token specification's own default life."""

_LONGEST_WAIT_S: Final = 24 * 3600.0

_TIME: Final = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d+)?(Z|[+-]\d\d:\d\d)")
_TOKEN: Final = re.compile(r"[!-~]{1,16384}")


@dataclass(frozen=True, slots=True)
class Failures(ABC):
    """The kinds of failure of one purpose. `hint` is what a person should look at when access is denied."""

    title: str
    hint: str = ""

    @abstractmethod
    def denied(self, why: str) -> Denied:
        """The service does not accept the credential, or it may not do this."""

    @abstractmethod
    def throttled(self, response: Response) -> Throttled:
        """Too many requests."""

    @abstractmethod
    def unavailable(self, why: str) -> Unavailable:
        """No answer, or one that says to come back."""

    @abstractmethod
    def unreadable(self, why: str) -> Stalled:
        """An answer that is none."""


class Minting(Failures):
    """While a token is fetched."""

    def denied(self, why: str) -> Denied:
        return Denied("mint_denied", f"{self.title} gives no token: {why}", hint=self.hint)

    def throttled(self, response: Response) -> Throttled:
        error = Throttled("mint_throttled", f"{self.title} was asked for too many tokens", hint="it is tried again")
        error.retry_after_s = retry_after_s(response)
        return error

    def unavailable(self, why: str) -> Unavailable:
        return Unavailable("mint_unavailable", f"{self.title} gives no token now: {why}", hint="it is tried again")

    def unreadable(self, why: str) -> Stalled:
        hint = "see that the address is that of the service, and that the clocks are right"
        return Stalled("mint_answer", f"{self.title} gives no usable token: {why}", hint=hint)


class Browsing(Failures):
    """While something is listed."""

    def denied(self, why: str) -> Denied:
        return Denied("browse_denied", f"{self.title} lists nothing for this credential: {why}", hint=self.hint)

    def throttled(self, response: Response) -> Throttled:
        error = Throttled("browse_throttled", f"{self.title} was asked too often", hint="try again later")
        error.retry_after_s = retry_after_s(response)
        return error

    def unavailable(self, why: str) -> Unavailable:
        return Unavailable("browse_unavailable", f"{self.title} lists nothing now: {why}", hint="try again later")

    def unreadable(self, why: str) -> Stalled:
        return Stalled("browse_answer", f"{self.title} answers what is no list: {why}")


async def asked(outside: Outside, request: Request, failures: Failures) -> Response:
    """The answer, whatever its status is; that there is none becomes the purpose's own failure.

    Raises:
        Unavailable, Stalled: `failures`. Invalid: the address is none that we talk to.
    """
    try:
        response = await outside.exchange.send(request)
    except Unavailable as error:
        # The transport's words are ours, with a redacted address.
        failure = failures.unavailable(error.message)
        failure.retry_after_s = error.retry_after_s
    else:
        if len(response.body.reveal()) > MAX_ANSWER_BYTES:
            raise failures.unreadable(f"more than {MAX_ANSWER_BYTES} bytes")
        return response
    raise failure


def successful(response: Response, failures: Failures) -> Any:
    """The JSON of an answer that is none but 200.

    Raises:
        PortreeveError: as `failed`, or `unreadable`.
    """
    if response.status != 200:
        raise failed(response, failures)
    return parsed(response, failures)


def failed(response: Response, failures: Failures) -> PortreeveError:
    """What an answer means that is not 200, by its status alone."""
    if response.status in {401, 403}:
        return failures.denied(f"it answered {response.status}")
    if response.status == 404:
        return NotFound("browse_not_found", f"{failures.title} knows nothing there, or hides it from this credential")
    if response.status == 429:
        return failures.throttled(response)
    if response.status in {408, 425} or 500 <= response.status <= 599:
        failure = failures.unavailable(f"it answered {response.status}")
        failure.retry_after_s = retry_after_s(response)
        return failure
    return failures.unreadable(f"it answered {response.status}")


def parsed(response: Response, failures: Failures) -> Any:
    """The JSON of an answer.

    Raises:
        Stalled: it is none, is read in more than one way, or is too large.
    """
    try:
        return strict.read(response.body.reveal(), where=failures.title)
    except Stalled:
        pass
    # Raised here and not above, so that nothing of the answer, and of the token in it, hangs on the error.
    raise failures.unreadable("what it sent is no JSON that is read in one way only")


def mapping(value: Any) -> Mapping[str, Any]:
    """The value if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def rows(value: Any, limit: int = 5000) -> Sequence[Mapping[str, Any]]:
    """The objects of an array, at most `limit`; whatever else is in it is passed over."""
    return [row for row in value[:limit] if isinstance(row, dict)] if isinstance(value, list) else []


def text(value: Any, limit: int = 1024) -> str:
    """The value if it is text that is not too long, else ""."""
    return value if isinstance(value, str) and len(value) <= limit else ""


def number(value: Any) -> int | None:
    """The value if it is a whole number that can count something, else None."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    return value if whole and 0 <= value < 1 << 62 else None


def moment(value: Any) -> datetime | None:
    """A time in UTC out of RFC 3339 or of seconds since 1970, None if it is neither."""
    try:
        if isinstance(value, str):
            found = _TIME.fullmatch(value)
            return None if found is None else datetime.fromisoformat(found[1] + found[2]).astimezone(UTC)
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1 << 36:
            return datetime.fromtimestamp(int(value), UTC)
    except (OverflowError, ValueError):
        pass
    return None


def digest(value: Any) -> str:
    """The value if it can be a digest, else ""."""
    return value if isinstance(value, str) and re.fullmatch("sha(256|384|512):[a-f0-9]{64,128}", value) else ""


def secret(value: Any, failures: Failures) -> SecretValue:
    """A token out of an answer: one word, so that it fits into a header and into a pull secret.

    Raises:
        Stalled: it is none.
    """
    if not isinstance(value, str) or _TOKEN.fullmatch(value) is None:
        raise failures.unreadable("there is no token in it")
    return SecretValue(value)


def cursor(value: Any, failures: Failures) -> str:
    """What continues a list, "" at its end.

    Raises:
        Stalled: it is no text, or a very long one.
    """
    if value in (None, ""):
        return ""
    if not isinstance(value, str) or len(value) > MAX_CURSOR_CHARACTERS:
        raise failures.unreadable("what continues the list is no text")
    return value


def page_number(after: str) -> int:
    """The number of a page in a cursor; 1 where there is none.

    Raises:
        Invalid: `cursor_invalid`.
    """
    if not after:
        return 1
    if re.fullmatch("[1-9][0-9]{0,6}", after) is None:
        raise Invalid("cursor_invalid", "this is not where a page of this list ends", hint="begin at the first page")
    return int(after)


def ending(expires_at: datetime | None, outside: Outside, life: timedelta, failures: Failures) -> datetime:
    """When a token ends: as the provider says, and never later than its longest life from now.

    Raises:
        Stalled: it has ended already, or does so within SHORTEST_LIFE.
    """
    latest = outside.now + life
    ends = latest if expires_at is None else min(expires_at, latest)
    if ends - outside.now < SHORTEST_LIFE:
        raise failures.unreadable("it has ended already, or ends within a minute")
    return ends


def seconds(value: Any) -> timedelta | None:
    """A life in seconds, as `expires_in` has it: a number, or text of digits."""
    if isinstance(value, str) and re.fullmatch("[0-9]{1,9}", value):
        value = int(value)
    found = number(value)
    return None if found is None or found > 10**9 else timedelta(seconds=found)


def jwt_end(token: SecretValue) -> datetime | None:
    """`exp` of a JWT, unverified: it is its issuer who told us, over TLS. None where there is none."""
    parts = token.reveal().split(b".")
    if len(parts) != 3 or len(parts[1]) > 16384:
        return None
    try:
        claims = strict.read(base64.urlsafe_b64decode(parts[1] + b"=" * (-len(parts[1]) % 4)), where="a token")
    except (ValueError, Stalled):
        return None
    return moment(mapping(claims).get("exp"))


def retry_after_s(response: Response) -> float | None:
    """`Retry-After` in seconds, at most a day; a date is taken against the answer's own `Date`.

    Source: RFC 9110, 10.2.3.
    """
    said = response.headers.get("retry-after", "").strip()
    if re.fullmatch("[0-9]{1,9}", said):
        return min(float(said), _LONGEST_WAIT_S)
    try:
        wait = (parsedate_to_datetime(said) - parsedate_to_datetime(response.headers.get("date", ""))).total_seconds()
    except (TypeError, ValueError):
        return None
    return min(max(wait, 0.0), _LONGEST_WAIT_S)


def basic(username: str, password: SecretValue) -> SecretValue:
    """The value of an Authorization header. Source: RFC 7617."""
    return SecretValue(b"Basic " + base64.b64encode(username.encode() + b":" + password.reveal()))


def bearer(token: SecretValue) -> SecretValue:
    """The value of an Authorization header. Source: RFC 6750.

    Raises:
        Invalid: `credential_word`: the token is not one word.
    """
    return SecretValue(b"Bearer " + one_word(token).reveal())


def segment(name: str) -> str:
    """A name as one segment of a path: every slash, dot segment and question mark in it is encoded."""
    encoded = quote(name, safe="")
    return encoded.replace(".", "%2E") if set(name) <= {"."} else encoded


def address(base: str, query: Mapping[str, str | int]) -> str:
    """An address with its query; what is empty is left out."""
    written = urlencode({name: value for name, value in query.items() if value != ""})
    return f"{base}?{written}" if written else base


def form(fields: Mapping[str, str | SecretValue]) -> SecretValue:
    """A body of `application/x-www-form-urlencoded`."""
    parts = []
    for name, value in fields.items():
        plain = value.reveal() if isinstance(value, SecretValue) else value.encode()
        parts.append(f"{quote(name, safe='')}={quote(plain, safe='')}")
    return SecretValue("&".join(parts))


FORM: Final = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}
JSON: Final = {"content-type": "application/json", "accept": "application/json"}


def stored_word(value: SecretValue, title: str) -> SecretValue:
    """A stored secret that has to be one word.

    Raises:
        Invalid: `mint_secret`.
    """
    if _TOKEN.fullmatch(value.reveal().decode("latin-1")) is None:
        hint = "store it as the provider gave it, without spaces or line breaks"
        raise Invalid("mint_secret", f"what is stored is no secret of {title}: it is empty, or not one word", hint=hint)
    return value
