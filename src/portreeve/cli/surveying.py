"""What pull secrets a cluster has: read as the user of the kubeconfig, probed where that was asked for, and shown."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from portreeve.cli import clock
from portreeve.core.adoption import REASONS, Facts, LoginRow, Report, Row, State, Use, report
from portreeve.core.reference import shown
from portreeve.core.retirement import named_users
from portreeve.errors import NotFound
from portreeve.kube import found_secrets
from portreeve.kube.client import Client
from portreeve.kube.kubeconfig import connection, find
from portreeve.wire.dump import time_text

if TYPE_CHECKING:
    from portreeve.cli.terminal import Terminal
    from portreeve.kube.kubeconfig import Connection

FINGERPRINT_BYTES: Final = 32

SHOWN: Final = 5
"""Names in one line of text."""

TITLES: Final = ("NAMESPACE", "NAME", "LOGINS", "USED BY", "STATE")


@dataclass(frozen=True, slots=True)
class Survey:
    """A cluster as it was read: whose context, the facts, and the report of them."""

    connection: Connection
    namespaces: tuple[str, ...]
    facts: Facts
    report: Report


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be done with which rows. `named` tells that each was picked by name; `dry_run` as the flag says."""

    rows: tuple[Row, ...]
    environment: str
    named: bool
    dry_run: str = "none"
    expires_at: str | None = None


def survey(context: str, namespaces: Sequence[str], *, probe: bool = False, ca_file: str | None = None) -> Survey:
    """Read the cluster of a context, of the current one without a name.

    Raises:
        As `kubeconfig.find`, `kubeconfig.connection` and `found_secrets.found`.
    """
    environment = dict(os.environ)
    reached = connection(find(environment), context, environment=environment, now=clock.now)
    facts = read(reached, namespaces)
    key = secrets.token_bytes(FINGERPRINT_BYTES)
    found = report(facts, key, clock.now())
    if probe:
        from portreeve.cli.probing import probed

        found = report(facts, key, clock.now(), probed(found, ca_file))
    return Survey(reached, tuple(namespaces), facts, found)


def read(reached: Connection, namespaces: Sequence[str]) -> Facts:
    """What the cluster shows now."""

    async def job() -> Facts:
        async with Client(reached) as client:
            return await found_secrets.found(client, namespaces)

    return asyncio.run(job())


def picked(found: Survey, names: Sequence[str]) -> tuple[Row, ...]:
    """The rows of these names; all without names.

    Raises:
        NotFound: `adopt_not_found`.
    """
    rows = {"/".join(row.secret.key): row for row in found.report.rows}
    missing = [name for name in names if name not in rows]
    if missing:
        blind = "; what no role allows to list is not seen" if found.facts.unseen else ""
        raise NotFound(
            "adopt_not_found",
            f"there is no pull secret {', '.join(map(shown, missing))}{blind}",
            hint="portreeve adopt shows those that there are",
        )
    return tuple(rows[name] for name in dict.fromkeys(names)) if names else found.report.rows


def warn_unseen(found: Survey, terminal: Terminal) -> None:
    """Say what could not be seen."""
    for namespace, plurals in sorted(found.facts.unseen.items()):
        where = "the cluster" if namespace == "*" else f"namespace {namespace}"
        terminal.warn(f"not seen in {where}, as no role allows it: {', '.join(sorted(plurals))}")


def show(found: Survey, rows: Sequence[Row], output: str, terminal: Terminal) -> None:
    """The report, on standard output."""
    if output != "table":
        from portreeve.cli.output import write

        write(document(found, rows), output)
        return
    if rows:
        terminal.table(TITLES, [_cells(row) for row in rows])
    else:
        terminal.note("no pull secrets")
    for row in rows:
        for text in _remarks(row, found.report):
            terminal.note(f"{row.secret.namespace}/{row.secret.name}: {text}")
    for one in found.report.dangling if rows == found.report.rows else ():
        terminal.note(f"{one.namespace}/{one.name} is named by {named_users(one.users)}, and is not there")
    warn_unseen(found, terminal)


def document(found: Survey, rows: Sequence[Row]) -> dict[str, Any]:
    """The report for programs. No part of it is made of a password."""
    return {
        "kind": "PullSecretReport",
        "context": found.connection.context,
        "secrets": [_row(row) for row in rows],
        "groups": [
            {"group": number, "secrets": ["/".join(name) for name in names]}
            for number, names in found.report.groups.items()
        ],
        "dangling": [
            {"namespace": one.namespace, "name": one.name, "usedBy": [_use(use) for use in one.users]}
            for one in found.report.dangling
        ],
        "unseen": [
            {"namespace": namespace, "resources": sorted(plurals)}
            for namespace, plurals in sorted(found.facts.unseen.items())
        ],
    }


def _cells(row: Row) -> tuple[str, ...]:
    logins = [f"{one.login.username or '-'}@{one.login.place or one.login.key}" for one in row.logins]
    states = ", ".join(state.value for state in row.states)
    return row.secret.namespace, row.secret.name, ", ".join(logins) or "-", named_users(row.uses) or "-", states or "-"


def _remarks(row: Row, report_: Report) -> list[str]:
    """What the table has no room for."""
    problem = "" if row.secret.ours else row.secret.contents.problem
    told = [REASONS[problem]] if problem else []
    for one in row.logins:
        which = shown(one.login.key)
        if one.login.problem and one.login.problem != problem and not row.secret.ours:
            told.append(f"{which}: {REASONS[one.login.problem]}")
        if one.login.expires_at is not None:
            word = "ended" if one.login.expired(clock.now()) else "ends"
            told.append(f"{which}: its token {word} at {time_text(one.login.expires_at)}")
        if one.probe:
            told.append(f"{which}: the registry says {one.probe}")
        if one.group and not row.secret.ours:
            others = [name for name in report_.groups[one.group] if name != row.secret.key]
            more = f" and {len(others) - SHOWN} more" if len(others) > SHOWN else ""
            told.append(f"{which}: the same login is in {', '.join('/'.join(name) for name in others[:SHOWN])}{more}")
    if State.MANAGED in row.states:
        told.append(f"{row.secret.maker} makes it")
    return told


def _row(row: Row) -> dict[str, Any]:
    secret = row.secret
    return {
        "namespace": secret.namespace,
        "name": secret.name,
        "type": secret.type or None,
        "createdAt": time_text(secret.created_at) if secret.type else None,
        "states": [state.value for state in row.states],
        "problem": None if secret.ours else secret.contents.problem or None,
        "managedBy": secret.maker or None,
        "logins": [_login(one, ours=secret.ours) for one in row.logins],
        "usedBy": [_use(use) for use in row.uses],
    }


def _login(one: LoginRow, *, ours: bool) -> dict[str, Any]:
    login = one.login
    return {
        "key": login.key,
        "host": login.place.host if login.place else None,
        "path": login.place.path if login.place else None,
        "username": login.username or None,
        "expiresAt": time_text(login.expires_at) if login.expires_at else None,
        "expiryFrom": login.ends_by or None,
        "problem": None if ours else login.problem or None,
        "probe": one.probe or None,
        "group": one.group or None,
    }


def _use(use: Use) -> Mapping[str, Any]:
    return {"kind": use.kind, "name": use.name, "how": use.how, "pods": use.pods}
