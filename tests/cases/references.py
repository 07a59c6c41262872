"""Generated image references: what people write, what attackers write, and mutations of both.

Deterministic for a seed. About two thirds are meant to be readable, so that agreement is tested as hard as refusal.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

HOSTS = [
    "docker.io", "index.docker.io", "registry-1.docker.io", "ghcr.io", "quay.io", "registry.example.com",
    "registry.example.com:5000", "registry.example.com:443", "localhost", "localhost:5000", "10.0.0.1", "10.0.0.1:5000",
    "a.azurecr.io", "b.c.azurecr.io", "host:80", "x-y.z--w.io", "1.2", "123456789012.dkr.ecr.eu-west-1.amazonaws.com",
]  # fmt: skip
ODD_HOSTS = [
    "DOCKER.IO", "Docker.io", "Index.Docker.io", "GHCR.io", "Team", "LOCALHOST", "Localhost:1", "[::1]", "[::1]:5000",
    "[fe80::1%eth0]", "registry.example.com.", ".example.com", "-a.io", "a-.io", "a_b.io", "a__b.c", "host:", "host:x",
    "user@host.io", "https:", "xn--e1afmkfd.io", "пример.io", "ex\u200bample.io", "a..b", "*.io",
]  # fmt: skip
PARTS = [
    "library",
    "nginx",
    "team",
    "a",
    "a-b",
    "a--b",
    "a_b",
    "a__b",
    "a.b",
    "app-1",
    "0",
    "deadbeef",
    "cafe",
    "x" * 60,
]
ODD_PARTS = [
    "",
    ".",
    "..",
    "a___b",
    "a.-b",
    "-a",
    "a-",
    "_a",
    "A",
    "aB",
    "a b",
    "a%2fb",
    "а",
    "a\nb",
    "x" * 128,
    "a..b",
    "~",
]
TAGS = ["latest", "1", "1.25.3-alpine", "V1", "_x", "a" * 128, "0" * 64]
ODD_TAGS = ["", "a" * 129, "-x", ".x", "a/b", "a b", "ü", "a:b", "١"]
HEX = "0123456789abcdef"


def references(seed: int, count: int) -> Iterator[str]:
    """`count` strings, the same ones for the same seed."""
    rng = random.Random(seed)
    makers: list[tuple[Callable[[random.Random], str], int]] = [
        (_plain, 50), (_odd, 20), (_mutated, 20), (_identifier, 5), (_long, 3), (_noise, 2),
    ]  # fmt: skip
    choices = rng.choices([maker for maker, _ in makers], [weight for _, weight in makers], k=count)
    return (maker(rng) for maker in choices)


def _digest(rng: random.Random) -> str:
    algorithm, length = rng.choice([("sha256", 64), ("sha384", 96), ("sha512", 128)])
    return f"{algorithm}:{''.join(rng.choices(HEX, k=length))}"


def _odd_digest(rng: random.Random) -> str:
    good = _digest(rng)
    return rng.choice([
        good[:-1], good + "0", good.upper(), good.replace("sha", "SHA"), "md5:" + "a" * 32, "sha256:", "sha256", "",
        f"{good}@{good}",
        "sha256+b64:" + "a" * 64, "sha256:" + "g" * 64, good.replace(":", "-"),
    ])  # fmt: skip


def _plain(rng: random.Random) -> str:
    path = "/".join(rng.choices(PARTS, k=rng.choice([1, 1, 2, 2, 3, 4, 7, 9])))
    host = f"{rng.choice(HOSTS)}/" if rng.random() < 0.7 else ""
    tag = f":{rng.choice(TAGS)}" if rng.random() < 0.6 else ""
    digest = f"@{_digest(rng)}" if rng.random() < 0.2 else ""
    return f"{host}{path}{tag}{digest}"


def _odd(rng: random.Random) -> str:
    host = rng.choice([*HOSTS, *ODD_HOSTS, *ODD_HOSTS, ""])
    parts = [rng.choice([*PARTS, *PARTS, *ODD_PARTS]) for _ in range(rng.choice([1, 1, 2, 3]))]
    tag = rng.choice(["", "", f":{rng.choice(TAGS)}", f":{rng.choice(ODD_TAGS)}"])
    digest = rng.choice(["", "", "", f"@{_digest(rng)}", f"@{_odd_digest(rng)}"])
    return "/".join([host, *parts] if host else parts) + tag + digest


def _mutated(rng: random.Random) -> str:
    text = list(_plain(rng))
    for _ in range(rng.choice([1, 1, 2, 3])):
        position = rng.randrange(len(text) + 1)
        operation = rng.randrange(4)
        if operation == 0:
            text.insert(position, rng.choice("/:@._-A0 %*[]\n\t\0é\u200b\u0430"))
        elif operation == 1 and text:
            del text[min(position, len(text) - 1)]
        elif operation == 2 and text:
            at = min(position, len(text) - 1)
            text[at] = text[at].upper()
        else:
            text[position:position] = rng.choice(
                ["//", "..", "@@", "::", "library/", "docker.io/", ".evil.io", ":5000", "-evil"]
            )
    return "".join(text)


def _identifier(rng: random.Random) -> str:
    digits = "".join(rng.choices(HEX, k=rng.choice([1, 7, 12, 63, 64, 65])))
    return rng.choice(
        [digits, f"sha256:{digits}", f"{digits}:latest", f"library/{digits}", f"docker.io/{digits}", digits.upper()]
    )


def _long(rng: random.Random) -> str:
    size = rng.choice([230, 240, 245, 250, 254, 255, 256, 257, 300, 1000])
    host = rng.choice(["", "docker.io/", "registry.example.com/", "h:1/"])
    return host + rng.choice(["a" * size, "/".join(["ab"] * (size // 3)), "a" * (size - 4) + ":tag"])


def _noise(rng: random.Random) -> str:
    return "".join(
        chr(rng.choice([rng.randrange(32, 127), rng.randrange(0x20, 0x2FFF)])) for _ in range(rng.randrange(0, 30))
    )
