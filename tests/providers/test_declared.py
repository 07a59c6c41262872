from __future__ import annotations

from typing import Any

import pytest

from portreeve.providers import every
from portreeve.providers.declared import can_end, problems

KEY = {"purpose": "pull", "method": "aws-key", "parameters": {"accessKeyId": "AKIAIOSFODNN7EXAMPLE"}}


@pytest.mark.parametrize(
    ("spec", "found"),
    [
        ({"provider": "ecr", "credentials": [KEY]}, []),
        ({"provider": "harbor"}, []),
        ({"provider": "harbr"}, [("provider_unknown", "spec.provider")]),
        ({"provider": "docker-hub", "host": "docker.io"}, []),
        ({"provider": "docker-hub", "host": "registry-1.docker.io"}, [("registry_host", "spec.host")]),
        ({"provider": "ecr", "credentials": [{"purpose": "pull", "method": "basic"}]},
         [("credential_method", "spec.credentials[0].method")]),
        ({"provider": "ecr", "credentials": [KEY, {"purpose": "management", "method": "aws-role", "parameters": {
            "accessKeyId": "akia", "roleArn": "arn:aws:iam::1:role/x", "tenant": "t"}}]},
         [("parameter_unknown", "spec.credentials[1].parameters.tenant"),
          ("parameter_form", "spec.credentials[1].parameters.accessKeyId"),
          ("parameter_form", "spec.credentials[1].parameters.roleArn")]),
        ({"provider": "generic", "credentials": [{"purpose": "pull", "method": "basic"}]},
         [("parameter_missing", "spec.credentials[0].parameters.username")]),
        ({"provider": "mcr", "credentials": [{"purpose": "pull", "method": "basic"}]},
         [("credential_method", "spec.credentials[0].method")]),
    ],
)  # fmt: skip
def test_each_problem_has_the_path_of_its_field(spec: dict[str, Any], found: list[tuple[str, str]]) -> None:
    assert [(one.code, one.field) for one in problems(spec)] == found


def test_an_unknown_provider_is_told_which_there_are() -> None:
    (problem,) = problems({"provider": "harbr"})
    assert "did you mean harbor?" in problem.hint
    assert all(name in problem.hint for name in every())


def test_whether_a_credential_can_end_hangs_on_its_method() -> None:
    ends = {name: {one.name: one.ends for one in provider.methods} for name, provider in every().items()}
    assert all(can_end(name, method) is value for name, methods in ends.items() for method, value in methods.items())
    assert not can_end("ecr", "aws-key")
    assert not can_end("quay", "robot")
    assert can_end("harbor", "robot")
    assert not can_end("harbor", "no-such-method")
    assert not can_end("no-such-provider", "basic")
