"""Every kind of response that an API server, or what stands in front of it, can give."""

import json

from tests.refresher.operator.api_server import Response, failure

HTML = b"<html><body><h1>503 Service Unavailable</h1></body></html>"
ITEM = {"metadata": {"name": "claude"}, "spec": 7}


def listed(items):
    return json.dumps({"kind": "ClaudeCredentialList", "items": items}).encode()


NONSENSE = {
    "400": failure(400, "bad request"),
    "401": failure(401, "Unauthorized"),
    "403": failure(403, "forbidden: no policy matched"),
    "404": failure(404, "not found"),
    "404 of a load balancer": Response(404, b"404 page not found\n"),
    "409": failure(409, "conflict"),
    "422": failure(422, "invalid"),
    "429": failure(429, "too many requests", retry_after="1"),
    "429 for a lifetime": failure(429, "too many requests", retry_after="999999999"),
    "429 with a date": failure(429, "no", retry_after="Wed, 21 Oct 2065 07:28:00 GMT"),
    "500": failure(500, "etcdserver: no leader"),
    "503": failure(503, "the server is currently unable to handle the request"),
    "503 in HTML": Response(503, HTML, {"content-type": "text/html"}),
    "503 without a body": Response(503),
    "200 in HTML": Response(200, HTML, {"content-type": "text/html"}),
    "200 without a body": Response(200),
    "null": Response(200, b"null"),
    "a list": Response(200, b"[]"),
    "a number": Response(200, b"7"),
    "an empty object": Response(200, b"{}"),
    "half an object": Response(
        200, b'{"kind": "ClaudeCredentialList", "items": [{"met'
    ),
    "a deep list": Response(200, b"[" * 200_000),
    "no UTF-8": Response(200, b'{"kind": "\xff\xfe"}'),
    "another kind": Response(200, b'{"kind": "PodList", "items": []}'),
    "items that are none": Response(200, listed([None, 7, "claude", []])),
    "half a credential": Response(200, listed([ITEM])),
    "items as a number": Response(200, listed(7)),
    "a redirect": Response(302, b"", {"location": "/elsewhere"}),
    "a redirect to itself": Response(307, b"", {"location": "/"}),
    "300": Response(300),
    "a status of its own": Response(299, b"{}"),
    "nine megabytes": Response(200, b" " * 9_000_000),
    "a response without an end": Response(200, b'{"kind": ', drip=True),
    "silence": Response(200, silent=True),
    "a cut": Response(0),
}
