"""The first schema.

Until the first release this is written by `python -m tests.server.migrations.write_first`, from the tables.
"""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeEngine

revision = "0001"
down_revision = None

NAME: Final[TypeEngine[Any]] = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
JSON: Final[TypeEngine[Any]] = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
NUMBER: Final[TypeEngine[Any]] = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
BYTES: Final[TypeEngine[Any]] = sa.LargeBinary()
MOMENT: Final[TypeEngine[Any]] = sa.BigInteger()


def upgrade() -> None:
    """From an empty database."""
    op.create_table(
        "access_refusals",
        sa.Column("environment", NAME, nullable=False),
        sa.Column("namespace", NAME, nullable=False),
        sa.Column("name", NAME, nullable=False),
        sa.Column("uid", NAME, nullable=False),
        sa.Column("generation", NUMBER, nullable=False),
        sa.Column("why", NAME, nullable=False),
        sa.Column("decided_by", NAME, nullable=False),
        sa.Column("decided_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("environment", "namespace", "name", name=op.f("pk_access_refusals")),
    )
    op.create_table(
        "agent_keys",
        sa.Column("environment", NAME, nullable=False),
        sa.Column("sealing_key", BYTES, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("environment", name=op.f("pk_agent_keys")),
    )
    op.create_table(
        "agents",
        sa.Column("environment", NAME, nullable=False),
        sa.Column("environment_uid", NAME, nullable=False),
        sa.Column("state", NAME, nullable=False),
        sa.Column("first", NUMBER, nullable=False),
        sa.Column("counter", NUMBER, nullable=False),
        sa.Column("key", BYTES, nullable=False),
        sa.Column("pending_key", BYTES, nullable=False),
        sa.Column("activated_at", MOMENT, nullable=False),
        sa.Column("cluster", NAME, nullable=False),
        sa.Column("sealed_for", NAME, nullable=False),
        sa.Column("enrolled_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("seen_at", MOMENT, nullable=True),
        sa.Column("report", NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("environment", name=op.f("pk_agents")),
        sa.UniqueConstraint("environment_uid", name=op.f("uq_agents_environment_uid")),
    )
    op.create_table(
        "answers",
        sa.Column("principal", NAME, nullable=False),
        sa.Column("key", NAME, nullable=False),
        sa.Column("request", NAME, nullable=False),
        sa.Column("status", NUMBER, nullable=False),
        sa.Column("headers", JSON, nullable=False),
        sa.Column("body", BYTES, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("principal", "key", name=op.f("pk_answers")),
    )
    op.create_table(
        "api_tokens",
        sa.Column("id", NAME, nullable=False),
        sa.Column("token", BYTES, nullable=False),
        sa.Column("user", NAME, nullable=False),
        sa.Column("user_uid", NAME, nullable=False),
        sa.Column("title", NAME, nullable=False),
        sa.Column("scope", JSON, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("used_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_tokens")),
        sa.UniqueConstraint("token", name=op.f("uq_api_tokens_token")),
    )
    op.create_index("ix_api_tokens_user", "api_tokens", ["user"], unique=False)
    op.create_table(
        "audit_checkpoints",
        sa.Column("size", NUMBER, autoincrement=False, nullable=False),
        sa.Column("note", BYTES, nullable=False),
        sa.Column("signed_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("size", name=op.f("pk_audit_checkpoints")),
    )
    op.create_table(
        "audit_events",
        sa.Column("sequence", NUMBER, autoincrement=False, nullable=False),
        sa.Column("leaf", BYTES, nullable=False),
        sa.Column("time", MOMENT, nullable=False),
        sa.Column("principal", NAME, nullable=False),
        sa.Column("action", NAME, nullable=False),
        sa.Column("kind", NAME, nullable=False),
        sa.Column("name", NAME, nullable=False),
        sa.Column("environment", NAME, nullable=False),
        sa.Column("project", NAME, nullable=False),
        sa.Column("outcome", NAME, nullable=False),
        sa.Column("request", NAME, nullable=False),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_audit_events")),
    )
    op.create_index("ix_audit_events_action", "audit_events", ["action", "sequence"], unique=False)
    op.create_index("ix_audit_events_environment", "audit_events", ["environment", "sequence"], unique=False)
    op.create_index("ix_audit_events_kind", "audit_events", ["kind", "name", "sequence"], unique=False)
    op.create_index("ix_audit_events_name", "audit_events", ["name", "sequence"], unique=False)
    op.create_index("ix_audit_events_outcome", "audit_events", ["outcome", "sequence"], unique=False)
    op.create_index("ix_audit_events_principal", "audit_events", ["principal", "sequence"], unique=False)
    op.create_index("ix_audit_events_project", "audit_events", ["project", "sequence"], unique=False)
    op.create_index("ix_audit_events_request", "audit_events", ["request", "sequence"], unique=False)
    op.create_index("ix_audit_events_time", "audit_events", ["time", "sequence"], unique=False)
    op.create_table(
        "audit_head",
        sa.Column("id", NUMBER, autoincrement=False, nullable=False),
        sa.Column("size", NUMBER, nullable=False),
        sa.Column("peaks", BYTES, nullable=False),
        sa.Column("revision", NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_head")),
    )
    op.create_table(
        "audit_nodes",
        sa.Column("level", NUMBER, autoincrement=False, nullable=False),
        sa.Column("position", NUMBER, autoincrement=False, nullable=False),
        sa.Column("hash", BYTES, nullable=False),
        sa.PrimaryKeyConstraint("level", "position", name=op.f("pk_audit_nodes")),
    )
    op.create_table(
        "audit_sinks",
        sa.Column("name", NAME, nullable=False),
        sa.Column("sequence", NUMBER, nullable=False),
        sa.Column("failed_at", MOMENT, nullable=True),
        sa.Column("failures", NUMBER, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_audit_sinks")),
    )
    op.create_table(
        "calendar_alerts",
        sa.Column("credential", NAME, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("days", NUMBER, nullable=False),
        sa.Column("told_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("credential", name=op.f("pk_calendar_alerts")),
    )
    op.create_table(
        "changes",
        sa.Column("revision", NUMBER, autoincrement=False, nullable=False),
        sa.Column("kind", NAME, nullable=False),
        sa.Column("name", NAME, nullable=False),
        sa.Column("verb", NAME, nullable=False),
        sa.Column("version", NUMBER, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("revision", name=op.f("pk_changes")),
    )
    op.create_table(
        "credential_overlaps",
        sa.Column("credential", NAME, nullable=False),
        sa.Column("version", NUMBER, nullable=False),
        sa.Column("declared", JSON, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=True),
        sa.Column("begun_at", MOMENT, nullable=False),
        sa.Column("until", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("credential", name=op.f("pk_credential_overlaps")),
    )
    op.create_table(
        "credential_versions",
        sa.Column("id", NAME, nullable=False),
        sa.Column("version", NUMBER, autoincrement=False, nullable=False),
        sa.Column("envelope", BYTES, nullable=False),
        sa.Column("owner", NAME, nullable=False),
        sa.Column("epoch", NUMBER, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", "version", name=op.f("pk_credential_versions")),
    )
    op.create_index("ix_credential_versions_owner", "credential_versions", ["owner", "epoch"], unique=False)
    op.create_table(
        "credentials",
        sa.Column("registry", NAME, nullable=False),
        sa.Column("purpose", NAME, nullable=False),
        sa.Column("id", NAME, nullable=False),
        sa.Column("owner", NAME, nullable=False),
        sa.Column("version", NUMBER, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=True),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("registry", "purpose", name=op.f("pk_credentials")),
        sa.UniqueConstraint("id", name=op.f("uq_credentials_id")),
    )
    op.create_table(
        "desired_states",
        sa.Column("environment", NAME, nullable=False),
        sa.Column("generation", NUMBER, nullable=False),
        sa.Column("hash", NAME, nullable=False),
        sa.Column("previous_hash", NAME, nullable=False),
        sa.Column("document", BYTES, nullable=False),
        sa.Column("revision", NUMBER, nullable=False),
        sa.Column("not_after", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("environment", name=op.f("pk_desired_states")),
    )
    op.create_table(
        "documents",
        sa.Column("kind", NAME, nullable=False),
        sa.Column("name", NAME, nullable=False),
        sa.Column("uid", NAME, nullable=False),
        sa.Column("version", NUMBER, nullable=False),
        sa.Column("revision", NUMBER, nullable=False),
        sa.Column("labels", JSON, nullable=False),
        sa.Column("annotations", JSON, nullable=False),
        sa.Column("spec", JSON, nullable=False),
        sa.Column("status", JSON, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("kind", "name", name=op.f("pk_documents")),
    )
    op.create_table(
        "egress_exports",
        sa.Column("environment", NAME, nullable=False),
        sa.Column("rules", JSON, nullable=False),
        sa.Column("exported_by", NAME, nullable=False),
        sa.Column("exported_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("environment", name=op.f("pk_egress_exports")),
    )
    op.create_table(
        "enrolments",
        sa.Column("token", BYTES, nullable=False),
        sa.Column("environment", NAME, nullable=False),
        sa.Column("environment_uid", NAME, nullable=False),
        sa.Column("created_by", NAME, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("used_key", BYTES, nullable=False),
        sa.Column("used_cluster", NAME, nullable=False),
        sa.PrimaryKeyConstraint("token", name=op.f("pk_enrolments")),
    )
    op.create_index("ix_enrolments_environment", "enrolments", ["environment"], unique=False)
    op.create_table(
        "identities",
        sa.Column("issuer", NAME, nullable=False),
        sa.Column("subject", NAME, nullable=False),
        sa.Column("user", NAME, nullable=False),
        sa.Column("user_uid", NAME, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("issuer", "subject", name=op.f("pk_identities")),
    )
    op.create_table(
        "images",
        sa.Column("environment", NAME, nullable=False),
        sa.Column("namespace", NAME, nullable=False),
        sa.Column("owner", NAME, nullable=False),
        sa.Column("image", NAME, nullable=False),
        sa.Column("digest", NAME, nullable=False),
        sa.Column("seen_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("environment", "namespace", "owner", "image", name=op.f("pk_images")),
    )
    op.create_index("ix_images_image", "images", ["image"], unique=False)
    op.create_table(
        "key_checks",
        sa.Column("master_key", NAME, nullable=False),
        sa.Column("value", BYTES, nullable=False),
        sa.PrimaryKeyConstraint("master_key", name=op.f("pk_key_checks")),
    )
    op.create_table(
        "mint_leases",
        sa.Column("key", NAME, nullable=False),
        sa.Column("credential", NAME, nullable=False),
        sa.Column("holder", NAME, nullable=False),
        sa.Column("lease_until", MOMENT, nullable=True),
        sa.Column("state", JSON, nullable=False),
        sa.Column("next_due", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_mint_leases")),
    )
    op.create_index("ix_mint_leases_credential", "mint_leases", ["credential"], unique=False)
    op.create_table(
        "mint_peers",
        sa.Column("peer", NAME, nullable=False),
        sa.Column("level", NUMBER, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("peer", name=op.f("pk_mint_peers")),
    )
    op.create_table(
        "minted_tokens",
        sa.Column("id", NAME, nullable=False),
        sa.Column("version", NUMBER, nullable=False),
        sa.Column("source", NUMBER, nullable=False),
        sa.Column("key", NAME, nullable=False),
        sa.Column("envelope", BYTES, nullable=False),
        sa.Column("owner", NAME, nullable=False),
        sa.Column("epoch", NUMBER, nullable=False),
        sa.Column("issued_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_minted_tokens")),
    )
    op.create_index("ix_minted_tokens_owner", "minted_tokens", ["owner", "epoch"], unique=False)
    op.create_table(
        "observations",
        sa.Column("environment", NAME, nullable=False),
        sa.Column("facts", JSON, nullable=False),
        sa.Column("generation", NUMBER, nullable=False),
        sa.Column("revision", NUMBER, nullable=False),
        sa.Column("reported_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("environment", name=op.f("pk_observations")),
    )
    op.create_table(
        "owner_keys",
        sa.Column("owner", NAME, nullable=False),
        sa.Column("epoch", NUMBER, autoincrement=False, nullable=False),
        sa.Column("master_key", NAME, nullable=True),
        sa.Column("wrapped", BYTES, nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("destroyed_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("owner", "epoch", name=op.f("pk_owner_keys")),
    )
    op.create_table(
        "passwords",
        sa.Column("user", NAME, nullable=False),
        sa.Column("user_uid", NAME, nullable=False),
        sa.Column("hash", NAME, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("user", name=op.f("pk_passwords")),
    )
    op.create_table(
        "plans",
        sa.Column("id", NAME, nullable=False),
        sa.Column("digest", NAME, nullable=False),
        sa.Column("proposer", NAME, nullable=False),
        sa.Column("proposal", JSON, nullable=False),
        sa.Column("basis", JSON, nullable=False),
        sa.Column("summary", JSON, nullable=False),
        sa.Column("state", NAME, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("confirmed_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plans")),
    )
    op.create_table(
        "rate_limits",
        sa.Column("registry", NAME, nullable=False),
        sa.Column("source", NAME, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("limit", NUMBER, nullable=False),
        sa.Column("remaining", NUMBER, nullable=False),
        sa.Column("window_s", NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("registry", "source", "at", name=op.f("pk_rate_limits")),
    )
    op.create_table(
        "registry_checks",
        sa.Column("registry", NAME, nullable=False),
        sa.Column("outcome", NAME, nullable=False),
        sa.Column("checks", JSON, nullable=False),
        sa.Column("ms", NUMBER, nullable=False),
        sa.Column("checked_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("registry", name=op.f("pk_registry_checks")),
    )
    op.create_table(
        "sessions",
        sa.Column("token", BYTES, nullable=False),
        sa.Column("id", NAME, nullable=False),
        sa.Column("user", NAME, nullable=False),
        sa.Column("user_uid", NAME, nullable=False),
        sa.Column("method", NAME, nullable=False),
        sa.Column("oidc_groups", JSON, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("seen_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("token", name=op.f("pk_sessions")),
        sa.UniqueConstraint("id", name=op.f("uq_sessions_id")),
    )
    op.create_index("ix_sessions_user", "sessions", ["user"], unique=False)
    op.create_table(
        "sign_in_failures",
        sa.Column("bucket", BYTES, nullable=False),
        sa.Column("failures", NUMBER, nullable=False),
        sa.Column("last_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("bucket", name=op.f("pk_sign_in_failures")),
    )
    op.create_table(
        "sign_in_links",
        sa.Column("token", BYTES, nullable=False),
        sa.Column("user", NAME, nullable=False),
        sa.Column("user_uid", NAME, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("token", name=op.f("pk_sign_in_links")),
    )
    op.create_table(
        "sign_ins",
        sa.Column("state", BYTES, nullable=False),
        sa.Column("browser", BYTES, nullable=False),
        sa.Column("address", BYTES, nullable=False),
        sa.Column("issuer", NAME, nullable=False),
        sa.Column("nonce", NAME, nullable=False),
        sa.Column("code_verifier", NAME, nullable=False),
        sa.Column("next", NAME, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("state", name=op.f("pk_sign_ins")),
    )
    op.create_table(
        "stage_days",
        sa.Column("policy", NAME, nullable=False),
        sa.Column("environment", NAME, nullable=False),
        sa.Column("day", NAME, nullable=False),
        sa.Column("stage", NAME, nullable=False),
        sa.Column("version", NUMBER, nullable=False),
        sa.Column("text", NAME, nullable=False),
        sa.Column("violations", NUMBER, nullable=False),
        sa.Column("most", NUMBER, nullable=False),
        sa.Column("known", NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("policy", "environment", "day", name=op.f("pk_stage_days")),
    )
    op.create_table(
        "stage_watches",
        sa.Column("policy", NAME, nullable=False),
        sa.Column("environment", NAME, nullable=False),
        sa.Column("text", NAME, nullable=False),
        sa.Column("since", MOMENT, nullable=True),
        sa.Column("looked_at", MOMENT, nullable=False),
        sa.Column("data_at", MOMENT, nullable=True),
        sa.Column("violations", NUMBER, nullable=False),
        sa.Column("violation_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("policy", "environment", name=op.f("pk_stage_watches")),
    )


def downgrade() -> None:
    """Back to an empty database: everything in it is lost."""
    op.drop_table("stage_watches")
    op.drop_table("stage_days")
    op.drop_table("sign_ins")
    op.drop_table("sign_in_links")
    op.drop_table("sign_in_failures")
    op.drop_index("ix_sessions_user", table_name="sessions")
    op.drop_table("sessions")
    op.drop_table("registry_checks")
    op.drop_table("rate_limits")
    op.drop_table("plans")
    op.drop_table("passwords")
    op.drop_table("owner_keys")
    op.drop_table("observations")
    op.drop_index("ix_minted_tokens_owner", table_name="minted_tokens")
    op.drop_table("minted_tokens")
    op.drop_table("mint_peers")
    op.drop_index("ix_mint_leases_credential", table_name="mint_leases")
    op.drop_table("mint_leases")
    op.drop_table("key_checks")
    op.drop_index("ix_images_image", table_name="images")
    op.drop_table("images")
    op.drop_table("identities")
    op.drop_index("ix_enrolments_environment", table_name="enrolments")
    op.drop_table("enrolments")
    op.drop_table("egress_exports")
    op.drop_table("documents")
    op.drop_table("desired_states")
    op.drop_table("credentials")
    op.drop_index("ix_credential_versions_owner", table_name="credential_versions")
    op.drop_table("credential_versions")
    op.drop_table("credential_overlaps")
    op.drop_table("changes")
    op.drop_table("calendar_alerts")
    op.drop_table("audit_sinks")
    op.drop_table("audit_nodes")
    op.drop_table("audit_head")
    op.drop_index("ix_audit_events_time", table_name="audit_events")
    op.drop_index("ix_audit_events_request", table_name="audit_events")
    op.drop_index("ix_audit_events_project", table_name="audit_events")
    op.drop_index("ix_audit_events_principal", table_name="audit_events")
    op.drop_index("ix_audit_events_outcome", table_name="audit_events")
    op.drop_index("ix_audit_events_name", table_name="audit_events")
    op.drop_index("ix_audit_events_kind", table_name="audit_events")
    op.drop_index("ix_audit_events_environment", table_name="audit_events")
    op.drop_index("ix_audit_events_action", table_name="audit_events")
    op.drop_table("audit_events")
    op.drop_table("audit_checkpoints")
    op.drop_index("ix_api_tokens_user", table_name="api_tokens")
    op.drop_table("api_tokens")
    op.drop_table("answers")
    op.drop_table("agents")
    op.drop_table("agent_keys")
    op.drop_table("access_refusals")
