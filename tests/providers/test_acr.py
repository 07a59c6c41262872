from __future__ import annotations

from datetime import timedelta
from urllib.parse import urlsplit

import pytest

from portreeve.core.secret import SecretValue
from portreeve.errors import Denied
from portreeve.providers import acr
from portreeve.providers.contract import Place, Stored
from portreeve.transport.exchange import AsyncExchange
from tests.fakes.azure_fake import FakeAzure
from tests.fakes.network import Network, always, says
from tests.providers.contract_suite import CANARY, NOW, ProviderContract, outside, stored

APP = "11111111-2222-3333-4444-555555555555"
EXCHANGED = stored("azure-token", appId=APP, tenant="acme.onmicrosoft.com")


class TestAcr(ProviderContract):
    provider = acr.PROVIDER
    place = Place("acme.azurecr.io", "base")
    claimed = ("acme.azurecr.io", "acme.westeurope.geo.azurecr.io", "acme.azurecr.cn", "*.azurecr.io")
    credentials = {
        "azure-service-principal": stored("azure-service-principal", appId=APP, tenant="acme.onmicrosoft.com"),
        "azure-token": EXCHANGED,
        "token": stored("token", username="pull-shop"),
        "admin": stored("admin", username="acmeregistry"),
    }

    def peer(self, life: timedelta) -> AsyncExchange:
        return FakeAzure(NOW, APP, CANARY, life=life)

    def test_a_principal_pulls_as_it_is_stored(self) -> None:
        login = self.provider.login(self.place, self.credentials["azure-service-principal"])
        assert login is not None
        assert (login.username, login.password.reveal().decode()) == (APP, CANARY)

    async def test_an_exchanged_token_pulls_as_nobody_and_ends_by_its_own_word(self) -> None:
        fake = FakeAzure(NOW, APP, CANARY, life=timedelta(minutes=75))
        minted = await self.provider.mint(self.place, EXCHANGED, outside(fake))
        assert minted.login.username == "00000000-0000-0000-0000-000000000000"
        assert minted.login.password.reveal().decode() == fake.refresh_token()
        assert minted.expires_at == NOW + timedelta(minutes=75)
        assert [urlsplit(request.url).netloc for request in fake.asked] == [
            "login.microsoftonline.com",
            "acme.azurecr.io",
        ]

    async def test_a_registry_in_china_signs_in_there(self) -> None:
        fake = FakeAzure(NOW, APP, CANARY, authority="login.partner.microsoftonline.cn")
        await self.provider.mint(Place("acme.azurecr.cn"), EXCHANGED, outside(fake))
        assert urlsplit(fake.asked[0].url).netloc == "login.partner.microsoftonline.cn"

    async def test_a_wrong_secret_is_denied_however_azure_says_it(self) -> None:
        wrong = Stored("azure-token", EXCHANGED.parameters, SecretValue("another-secret"))
        for status in (400, 401):
            network = Network({"*": always(says({"error": "invalid_client"}, status))})
            for exchange in (network, FakeAzure(NOW, APP, CANARY)):
                with pytest.raises(Denied) as caught:
                    await self.provider.mint(self.place, wrong, outside(exchange))
                assert caught.value.code == "mint_denied"

    async def test_a_tenant_cannot_lead_to_another_path(self) -> None:
        network = Network({"*": lambda _: says({}, 401)})
        for tenant in ("../../x", "a/b?c#d", ".."):
            evil = Stored("azure-token", {"appId": APP, "tenant": tenant}, EXCHANGED.secret)
            with pytest.raises(Denied):
                await self.provider.mint(self.place, evil, outside(network))
            url = urlsplit(network.asked[-1].url)
            assert url.path.count("/") == 4
            assert (url.query, url.fragment) == ("", "")

    def test_data_endpoints_are_no_registries(self) -> None:
        assert self.provider.claim("acme.westeurope.data.azurecr.io") is None
