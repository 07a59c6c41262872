from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from portreeve.core.cluster import LabelSelector, NamespaceSelection, Operator, Requirement
from portreeve.core.fixtures import PolicyCase, PolicyTest
from portreeve.core.policy import (
    Access,
    AllowedSource,
    Delivery,
    DeliveryMode,
    Exemption,
    ExemptionState,
    PolicyType,
    Registry,
    RegistryPolicy,
    ServiceAccountSelection,
    Stage,
)
from portreeve.core.reference import SourcePrefix
from portreeve.core.verdict import Decision
from portreeve.errors import Invalid, Problem
from portreeve.wire.documents import read_document, read_documents, read_policy_tests


class Scalar(str):
    """A text as a reader may give it: with something of its own."""

    __slots__ = ("line",)


def policy(**spec: object) -> dict[str, Any]:
    return {
        "apiVersion": "portreeve.io/v1",
        "kind": "RegistryPolicy",
        "metadata": {"name": "prod-sources"},
        "spec": spec,
    }


def sources(*entries: object, **restrict: object) -> dict[str, Any]:
    return policy(restrict={"allowedSources": list(entries), **restrict})


def registry(**spec: object) -> dict[str, Any]:
    return {
        "apiVersion": "portreeve.io/v1",
        "kind": "Registry",
        "metadata": {"name": "harbor-prod"},
        "spec": {"provider": "harbor", "host": "harbor.example.com", **spec},
    }


def exemption(*, status: object = None, **spec: object) -> dict[str, Any]:
    return {
        "apiVersion": "portreeve.io/v1",
        "kind": "Exemption",
        "metadata": {"name": "redis-until-june"},
        "spec": {
            "policy": "prod-sources",
            "scope": {"image": "public.ecr.aws/docker/library/redis"},
            "reason": "mirror not ready",
            "owner": "cache-team",
            "expiresAt": "2027-01-01T00:00:00Z",
            **spec,
        },
        "status": status,
    }


def problems(*documents: Any) -> tuple[Problem, ...]:
    with pytest.raises(Invalid) as caught:
        read_documents([(document, "p.yaml", 1 + 10 * i) for i, document in enumerate(documents)])
    assert caught.value.code == "documents_invalid"
    return caught.value.problems


def only(*documents: Any) -> Problem:
    (problem,) = problems(*documents)
    return problem


def read_policy(document: dict[str, Any]) -> RegistryPolicy:
    (value,) = read_documents([(document, "p.yaml", 1)]).policies
    return value


FULL = policy(
    type="kubernetes",
    groups=["production"],
    access=[
        {
            "registry": "harbor-prod",
            "namespaces": {
                "names": ["shop"],
                "selector": {
                    "matchLabels": {"team": "shop"},
                    "matchExpressions": [{"key": "tier", "operator": "In", "values": ["a", "b"]}],
                },
            },
            "delivery": {"mode": "lease", "serviceAccounts": {"names": ["builder"]}},
        }
    ],
    restrict={
        "stage": "deny",
        "includeGrantedRegistries": "false",
        "allowedSources": [
            {"prefix": "harbor.example.com/shop", "scope": "Global", "note": "own images"},
            {"prefix": "quay.io/cni/agent", "scope": {"namespaces": ["kube-system"]}},
        ],
    },
    allowOverride="true",
)


def test_a_policy_is_read_with_every_field() -> None:
    assert read_policy(FULL) == RegistryPolicy(
        name="prod-sources",
        type=PolicyType.KUBERNETES,
        groups=("production",),
        access=(
            Access(
                "harbor-prod",
                NamespaceSelection(
                    ("shop",),
                    LabelSelector((("team", "shop"),), (Requirement("tier", Operator.IN, ("a", "b")),)),
                ),
                Delivery(DeliveryMode.LEASE, ServiceAccountSelection(("builder",))),
                "spec.access[0]",
            ),
        ),
        stage=Stage.DENY,
        include_granted_registries=False,
        sources=(
            AllowedSource(
                SourcePrefix("harbor.example.com", "shop"),
                None,
                "own images",
                "spec.restrict.allowedSources[0]",
                owner="prod-sources",
            ),
            AllowedSource(
                SourcePrefix("quay.io", "cni/agent"),
                ("kube-system",),
                "",
                "spec.restrict.allowedSources[1]",
                owner="prod-sources",
            ),
        ),
        allow_override=True,
    )


def test_what_is_not_written_has_the_defaults_of_the_core_value() -> None:
    assert read_policy(policy()) == RegistryPolicy("prod-sources")


def as_scalars(value: Any) -> Any:
    if isinstance(value, dict):
        return {Scalar(k): as_scalars(v) for k, v in value.items()}
    if isinstance(value, list):
        return [as_scalars(item) for item in value]
    return Scalar(value)


def test_scalars_of_a_text_subclass_are_read_and_left_behind() -> None:
    value = read_policy(as_scalars(FULL))
    assert value == read_policy(FULL)
    assert type(value.name) is str
    assert type(value.sources[0].note) is str


@pytest.mark.parametrize("written", [True, "true", "True", "TRUE"])
def test_booleans_come_as_text_or_as_booleans(written: object) -> None:
    assert read_policy(policy(allowOverride=written)).allow_override is True


@pytest.mark.parametrize("written", ["yes", "on", "1", 1, "maybe", []])
def test_what_yaml_1_2_does_not_call_a_boolean_is_refused(written: object) -> None:
    assert only(policy(allowOverride=written)) == Problem(
        "field_type", "must be true or false", "spec.allowOverride", ""
    )


@pytest.mark.parametrize("null", [None, "", "~", "null"])
def test_nulls_count_as_absent_also_as_text(null: object) -> None:
    written = policy(groups=null, access=null, restrict={"stage": null, "allowedSources": null}, allowOverride=null)
    assert read_policy(written) == RegistryPolicy("prod-sources")


def test_an_empty_label_value_still_narrows_a_selector() -> None:
    access = {"registry": "a", "namespaces": {"selector": {"matchLabels": {"team": ""}}}}
    assert read_policy(policy(access=[access])).access[0].namespaces.selector == LabelSelector((("team", ""),))


def test_a_null_selector_does_not_select_everything() -> None:
    assert only(policy(access=[{"registry": "a", "namespaces": {"selector": "null"}}])).code == "namespaces_missing"


def test_a_null_scope_is_not_global() -> None:
    assert only(sources({"prefix": "a.example", "scope": "null"})).code == "field_missing"


# name of the test, document, the one problem's code, field, and a part of its hint
ONE_PROBLEM: list[tuple[str, dict[str, Any], str, str, str]] = [
    ("misspelled", policy(restrict={"alowedSources": []}), "field_unknown", "spec.restrict.alowedSources",
     "did you mean allowedSources?"),
    ("wrong case", policy(restrict={"allowedsources": []}), "field_unknown", "spec.restrict.allowedsources",
     "did you mean allowedSources?"),
    ("wrong level", policy(allowedSources=[]), "field_unknown", "spec.allowedSources",
     "it belongs at spec.restrict.allowedSources"),
    ("nothing near", policy(restrict={"zzz": 1}), "field_unknown", "spec.restrict.zzz", "known here: stage"),
    ("stage", policy(restrict={"stage": "enforce"}), "field_value", "spec.restrict.stage",
     "'off', 'audit', 'warn' or 'deny'"),
    ("stage in capitals", policy(restrict={"stage": "Deny"}), "field_value", "spec.restrict.stage", "'deny'"),
    ("type", policy(type="swarm"), "field_value", "spec.type", "'kubernetes' or 'docker'"),
    ("no host", sources({"prefix": "nginx", "scope": "Global"}), "prefix_without_host",
     "spec.restrict.allowedSources[0].prefix", "write docker.io/library/nginx"),
    ("scheme", sources({"prefix": "https://a.example/b", "scope": "Global"}), "prefix_scheme",
     "spec.restrict.allowedSources[0].prefix", "write a.example/b"),
    ("tag", sources({"prefix": "a.example/b:1", "scope": "Global"}), "prefix_tag",
     "spec.restrict.allowedSources[0].prefix", "write a.example/b"),
    ("prefix is a number", sources({"prefix": 3, "scope": "Global"}), "field_type",
     "spec.restrict.allowedSources[0].prefix", "host/path"),
    ("no scope", sources({"prefix": "a.example"}), "field_missing", "spec.restrict.allowedSources[0].scope",
     "scope: Global"),
    ("scope in small letters", sources({"prefix": "a.example", "scope": "global"}), "field_value",
     "spec.restrict.allowedSources[0].scope", "scope: Global"),
    ("scope is a list", sources({"prefix": "a.example", "scope": ["shop"]}), "field_value",
     "spec.restrict.allowedSources[0].scope", "{namespaces: […]}"),
    ("scope without names", sources({"prefix": "a.example", "scope": {"namespaces": []}}), "scope_empty",
     "spec.restrict.allowedSources[0].scope.namespaces", "scope: Global"),
    ("scope misspelled", sources({"prefix": "a.example", "scope": {"namespace": ["a"], "namespaces": ["a"]}}),
     "field_unknown", "spec.restrict.allowedSources[0].scope.namespace", "did you mean namespaces?"),
    ("source is text", sources("a.example"), "field_type", "spec.restrict.allowedSources[0]", ""),
    ("sources are a mapping", policy(restrict={"allowedSources": {"prefix": "a.example"}}), "field_type",
     "spec.restrict.allowedSources", ""),
    ("groups are text", policy(groups="production"), "field_type", "spec.groups", ""),
    ("group", policy(groups=["Prod"]), "name", "spec.groups[0]", "DNS label"),
    ("neither names nor selector", policy(access=[{"registry": "a", "namespaces": {}}]), "namespaces_missing",
     "spec.access[0].namespaces", "selector: {}"),
    ("no namespaces at all", policy(access=[{"registry": "a"}]), "namespaces_missing", "spec.access[0].namespaces",
     "selector: {}"),
    ("operator without values", policy(access=[{"registry": "a", "namespaces": {
        "selector": {"matchExpressions": [{"key": "k", "operator": "In"}]}}}]), "selector_values",
     "spec.access[0].namespaces.selector.matchExpressions[0]", ""),
    ("service accounts", policy(access=[{"registry": "a", "namespaces": {"selector": {}},
                                         "delivery": {"serviceAccounts": "some"}}]),
     "field_value", "spec.access[0].delivery.serviceAccounts", "default, all, none"),
    ("two of the same",
     sources({"prefix": "a.example", "scope": "Global"}, {"prefix": "A.example/", "scope": "Global"}),
     "source_twice", "spec.restrict.allowedSources[1]", ""),
    ("no version", {**policy(), "apiVersion": None}, "api_version", "apiVersion", "write portreeve.io/v1"),
    ("other version", {**policy(), "apiVersion": "portreeve.io/v2"}, "api_version", "apiVersion",
     "write portreeve.io/v1"),
    ("name", {**policy(), "metadata": {"name": "Prod_1"}}, "name", "metadata.name", "lower-case"),
    ("no name", {**policy(), "metadata": {}}, "field_missing", "metadata.name", ""),
    ("name is a number", {**policy(), "metadata": {"name": 7}}, "field_type", "metadata.name", "quotes"),
    ("generation", {**policy(), "metadata": {"name": "a", "annotations": {"portreeve.io/generation": "x"}}},
     "generation", "metadata.annotations.portreeve.io/generation", ""),
    ("provider", registry(provider="Docker Hub"), "provider_name", "spec.provider", "as harbor"),
    ("realm without TLS", registry(tokenRealm="http://auth.example.com/token"), "token_realm", "spec.tokenRealm",
     "https://host/path"),
    ("realm with a query", registry(tokenRealm="https://auth.example.com/token?service=a"), "token_realm",
     "spec.tokenRealm", "query"),
    ("realm with a user", registry(tokenRealm="https://robot:x@auth.example.com/token"), "token_realm",
     "spec.tokenRealm", "user information"),
    ("registry with a path in host", registry(host="h.example.com/shop"), "registry_host", "spec.host", "spec.path"),
    ("registry with a wildcard", registry(host="*.example.com"), "registry_wildcard", "spec.host", "each host"),
    ("registry without a host", registry(host="harbor"), "prefix_without_host", "spec.host", ""),
    ("registry path", registry(path="Shop"), "prefix_path", "spec.path", "shop"),
    ("two credentials", registry(credentials=[{"purpose": "pull", "method": "basic"}] * 2), "credential_twice",
     "spec.credentials[1].purpose", ""),
    ("two sources of a secret", registry(credentials=[
        {"purpose": "pull", "method": "basic", "credentialFrom": {"env": "A", "stdin": True}}]), "credential_from",
     "spec.credentials[0].credentialFrom", "env, file, stdin or helper"),
    ("no expiry", exemption(expiresAt=None), "field_missing", "spec.expiresAt", ""),
    ("digest", exemption(scope={"image": "sha256:abc"}), "digest", "spec.scope.image", ""),
    ("exempted prefix", exemption(scope={"image": "redis"}), "prefix_without_host", "spec.scope.image", "docker.io"),
    ("exempted namespace", exemption(scope={"image": "a.example", "namespaces": ["*"]}), "name",
     "spec.scope.namespaces[0]", "DNS label"),
    ("exempting policy", exemption(policy="Prod"), "name", "spec.policy", "DNS label"),
    ("state", exemption(status={"state": "ok"}), "field_value", "status.state", "'requested'"),
]  # fmt: skip


@pytest.mark.parametrize(("document", "code", "field", "hint"), [case[1:] for case in ONE_PROBLEM],
                         ids=[case[0] for case in ONE_PROBLEM])  # fmt: skip
def test_a_problem_has_code_path_and_hint(document: dict[str, Any], code: str, field: str, hint: str) -> None:
    problem = only(document)
    assert (problem.code, problem.field) == (code, field)
    assert hint in problem.hint
    assert bool(problem.hint) >= bool(hint)


@pytest.mark.parametrize(
    ("written", "what"),
    [
        ("2027-01-01", "not a time"),
        ("2027-01-01T00:00:00", "not a time"),
        ("2027-01-01 00:00:00Z", "not a time"),
        ("2027-13-01T00:00:00Z", "not a time that exists"),
        ("2027-01-01T00:00:60Z", "not a time that exists"),
        ("2027-01-01T00:00:00.5Z", "not a time"),
        ("0001-01-01T00:00:00+05:00", "not a time that exists in UTC"),
        ("tomorrow", "not a time"),
        (3, "not a time"),
        (date(2027, 1, 1), "a date without a time"),
        (datetime(2027, 1, 1), "has no zone"),  # noqa: DTZ001 - a naive time is the case
    ],
)
def test_times_are_rfc_3339_in_utc(written: object, what: str) -> None:
    problem = only(exemption(expiresAt=written))
    assert (problem.code, problem.field) == ("time", "spec.expiresAt")
    assert what in problem.message
    assert "RFC 3339" in problem.hint


@pytest.mark.parametrize(
    "written",
    [
        "2027-01-01T00:00:00Z",
        "2027-01-01t00:00:00z",
        "2027-01-01T02:00:00+02:00",
        "2027-01-01T00:00:00.000Z",
        datetime(2027, 1, 1, tzinfo=UTC),
    ],
)
def test_one_moment_has_several_spellings(written: object) -> None:
    (value,) = read_documents([(exemption(expiresAt=written), "e.yaml", 1)]).exemptions
    assert value.expires_at == datetime(2027, 1, 1, tzinfo=UTC)
    assert value.expires_at.utcoffset() == datetime(2027, 1, 1, tzinfo=UTC).utcoffset()


def test_an_exemption_is_only_requested_unless_its_status_says_more() -> None:
    documents = read_documents([(exemption(), "e.yaml", 1)])
    assert documents.exemptions == (
        Exemption(
            "redis-until-june",
            "prod-sources",
            datetime(2027, 1, 1, tzinfo=UTC),
            SourcePrefix("public.ecr.aws", "docker/library/redis"),
            reason="mirror not ready",
            owner="cache-team",
        ),
    )
    approved = read_documents([(exemption(status={"state": "approved"}), "e.yaml", 1)]).exemptions[0]
    assert approved.state is ExemptionState.APPROVED


def test_the_image_of_an_exemption_is_a_digest_or_a_prefix() -> None:
    digest = "sha256:" + "0a" * 32
    (value,) = read_documents([(exemption(scope={"image": digest}), "e.yaml", 1)]).exemptions
    assert (value.digest, value.prefix) == (digest, None)


def test_a_registry_stands_for_its_host_and_path() -> None:
    document = registry(
        path="/shop/",
        tls={"caBundle": "-----BEGIN CERTIFICATE-----", "plainHTTP": "false"},
        title="Harbor, production",
        project="shop-team",
        credentials=[
            {
                "purpose": "pull",
                "method": "token",
                "parameters": {"username": "robot$portreeve", "accessKeyId": "AKIA", "tokenUrl": "https://a.example"},
                "expiresAt": "2027-02-01T00:00:00Z",
                "credentialFrom": {"env": "HARBOR_SECRET"},
            }
        ],
    )
    (value,) = read_documents([(document, "r.yaml", 1)]).registries
    assert value == Registry("harbor-prod", "harbor", SourcePrefix("harbor.example.com", "shop"), "shop-team")


@pytest.mark.parametrize(
    "realm",
    [
        "auth.example.com/token", "https://", "https:///token", "https://auth.example.com/token#x",
        "https://auth.example.com/a/../b", "https://auth.example.com/a b", "https://auth.example.com\\@evil.example/",
        "https://[::1]/token", "https://auth.example.com:x/token", "ftp://auth.example.com/", 7, ["https://a.example"],
        "https://auth.example.com/" + "a" * 600, "https://auth.example.com/token\n", "HTTPS://auth.example.com/",
    ],
)  # fmt: skip
def test_a_realm_that_could_lead_elsewhere_is_refused(realm: object) -> None:
    assert only(registry(tokenRealm=realm)).code == "token_realm"


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("https://auth.example.com/token", "https://auth.example.com/token"),
        ("https://Auth.Example.com:8443/v2/%7Etoken/", "https://auth.example.com:8443/v2/%7Etoken/"),
        ("https://auth.example.com", "https://auth.example.com"),
    ],
)
def test_a_realm_is_kept_in_the_canonical_spec_and_reads_as_the_same(written: str, kept: str) -> None:
    read = read_document(registry(tokenRealm=written))
    assert read.spec["tokenRealm"] == kept
    assert read_document({**registry(), "spec": dict(read.spec)}).spec == read.spec
    assert "tokenRealm" not in read_document(registry()).spec


SECRET = "hunter2-hunter2"


@pytest.mark.parametrize(
    ("field", "spec"),
    [
        *(
            (f"spec.credentials[0].{name}", {"credentials": [{"purpose": "pull", "method": "basic", name: SECRET}]})
            for name in ("password", "token", "secret", "auth", "api_key", "clientSecret", "privateKey", "Password")
        ),
        (
            "spec.credentials[0].parameters.secretAccessKey",
            {"credentials": [{"purpose": "pull", "method": "m", "parameters": {"secretAccessKey": SECRET}}]},
        ),
        (
            "spec.credentials[0].credentialFrom.token",
            {"credentials": [{"purpose": "pull", "method": "m", "credentialFrom": {"stdin": True, "token": SECRET}}]},
        ),
        ("spec.credentials.password", {"credentials": {"password": SECRET}}),
        ("spec.password", {"password": {"value": SECRET}}),
        ("spec.tls.caBundle", {"tls": {"caBundle": f"-----BEGIN PRIVATE KEY-----\n{SECRET}"}}),
    ],
)
def test_a_secret_in_a_registry_is_named_and_never_echoed(field: str, spec: dict[str, Any]) -> None:
    with pytest.raises(Invalid) as caught:
        read_documents([(registry(**spec), "r.yaml", 1)])
    assert ("secret_in_document", field) in {(p.code, p.field) for p in caught.value.problems}
    assert SECRET not in caught.value.diagnostics()


@pytest.mark.parametrize(
    "spec",
    [
        {"host": f"https://robot:{SECRET}@harbor.example.com"},
        {"host": f"robot:{SECRET}@harbor.example.com"},
        {"tokenRealm": f"https://robot:{SECRET}@auth.example.com/"},
        {"tokenRealm": f"https://auth.example.com/?password={SECRET}"},
        {"credentials": [{"purpose": SECRET, "method": "basic"}]},
        {"credentials": [{"purpose": "pull", "method": "basic", "credentialFrom": {"env": SECRET}}]},
        {"credentials": [{"purpose": "pull", "method": "basic", "expiresAt": SECRET}]},
        {"credentials": [SECRET]},
        {"credentials": SECRET},
        {"provider": SECRET.upper()},
    ],
)
def test_no_value_of_a_registry_is_echoed(spec: dict[str, Any]) -> None:
    with pytest.raises(Invalid) as caught:
        read_documents([(registry(**spec), "r.yaml", 1)])
    assert SECRET not in caught.value.diagnostics()


def test_user_information_in_a_source_is_not_echoed() -> None:
    problem = only(sources({"prefix": f"https://me:{SECRET}@a.example/b", "scope": "Global"}))
    assert problem.code == "prefix_scheme"
    assert SECRET not in str(problem)


def test_every_problem_of_every_document_is_collected() -> None:
    found = problems(
        {
            **sources(
                {"prefix": "nginx", "scope": "Global"},
                {"prefix": "a.example", "scope": {"namespaces": ["Bad"]}},
                {"prefix": "b.example", "scope": "Global"},
                {"prefix": "b.example", "scope": "Global"},
                stage="enforce",
            ),
            "apiVersion": "v1",
        },
        exemption(expiresAt="soon"),
        {"apiVersion": "portreeve.io/v1", "kind": "RegistryPolicies"},
    )
    assert [(p.code, p.field) for p in found] == [
        ("api_version", "p.yaml:1 RegistryPolicy/prod-sources: apiVersion"),
        ("field_value", "p.yaml:1 RegistryPolicy/prod-sources: spec.restrict.stage"),
        ("prefix_without_host", "p.yaml:1 RegistryPolicy/prod-sources: spec.restrict.allowedSources[0].prefix"),
        ("namespace", "p.yaml:1 RegistryPolicy/prod-sources: spec.restrict.allowedSources[1].scope.namespaces[0]"),
        ("source_twice", "p.yaml:1 RegistryPolicy/prod-sources: spec.restrict.allowedSources[3]"),
        ("time", "p.yaml:11 Exemption/redis-until-june: spec.expiresAt"),
        ("kind", "p.yaml:21 RegistryPolicies/?: kind"),
    ]


def test_a_name_stands_once_per_kind() -> None:
    problem = only(policy(), registry(), policy())
    assert problem.code == "name_twice"
    assert problem.field == "p.yaml:21 RegistryPolicy/prod-sources: metadata.name"
    assert "p.yaml:1" in problem.message


def test_twins_are_found_also_where_no_line_tells_them_apart() -> None:
    with pytest.raises(Invalid) as caught:
        read_documents([(policy(), "-", 1), (policy(), "-", 1)])
    assert [problem.code for problem in caught.value.problems] == ["name_twice"]


def test_the_same_name_may_stand_for_several_kinds() -> None:
    documents = read_documents(
        [({**kind, "metadata": {"name": "same"}}, "a.yaml", i) for i, kind in enumerate((policy(), registry()))]
    )
    assert (len(documents.policies), len(documents.registries)) == (1, 1)


@pytest.mark.parametrize("document", [[], "text", None, {}, {"kind": ["RegistryPolicy"]}, {"apiVersion": "v1"}])
def test_what_is_no_document_of_ours_is_refused(document: Any) -> None:
    assert {problem.code for problem in problems(document)} <= {"field_type", "api_version", "kind"}


def test_hostile_depth_is_refused() -> None:
    deep: dict[str, Any] = {}
    for _ in range(100):
        deep = {"spec": deep}
    assert only(deep).code == "too_deep"


def test_foreign_names_are_escaped_in_paths() -> None:
    problem = only(policy(**{"a\x1b[31m\n" + "x" * 1000: 1}))
    assert "\x1b" not in str(problem)
    assert "\n" not in str(problem)
    assert len(str(problem)) < 500


@pytest.mark.parametrize(
    ("document", "generation"),
    [
        (policy(), 1),
        ({**policy(), "metadata": {"name": "a", "annotations": {"portreeve.io/generation": "7"}}}, 7),
        ({**policy(), "status": {"observedGeneration": 9}}, 9),
        ({**policy(), "status": {"observedGeneration": "9"}}, 9),
        ({**policy(), "metadata": {"name": "a", "annotations": {"portreeve.io/generation": "7"}},
          "status": {"observedGeneration": 9}}, 9),
    ],
)  # fmt: skip
def test_a_policy_in_a_file_is_the_first_revision_unless_it_says_otherwise(
    document: dict[str, Any], generation: int
) -> None:
    assert read_policy(document).generation == generation


def test_what_is_unwise_is_a_warning() -> None:
    documents = read_documents([(sources({"prefix": "docker.io", "scope": "Global"}), "p.yaml", 1)])
    warning = next(warning for warning in documents.warnings if warning.code != "stage_off")
    assert (warning.code, warning.field) == ("public_source", "spec.restrict.allowedSources[0].prefix")


def test_service_accounts_are_selected_by_label() -> None:
    access = {"registry": "a", "namespaces": {"selector": {}}, "delivery": {"serviceAccounts": {"selector": {}}}}
    delivery = read_policy(policy(access=[access])).access[0].delivery
    assert delivery.service_accounts == ServiceAccountSelection((), LabelSelector())


def test_sources_without_a_stage_are_warned_of() -> None:
    unstaged = policy(restrict={"allowedSources": [{"prefix": "ghcr.io/acme", "scope": "Global"}]})
    (warning,) = read_documents([(unstaged, "p.yaml", 1)]).warnings
    assert (warning.code, warning.field) == ("stage_off", "spec.restrict.stage")


TEST = {
    "kind": "PolicyTest",
    "metadata": {"name": "prod-sources"},
    "spec": {
        "policies": ["prod-sources.yaml"],
        "cases": [
            {"image": "nginx", "namespace": "shop", "verdict": "DENY", "canonical": "docker.io/library/nginx:latest"},
            {"image": "harbor.example.com/shop/api:1.4", "verdict": "ALLOW"},
        ],
    },
}


def test_a_policy_test_is_read() -> None:
    assert read_policy_tests([(policy(), "p.yaml", 1), (TEST, "t.yaml", 1)]) == (
        PolicyTest(
            "prod-sources",
            ("prod-sources.yaml",),
            (
                PolicyCase("nginx", Decision.DENY, "shop", "docker.io/library/nginx:latest", "spec.cases[0]"),
                PolicyCase("harbor.example.com/shop/api:1.4", Decision.ALLOW, "default", None, "spec.cases[1]"),
            ),
            "t.yaml",
        ),
    )


def test_a_policy_test_without_cases_tests_nothing_and_is_refused() -> None:
    problem = only({**TEST, "spec": {"policies": ["a.yaml"], "cases": []}})
    assert (problem.code, problem.field) == ("field_empty", "spec.cases")
