from __future__ import annotations

from portreeve.providers import nexus
from portreeve.providers.contract import Place
from tests.providers.contract_suite import ProviderContract, stored


class TestNexus(ProviderContract):
    provider = nexus.PROVIDER
    place = Place("nexus.example.com", "shop")
    claimed = ("nexus.example.com",)
    credentials = {"user-token": stored("user-token", username="code"), "basic": stored("basic", username="robot")}
