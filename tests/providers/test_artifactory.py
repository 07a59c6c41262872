from __future__ import annotations

from portreeve.providers import artifactory
from portreeve.providers.contract import Place
from tests.providers.contract_suite import ProviderContract, stored


class TestArtifactory(ProviderContract):
    provider = artifactory.PROVIDER
    place = Place("acme.jfrog.io", "shop")
    claimed = (
        "acme.jfrog.io",
        "*.jfrog.io",
        "artifactory.example.com",
    )
    credentials = {"token": stored("token", username="robot"), "basic": stored("basic", username="robot")}

    def test_its_token_services_are_on_its_own_host(self) -> None:
        assert all(realm.startswith("https://acme.jfrog.io/") for realm in self.provider.realms(self.place))
        assert "https://acme.jfrog.io/artifactory/api/docker/shop/v2/token" in self.provider.realms(self.place)
