"""What real kubelets wrote into events and statuses when a pull failed, with the names of the registry left open.

Each is as somebody recorded it, but for `{image}`, `{host}` and `{path}`; the source and the versions stand beside it.
There is no kubelet in tests: these are put where one would put them.
"""

# ruff: noqa: E501 -- the messages are as long as they are

from __future__ import annotations

from typing import Final

ANONYMOUS: Final = (
    'Failed to pull image "{image}": failed to pull and unpack image "{image}": failed to resolve reference "{image}":'
    " failed to authorize: failed to fetch anonymous token: unexpected status from GET request to"
    " https://{host}/token?scope=repository%3A{path}%3Apull&service={host}: 401 "
)
"""jfrog/jfrog-credentials-provider issue 41: a kubelet of EKS, February 2026; it was offered no login."""

REFUSED: Final = (
    'Failed to pull image "{image}": rpc error: code = Unknown desc = failed to pull and unpack image "{image}": failed'
    ' to resolve reference "{image}": pulling from host {host} failed with status code [manifests 1.4]: 401 Unauthorized'
)
"""kubernetes/kubernetes issue 110678: June 2022, containerd with Harbor."""

SCOPE: Final = (
    'Failed to pull image "{image}": failed to pull and unpack image "{image}": failed to resolve reference "{image}":'
    " pull access denied, repository does not exist or may require authorization: server message: insufficient_scope:"
    " authorization failed"
)
"""aliyun/kvc-3fs-operator issue 4 (January 2026), framed as kubelet 1.29 and containerd 1.7 frame it (rke2 5658)."""

CERTIFICATE: Final = (
    'Failed to pull image "{image}": failed to pull and unpack image "{image}": failed to resolve reference "{image}":'
    ' failed to do request: Head "https://{host}/v2/{path}/manifests/1.4": tls: failed to verify certificate: x509:'
    " certificate signed by unknown authority"
)
"""rancher/rke2 issue 5658: kubelet v1.29.4-rc1+rke2r1."""

DNS: Final = (
    'Failed to pull image "{image}": rpc error: code = Unknown desc = Error response from daemon: Get'
    " https://{host}/v2/: dial tcp: lookup {host} on 127.0.0.53:53: server misbehaving"
)
"""hjacobs/kube-ops-view issue 176: September 2018, Docker."""

PLATFORM: Final = (
    'Failed to pull image "{image}": rpc error: code = NotFound desc = failed to pull and unpack image "{image}":'
    " no match for platform in manifest: not found"
)
"""FoundationDB/fdb-kubernetes-operator issue 2294: June 2025."""

RATE_LIMIT: Final = (
    'Failed to pull image "{image}": rpc error: code = Unknown desc = failed to pull and unpack image "{image}": failed'
    " to copy: httpReadSeeker: failed open: unexpected status code"
    " https://{host}/v2/{path}/manifests/sha256:50aa4698fa6262977cff89181b2664b99d8a56dbca847bf62f2ef04854597cf8: 429 Too"
    " Many Requests - Server message: toomanyrequests: You have reached your pull rate limit. You may increase the limit"
    " by authenticating and upgrading: https://www.docker.com/increase-rate-limit"
)
"""kata-containers/kata-containers issue 10109: August 2024."""

SECRET_MISSING: Final = (
    "Unable to retrieve some image pull secrets ({secret}); attempting to pull the image may not succeed."
)
"""kubernetes/website pull request 48718: reason FailedToRetrieveImagePullSecret, since 1.28."""

PULLED: Final = 'Successfully pulled image "{image}" in 1.21s (1.21s including waiting). Image size: 192385289 bytes.'
"""kubelet 1.30 and later, pkg/kubelet/images/image_manager.go; figures as somebody's minikube had them."""

PULLED_BEFORE: Final = 'Successfully pulled image "{image}" in 1m21.284220239s'
"""kubernetes/kubernetes pull request 111772: before 1.26."""

PRESENT: Final = 'Container image "{image}" already present on machine'
"""Reason Pulled, where nothing was transferred."""

BACK_OFF: Final = 'Back-off pulling image "{image}"'
"""Any of them; reason BackOff, and the message of a waiting container before 1.32."""
