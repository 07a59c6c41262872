"""A registry's checklist on the terminal: each stage as it is found, then what they say together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

if TYPE_CHECKING:
    from portreeve.cli.terminal import Terminal
    from portreeve.client import Client

SIGNS: Final = {"ok": ("ok", "green"), "failed": ("FAILED", "red"), "unknown": ("?", "yellow")}

EXIT_CODES: Final = {"ok": 0, "failed": 1, "unknown": 3}
"""As everywhere: 1 for what was found wrong, 3 for what could not be judged."""


def watched(client: Client, registry: str, query: Mapping[str, Any], terminal: Terminal, *, live: bool) -> Any:
    """Validate a registry and show the stages as they are found; the whole result.

    Raises:
        PortreeveError: it could not be begun, or the stream ended early.
    """
    from portreeve.errors import Unavailable

    path = f"/api/v1/registries/{quote(registry, safe='')}/validate"
    with client.events(path, query, method="POST") as events:
        for event in events:
            if event.get("type") == "CHECK" and live:
                for line in lines(event["object"], terminal):
                    terminal.data(line)
                terminal.flush()
            if event.get("type") == "DONE":
                return event["object"]
    raise Unavailable("server_hung_up", "the control plane hung up before the last stage", hint="try again")


def lines(check: Mapping[str, Any], terminal: Terminal) -> list[str]:
    """One stage as text."""
    from portreeve.cli.terminal import safe

    sign, color = SIGNS.get(str(check.get("outcome")), ("?", "yellow"))
    shown = terminal.paint(f"{sign:<7}", color, bold=sign == "FAILED")
    code = f"  [{check['code']}]" if check.get("code") else ""
    found = [f"{shown} {check.get('stage', ''):<10} {safe(str(check.get('message', '')))}{code}"]
    if check.get("hint") and check.get("outcome") != "ok":
        found.append(f"{'':<19}do: {safe(str(check['hint']))}")
    return found


def summary(result: Mapping[str, Any]) -> str:
    """What the stages say together."""
    text = {
        "ok": "it works",
        "failed": "it does not work as it should",
        "unknown": "nothing failed, and not everything could be judged",
    }
    credential = result.get("credential") or "nobody"
    return f"Registry/{result['registry']}: {text[str(result['outcome'])]} (as {credential}, {result['ms']} ms)"
