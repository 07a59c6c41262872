"""Documents as files, the API and the console know them, into core values.

`reading` puts the parts together: `models` and `tenancy` (shapes), `problems` (errors as a person reads them) and
`secrets`. This is the only package that imports pydantic; programs import it when they read a document, not before.
"""

from portreeve.wire.documents.models import JUDGING
from portreeve.wire.documents.reading import (
    MODELS,
    Read,
    Source,
    Value,
    read_document,
    read_documents,
    read_policy_tests,
)

__all__ = [
    "JUDGING",
    "MODELS",
    "Read",
    "Source",
    "Value",
    "read_document",
    "read_documents",
    "read_policy_tests",
]
