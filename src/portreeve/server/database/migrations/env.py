"""What Alembic runs for each step; the connection, and the transaction on it, are those of `migrate`.

Source: Alembic, cookbook, "Sharing a Connection across one or more programmatic migration commands".
"""

from __future__ import annotations

from alembic import context

from portreeve.server.database.tables import METADATA

# The transaction was begun before Alembic looks, so that it neither begins nor ends one.
context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA)
context.run_migrations()
