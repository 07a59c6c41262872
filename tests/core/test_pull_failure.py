"""Causes of failed pulls, from messages as nodes write them."""

# ruff: noqa: E501 -- the messages are as long as they are

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portreeve.core.pull_failure import ADVICE, Cause, Failure, counted, diagnosed, in_lines

RPC = (
    'Failed to pull image "{image}": rpc error: code = Unknown desc = failed to pull and unpack image "{image}": {why}'
)
IMAGE = "harbor.example.com/shop/api:1.4"

MESSAGES = [
    (Cause.RATE_LIMIT, RPC, "failed to copy: httpReadSeeker: failed open: unexpected status code https://registry-1.docker.io/v2/library/redis/manifests/sha256:0: 429 Too Many Requests - Server message: toomanyrequests: You have reached your unauthenticated pull rate limit."),
    (Cause.EXPIRED, RPC, "failed to resolve reference: pulling from host 1.dkr.ecr.eu-west-1.amazonaws.com failed with status code [manifests 1]: 403 Forbidden: Your authorization token has expired. Reauthenticate and try again."),
    (Cause.UNAUTHORIZED, RPC, 'failed to resolve reference "x": failed to authorize: failed to fetch anonymous token: unexpected status from GET request to https://auth.example.com/token?scope=repository%3Ashop%2Fapi%3Apull: 401 Unauthorized'),
    (Cause.UNAUTHORIZED, RPC, 'failed to resolve reference "x": pull access denied, repository does not exist or may require authorization: authorization failed: no basic auth credentials'),
    (Cause.FORBIDDEN, RPC, 'failed to resolve reference "x": pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed'),
    (Cause.GATE, RPC, "unexpected status code 412 Precondition Failed: projectpolicyviolation: current image with 3 vulnerabilities cannot be pulled"),
    (Cause.NOT_FOUND, RPC, 'failed to resolve reference "harbor.example.com/shop/api:1.4": harbor.example.com/shop/api:1.4: not found'),
    (Cause.NOT_FOUND, "Error response from daemon: {image}: {why}", "manifest for shop/api:1.4 not found: manifest unknown: manifest unknown"),
    (Cause.CERTIFICATE, RPC, 'failed to do request: Head "https://harbor.example.com/v2/shop/api/manifests/1.4": tls: failed to verify certificate: x509: certificate signed by unknown authority'),
    (Cause.NO_TLS, RPC, 'failed to do request: Head "https://r:5000/v2/": http: server gave HTTP response to HTTPS client'),
    (Cause.DNS, RPC, 'failed to do request: Head "https://harbour.example.com/v2/": dial tcp: lookup harbour.example.com on 10.96.0.10:53: no such host'),
    (Cause.REFUSED, RPC, 'failed to do request: Head "https://r:443/v2/": dial tcp 10.0.0.1:443: connect: connection refused'),
    (Cause.TIMEOUT, RPC, 'failed to do request: Head "https://r/v2/": dial tcp 10.0.0.1:443: i/o timeout'),
    (Cause.UNREACHABLE, RPC, 'failed to do request: dial tcp 10.0.0.1:443: connect: no route to host'),
    (Cause.PLATFORM, RPC, "no match for platform in manifest: not found"),
    (Cause.DISK, RPC, "failed to extract layer sha256:1: write /var/lib/containerd/x: no space left on device: unknown"),
    (Cause.CORRUPT, RPC, 'failed commit on ref "layer-sha256:1": "layer-sha256:1" failed size validation: 10 != 20: failed precondition'),
    (Cause.SERVER, RPC, "unexpected status from HEAD request to https://r/v2/: 503 Service Unavailable"),
    (Cause.NAME_INVALID, 'Failed to apply default image tag "{image}": {why}', 'couldn\'t parse image name "SHOP/api": invalid reference format: repository name must be lowercase'),
    (Cause.NEVER_PULLED, 'Container image "{image}" {why}', "is not present with pull policy of Never"),
    (Cause.SECRET_MISSING, "{why} {image}", "FailedToRetrieveImagePullSecret Unable to retrieve some image pull secrets (portreeve-pull); attempting to pull the image may not succeed."),
    (Cause.NODE_THROTTLED, 'Failed to pull image "{image}": {why}', "pull QPS exceeded"),
    (Cause.NODE_REFUSED, RPC, 'failed to resolve reference "x": no resolve hosts: not found'),
    (Cause.NODE_REFUSED, RPC, 'failed to do request: Head "https://refused-by-portreeve.invalid/v2/shop/api/manifests/1.4": dial tcp: lookup refused-by-portreeve.invalid: no such host'),
    (Cause.NODE_REFUSED, RPC, "Source image rejected: Running image docker://evil.example/x:1 is rejected by policy."),
    (Cause.NODE_REFUSED, RPC, "initializing source docker://ghcr.io/x:1: registry ghcr.io is blocked in one of /etc/containers/registries.conf"),
    (Cause.ADMISSION, "Error creating: pods is forbidden: {why} {image}", "ValidatingAdmissionPolicy 'portreeve-images' with binding 'b' denied request: image not allowed"),
    (Cause.UNKNOWN, RPC, "something that nobody has seen before"),
]  # fmt: skip


@pytest.mark.parametrize(("cause", "frame", "why"), MESSAGES)
def test_each_message_has_its_cause(cause: Cause, frame: str, why: str) -> None:
    assert diagnosed(frame.format(image=IMAGE, why=why)).cause is cause


def test_every_cause_is_seen_and_has_advice() -> None:
    assert {cause for cause, _, _ in MESSAGES} | {Cause.SIGNATURE} == set(Cause)
    assert set(ADVICE) == set(Cause)


def test_image_and_host_are_told_and_nothing_else_of_the_message() -> None:
    message = RPC.format(image=IMAGE, why="401 Unauthorized at https://r/token?account=u&password=canary")
    assert diagnosed(message) == Failure(Cause.UNAUTHORIZED, IMAGE, "harbor.example.com")
    assert "canary" not in repr(diagnosed(message))


def test_a_short_name_is_told_with_the_host_that_it_means() -> None:
    assert diagnosed(RPC.format(image="nginx", why="429 Too Many Requests")).host == "docker.io"


DESCRIBED = """\
Events:
  Type     Reason     Age                From               Message
  ----     ------     ----               ----               -------
  Normal   Scheduled  2m                 default-scheduler  Successfully assigned shop/api-0 to node-1
  Normal   Pulling    30s (x4 over 2m)   kubelet            Pulling image "harbor.example.com/shop/api:1.4"
  Warning  Failed     30s (x4 over 2m)   kubelet            Failed to pull image "harbor.example.com/shop/api:1.4": not found: manifest unknown
  Warning  Failed     30s (x4 over 2m)   kubelet            Error: ErrImagePull
  Normal   BackOff    4s (x6 over 2m)    kubelet            Back-off pulling image "harbor.example.com/shop/api:1.4"
  Warning  Failed     4s (x6 over 2m)    kubelet            Error: ImagePullBackOff
"""


def test_events_of_a_pod_give_the_one_failure_in_them() -> None:
    assert list(in_lines(DESCRIBED)) == [(6, Failure(Cause.NOT_FOUND, IMAGE, "harbor.example.com"))]


def test_failures_are_counted_the_most_frequent_first() -> None:
    one, other = Failure(Cause.DNS, "a"), Failure(Cause.DNS, "b")
    assert counted([other, one, other]) == ((other, 2), (one, 1))


@given(st.text(max_size=3000))
def test_any_text_has_a_cause(text: str) -> None:
    assert diagnosed(text).cause in Cause
    assert list(in_lines(text)) is not None


def test_a_long_line_of_beginnings_is_read_once() -> None:
    """A sign that repeats inside a repetition would take minutes on this."""
    for sign in ("admission webhook ", "signature ", "prevented ", 'image "', "no matching manifest for a"):
        assert diagnosed(sign * 3000).cause in Cause
