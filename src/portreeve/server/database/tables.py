"""Every table. What changes a row says migrations/; a test holds the two against each other.

Documents are rows of one table, as they have one form (docs/adr/0013). A secret lies in `credential_versions` alone,
as an envelope of the vault; people's passwords and tokens lie here as hashes only.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Column, Index, MetaData, Table

from portreeve.server.database.columns import Bytes, Json, Moment, Name, Number

METADATA: Final = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(referred_table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
    }
)

DOCUMENTS: Final = Table(
    "documents",
    METADATA,
    Column("kind", Name, primary_key=True),
    Column("name", Name, primary_key=True),
    Column("uid", Name, nullable=False),
    # Counts the changes of this document; a write names the one it read.
    Column("version", Number, nullable=False),
    # The number of the change that wrote this row, of all changes here.
    Column("revision", Number, nullable=False),
    Column("labels", Json, nullable=False),
    Column("annotations", Json, nullable=False),
    Column("spec", Json, nullable=False),
    Column("status", Json, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
)

CHANGES: Final = Table(
    "changes",
    METADATA,
    Column("revision", Number, primary_key=True, autoincrement=False),
    Column("kind", Name, nullable=False),
    Column("name", Name, nullable=False),
    Column("verb", Name, nullable=False),
    Column("version", Number, nullable=False),
    Column("at", Moment, nullable=False),
)

CREDENTIALS: Final = Table(
    "credentials",
    METADATA,
    Column("registry", Name, primary_key=True),
    Column("purpose", Name, primary_key=True),
    Column("id", Name, nullable=False, unique=True),
    # "" is the global owner. Authoritative for the vault's binding, with id and version.
    Column("owner", Name, nullable=False),
    Column("version", Number, nullable=False),
    Column("expires_at", Moment),
    Column("updated_at", Moment, nullable=False),
)

CREDENTIAL_VERSIONS: Final = Table(
    "credential_versions",
    METADATA,
    Column("id", Name, primary_key=True),
    Column("version", Number, primary_key=True, autoincrement=False),
    Column("envelope", Bytes, nullable=False),
    # Repeats what the envelope says, so that a re-wrap finds what is left.
    Column("owner", Name, nullable=False),
    Column("epoch", Number, nullable=False),
    Column("created_at", Moment, nullable=False),
    Index("ix_credential_versions_owner", "owner", "epoch"),
)

CREDENTIAL_OVERLAPS: Final = Table(
    "credential_overlaps",
    METADATA,
    # The version before, which a rotation still delivers; it goes with this row, once everybody has the present one.
    Column("credential", Name, primary_key=True),
    Column("version", Number, nullable=False),
    # How it signs in: method and parameters, as the registry's document said then.
    Column("declared", Json, nullable=False),
    Column("expires_at", Moment),
    Column("begun_at", Moment, nullable=False),
    Column("until", Moment, nullable=False),
)

MINTED_TOKENS: Final = Table(
    "minted_tokens",
    METADATA,
    # The credential that it was minted from; there is one token of each.
    Column("id", Name, primary_key=True),
    # The token's number, and the version of the credential that it came from.
    Column("version", Number, nullable=False),
    Column("source", Number, nullable=False),
    Column("key", Name, nullable=False),
    Column("envelope", Bytes, nullable=False),
    # As in credential_versions.
    Column("owner", Name, nullable=False),
    Column("epoch", Number, nullable=False),
    Column("issued_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Index("ix_minted_tokens_owner", "owner", "epoch"),
)

MINT_LEASES: Final = Table(
    "mint_leases",
    METADATA,
    # One credential at one registry and region: whoever holds the lease mints, and nobody else.
    Column("key", Name, primary_key=True),
    Column("credential", Name, nullable=False),
    Column("holder", Name, nullable=False),
    Column("lease_until", Moment),
    # The line of core.refresh: numbers, times and codes.
    Column("state", Json, nullable=False),
    Column("next_due", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    Index("ix_mint_leases_credential", "credential"),
)

MINT_PEERS: Final = Table(
    "mint_peers",
    METADATA,
    # How many requests whoever mints may get now, over all replicas; in thousandths.
    Column("peer", Name, primary_key=True),
    Column("level", Number, nullable=False),
    Column("at", Moment, nullable=False),
)

CALENDAR_ALERTS: Final = Table(
    "calendar_alerts",
    METADATA,
    # What has been told of an end, so that it is told once. Another end of the same credential begins anew.
    Column("credential", Name, primary_key=True),
    Column("expires_at", Moment, nullable=False),
    Column("days", Number, nullable=False),
    Column("told_at", Moment, nullable=False),
)

OWNER_KEYS: Final = Table(
    "owner_keys",
    METADATA,
    Column("owner", Name, primary_key=True),
    Column("epoch", Number, primary_key=True, autoincrement=False),
    # Both null once it is destroyed; the number stays used.
    Column("master_key", Name),
    Column("wrapped", Bytes),
    Column("created_at", Moment, nullable=False),
    Column("destroyed_at", Moment),
)

KEY_CHECKS: Final = Table(
    "key_checks",
    METADATA,
    Column("master_key", Name, primary_key=True),
    Column("value", Bytes, nullable=False),
)

AUDIT_HEAD: Final = Table(
    "audit_head",
    METADATA,
    # One row, which every writer locks: so there is one order of all changes.
    Column("id", Number, primary_key=True, autoincrement=False),
    Column("size", Number, nullable=False),
    Column("peaks", Bytes, nullable=False),
    Column("revision", Number, nullable=False),
)

AUDIT_EVENTS: Final = Table(
    "audit_events",
    METADATA,
    Column("sequence", Number, primary_key=True, autoincrement=False),
    Column("leaf", Bytes, nullable=False),
    # Copies of fields in the leaf, for filters and for who may see it; the leaf is what counts.
    Column("time", Moment, nullable=False),
    Column("principal", Name, nullable=False),
    Column("action", Name, nullable=False),
    Column("kind", Name, nullable=False),
    Column("name", Name, nullable=False),
    Column("environment", Name, nullable=False),
    Column("project", Name, nullable=False),
    Column("outcome", Name, nullable=False),
    Column("request", Name, nullable=False),
    Index("ix_audit_events_kind", "kind", "name", "sequence"),
    Index("ix_audit_events_principal", "principal", "sequence"),
    Index("ix_audit_events_environment", "environment", "sequence"),
    Index("ix_audit_events_project", "project", "sequence"),
    Index("ix_audit_events_action", "action", "sequence"),
    Index("ix_audit_events_name", "name", "sequence"),
    Index("ix_audit_events_outcome", "outcome", "sequence"),
    Index("ix_audit_events_request", "request", "sequence"),
    # Holds the number as well: a span of times becomes one of numbers without a look at the events.
    Index("ix_audit_events_time", "time", "sequence"),
)

AUDIT_NODES: Final = Table(
    "audit_nodes",
    METADATA,
    Column("level", Number, primary_key=True, autoincrement=False),
    Column("position", Number, primary_key=True, autoincrement=False),
    Column("hash", Bytes, nullable=False),
)

AUDIT_CHECKPOINTS: Final = Table(
    "audit_checkpoints",
    METADATA,
    Column("size", Number, primary_key=True, autoincrement=False),
    Column("note", Bytes, nullable=False),
    Column("signed_at", Moment, nullable=False),
)

AUDIT_SINKS: Final = Table(
    "audit_sinks",
    METADATA,
    # How far each export has come, so that an outage of its receiver neither loses nor repeats for long.
    Column("name", Name, primary_key=True),
    Column("sequence", Number, nullable=False),
    Column("failed_at", Moment),
    Column("failures", Number, nullable=False),
    Column("updated_at", Moment, nullable=False),
)

PASSWORDS: Final = Table(
    "passwords",
    METADATA,
    Column("user", Name, primary_key=True),
    # The uid of the User document: a later user of the same name is somebody else, here and below.
    Column("user_uid", Name, nullable=False),
    # argon2id in its own encoding, which holds salt and cost.
    Column("hash", Name, nullable=False),
    Column("updated_at", Moment, nullable=False),
)

SIGN_IN_LINKS: Final = Table(
    "sign_in_links",
    METADATA,
    # SHA-256 of a random token; the token itself is shown once and stored nowhere.
    Column("token", Bytes, primary_key=True),
    Column("user", Name, nullable=False),
    Column("user_uid", Name, nullable=False),
    Column("expires_at", Moment, nullable=False),
)

SESSIONS: Final = Table(
    "sessions",
    METADATA,
    Column("token", Bytes, primary_key=True),
    # What audit events name; no one can sign in with it.
    Column("id", Name, nullable=False, unique=True),
    Column("user", Name, nullable=False),
    Column("user_uid", Name, nullable=False),
    Column("method", Name, nullable=False),
    Column("oidc_groups", Json, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("seen_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Index("ix_sessions_user", "user"),
)

API_TOKENS: Final = Table(
    "api_tokens",
    METADATA,
    Column("id", Name, primary_key=True),
    Column("token", Bytes, nullable=False, unique=True),
    Column("user", Name, nullable=False),
    Column("user_uid", Name, nullable=False),
    Column("title", Name, nullable=False),
    # What narrows the token below its user's roles: {"readOnly": bool, "kinds": [...]}.
    Column("scope", Json, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("used_at", Moment),
    Index("ix_api_tokens_user", "user"),
)

IDENTITIES: Final = Table(
    "identities",
    METADATA,
    # Somebody at an identity provider is (issuer, subject) and nothing else; an e-mail address is not an identity.
    Column("issuer", Name, primary_key=True),
    Column("subject", Name, primary_key=True),
    Column("user", Name, nullable=False),
    Column("user_uid", Name, nullable=False),
    Column("created_at", Moment, nullable=False),
)

SIGN_INS: Final = Table(
    "sign_ins",
    METADATA,
    # A sign-in at an identity provider that is under way, by the hash of its state.
    Column("state", Bytes, primary_key=True),
    Column("browser", Bytes, nullable=False),
    # The hash of the client's address, for which only so many are kept.
    Column("address", Bytes, nullable=False),
    Column("issuer", Name, nullable=False),
    Column("nonce", Name, nullable=False),
    # Useless without the authorisation code, which is used once.
    Column("code_verifier", Name, nullable=False),
    Column("next", Name, nullable=False),
    Column("expires_at", Moment, nullable=False),
)

SIGN_IN_FAILURES: Final = Table(
    "sign_in_failures",
    METADATA,
    # A bucket is the hash of a normalised user name or of an address.
    Column("bucket", Bytes, primary_key=True),
    Column("failures", Number, nullable=False),
    Column("last_at", Moment, nullable=False),
)

PLANS: Final = Table(
    "plans",
    METADATA,
    Column("id", Name, primary_key=True),
    Column("digest", Name, nullable=False),
    Column("proposer", Name, nullable=False),
    # What was proposed, as documents and deletions; never a secret.
    Column("proposal", Json, nullable=False),
    Column("basis", Json, nullable=False),
    Column("summary", Json, nullable=False),
    Column("state", Name, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("confirmed_at", Moment),
)

ANSWERS: Final = Table(
    "answers",
    METADATA,
    # What was answered to a request with an Idempotency-Key, for whoever sends it again.
    Column("principal", Name, primary_key=True),
    Column("key", Name, primary_key=True),
    Column("request", Name, nullable=False),
    Column("status", Number, nullable=False),
    Column("headers", Json, nullable=False),
    Column("body", Bytes, nullable=False),
    Column("expires_at", Moment, nullable=False),
)

DESIRED_STATES: Final = Table(
    "desired_states",
    METADATA,
    Column("environment", Name, primary_key=True),
    Column("generation", Number, nullable=False),
    Column("hash", Name, nullable=False),
    Column("previous_hash", Name, nullable=False),
    # The channel's document as signed bytes; credentials in it are sealed for the environment's agent.
    Column("document", Bytes, nullable=False),
    # The revision of the estate and the inventory that it was made from.
    Column("revision", Number, nullable=False),
    Column("not_after", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
)

AGENT_KEYS: Final = Table(
    "agent_keys",
    METADATA,
    Column("environment", Name, primary_key=True),
    Column("sealing_key", Bytes, nullable=False),
    Column("updated_at", Moment, nullable=False),
)

AGENTS: Final = Table(
    "agents",
    METADATA,
    Column("environment", Name, primary_key=True),
    # A later environment of the same name is another one; certificates name the uid.
    Column("environment_uid", Name, nullable=False, unique=True),
    # core.agent_identity: state, counters, SHA-256 of public keys. pending_key is empty unless a renewal is under way.
    Column("state", Name, nullable=False),
    Column("first", Number, nullable=False),
    Column("counter", Number, nullable=False),
    Column("key", Bytes, nullable=False),
    Column("pending_key", Bytes, nullable=False),
    Column("activated_at", Moment, nullable=False),
    # What the agent says of its cluster; shown, and part of nothing.
    Column("cluster", Name, nullable=False),
    # Which key its credentials are sealed for, as documents name it.
    Column("sealed_for", Name, nullable=False),
    Column("enrolled_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    # In steps of some seconds, without a revision: it changes all the time.
    Column("seen_at", Moment),
    # The number of the last report that was taken.
    Column("report", Number, nullable=False),
)

ENROLMENTS: Final = Table(
    "enrolments",
    METADATA,
    # SHA-256 of the token, as in sign_in_links.
    Column("token", Bytes, primary_key=True),
    Column("environment", Name, nullable=False),
    Column("environment_uid", Name, nullable=False),
    Column("created_by", Name, nullable=False),
    Column("expires_at", Moment, nullable=False),
    # By whom it was used: the same key may ask again while its answer can have been lost. Empty: by nobody yet.
    Column("used_key", Bytes, nullable=False),
    Column("used_cluster", Name, nullable=False),
    Index("ix_enrolments_environment", "environment"),
)

ACCESS_REFUSALS: Final = Table(
    "access_refusals",
    METADATA,
    # Requests for registries that stand in a cluster, and that somebody has decided against.
    Column("environment", Name, primary_key=True),
    Column("namespace", Name, primary_key=True),
    Column("name", Name, primary_key=True),
    # Those of the custom resource: another object, or another wish, is not refused.
    Column("uid", Name, nullable=False),
    Column("generation", Number, nullable=False),
    Column("why", Name, nullable=False),
    Column("decided_by", Name, nullable=False),
    Column("decided_at", Moment, nullable=False),
)

OBSERVATIONS: Final = Table(
    "observations",
    METADATA,
    Column("environment", Name, primary_key=True),
    # {"kubernetes": "1.36.2", "namespaces": [{"name", "labels"}], "conditions": [...], "pullSecrets": [...],
    # "inventory": {...}, "accessRequests": [...]}
    Column("facts", Json, nullable=False),
    Column("generation", Number, nullable=False),
    Column("revision", Number, nullable=False),
    Column("reported_at", Moment, nullable=False),
)

IMAGES: Final = Table(
    "images",
    METADATA,
    Column("environment", Name, primary_key=True),
    Column("namespace", Name, primary_key=True),
    Column("owner", Name, primary_key=True),
    Column("image", Name, primary_key=True),
    Column("digest", Name, nullable=False),
    Column("seen_at", Moment, nullable=False),
    Index("ix_images_image", "image"),
)

REGISTRY_CHECKS: Final = Table(
    "registry_checks",
    METADATA,
    # The last checklist of a registry; earlier ones are in the audit log by their outcome.
    Column("registry", Name, primary_key=True),
    Column("outcome", Name, nullable=False),
    Column("checks", Json, nullable=False),
    Column("ms", Number, nullable=False),
    Column("checked_at", Moment, nullable=False),
)

RATE_LIMITS: Final = Table(
    "rate_limits",
    METADATA,
    Column("registry", Name, primary_key=True),
    # Whom the registry counts for: an address that leaves the network, or an account.
    Column("source", Name, primary_key=True),
    Column("at", Moment, primary_key=True),
    Column("limit", Number, nullable=False),
    Column("remaining", Number, nullable=False),
    Column("window_s", Number, nullable=False),
)

EGRESS_EXPORTS: Final = Table(
    "egress_exports",
    METADATA,
    # What was last handed over to whoever keeps the firewall of an environment: [[host, port], ...].
    Column("environment", Name, primary_key=True),
    Column("rules", Json, nullable=False),
    Column("exported_by", Name, nullable=False),
    Column("exported_at", Moment, nullable=False),
)

STAGE_WATCHES: Final = Table(
    "stage_watches",
    METADATA,
    # core.stages, Watch: what is remembered of one policy in one environment, for as long as the policy is not off.
    Column("policy", Name, primary_key=True),
    Column("environment", Name, primary_key=True),
    # The digest of what the policy judges by. Another text begins anew.
    Column("text", Name, nullable=False),
    # Empty while there is a gap.
    Column("since", Moment),
    # In steps of some minutes, without a revision.
    Column("looked_at", Moment, nullable=False),
    Column("data_at", Moment),
    Column("violations", Number, nullable=False),
    Column("violation_at", Moment),
)

STAGE_DAYS: Final = Table(
    "stage_days",
    METADATA,
    # core.burn_down, Day: what each day has seen of one policy in one environment, for half a year.
    Column("policy", Name, primary_key=True),
    Column("environment", Name, primary_key=True),
    # 2026-11-28, in UTC.
    Column("day", Name, primary_key=True),
    Column("stage", Name, nullable=False),
    Column("version", Number, nullable=False),
    Column("text", Name, nullable=False),
    Column("violations", Number, nullable=False),
    Column("most", Number, nullable=False),
    # 1: all that runs and could run was known at each look.
    Column("known", Number, nullable=False),
)
