"""The verdict of a pull test, from what kubelets wrote."""

from __future__ import annotations

import pytest

from portreeve.core.pull_failure import Cause
from portreeve.core.pull_test import Observed, Outcome, Told, pod, steps, verdict
from tests.fakes import kubelet

IMAGE = "harbor.example.com/shop/api:1.4"
NAMES = {"image": IMAGE, "host": "harbor.example.com", "path": "shop/api", "secret": "robot"}
DIGEST = f"sha256:{'a1' * 32}"
SCHEDULED = Told("Scheduled", f"Successfully assigned shop/{IMAGE} to worker-1")
PULLING = Told("Pulling", f'Pulling image "{IMAGE}"')


def pulled(message: str) -> tuple[Told, ...]:
    return (SCHEDULED, PULLING, Told("Pulled", message.format(**NAMES)))


def test_a_pull_has_its_digest_node_durations_and_size() -> None:
    found = verdict(Observed(pulled(kubelet.PULLED), image_id=f"harbor.example.com/shop/api@{DIGEST}", node="worker-1"))
    assert (found.outcome, found.settled, found.digest, found.node) == (Outcome.PULLED, True, DIGEST, "worker-1")
    assert (found.took, found.waited, found.size_bytes, found.present) == ("1.21s", "1.21s", 192_385_289, False)


def test_a_pull_is_one_before_its_digest_is_known_and_is_not_settled() -> None:
    found = verdict(Observed(pulled(kubelet.PULLED_BEFORE)))
    assert (found.outcome, found.settled, found.took, found.waited) == (Outcome.PULLED, False, "1m21.284220239s", "")
    assert found.size_bytes is None


def test_an_image_that_was_there_is_told_from_one_that_was_pulled() -> None:
    found = verdict(Observed(pulled(kubelet.PRESENT), image_id=DIGEST))
    assert (found.outcome, found.present, found.digest) == (Outcome.PULLED, True, "")


@pytest.mark.parametrize(
    ("message", "cause"),
    [
        (kubelet.ANONYMOUS, Cause.UNAUTHORIZED),
        (kubelet.REFUSED, Cause.UNAUTHORIZED),
        (kubelet.SCOPE, Cause.FORBIDDEN),
        (kubelet.CERTIFICATE, Cause.CERTIFICATE),
        (kubelet.DNS, Cause.DNS),
        (kubelet.PLATFORM, Cause.PLATFORM),
        (kubelet.RATE_LIMIT, Cause.RATE_LIMIT),
    ],
)
def test_a_failed_pull_has_its_cause_and_not_its_message(message: str, cause: Cause) -> None:
    said = message.format(**NAMES)
    by_event = verdict(Observed((SCHEDULED, PULLING, Told("Failed", said), Told("Failed", "Error: ErrImagePull"))))
    by_status = verdict(Observed((SCHEDULED, PULLING), waiting=Told("ErrImagePull", said)))
    for found in (by_event, by_status):
        assert (found.outcome, found.cause, found.settled) == (Outcome.FAILED, cause, True)
        assert said not in found.sentence


def test_a_cause_that_nobody_knows_is_said_to_be_unknown_and_the_pull_failed_all_the_same() -> None:
    found = verdict(Observed((Told("Failed", f'Failed to pull image "{IMAGE}": the moon is full'),)))
    assert (found.outcome, found.cause) == (Outcome.FAILED, Cause.UNKNOWN)


def test_a_missing_pull_secret_is_a_note_until_the_pull_has_ended() -> None:
    missing = Told("FailedToRetrieveImagePullSecret", kubelet.SECRET_MISSING.format(**NAMES))
    found = verdict(Observed((SCHEDULED, missing, PULLING)))
    assert (found.outcome, len(found.notes)) == (Outcome.UNKNOWN, 1)
    failed = verdict(Observed((SCHEDULED, missing, PULLING, Told("Failed", kubelet.ANONYMOUS.format(**NAMES)))))
    assert (failed.outcome, failed.cause, len(failed.notes)) == (Outcome.FAILED, Cause.UNAUTHORIZED, 1)


def test_a_container_that_cannot_start_was_pulled() -> None:
    cannot = Told("Failed", 'Error: exec: "true": executable file not found in $PATH')
    found = verdict(Observed((*pulled(kubelet.PULLED), cannot), waiting=Told("CreateContainerError", "no image")))
    assert found.outcome is Outcome.PULLED


@pytest.mark.parametrize(
    ("seen", "says"),
    [
        (Observed(), "nothing was said of the pod"),
        (Observed((Told("FailedScheduling", "0/3 nodes are available"),)), "no node takes the pod: 0/3 nodes"),
        (Observed((SCHEDULED,), node="w1"), "the pod was scheduled on w1, no more"),
        (Observed((SCHEDULED, PULLING), node="w1"), "the node is still pulling on w1"),
        (Observed((SCHEDULED,), gone=True), "somebody deleted the pod"),
        (Observed((SCHEDULED,), waiting=Told("ContainerCreating")), "the pod was scheduled"),
    ],
)
def test_what_has_not_ended_is_unknown_with_the_last_step(seen: Observed, says: str) -> None:
    found = verdict(seen)
    assert (found.outcome, found.settled) == (Outcome.UNKNOWN, False)
    assert found.sentence.startswith(says)


def test_steps_are_told_once_and_failures_are_not_repeated() -> None:
    after = (*pulled(kubelet.PULLED), Told("Failed", "Failed to pull image with a token in it"))
    assert steps((), after) == [f"Scheduled: {SCHEDULED.message}", "Pulling", "Pulled"]
    assert steps(after[:2], after) == ["Pulled"]
    hostile = Told("FailedScheduling", "0/3\x1b[2J\n" + "x" * 1000)
    (line,) = steps((), (hostile,))
    assert line.isprintable()
    assert len(line) < 300


def test_the_pod_names_its_node_only_where_one_is_wanted() -> None:
    made = pod(IMAGE, "shop", suffix="1", service_account="api", timeout_s=60)
    assert "nodeSelector" not in made["spec"]
    assert made["spec"]["activeDeadlineSeconds"] > 60
    there = pod(IMAGE, "shop", suffix="1", service_account="api", node="w1", timeout_s=60)
    assert there["spec"]["nodeSelector"] == {"kubernetes.io/hostname": "w1"}
