"""Digests, sizes and types that are not those of the content."""

from __future__ import annotations

from portreeve.oci.manifests import OCI_INDEX, OCI_MANIFEST
from tests.fakes.hostile.answers import alternating, always, changed, served, texted
from tests.fakes.hostile.asks import (
    BLOB,
    GOOD,
    OTHER,
    blob,
    by_digest,
    challenge,
    head,
    head_by_digest,
    head_then_manifest,
    manifest,
    manifest_twice,
    referrers,
    tags,
)
from tests.fakes.hostile.registry import Answers, Behaviour, says
from tests.fakes.images import digest_of, index, referrer


def lies() -> list[Behaviour]:
    """Digests, sizes and types that are not those of the content."""
    truth = {"content_type": OCI_MANIFEST}
    good, other = says(200, GOOD.content, **truth), says(200, OTHER.content, **truth)
    headed = says(200, b"", content_type=OCI_MANIFEST, docker_content_digest=OTHER.digest)
    sha512 = digest_of(GOOD.content, "sha512")
    both = index([GOOD], ["linux/amd64"]).content

    def claiming(digest: str, content: bytes = GOOD.content) -> Answers:
        return always(says(200, content, docker_content_digest=digest, **truth))

    return [
        Behaviour("digest of something else", manifest, "digest_mismatch", claiming(OTHER.digest)),
        Behaviour("digest in upper case", manifest, "digest_mismatch", claiming(GOOD.digest.upper())),
        Behaviour(
            "digest with upper-case hex", manifest, "digest_mismatch", claiming("sha256:" + GOOD.digest[7:].upper())
        ),
        Behaviour("digest cut short", manifest, "digest_mismatch", claiming(GOOD.digest[:-2])),
        Behaviour("digest with spaces", manifest, "digest_mismatch", claiming(f"{GOOD.digest} x")),
        Behaviour("md5", manifest, "digest_mismatch", claiming(digest_of(GOOD.content, "md5"))),
        Behaviour("sha256 named sha512", manifest, "digest_mismatch", claiming("sha512:" + GOOD.digest[7:])),
        Behaviour("another sha512", manifest, "digest_mismatch", claiming(digest_of(OTHER.content, "sha512"))),
        Behaviour("its sha512", manifest, "", claiming(sha512)),
        Behaviour("another image by digest", by_digest, "digest_mismatch", claiming(GOOD.digest, OTHER.content)),
        Behaviour("another image and its digest", by_digest, "digest_mismatch", claiming(OTHER.digest, OTHER.content)),
        Behaviour(
            "another image and its sha512",
            by_digest,
            "digest_mismatch",
            claiming(digest_of(OTHER.content, "sha512"), OTHER.content),
        ),
        Behaviour("head of another image", head_by_digest, "digest_mismatch", always(headed)),
        Behaviour(
            "head without a digest that leads elsewhere",
            head,
            "digest_mismatch",
            always(says(200, docker_content_digest="sha256:../../x")),
        ),
        Behaviour(
            "flip-flop between head and manifest", head_then_manifest, "digest_mismatch", alternating(headed, good)
        ),
        Behaviour("flip-flop between manifests", manifest_twice, "digest_mismatch", alternating(good, other)),
        Behaviour("a blob of another size", blob, "digest_mismatch", always(says(200, BLOB + b" "))),
        Behaviour("a blob of the size and other content", blob, "digest_mismatch", always(says(200, BLOB[::-1]))),
        Behaviour("a type that the manifest denies", manifest, "answer_ambiguous", served(GOOD.content, OCI_INDEX)),
        Behaviour("an index that is called an image", manifest, "answer_ambiguous", served(both)),
        Behaviour("no type", manifest, "registry_unsupported", served(GOOD.content, "")),
        Behaviour(
            "a web page for a manifest", manifest, "answer_not_json", served(b"<html>sign in</html>", "text/html")
        ),
        Behaviour(
            "a web page for tags", tags, "answer_not_json", always(says(200, b"<html>", content_type="text/html"))
        ),
        Behaviour(
            "a web page for the API",
            challenge,
            "registry_not_v2",
            always(says(200, b"<html>", content_type="text/html")),
            basic=False,
        ),
        Behaviour(
            "schema 1",
            manifest,
            "registry_unsupported",
            served(b'{"schemaVersion": 1}', "application/vnd.docker.distribution.manifest.v1+json"),
        ),
        Behaviour("an unknown schema", manifest, "answer_shape", changed(schemaVersion=3)),
        Behaviour("true for a schema", manifest, "answer_shape", changed(schemaVersion=True)),
        Behaviour("layers and manifests", manifest, "answer_ambiguous", changed(manifests=[])),
        Behaviour("layers of schema 1 as well", manifest, "answer_ambiguous", changed(fsLayers=[])),
        Behaviour("LAYERS as well", manifest, "answer_ambiguous", changed(LAYERS=[])),
        Behaviour("Layers instead", manifest, "answer_ambiguous", texted('"layers"', '"Layers"')),
        Behaviour(
            "layers with U+017F", manifest, "answer_ambiguous", texted('"layers"', '"layer\u017f": [], "layers"')
        ),
        Behaviour("layers with U+017F instead", manifest, "answer_ambiguous", texted('"layers"', '"layer\\u017f"')),
        Behaviour("layers twice", manifest, "answer_ambiguous", texted('"layers"', '"layers": [], "layers"')),
        Behaviour(
            "a digest twice in a descriptor",
            manifest,
            "answer_ambiguous",
            texted('"digest"', '"Digest": "x", "digest"'),
        ),
        Behaviour("no layers", manifest, "answer_shape", changed(layers=...)),
        Behaviour("no configuration", manifest, "answer_shape", changed(config=...)),
        Behaviour("layers that are text", manifest, "answer_shape", changed(layers="x")),
        Behaviour(
            "a layer outside of the registry",
            manifest,
            "answer_shape",
            changed(layers=[{"mediaType": "a/b", "size": 1, "digest": "sha256:../../../etc"}]),
        ),
        Behaviour("a negative size", manifest, "answer_shape", texted('"size": ', '"size": -')),
        Behaviour(
            "half a byte",
            manifest,
            "answer_shape",
            changed(layers=[{"mediaType": "a/b", "size": 1.5, "digest": GOOD.digest}]),
        ),
        Behaviour(
            "a size beyond all numbers",
            manifest,
            "answer_ambiguous",
            texted('"size": ', '"size": 99999999999999999999'),
        ),
        Behaviour("infinity", manifest, "answer_ambiguous", texted('"size": ', '"size": 1e999, "x": ')),
        Behaviour("not a number", manifest, "answer_not_json", texted('"size": ', '"size": NaN, "x": ')),
        Behaviour("half a character", manifest, "answer_ambiguous", changed(annotations={"a": "\ud800"})),
        Behaviour("numbers for annotations", manifest, "answer_shape", changed(annotations={"a": 1})),
        Behaviour("not UTF-8", manifest, "answer_not_json", served(GOOD.content + b"\xff")),
        Behaviour("UTF-16", manifest, "answer_not_json", served(GOOD.content.decode().encode("utf-16"))),
        Behaviour("a byte order mark", manifest, "answer_not_json", served(b"\xef\xbb\xbf" + GOOD.content)),
        Behaviour("two documents", manifest, "answer_not_json", served(GOOD.content + GOOD.content)),
        Behaviour("null", manifest, "answer_shape", served(b"null")),
        Behaviour("nothing for a manifest", manifest, "answer_not_json", served(b"")),
        Behaviour("an image for referrers", referrers, "answer_ambiguous", served(referrer(GOOD, "a/b").content)),
    ]
