"""proxy.urls: where prompts and the credential may go."""

import pytest

from proxy import settings, urls


def check(url: str, *, allow_http: bool = False) -> None:
    urls.check_base_url("ANTHROPIC_API_BASE", url, allow_http=allow_http)


@pytest.mark.parametrize(
    "url",
    [
        "https://api.anthropic.com",
        "https://gateway.example/anthropic/",
        "https://[2001:db8::1]:8443",
        "http://localhost:4000",
        "http://127.0.0.2:4000",
        "http://[::1]:4000",
        "http://10.96.0.7",
        "http://192.168.1.5:8080",
        "http://[fd00::7]",
        "http://litellm:4000",
        "http://gateway.tools.svc:4000",
        "http://gateway.tools.svc.cluster.local",
        "http://gateway.tools.svc.corp.example",
        "http://host.docker.internal:4000",
    ],
)
def test_https_anywhere_and_http_where_no_stranger_listens(url: str) -> None:
    check(url)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("foo", "must be a URL"),
        ("api.anthropic.com", "must be a URL"),
        ("ftp://x", "must be a URL"),
        ("https://", "must be a URL"),
        ("https://x:notaport", "must be a URL"),
        ("https://x:99999", "must be a URL"),
        ("https://[::1", "must be a URL"),
        ("https://x\u202e.example", "must be a URL"),
        ("https://user:secret@x.example", "must have no user"),
        ("https://x.example?key=secret", "must have no user, query"),
        ("https://x.example#secret", "must have no user, query"),
        ("https://x.example/a b", "must have no user, query"),
        ("https://api.anthropic.com/v1", "must not end in /v1"),
        ("https://api.anthropic.com/v1/", "must not end in /v1"),
        ("http://api.anthropic.com", "must start with https://"),
        ("http://8.8.8.8", "must start with https://"),
        ("http://svc.example.com", "must start with https://"),
    ],
)
def test_anything_else_is_refused_in_words_that_do_not_repeat_it(
    url: str, words: str
) -> None:
    with pytest.raises(settings.SettingsError) as caught:
        check(url)

    assert str(caught.value).startswith("ANTHROPIC_API_BASE: " + words)
    assert "secret" not in str(caught.value)


def test_http_to_anywhere_is_for_those_who_ask_for_it() -> None:
    check("http://gateway.example", allow_http=True)


@pytest.mark.parametrize(
    "value", ["http://proxy.example:3128", "https://u:p@10.0.0.1", "proxy:3128", ""]
)
def test_a_network_proxy_speaks_http(value: str) -> None:
    urls.check_network_proxies({"HTTPS_PROXY": value, "NO_PROXY": "%%"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HTTPS_PROXY", "http://proxy:port"),
        ("https_proxy", "socks5://proxy:1080"),
        ("ALL_PROXY", "http://"),
        ("HTTP_PROXY", "http://[::1"),
    ],
)
def test_what_is_no_http_proxy_is_refused(name: str, value: str) -> None:
    with pytest.raises(settings.SettingsError, match=f"^{name}: must be the URL"):
        urls.check_network_proxies({name: value})
