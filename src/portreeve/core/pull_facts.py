"""What is known about one image that a pod pulls or should pull: facts in, for `core.explanation` to judge.

Each part says of itself whether it was read. What could not be read is a sentence in `unread`, and never an empty value
that would pass for "there is none". No part holds a secret: of a credential its id, version and end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from portreeve.core import pull_failure
from portreeve.core.policy import Stage
from portreeve.core.pull_keys import PullSecret, Reading
from portreeve.core.verdict import Decision


@dataclass(frozen=True, slots=True)
class Account:
    """The ServiceAccount, with the names in its `imagePullSecrets`."""

    name: str
    reading: Reading = Reading.READ
    pull_secrets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Puller:
    """Whoever pulls. `own` are the pull secrets that its manifest names, `used` those that the kubelet gets.

    `kind` is that of the object that was asked about ("" for an image alone), in the API's spelling. `before` is True
    when the pod was made before its ServiceAccount named what it names now.
    """

    kind: str = ""
    name: str = ""
    container: str = ""
    pod: str = ""
    own: tuple[str, ...] = ()
    used: tuple[str, ...] = ()
    before: bool = False
    node: str = ""
    platform: str = ""
    """`os/architecture` of the node, "" where it is not known."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a node, or admission, said about the image: its cause. `anonymous` when it says that it showed no login."""

    cause: pull_failure.Cause
    anonymous: bool = False


@dataclass(frozen=True, slots=True)
class Lapsed:
    """An exemption that covered the image and has ended. `name` is "" where only its scope is known."""

    name: str
    ended_at: datetime


@dataclass(frozen=True, slots=True)
class Judged:
    """What the policy says. `origin` is who said so; `stage` as it is enforced in this namespace.

    `fix` is what would make the image pass, where whoever judged knows.
    """

    decision: Decision
    stage: Stage
    origin: str
    policy: str = ""
    generation: int = 0
    reasons: tuple[str, ...] = ()
    nearest: str = ""
    lapsed: tuple[Lapsed, ...] = ()


@dataclass(frozen=True, slots=True)
class GrantFact:
    """What the control plane says: the grant that covers the image there, `registry` "" where there is none.

    `candidate` is a registry that is known, covers the image and could be granted, "" for none.
    """

    environment: str
    registry: str = ""
    owner: str = ""
    mode: str = ""
    key: str = ""
    credential: str = ""
    version: int = 0
    expires_at: datetime | None = None
    candidate: str = ""


@dataclass(frozen=True, slots=True)
class Probe:
    """What the registry answered from here, asked with the entry of `secret` under `key` (both "" for nobody).

    `status` is the last HTTP status, None where none came; `cause` is None when the manifest was there. `platforms` are
    empty when they were not looked at. `detail` is our own text, and never the registry's.
    """

    status: int | None
    cause: pull_failure.Cause | None
    secret: str = ""
    key: str = ""
    platforms: tuple[str, ...] = ()
    signals: Mapping[str, str] = field(default_factory=dict)
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """All about one image in one namespace. None stands for a part that nobody was asked about.

    `secrets` are those that `puller.used` names, those of the ServiceAccount, and ours, each once.
    """

    image: str
    namespace: str
    now: datetime
    puller: Puller = Puller()
    account: Account | None = None
    secrets: tuple[PullSecret, ...] = ()
    said: tuple[Said, ...] = ()
    pulled: bool = False
    judged: Judged | None = None
    grant: GrantFact | None = None
    probe: Probe | None = None
    unread: tuple[str, ...] = ()

    def secret(self, name: str) -> PullSecret | None:
        """The pull secret of a name, if it was asked for."""
        return next((one for one in self.secrets if one.name == name), None)

    def named(self, names: tuple[str, ...]) -> tuple[PullSecret, ...]:
        """The pull secrets of some names, as far as they were asked for."""
        return tuple(found for name in names if (found := self.secret(name)) is not None)
