"""Lists that do not end, or lead away."""

from __future__ import annotations

import json

from portreeve.oci.manifests import OCI_INDEX
from tests.fakes.hostile.answers import always, listed, numbered
from tests.fakes.hostile.asks import GOOD, all_repositories, all_tags, referrers, tags
from tests.fakes.hostile.registry import Behaviour, says
from tests.fakes.images import index


def lists() -> list[Behaviour]:
    """Lists that do not end, or lead away."""

    def page(number: int) -> bytes:
        link = f'</v2/team/app/tags/list?n=1&last=t{number}>; rel="next"'
        return says(200, json.dumps({"tags": [f"t{number}"]}).encode(), link=link)

    def repositories(number: int) -> bytes:
        names = [f"team/app-{number}-{each}" for each in range(1000)]
        link = f"</v2/_catalog?n=1000&last=x{number}>; rel=next"
        return says(200, json.dumps({"repositories": names}).encode(), link=link)

    def artifacts(number: int) -> bytes:
        link = f"</v2/team/app/referrers/{GOOD.digest}?page={number}>; rel=next"
        return says(200, index([], []).content, link=link, content_type=OCI_INDEX)

    away = {
        "https://elsewhere.example.com:{elsewhere}/v2/team/app/tags/list?last=x": "url_refused",
        "//elsewhere.example.com:{elsewhere}/v2/team/app/tags/list?last=x": "url_refused",
        "http://registry.example.com:{registry}/v2/team/app/tags/list?last=x": "url_refused",
        "https://registry.example.com:{other_port}/v2/team/app/tags/list?last=x": "url_refused",
        "https://u:p@registry.example.com:{registry}/v2/team/app/tags/list?last=x": "url_refused",
        "/v2/other/app/tags/list?last=x": "url_refused",
        "/v2/team/app/tags/list/../../../../../admin?last=x": "url_refused",
        "/token?last=x": "url_refused",
        "https://[bad": "url_refused",
        "https://169.254.169.254/v2/team/app/tags/list": "url_refused",
    }
    found = [
        Behaviour(f"tags go on at {link}", all_tags, code, listed(["a"], f'<{link}>; rel="next"'))
        for link, code in away.items()
    ]
    circle = '</v2/team/app/tags/list?n=1000&last=a>; rel="next"'
    return [
        *found,
        Behaviour("tags without an end", all_tags, "budget_spent", numbered(page)),
        Behaviour("tags in a circle", all_tags, "pagination_loop", listed(["a"], circle)),
        Behaviour("empty pages in a circle", all_tags, "pagination_loop", listed([], circle)),
        Behaviour("repositories without an end", all_repositories, "budget_spent", numbered(repositories)),
        Behaviour("referrers without an end", referrers, "budget_spent", numbered(artifacts)),
        Behaviour(
            "a hundred thousand tags at once", all_tags, "budget_spent", listed([f"t{n}" for n in range(100_000)])
        ),
        Behaviour("the same page for ever", all_tags, "", listed(["a"] * 1000)),
        Behaviour("numbers for tags", tags, "answer_shape", listed([1, 2])),
        Behaviour("text for tags", tags, "answer_shape", always(says(200, b'{"tags": "a"}'))),
        Behaviour("TAGS for tags", tags, "answer_ambiguous", always(says(200, b'{"TAGS": ["a"]}'))),
        Behaviour("tags that are no tags", tags, "", listed(["../../x", "\u001b[31m", "", "a" * 5000])),
        Behaviour("no tags at all", tags, "", always(says(200, b'{"tags": null}'))),
        Behaviour("a link without an end", all_tags, "", listed(["a"], "<" + "a" * 8000)),
    ]
