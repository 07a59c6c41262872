"""Where the hostile registry wants a credential sent, and whom else it would have us ask."""

from __future__ import annotations

from tests.fakes.hostile.answers import bearing
from tests.fakes.hostile.asks import manifest
from tests.fakes.hostile.registry import Behaviour

REALMS_WITH_CREDENTIAL = {
    "https://elsewhere.example.com:{elsewhere}/token": "realm_not_pinned",
    "https://registry.example.com:{other_port}/token": "realm_not_pinned",
    "http://registry.example.com:{registry}/token": "url_refused",
    "http://auth.example.com:{elsewhere}/token": "url_refused",
    "https://registry.example.com.elsewhere.example.com:{elsewhere}/token": "realm_not_pinned",
    "https://registry.example.com@elsewhere.example.com:{elsewhere}/token": "url_refused",
    "https://registry.example.com:{registry}@elsewhere.example.com:{elsewhere}/token": "url_refused",
    "https://portreeve:x@registry.example.com:{registry}/token": "url_refused",
    "https://elsewhere.example.com:{elsewhere}/token#registry.example.com": "url_refused",
    "https://auth.example.com:{elsewhere}/token#": "url_refused",
    "https://auth.example.com:{elsewhere}/token?to=elsewhere": "url_refused",
    "https://auth.example.com:{elsewhere}/token?": "url_refused",
    "https://auth.example.com:{elsewhere}/token/../steal": "realm_not_pinned",
    "https://auth.example.com:{elsewhere}/steal": "realm_not_pinned",
    "https://auth.example.com:{elsewhere}/token/": "realm_not_pinned",
    "https://auth.example.com:{elsewhere}//token": "realm_not_pinned",
    "https://auth.example.com:{elsewhere}/TOKEN": "realm_not_pinned",
    "https://auth.example.com:{elsewhere}/%74oken": "realm_not_pinned",
    "https://auth.example.com:{elsewhere}/token;x": "realm_not_pinned",
    "https://auth.example.com.:{elsewhere}/token": "realm_not_pinned",
    "https://auth.example.com/token": "realm_not_pinned",
    "https://127.0.0.2:{elsewhere}/token": "realm_not_pinned",
    "https://127.0.0.1:{registry}/token": "realm_not_pinned",
    "https://elsewhere.example.com:{elsewhere}\\\\@auth.example.com/token": "url_refused",
    "//elsewhere.example.com:{elsewhere}/token": "url_refused",
    "/token": "url_refused",
    "token": "url_refused",
    "file:///etc/passwd": "url_refused",
    "gopher://127.0.0.3:{forbidden}/x": "url_refused",
    "ftp://elsewhere.example.com/token": "url_refused",
    "unix:///var/run/docker.sock": "url_refused",
    "javascript:alert(1)": "url_refused",
    "data:application/json,{}": "url_refused",
    "https://": "url_refused",
    "https:///token": "url_refused",
    "https://[::1/token": "url_refused",
    "https://elsewhere.example.com:99999/token": "url_refused",
    "https://elsewhere.example.com:0/token": "url_refused",
    "https://elsewhere.example.com /token": "url_refused",
    "https://elsewhere.example.com\t/token": "url_refused",
    "https://\xe9lsewhere.example.com/token": "url_refused",
}
"""Realm → code; the credential must not reach it."""

REALMS_WITHOUT_CREDENTIAL = {
    "https://elsewhere.example.com:{elsewhere}/token": "",
    "https://rebind.example.com:{elsewhere}/token": "",
    "http://elsewhere.example.com:{plain_elsewhere}/token": "url_refused",
    "https://forbidden.example.com:{forbidden}/token": "address_refused",
    "https://localhost:{forbidden}/token": "address_refused",
    "https://127.0.0.3:{forbidden}/token": "address_refused",
    "https://127.3:{forbidden}/token": "address_refused",
    "https://0x7f000003:{forbidden}/token": "address_refused",
    "https://0177.0.0.3:{forbidden}/token": "address_refused",
    "https://2130706435:{forbidden}/token": "address_refused",
    "https://[::ffff:127.0.0.3]:{forbidden}/token": "address_refused",
    "https://[::ffff:7f00:3]:{forbidden}/token": "address_refused",
    "https://[::127.0.0.3]:{forbidden}/token": "address_refused",
    "https://[::1]:{forbidden}/token": "address_refused",
    "https://[::]:{forbidden}/token": "address_refused",
    "https://0.0.0.0:{forbidden}/token": "address_refused",
    "https://0:{forbidden}/token": "address_refused",
    "https://169.254.169.254/latest/meta-data": "address_refused",
    "https://169.254.169.254./latest/meta-data": "address_refused",
    "https://[::ffff:169.254.169.254]/latest/meta-data": "address_refused",
    "https://[::ffff:a9fe:a9fe]/latest/meta-data": "address_refused",
    "https://0xa9fea9fe/latest/meta-data": "address_refused",
    "https://2852039166/latest/meta-data": "address_refused",
    "https://0251.0376.0251.0376/latest/meta-data": "address_refused",
    "https://169.254.43518/latest/meta-data": "address_refused",
    "https://[64:ff9b::a9fe:a9fe]/latest/meta-data": "address_refused",
    "https://[2002:a9fe:a9fe::1]/latest/meta-data": "address_refused",
    "https://[fe80::5efe:a9fe:a9fe]/latest/meta-data": "address_refused",
    "https://[fd00:ec2::254]/latest/meta-data": "address_refused",
    "https://[fe80::1]/token": "address_refused",
    "https://[fe80::1%25lo]/token": "address_refused",
    "https://100.100.100.200/latest/meta-data": "address_refused",
    "https://168.63.129.16/machine": "address_refused",
    "https://metadata.example.com/token": "address_refused",
    "https://mapped.example.com/token": "address_refused",
    "https://mixed.example.com:{elsewhere}/token": "address_refused",
    "https://10.0.0.1/token": "address_refused",
    "https://192.168.1.1/token": "address_refused",
    "https://100.64.0.1/token": "address_refused",
    "https://[fd00::1]/token": "address_refused",
    "https://224.0.0.1/token": "address_refused",
    "https://255.255.255.255/token": "address_refused",
    "https://unknown.example.com/token": "name_unknown_host",
    "https://elsewhere.example.com:{closed}/token": "connection_refused",
    "https://elsewhere.example.com:{plain_elsewhere}/token": "tls_untrusted",
}
"""Realm → code for whoever has no credential: nothing to lose but the way into our network."""


def realms() -> list[Behaviour]:
    """One behaviour for each."""
    with_credential = [
        Behaviour(f"realm {realm}", manifest, code, bearing(realm), basic=False)
        for realm, code in REALMS_WITH_CREDENTIAL.items()
    ]
    without = [
        Behaviour(f"realm for anybody {realm}", manifest, code, bearing(realm), login=False)
        for realm, code in REALMS_WITHOUT_CREDENTIAL.items()
    ]
    return [*with_credential, *without]
