"""Rows of what environments report: their facts, and the images that run there."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from portreeve.core.blast_radius import RunningImage
from portreeve.server.database.tables import IMAGES, OBSERVATIONS


async def replace_images(
    connection: AsyncConnection, environment: str, images: Iterable[tuple[RunningImage, str]], now: datetime
) -> None:
    """The images of an environment, each with its digest ("" if not known), in the place of those before."""
    await connection.execute(delete(IMAGES).where(IMAGES.c.environment == environment))
    rows = [
        {
            "environment": environment,
            "namespace": image.namespace,
            "owner": image.owner,
            "image": image.image,
            "digest": digest,
            "seen_at": now,
        }
        for image, digest in images
    ]
    if rows:
        await connection.execute(insert(IMAGES), rows)


async def replace_facts(
    connection: AsyncConnection,
    environment: str,
    facts: Mapping[str, Any],
    generation: int,
    revision: int,
    now: datetime,
) -> None:
    """What an environment says of itself."""
    await connection.execute(delete(OBSERVATIONS).where(OBSERVATIONS.c.environment == environment))
    values = {
        "environment": environment,
        "facts": dict(facts),
        "generation": generation,
        "revision": revision,
        "reported_at": now,
    }
    await connection.execute(insert(OBSERVATIONS), values)


async def facts(connection: AsyncConnection, environment: str) -> Mapping[str, Any]:
    """What an environment said last of itself; empty if it has not."""
    query = select(OBSERVATIONS.c.facts).where(OBSERVATIONS.c.environment == environment)
    found: Mapping[str, Any] | None = (await connection.execute(query)).scalar_one_or_none()
    return found or {}


async def forget(connection: AsyncConnection, environment: str) -> None:
    """The environment is gone, and with it what it reported."""
    await connection.execute(delete(IMAGES).where(IMAGES.c.environment == environment))
    await connection.execute(delete(OBSERVATIONS).where(OBSERVATIONS.c.environment == environment))


async def digests(
    connection: AsyncConnection, environment: str, images: Collection[str] | None = None
) -> Mapping[tuple[str, str, str], str]:
    """(namespace, owner, image) → digest, of one environment; of these images alone, if any are named."""
    columns = (IMAGES.c.namespace, IMAGES.c.owner, IMAGES.c.image, IMAGES.c.digest)
    query = select(*columns).where(IMAGES.c.environment == environment)
    rows = (await connection.execute(query if images is None else query.where(IMAGES.c.image.in_(images)))).all()
    return {(row.namespace, row.owner, row.image): row.digest for row in rows}
