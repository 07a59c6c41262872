"""`portreeve add`: a registry from whatever somebody has at hand: an address, an image, a login line, an ARN.

And an environment, with the command that enrols its agent (`environments`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import click

from portreeve.cli.connection import connected, server_options
from portreeve.cli.options import NamedOption, consent_options, output_option
from portreeve.cli.terminal import current, terminal_options

if TYPE_CHECKING:
    from pathlib import Path

    from portreeve.cli.changes import Consent
    from portreeve.cli.credentials import Source
    from portreeve.cli.terminal import Terminal
    from portreeve.providers.contract import Claim, Method, Provider

MAX_PASTED: Final = 4096

EPILOG = """\b
Examples:
  portreeve add registry https://harbor.example.com/v2/ --parameter username='robot$shop' --from-env HARBOR_SECRET
  portreeve add registry harbor.example.com/shop/api:1.4 --name harbor-shop
  portreeve add registry 123456789012.dkr.ecr.eu-west-1.amazonaws.com --method aws-key \\
      --parameter accessKeyId=AKIA… --from-file secret-key
  portreeve add registry registry.internal:5000 --registry-ca ca.pem
  portreeve add registry docker.io/acme --parameter username=acme --secret-stdin < token
  portreeve add environment prod-eu --tier production --group production
  portreeve add environment prod-eu                       another agent for an environment that is there

Exit code as of portreeve validate: a registry that does not work is stored all the same."""

OF_ENVIRONMENTS: Final = frozenset({"tier", "group", "type", "title"})
OF_BOTH: Final = frozenset({"what", "text", "output", "yes", "no_input", "title"})


@click.command(epilog=EPILOG)
@click.argument("what", type=click.Choice(["registry", "environment"]))
@click.argument("text", metavar="ANYTHING")
@click.option("--name", metavar="NAME", help="metadata.name; made of host and path without it.")
@click.option("--provider", metavar="NAME", help="The product, where its host does not tell.")
@click.option("--path", metavar="PATH", help='The path prefix that it stands for; "" is the whole host.')
@click.option("--title", metavar="TEXT", help="What people call it.")
@click.option("--project", metavar="NAME", help="The project that owns it; nobody's in particular without.")
@click.option("--method", metavar="NAME", help="How it signs in; the provider's first way without.")
@click.option("--parameter", "parameters", cls=NamedOption, multiple=True, metavar="KEY=VALUE",
              help="What the method needs besides the secret; repeatable.")  # fmt: skip
@click.option("--purpose", type=click.Choice(["pull", "management"]), default="pull", show_default=True,
              help="What the credential is for.")  # fmt: skip
@click.option("--expires-at", metavar="TIME", help="When the credential ends: RFC 3339.")
@click.option("--secret-stdin", is_flag=True, help="The secret stands on standard input.")
@click.option("--from-file", metavar="FILE", help="The secret stands in this file.")
@click.option("--from-env", metavar="NAME", help="The secret stands in this variable.")
@click.option("--from-helper", metavar="NAME", help="docker-credential-NAME knows the secret.")
@click.option(
    "--registry-ca", metavar="FILE", type=click.Path(), help="Trust these certificates for it, and no others."
)
@click.option("--token-realm", metavar="URL", help="Its token service, where that is on another host.")
@click.option("--plain-http", is_flag=True, help="It has no TLS at all; shown as a finding.")
@click.option("--validate/--no-validate", default=True, show_default=True, help="Try it once it is stored.")
@click.option("--tier", type=click.Choice(["development", "staging", "production"]),
              help="Of a new environment: how much is at stake there.")  # fmt: skip
@click.option("--group", metavar="NAME", help="Of a new environment: the EnvironmentGroup that it belongs to.")
@click.option("--type", type=click.Choice(["kubernetes", "docker", "swarm"]), default="kubernetes", show_default=True,
              help="Of a new environment: what runs there.")  # fmt: skip
@output_option("table", "json", "yaml")
@consent_options
@server_options
@terminal_options
def command(what: str, text: str, output: str, yes: bool, no_input: bool, validate: bool, **options: Any) -> int:
    """Add a registry from anything pasted: shows what it was taken for and the plan, asks, stores it, and tries it.

    ANYTHING is an address, an image, a line of docker login, an ARN of ECR, or a page of a registry's console. The
    secret comes by standard input, a file, a variable or a credential helper; there is no flag that takes it.

    Of an environment it is the name. The answer is the one command that enrols an agent there: its token counts once,
    and for an hour.
    """
    from portreeve.cli import environments
    from portreeve.cli.changes import Consent

    _refuse_others(what)
    consent = Consent(yes, no_input)
    if what == "environment":
        with connected() as client:
            return environments.add(client, text, options, consent, current(), output)
    return _registry(text, output, consent, validate=validate, options=options)


def _refuse_others(what: str) -> None:
    """See that no option of the other kind was given.

    Raises:
        Invalid: `usage`.
    """
    from portreeve.errors import Invalid

    ctx = click.get_current_context()
    given = {name for name in ctx.params if ctx.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT}
    wrong = given - OF_BOTH
    wrong = wrong - OF_ENVIRONMENTS if what == "environment" else wrong & OF_ENVIRONMENTS
    if wrong:
        name = min(wrong).replace("_", "-")
        raise Invalid("usage", f"--{name} is not for add {what}", hint="see portreeve add --help")


def _registry(text: str, output: str, consent: Consent, *, validate: bool, options: Mapping[str, Any]) -> int:
    """Add a registry; the exit code."""
    from portreeve.cli import credentials
    from portreeve.cli.changes import Proposal, made
    from portreeve.cli.checklist import EXIT_CODES, summary, watched
    from portreeve.cli.output import write
    from portreeve.errors import Conflict

    terminal = current()
    claim, provider = recognised(text, options["provider"], terminal)
    source = _source(options)
    document = registry(claim, provider, source, options)
    name = document["metadata"]["name"]
    wanted = None
    if source is not None:
        placed = source.for_host(str(document["spec"]["host"]))
        wanted = credentials.Credential(name, options["purpose"], placed, options["expires_at"])
        credentials.check([wanted], stdin_taken=False)
    with connected() as client:
        if any(row["metadata"]["name"] == name for row in client.listed("/api/v1/registries")[0]):
            hint = "--name gives it another; portreeve edit registry NAME changes that one"
            raise Conflict("name_taken", f"there is a Registry/{name} already", hint=hint)
        secret = credentials.resolve(wanted.source) if wanted else None
        made(client, Proposal([document]), consent, terminal, question=f"Add {name}?")
        if wanted is not None and secret is not None:
            credentials.put_resolved(client, wanted, secret)
        if output == "table":
            terminal.data(f"Registry/{name} created")
        asked = {"image": pasted_image(text, claim.place.host)}
        result = watched(client, name, asked, terminal, live=output == "table") if validate else None
    if output != "table":
        write({"registry": name, "provider": provider.name, "validation": result}, output)
    elif result is not None:
        terminal.note(summary(result))
    return EXIT_CODES[str(result["outcome"])] if result else 0


def recognised(text: str, named: str | None, terminal: Terminal) -> tuple[Claim, Provider]:
    """What the text is taken for, with every note of it told.

    Raises:
        Invalid: it says of no registry; `provider_unknown`.
    """
    from dataclasses import replace

    from portreeve import providers
    from portreeve.errors import Invalid
    from portreeve.providers.recognise import recognise

    if len(text) > MAX_PASTED:
        raise Invalid(
            "usage", f"more than {MAX_PASTED} characters were pasted", hint="an address or an image is enough"
        )
    claims = recognise(text)
    chosen = next((claim for claim in claims if named in (None, claim.provider)), claims[0])
    provider = providers.named(named or chosen.provider)
    chosen = replace(chosen, provider=provider.name)
    path = f"/{chosen.place.path}" if chosen.place.path else ""
    sure = "" if chosen.certain or named else ", as far as its host tells (--provider says otherwise)"
    terminal.note(f"{provider.title}: {chosen.place.host}{path}{sure}")
    for note in (chosen.note, *provider.notes):
        if note:
            terminal.note(f"note: {note}")
    if chosen.instead:
        terminal.note(f"note: rather use {chosen.instead}")
    return chosen, provider


def pasted_image(text: str, host: str) -> str | None:
    """The image that was pasted, as REPOSITORY:TAG or REPOSITORY@DIGEST; None if none was."""
    from portreeve.core.reference import UnsafeReference, parse

    words = text.split()
    try:
        reference = parse(words[-1]) if words else None
    except UnsafeReference:
        return None
    if reference is None or reference.host != host or not (reference.digest or reference.tag):
        return None
    separator, named = ("@", reference.digest) if reference.digest else (":", reference.tag)
    # Where nobody wrote a tag, `latest` is what the name means and not what was pasted.
    written = separator in words[-1].rpartition("/")[2]
    return f"{reference.path}{separator}{named}" if written else None


def _source(options: Mapping[str, Any]) -> Source | None:
    from portreeve.cli import credentials

    given = (options["secret_stdin"], options["from_file"], options["from_env"], options["from_helper"])
    if not any(given):
        return None
    return credentials.source_of(stdin=given[0], file=given[1], env=given[2], helper=given[3])


def registry(claim: Claim, provider: Provider, source: Source | None, options: Mapping[str, Any]) -> dict[str, Any]:
    """The document of the registry.

    Raises:
        Invalid: `usage`: what the method needs was not given; `documents_invalid`.
    """
    from portreeve.cli.documents import canonical

    path = claim.place.path if options["path"] is None else options["path"]
    spec: dict[str, Any] = {"provider": provider.name, "host": claim.place.host}
    spec |= {"path": path} if path else {}
    for field in ("title", "project"):
        spec |= {field: options[field]} if options[field] else {}
    if options["token_realm"]:
        spec["tokenRealm"] = options["token_realm"]
    tls: dict[str, Any] = {"plainHTTP": True} if options["plain_http"] else {}
    if options["registry_ca"]:
        tls["caBundle"] = _certificates(options["registry_ca"])
    spec |= {"tls": tls} if tls else {}
    spec |= {"credentials": credentials} if (credentials := _credentials(claim, provider, source, options)) else {}
    name = options["name"] or name_for(claim.place.host, path)
    return canonical({"apiVersion": "portreeve.io/v1", "kind": "Registry", "metadata": {"name": name}, "spec": spec})


def _credentials(
    claim: Claim, provider: Provider, source: Source | None, options: Mapping[str, Any]
) -> list[dict[str, Any]]:
    from portreeve.errors import Invalid

    if source is None and not options["method"]:
        if not provider.anonymous:
            needed = _needs(provider.methods)
            raise Invalid("usage", f"{provider.title} answers nobody without a credential", hint=needed)
        return []
    method = provider.method(options["method"]) if options["method"] else _first(provider)
    told: dict[str, str] = {
        key: value for key, value in claim.parameters.items() if key in {field.name for field in method.fields}
    }
    parameters = told | dict(_pairs(options["parameters"]))
    missing = [field for field in method.fields if field.required and not parameters.get(field.name)]
    if missing:
        flags = " ".join(f"--parameter {field.name}={field.example or '…'}" for field in missing)
        raise Invalid("usage", f"{provider.title}, {method.name}: {missing[0].label} is needed", hint=flags)
    entry: dict[str, Any] = {"purpose": options["purpose"], "method": method.name}
    entry |= {"parameters": parameters} if parameters else {}
    entry |= {"expiresAt": options["expires_at"]} if options["expires_at"] else {}
    return [entry]


def _first(provider: Provider) -> Method:
    from portreeve.errors import Invalid

    if not provider.methods:
        raise Invalid("usage", f"{provider.title} takes no credential", hint="leave the secret out")
    return provider.methods[0]


def _needs(methods: Sequence[Method]) -> str:
    first = methods[0]
    flags = " ".join(f"--parameter {field.name}={field.example or '…'}" for field in first.fields if field.required)
    return f"{first.secret}: --secret-stdin, --from-file, --from-env or --from-helper {flags}".rstrip()


def _pairs(given: Sequence[str]) -> Mapping[str, str]:
    from portreeve.errors import Invalid

    found = {}
    for one in given:
        key, equals, value = one.partition("=")
        if not equals or not key:
            # Not repeated: it may be a secret in the wrong place.
            raise Invalid("usage", "--parameter takes KEY=VALUE", hint="a secret is no parameter: --secret-stdin")
        found[key] = value
    return found


def _certificates(file: str | Path) -> str:
    from pathlib import Path

    return Path(file).read_text(encoding="ascii", errors="replace")


def name_for(host: str, path: str) -> str:
    """A DNS label for a registry of this host and path."""
    text = re.sub("[^a-z0-9]+", "-", f"{host}/{path}".lower()).strip("-")
    return text[:63].rstrip("-") or "registry"
