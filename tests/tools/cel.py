"""What a Kubernetes 1.30 API server, the oldest we support, makes of a ValidatingAdmissionPolicy.

    checker = CelChecker(find_program(CEL, default_cache()).path)
    assert checker.compile(policy) == []
    with checker.evaluator(policy) as evaluator:
        review = evaluator.review(pod, namespace="payments")

The compiler and the evaluator are those of that release (k8s.io/apiserver, pinned in cel/go.mod).

Leaves out: matchConstraints and bindings. A request is taken to match; a refusal is what a binding with the action
Deny would refuse.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tests.tools.process import LineProcess

Object = Mapping[str, Any]

DEVELOPER: Mapping[str, Any] = {"username": "developer", "groups": ["system:authenticated"]}


@dataclass(frozen=True)
class Decision:
    """What one validation came to; or the whole policy, when it failed as a whole.

    Args:
        action: admit or deny; after an error the policy's failurePolicy has decided.
        evaluation: admit or error; empty for a plain refusal, as upstream leaves it.
    """

    action: str
    evaluation: str
    message: str
    reason: str


@dataclass(frozen=True)
class Review:
    """What the policy made of one request.

    Args:
        allowed: no decision denies, and no audit annotation failed.
        matched: the match conditions let the request through to the validations; false also when one failed.
        message: of the first refusal; empty if allowed.
        audit: annotation key → value, without the policy's name before the key.
        error: what could not be evaluated, even where failurePolicy Ignore allows it; empty if all could.
        cost: CEL cost units that were spent; -1 if a budget ran out.
        costs: the same by group: matchConditions, validations, messageExpressions, auditAnnotations.
        decisions: one per validation.
    """

    allowed: bool
    matched: bool
    message: str
    audit: Mapping[str, str]
    error: str
    cost: int
    costs: Mapping[str, int]
    decisions: tuple[Decision, ...]


class CelChecker:
    """The program. It starts with the first question; each evaluator has a process of its own."""

    def __init__(self, program: Path) -> None:
        self._command = [str(program), "serve"]
        self._compiling: LineProcess | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        if self._compiling is not None:
            self._compiling.close()
            self._compiling = None

    def compile(self, policy: Object) -> list[str]:
        """Why the server would not store the policy: "field (name): what the compiler says". Empty if it would."""
        self._compiling = self._compiling or LineProcess(self._command)
        return _load(self._compiling, policy)

    def evaluator(self, policy: Object) -> CelEvaluator:
        """An evaluator of the policy, to be used in a `with` statement.

        It is given even if some expression does not compile: the server, too, may hold such a policy, and fails it.
        """
        return CelEvaluator(self._command, policy)


class CelEvaluator:
    """A loaded policy. Not for several threads at once."""

    def __init__(self, command: list[str], policy: Object) -> None:
        self._process = LineProcess(command)
        self.compile_errors = _load(self._process, policy)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        self._process.close()

    def review(
        self,
        obj: Object | None,
        old_object: Object | None = None,
        *,
        operation: str = "CREATE",
        namespace: str = "default",
        namespace_labels: Mapping[str, str] | None = None,
        subresource: str | None = None,
        resource: Mapping[str, str] | None = None,
        user: Mapping[str, Any] = DEVELOPER,
        dry_run: bool = False,
        typed: bool = False,
    ) -> Review:
        """Ask the policy about one request.

        Args:
            resource: group, version, resource; guessed from the object's kind if not given.
            user: username, uid, groups, extra.
            typed: pass the objects through the Go types of 1.30 first, as the server does. Fields that it does not
                know, such as image volumes, are lost then; so without, a later server is anticipated.
        Raises:
            ValueError: the request could not be put to the policy.
        """
        named = obj or old_object or {}
        question = {
            "object": obj,
            "oldObject": old_object,
            "typed": typed,
            "operation": operation,
            "namespace": namespace,
            "namespaceLabels": namespace_labels or {},
            "name": named.get("metadata", {}).get("name", ""),
            "resource": resource,
            "subresource": subresource or "",
            "dryRun": dry_run,
            "user": user,
        }
        return _review(_ask(self._process, {"review": question}))


def _ask(process: LineProcess, question: Object) -> Any:
    answer = json.loads(process.ask(json.dumps(question).encode()))
    if "failure" in answer:
        raise ValueError(answer["failure"])
    return answer


def _load(process: LineProcess, policy: Object) -> list[str]:
    errors = _ask(process, {"policy": policy})["errors"]
    return [f"{each['field']}{f' ({name})' if (name := each.get('name')) else ''}: {each['detail']}" for each in errors]


def _review(answer: Any) -> Review:
    decisions = tuple(Decision(**each) for each in answer["decisions"])
    refusals = [each.message for each in decisions if each.action == "deny"] + answer["auditErrors"]
    failures = [each.message for each in decisions if each.evaluation == "error"] + answer["auditErrors"]
    costs: dict[str, int] = answer["cost"]
    return Review(
        allowed=not refusals,
        matched=answer["matched"],
        message=refusals[0] if refusals else "",
        audit=answer["audit"],
        error="; ".join(failures),
        cost=-1 if -1 in costs.values() else sum(costs.values()),
        costs=costs,
        decisions=decisions,
    )
