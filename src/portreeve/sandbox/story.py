"""The story that a sandbox tells: chapters of commands, each as it would be typed, with what must come of it.

A chapter is left out where the machine lacks what it needs. The commands use the variables of
`portreeve sandbox env`, so that a reader can repeat each of them.

Left out: running them (`telling`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Need(StrEnum):
    """What a chapter or a command needs."""

    CLUSTER = "a cluster"
    REGISTRY = "a registry"
    KUBECTL = "kubectl"
    ENFORCEMENT = "an agent that enforces policies"


@dataclass(frozen=True, slots=True)
class Step:
    """A command, why it is given, and what must come of it: one of `codes`, and an output that holds `shows`."""

    why: str
    command: str
    codes: tuple[int, ...] = (0,)
    shows: tuple[str, ...] = ()
    needs: frozenset[Need] = frozenset()


@dataclass(frozen=True, slots=True)
class Chapter:
    """Some steps under one title."""

    title: str
    text: str
    steps: tuple[Step, ...]
    needs: frozenset[Need] = frozenset()


IN_CLUSTER: Final = frozenset({Need.CLUSTER, Need.KUBECTL})
DELIVERED: Final = IN_CLUSTER | {Need.REGISTRY}
ENFORCED: Final = IN_CLUSTER | {Need.ENFORCEMENT}


def _until(command: str) -> str:
    """Until it succeeds, which it tells by its output."""
    return f"until {command}; do sleep 0.5; done 2>/dev/null"


def _reaches(enforcement: str) -> str:
    return _until(f"portreeve get environments | grep {enforcement}")


def _stage(stage: str) -> str:
    return f'sed -i "s/stage: .*/stage: {stage}/" $PORTREEVE_SANDBOX/policy.yaml'


_POLICY: Final = """\
cat > $PORTREEVE_SANDBOX/policy.yaml <<YAML
apiVersion: portreeve.io/v1
kind: RegistryPolicy
metadata: {name: shop-sources}
spec:
  groups: [sandboxes]
  allowOverride: true
  restrict:
    stage: audit
    allowedSources:
      - {prefix: $REGISTRY/shop, scope: Global, note: own images}
YAML"""

_APPLY: Final = "portreeve apply -y -f $PORTREEVE_SANDBOX/policy.yaml"
_LOOK_ALIKE: Final = "kubectl -n shop run lookalike --image=$REGISTRY/shop-evil/api:1.4"
_GO_AWAY: Final = "kubectl -n shop delete pod lookalike --now"
_EXPLAIN: Final = "portreeve explain pod/api -n shop --environment sandbox --registry-ca $REGISTRY_CA"

CHAPTERS: Final = (
    Chapter(
        "A cluster without nodes",
        "The API server, its database and its controllers are real. There are no nodes, so pods are admitted and "
        "stored, and never run; what a node would be given is read from the objects, and tried at the registry.",
        (
            Step("There are no nodes.", "kubectl get nodes", shows=("No resources found",)),
            Step("A namespace for a shop.", "kubectl create namespace shop", shows=("namespace/shop created",)),
            Step("An agent has enrolled, and keeps this cluster.", "portreeve get environments", shows=("sandbox",)),
        ),
        IN_CLUSTER,
    ),
    Chapter(
        "Register a registry",
        "A private registry, from an image's name as somebody pasted it. Its password comes from a file and is stored "
        "so that nobody can read it again; then the registry is tried, stage by stage.",
        (
            Step(
                "Add it; this is looked at as a plan, confirmed by -y, and tried at once.",
                "portreeve add registry $REGISTRY/shop/api:1.4 --name shop --path shop --registry-ca $REGISTRY_CA "
                "--parameter username=robot --from-file $PORTREEVE_SANDBOX/robot.password "
                "--expires-at 2036-01-01T00:00:00Z -y",
                shows=("Registry/shop created", "it accepts the pull credential"),
            ),
            Step(
                "Try it whenever there is doubt.",
                "portreeve validate registry shop --image shop/web:2.0",
                shows=("shop/web:2.0 can be pulled",),
            ),
            Step("What is in it.", "portreeve browse shop", shows=("shop/api", "shop/web")),
            Step("One image.", "portreeve browse shop/shop/api:1.4", shows=("sha256:",)),
        ),
        frozenset({Need.REGISTRY}),
    ),
    Chapter(
        "Grant it",
        "A grant is for namespaces of an environment. The plan says what it would do there before anything is done; "
        "the agent then delivers a pull secret, and has the namespace's ServiceAccount name it.",
        (
            Step(
                "Grant the registry to the namespace.",
                "portreeve grant shop --environment sandbox -n shop -y",
                shows=("RegistryAccess/shop-sandbox created",),
            ),
            Step("The agent delivers the pull secret.", _until("kubectl -n shop get secret portreeve-pull")),
            Step(
                "The ServiceAccount names it.",
                _until("kubectl -n shop get serviceaccount default -o yaml | grep -A1 imagePullSecrets"),
                shows=("portreeve-pull",),
            ),
            Step(
                "A pod that says nothing of registries or secrets …",
                "kubectl -n shop run api --image=$REGISTRY/shop/api:1.4",
                shows=("pod/api created",),
            ),
            Step(
                "… is given the secret by the API server.",
                "kubectl -n shop get pod api -o jsonpath='{.spec.imagePullSecrets}{\"\\n\"}'",
                shows=("portreeve-pull",),
            ),
            Step(
                "Would a node get the image? The registry is asked with the very login that a node would show.",
                _EXPLAIN,
                shows=("the image is there",),
            ),
        ),
        DELIVERED,
    ),
    Chapter(
        "A policy, from audit to deny",
        "Which sources may images come from? A policy begins at audit, which refuses nothing, and is tightened step by "
        "step. The agent writes it as a ValidatingAdmissionPolicy; the cluster refuses by itself, also when nothing of "
        "Portreeve runs. What is said to be enforced was proved by a dry run of a pod that must be refused.",
        (
            Step("One source: the shop's own images.", _POLICY),
            Step("Put it in force at audit.", _APPLY, shows=("shop-sources",)),
            Step("The agent says when it is so.", _reaches("Auditing"), shows=("Auditing",)),
            Step(
                "An image whose name only looks like the shop's: shop-evil. At audit it is let in.",
                _LOOK_ALIKE,
                shows=("pod/lookalike created",),
            ),
            Step("Away with it.", _GO_AWAY),
            Step("At warn …", f"{_stage('warn')}\n{_APPLY}", shows=("shop-sources",)),
            Step("… as soon as the agent has seen it work …", _reaches("Warning"), shows=("Warning",)),
            Step("… whoever creates the pod is warned.", _LOOK_ALIKE, shows=("Warning:", "pod/lookalike created")),
            Step("Away with it.", _GO_AWAY),
            Step("At deny …", f"{_stage('deny')}\n{_APPLY}", shows=("shop-sources",)),
            Step("… once it is proved …", _reaches("Enforced"), shows=("Enforced",)),
        ),
        ENFORCED,
    ),
    Chapter(
        "A look-alike is refused",
        "A prefix ends at a slash: shop does not cover shop-evil. The API server itself says no, and why.",
        (
            Step("The look-alike.", _LOOK_ALIKE, codes=(1,), shows=("denied", "shop-evil")),
            Step(
                "Why, and what can be done.",
                "portreeve explain $REGISTRY/shop-evil/api:1.4 -n shop --environment sandbox --no-probe",
                codes=(1,),
                shows=("DENY in namespace shop", "source_blocked"),
            ),
            Step(
                "The shop's own image under another name of the registry is refused, too.",
                "kubectl -n shop run other --image=localhost:${REGISTRY##*:}/shop/api:1.4",
                codes=(1,),
                shows=("denied",),
            ),
            Step(
                "The shop's own image is let in.",
                "kubectl -n shop run web --image=$REGISTRY/shop/web:2.0",
                shows=("pod/web created",),
            ),
        ),
        ENFORCED,
    ),
    Chapter(
        "Rotate a password",
        "The registry's administrator changes the robot's password. Whatever holds the old one stops working, and "
        "Portreeve says which and why; one command brings the new one everywhere.",
        (
            Step("Somebody changes it at the registry.", "portreeve sandbox new-password"),
            Step(
                "A node would not get the image now: the cause is named, with what to do.",
                _EXPLAIN,
                codes=(1,),
                shows=("credential_refused", "portreeve rotate registry shop"),
            ),
            Step(
                "Do that.",
                "portreeve rotate registry shop --from-file $PORTREEVE_SANDBOX/robot.password",
                shows=("rotated",),
            ),
            Step(
                "Follow it until every cluster has confirmed it.",
                "portreeve rotation shop --watch",
                shows=("1 of 1 environments have it",),
            ),
            Step("The pod's image can be pulled again.", _EXPLAIN, shows=("the image is there",)),
        ),
        DELIVERED,
    ),
    Chapter(
        "Take the grant back",
        "The plan names what loses its pull secret. The agent takes away what it has delivered, and nothing else.",
        (
            Step("Revoke it.", "portreeve revoke shop-sandbox -y", shows=("RegistryAccess/shop-sandbox deleted",)),
            Step(
                "The secret goes.",
                "while kubectl -n shop get secret portreeve-pull; do sleep 0.5; done 2>&1",
                shows=("not found",),
            ),
            Step(
                "The ServiceAccount names nothing any more.",
                "while kubectl -n shop get serviceaccount default -o yaml | grep portreeve-pull; do sleep 0.5; done",
            ),
            Step("The pod stays: nothing that runs is touched.", "kubectl -n shop get pod api", shows=("api",)),
        ),
        DELIVERED,
    ),
    Chapter(
        "Who did all that",
        "Every change is an event of a log that cannot be altered without that being seen; it is verified here "
        "without asking the server.",
        (
            Step("The whole log, and the key to verify it with.", "portreeve audit export "
                 "-o $PORTREEVE_SANDBOX/audit.jsonl --key-file $PORTREEVE_SANDBOX/audit.pub"),
            Step("Verify it.", "portreeve verify audit $PORTREEVE_SANDBOX/audit.jsonl "
                 "--key-file $PORTREEVE_SANDBOX/audit.pub"),
        ),
    ),
)  # fmt: skip

CLEAN_UP: Final = Chapter(
    "Clean up",
    "The sandbox is as it was before the story, so that it can be told once more. `portreeve sandbox down` removes it.",
    (
        Step("The policy; what the agent wrote of it goes from the cluster.",
             "portreeve delete policy shop-sources -y", needs=ENFORCED),
        Step("Nothing is enforced any more.", _reaches("Off"), needs=ENFORCED),
        Step("The registry, with its credential.", "portreeve delete registry shop -y",
             needs=frozenset({Need.REGISTRY})),
        Step("The namespace.", "kubectl delete namespace shop", needs=IN_CLUSTER),
    ),
)  # fmt: skip

LEFT_BEHIND: Final = (
    "portreeve revoke shop-sandbox -y",
    "portreeve delete policy shop-sources -y",
    "portreeve delete registry shop -y",
    "kubectl delete namespace shop",
)
"""What takes away whatever a story that was broken off has made."""
