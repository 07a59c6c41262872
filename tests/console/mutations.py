"""Which mutations the console has, found in its sources; and which test runs the command that each of them shows.

    @runs("pages/groups/Group.tsx:Rename:ConfirmChange")      on the test that runs it

Theory of operation. Whatever changes something goes through one of a few parts (PARTS), or is a request whose method is
written out (POST, PUT, DELETE, PATCH). Each such place is found by text and named by its file, the function around it
and what it is; a second one in the same function is its own. What is only shown (`codeOfCall`, `call=`) is none.
The decorators are read from the syntax trees of the tests, so that nothing is run to know them (test_mutations.py).
What a place shows is run in all its forms; AS_TEXT has what is compared with something instead, and EXCEPT the places
that show nothing to be run.

    python -m tests.console.mutations                         the list

Left out: methods that are worked out from strings; no source does that, and `client.ts` takes four words alone.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final, TypeVar

SOURCES: Final = Path(__file__).parents[2] / "console/src"
TESTS: Final = Path(__file__).parent

PARTS: Final = ("ConfirmChange", "ConfirmPolicy", "ConfirmCall", "PlanBeside", "Area")
"""Parts that change something once their button is pressed. `Area` is that of the settings: a list and its forms."""

EXCEPT: Final[Mapping[str, str]] = {
    # The parts themselves: what they send is named where they are used.
    "parts/ConfirmChange.tsx:usePlan:POST": "makes a plan, which changes nothing, for whatever uses the part",
    "parts/ConfirmChange.tsx:ConfirmChange:POST": "confirms the plan of whatever uses the part",
    "parts/ConfirmCall.tsx:ConfirmCall:method": "sends the call of whatever uses the part",
    "parts/PlanBeside.tsx:PlanBeside:POST": "plans the document of whatever uses the part",
    "parts/PlanBeside.tsx:PlanBeside:POST 2": "stores the document of whatever uses the part",
    "pages/policies/ConfirmPolicy.tsx:ConfirmPolicy:ConfirmChange": "for whatever uses the part",
    "pages/settings/People.tsx:Area:ConfirmChange": "for whatever uses the part",
    "shell/Viewing.tsx:fetched:fetch": "fetches a file that a link offers: it reads",
    "api/client.ts:sendWhole:fetch": "the one way to the server, for whatever uses it",
    # Questions that are too long for an address.
    "parts/Admitted.tsx:ask:POST": "asks for verdicts: it reads",
    "pages/deploy/Deploy.tsx:ImageStep:POST": "asks for verdicts: it reads",
    "pages/policies/effect.ts:useEffectOf:POST": "asks what a policy would do: it reads",
    "pages/why/Why.tsx:Explained:POST": "asks why an image is refused: it reads",
    "pages/registries/AddRegistry.tsx:Paste:POST": "asks what a pasted text is: it reads",
    "pages/access/Requests.tsx:Requests:POST": "makes the plan that the ConfirmChange beside it confirms",
    "pages/policies/Rollout.tsx:Move:POST": "the dry run of the move beside it",
    "pages/registries/ImageActions.tsx:DeleteImage:DELETE": "the dry run of the deletion beside it",
    # What a browser alone may do.
    "pages/login/Login.tsx:Login:POST": "signs in: portreeve login does that for programs, with a token",
    "shell/Shell.tsx:Person:POST": "signs out: it ends the session of this browser, which no program has",
    "pages/settings/Me.tsx:Password:PUT": "sets one's password, which no token may",
}
"""Places whose command no test runs, and why."""

AS_TEXT: Final[Mapping[str, str]] = {
    "parts/ConfirmChange.tsx:ConfirmChange:POST": "YAML: the very text that `portreeve apply` reads in the command"
    " beside it, which is run; `typed.same` compares them",
    "parts/PlanBeside.tsx:PlanBeside:POST 2": "YAML: made by the same function as that of ConfirmChange",
    "pages/environments/Agent.tsx:Enrol:POST": "helm install: no test has helm, so that its first word is all that is"
    " looked at; tests/deploy installs what the chart makes. What stands before it, with kubectl, is run",
}
"""Places of which one form is not run, though the others are: which, and why."""

Test = TypeVar("Test", bound=Callable[..., object])


def runs(*places: str) -> Callable[[Test], Test]:
    """Says of a test that it runs the commands that these places show."""
    assert places, "name the places"
    return lambda test: test


def places() -> dict[str, str]:
    """Every place of the console that changes something → its file and line."""
    found: dict[str, str] = {}
    for path in sorted(SOURCES.rglob("*.ts*")):
        if ".test." not in path.name and path.name != "schema.d.ts":
            found |= _in_file(path)
    return found


_WHAT: Final = re.compile(
    rf"<(?P<part>{'|'.join(PARTS)})\b"
    r"|method:[^,}|\n]*?'(?P<method>POST|PUT|DELETE|PATCH)'"
    r"|\bapi\.(?P<typed>POST|PUT|DELETE|PATCH)\("
    r"|\b(?P<raw>fetch|sendBeacon|XMLHttpRequest)\("
    r"|\bsend(?:Whole)?(?:<[^(]*>)?\([^()]*\{ (?P<given>method),"
)
_FUNCTION: Final = re.compile(r"^(?:export )?(?:async )?(?:function|const) (\w+)", re.MULTILINE)
_SHOWN: Final = re.compile(r"\bcodeOfCall(?=\()|\bcall=(?=\{\{)")


def _in_file(path: Path) -> dict[str, str]:
    name, text = path.relative_to(SOURCES).as_posix(), _sent(path.read_text(encoding="utf-8"))
    functions = [(one.start(), one[1]) for one in _FUNCTION.finditer(text)]
    seen: Counter[str] = Counter()
    found = {}
    for one in _WHAT.finditer(text):
        around = next((called for start, called in reversed(functions) if start < one.start()), "")
        place = f"{name}:{around}:{next(filter(None, one.groups()))}"
        seen[place] += 1
        found[place if seen[place] == 1 else f"{place} {seen[place]}"] = (
            f"{name}:{text.count(chr(10), 0, one.start()) + 1}"
        )
    return found


def _sent(text: str) -> str:
    """The text without what is only shown as code, and with its lines where they were."""
    while shown := _SHOWN.search(text):
        end, depth = shown.end(), 0
        while True:
            depth += (text[end] in "({[") - (text[end] in ")}]")
            end += 1
            if not depth:
                break
        text = text[: shown.start()] + re.sub(r"[^\n]", " ", text[shown.start() : end]) + text[end:]
    return text


def run_by_tests() -> dict[str, list[str]]:
    """Place → the tests that run what it shows."""
    found: dict[str, list[str]] = {}
    for path in sorted(TESTS.glob("test_*.py")):
        for test, place in _decorated(ast.parse(path.read_text(encoding="utf-8"))):
            found.setdefault(place, []).append(f"{path.name}::{test}")
    return found


def _decorated(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for test in tree.body:
        if isinstance(test, ast.FunctionDef):
            for one in test.decorator_list:
                if isinstance(one, ast.Call) and isinstance(one.func, ast.Name) and one.func.id == runs.__name__:
                    yield from ((test.name, str(ast.literal_eval(place))) for place in one.args)


def _listed() -> Iterator[str]:
    run = run_by_tests()
    for place, line in places().items():
        yield f"{place} ({line})"
        yield from (f"    run: {test}" for test in run.get(place, ()))
        if place in EXCEPT:
            yield f"    not run: {EXCEPT[place]}"
        if place in AS_TEXT:
            yield f"    as text: {AS_TEXT[place]}"


if __name__ == "__main__":
    print("\n".join(_listed()))
