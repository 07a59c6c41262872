from __future__ import annotations

from portreeve.providers import proget
from portreeve.providers.contract import Place
from tests.providers.contract_suite import ProviderContract, stored


class TestProGet(ProviderContract):
    provider = proget.PROVIDER
    place = Place("proget.example.com", "shop")
    claimed = ("proget.example.com",)
    credentials = {"api-key": stored("api-key"), "basic": stored("basic", username="robot")}

    def test_an_api_key_pulls_as_the_user_api(self) -> None:
        login = self.provider.login(self.place, stored("api-key"))
        assert login is not None
        assert login.username == "api"
