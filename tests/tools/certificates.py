"""The certificate authority of one test cluster or server; see `portreeve.vault.local_authority`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from portreeve.vault.local_authority import LocalAuthority, service_account_keys

__all__ = ["CertificateAuthority", "service_account_keys"]

LIFE = timedelta(days=2)
"""Longer than any test run; short, because nobody revokes it."""


class CertificateAuthority(LocalAuthority):
    """One that begins now."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, name="portreeve test authority", now=datetime.now(UTC), life=LIFE)
