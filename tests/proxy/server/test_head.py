"""proxy.server.head: what a request's head says, and which heads are refused."""

import pytest
from gunicorn.config import Config
from gunicorn.http.body import ChunkedReader, LengthReader
from gunicorn.http.errors import ParseException
from gunicorn.http.message import Request
from gunicorn.http.unreader import IterUnreader
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.server import head
from proxy.server.head import FIELD, FIELDS, HEAD, LINE, Refused, end_of, parse


def of(*lines, line="GET / HTTP/1.1", host="Host: x"):
    """A head; without ``host`` its `Host`, if any, is among the lines."""
    return "\r\n".join([line, *filter(None, [host]), *lines]).encode("latin-1")


READ = {
    "path and query": (
        of(line="GET /v1/models?limit=1 HTTP/1.1"),
        "/v1/models",
        "limit=1",
    ),
    "escaped path": (of(line="GET /a%20b%C3%A9?c=%20 HTTP/1.1"), "/a bÃ©", "c=%20"),
    "two slashes": (of(line="GET //v1/models HTTP/1.1"), "//v1/models", ""),
    "absolute form": (of(line="GET http://h:1/a?b HTTP/1.1"), "/a", "b"),
    "fragment": (of(line="GET /a?b#c HTTP/1.1"), "/a", "b"),
    "asterisk": (of(line="OPTIONS * HTTP/1.1"), "*", ""),
}


@pytest.mark.parametrize(("data", "path", "query"), READ.values(), ids=READ)
def test_a_target_is_split_into_path_and_query(data, path, query):
    environ = parse(data).environ
    assert (environ["PATH_INFO"], environ["QUERY_STRING"]) == (path, query)


def test_the_host_is_that_of_an_absolute_target():
    """RFC 9112, 3.2.2."""
    data = of(line="GET http://h:1/a HTTP/1.1", host="Host: localhost")
    assert parse(data).environ["HTTP_HOST"] == "h:1"


def test_only_http_1_0_needs_no_host():
    assert "HTTP_HOST" not in parse(of(line="GET / HTTP/1.0", host=None)).environ


def test_headers_have_their_wsgi_names():
    environ = parse(
        of(
            "content-type:application/json",
            "Content-Length: 3 ",
            "X-Request-Id:\t1",
            "Accept: a",
            "accept: b",
            "X_Request_Id: 2",
            "Content_Length: 9",
        )
    ).environ
    assert environ["HTTP_HOST"] == "x"
    assert environ["CONTENT_TYPE"] == "application/json"
    assert environ["CONTENT_LENGTH"] == "3"
    assert environ["HTTP_X_REQUEST_ID"] == "1"
    assert environ["HTTP_ACCEPT"] == "a,b"


FRAMED = {
    "no body": (of(), (True, 0)),
    "length": (of("Content-Length: 7"), (True, 7)),
    "chunked": (of("Transfer-Encoding: Chunked"), (True, None)),
    "closing": (of("Connection: Close"), (False, 0)),
    "closing among others": (of("Connection: upgrade, close"), (False, 0)),
    "old": (of(line="GET / HTTP/1.0"), (False, 0)),
    "old and kept": (of("Connection: Keep-Alive", line="GET / HTTP/1.0"), (True, 0)),
    "tunnel": (of(line="CONNECT h:1 HTTP/1.1"), (False, 0)),
}


@pytest.mark.parametrize(("data", "expected"), FRAMED.values(), ids=FRAMED)
def test_a_head_says_how_its_body_ends_and_whether_another_request_follows(
    data, expected
):
    request = parse(data)
    assert (request.keep, request.length) == expected


REFUSED = {
    "nothing": (b"", 400),
    "no version": (b"GET /", 400),
    "HTTP/2": (of(line="PRI * HTTP/2.0"), 400),
    "lower case": (of(line="get / HTTP/1.1"), 400),
    "two spaces": (of(line="GET  / HTTP/1.1"), 400),
    "space in the target": (of(line="GET /a b HTTP/1.1"), 400),
    "control in the target": (of(line="GET /\x01 HTTP/1.1"), 400),
    "byte beyond ASCII in the target": (of(line="GET /é HTTP/1.1"), 400),
    "no colon": (of("Host"), 400),
    "empty name": (of(": x"), 400),
    "space in the name": (of("Ho st: x"), 400),
    "space behind the name": (of("Host : x"), 400),
    "folded": (of("A: b", "\tc: d"), 400),
    "control in a value": (of("A: b\x00c"), 400),
    "bare CR in a value": (of("A: b\rB: c"), 400),
    "control in a dropped header": (of("A_b: \x00"), 400),
    "no host": (of(host=None), 400),
    "two hosts": (of("Host: x"), 400),
    "two types": (of("Content-Type: a", "content-type: a"), 400),
    "two lengths": (of("Content-Length: 1", "Content-Length: 1"), 400),
    "lengths in a list": (of("Content-Length: 1, 1"), 400),
    "signed length": (of("Content-Length: +1"), 400),
    "length in other digits": (of("Content-Length: ²"), 400),
    "endless length": (of("Content-Length: " + "9" * 30), 400),
    "length and chunks": (of("Content-Length: 1", "Transfer-Encoding: chunked"), 400),
    "chunks twice": (of("Transfer-Encoding: chunked, chunked"), 400),
    "codings in two headers": (
        of("Transfer-Encoding: gzip", "Transfer-Encoding: chunked"),
        400,
    ),
    "chunks not last": (of("Transfer-Encoding: chunked, gzip"), 400),
    "no chunks": (of("Transfer-Encoding: gzip"), 400),
    "chunks for HTTP/1.0": (
        of("Transfer-Encoding: chunked", line="POST / HTTP/1.0"),
        400,
    ),
    "compressed chunks": (of("Transfer-Encoding: gzip, chunked"), 415),
    "unknown coding": (of("Transfer-Encoding: xchunked"), 501),
    "no coding": (of("Transfer-Encoding:"), 501),
    "expectation": (of("Expect: 200-ok"), 417),
    "long line": (of(line=f"GET /{'x' * LINE} HTTP/1.1"), 414),
    "long header": (of("A: " + "x" * FIELD), 431),
    "many headers": (of(*["A: b"] * (FIELDS + 1)), 431),
}


@pytest.mark.parametrize(("data", "status"), REFUSED.values(), ids=REFUSED)
def test_a_head_that_could_be_read_in_two_ways_is_refused(data, status):
    with pytest.raises(Refused) as refused:
        parse(data)
    assert refused.value.status == status


@pytest.mark.parametrize("step", [1, 2, 3, 7, 1000])
def test_the_end_is_found_however_a_head_is_cut_up(step):
    data = of("A: b\r") + b"\n\r\r\n\r\nbody\r\n\r\n"
    scanned, seen = 0, -1
    for here in range(step, len(data) + step, step):
        if (seen := end_of(data[:here], scanned)) >= 0:
            break
        scanned = min(here, len(data))
    assert data[seen:].startswith(b"\r\n\r\nbody")


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET / HTTP/1.1\nHost", 400),
        (b"GET / HTTP/1.1\r\nHost: x\n", 400),
        (b"\x16\x03\x01\x02\x00\x01", 400),
        (b"G" * (HEAD + 1), 414),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * HEAD, 431),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * HEAD + b"\r\n", 431),
    ],
    ids=["bare LF", "bare LF later", "TLS", "line", "headers", "whole headers"],
)
def test_a_head_that_never_ends_well_is_refused_before_it_ends(data, status):
    with pytest.raises(Refused) as refused:
        end_of(data, 0)
    assert refused.value.status == status


def by_gunicorn(data):
    """How gunicorn's own parser reads a head; None where it refuses it."""
    config = Config()
    config.set("header_map", "drop")
    config.set("http_parser", "python")
    try:
        request = Request(config, IterUnreader([data + head.END]), ("127.0.0.1", 1))
    except (ParseException, StopIteration):
        return None
    reader = request.body.reader
    chunked = isinstance(reader, ChunkedReader)
    length = reader.length if isinstance(reader, LengthReader) else 0
    headers = {}
    for name, value in request.headers:
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    return {
        "method": request.method,
        "headers": headers,
        "length": None if chunked else length,
    }


PIECES = st.sampled_from(
    [
        "GET", "POST", " ", "  ", "/", "/a?b", "*", "http://h/", "HTTP/1.1", "HTTP/1.0",
        "\r\n", "\r", "\n", ":", ": ", "\t", ",", "Host", "Content-Length", "5", "05", "-1",
        "Transfer-Encoding", "chunked", "gzip", "identity", "Connection", "close",
        "Content_Length", "Expect", "100-continue", "\x00", "\x0b", "\x7f", "é", "a", "_",
    ]
)  # fmt: skip
FIELDS_OF_SOME_KIND = st.lists(
    st.one_of(
        st.sampled_from(
            [
                "Content-Length: 5", "Content-Length: 05", "A: b", "A:b, c",
                "Transfer-Encoding: chunked", "Transfer-Encoding: gzip,chunked",
                "Connection: close", "Content_Length: 7", "Expect: 100-continue",
            ]
        ),
        st.lists(PIECES, max_size=6).map("".join),
    ),
    max_size=5,
)  # fmt: skip
LINES = st.one_of(
    st.sampled_from(["GET / HTTP/1.1", "POST /a?b HTTP/1.0", "GET //a%20 HTTP/1.1"]),
    st.lists(PIECES, max_size=8).map("".join),
)


@settings(max_examples=500, deadline=None)
@given(LINES, FIELDS_OF_SOME_KIND)
def test_what_is_accepted_gunicorns_parser_accepts_and_reads_as_the_same(line, fields):
    data = of(*fields, line=line)
    try:
        end = end_of(data + head.END, 0)
        request = parse(data[:end])
    except Refused:
        return
    theirs = by_gunicorn(data[:end])
    assert theirs is not None
    assert theirs["length"] == request.length
    assert theirs["method"] == request.environ["REQUEST_METHOD"]
    ours = {
        name.removeprefix("HTTP_").replace("_", "-"): value
        for name, value in request.environ.items()
        if name.startswith(("HTTP_", "CONTENT_"))
    }
    if "://" in request.environ["RAW_URI"]:  # it holds the host, and only ours obeys
        assert ours.pop("HOST") in request.environ["RAW_URI"]
        theirs["headers"].pop("HOST", None)
    assert theirs["headers"] == ours


def test_gunicorn_would_accept_an_ordinary_head():
    assert by_gunicorn(of("Content-Length: 5"))["length"] == 5
