from __future__ import annotations

from portreeve.providers import mcr
from portreeve.providers.contract import Place
from tests.providers.contract_suite import ProviderContract


class TestMcr(ProviderContract):
    provider = mcr.PROVIDER
    place = Place("mcr.microsoft.com", "shop")
    claimed = (
        "mcr.microsoft.com",
        "mcr.azure.cn",
    )
    credentials = {}

    def test_nobody_signs_in(self) -> None:
        (problem,) = self.provider.problems("basic", {"username": "u"})
        assert (problem.code, problem.field) == ("credential_method", "method")
        assert "anonymous" in problem.hint
