"""One installation for all tests of what the agent may do, and of what the policies beside it refuse."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.deploy.installed import Installed, installed
from tests.tools.charts import Charts
from tests.tools.cluster import Cluster


@pytest.fixture(scope="package")
def scene(kubernetes: Cluster, charts: Charts) -> Iterator[Installed]:
    """With everything that is optional, but for the wider roles."""
    with installed(
        kubernetes, charts, {"server": "https://portreeve.example.com", "attach": {"enabled": True}}
    ) as found:
        yield found
