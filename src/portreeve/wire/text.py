"""Plain values as JSON or YAML text, keys in the order given."""

from __future__ import annotations

import json
from typing import Any


def as_json(value: Any) -> str:
    """JSON with a closing line break."""
    return f"{json.dumps(value, indent=2, ensure_ascii=False)}\n"


def as_yaml(*documents: Any) -> str:
    """YAML, one document per argument. The library is imported late: few answers are YAML, and start-up counts."""
    import yaml

    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    return str(
        yaml.dump_all(
            documents, Dumper=dumper, sort_keys=False, allow_unicode=True, width=120, default_flow_style=False
        )
    )
