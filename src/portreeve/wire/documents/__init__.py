"""Documents as files, the API and the console know them, into core values.

`reading` puts the parts together: `models` (shapes), `problems` (errors as a person reads them), `secrets`.
This is the only package that imports pydantic; programs import it when they read a document, not before.
"""

from portreeve.wire.documents.models import MODELS, PROVIDERS
from portreeve.wire.documents.reading import OTHER_KINDS, Source, read_documents, read_policy_tests

__all__ = ["MODELS", "OTHER_KINDS", "PROVIDERS", "Source", "read_documents", "read_policy_tests"]
