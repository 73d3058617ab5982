"""Settings: from a mapping, typed, and loud about a bad value."""

import pytest

from proxy import settings


def read(**environ: str) -> settings.Settings:
    return settings.Settings.from_environ(environ)


def test_nothing_set_is_loopback_without_a_second_listener() -> None:
    config = read()

    assert (config.host, config.port, config.health_port) == ("127.0.0.1", 8080, None)
    assert config.claude_credentials_path == "/.claude/.credentials.json"


def test_values_are_typed() -> None:
    config = read(
        PORT="8089",
        CONNECT_TIMEOUT="0.5",
        STRICT_PARAMS="1",
        LOG_LEVEL="DEBUG",
        PROMPT_CACHING="Always",
        HOME="/home/ada",
    )

    assert (config.port, config.connect_timeout) == (8089, 0.5)
    assert config.strict_params
    assert (config.log_level, config.prompt_caching) == ("debug", "always")
    assert config.claude_credentials_path == "/home/ada/.claude/.credentials.json"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "http"), ("PORT", "0"), ("PORT", "70000"), ("HEALTH_PORT", "-1"),
        ("MAX_REQUESTS", "0"), ("MEMORY_BYTES", "-1"), ("MAX_BODY_BYTES", "32M"), ("CONNECT_TIMEOUT", "0"),
        ("TOTAL_TIMEOUT", "inf"), ("DRAIN_TIMEOUT", "nan"), ("STRICT_PARAMS", "maybe"),
        ("PROMPT_CACHING", "sometimes"), ("REASONING_DISPLAY", "loud"),
        ("LOG_LEVEL", "chatty"), ("DEFAULT_MAX_TOKENS", "1.5"),
    ],
)  # fmt: skip
def test_a_bad_value_is_named_and_not_repeated(name: str, value: str) -> None:
    with pytest.raises(settings.SettingsError) as caught:
        read(**{name: value})

    assert str(caught.value).startswith(f"{name}: ")
    assert value == "0" or value not in str(caught.value)


@pytest.mark.parametrize("value", ['"sk-ant-1"', "'sk-ant-1'", ' "sk-ant-1" ', '""'])
@pytest.mark.parametrize(
    "name", ["PROXY_API_KEY", "ANTHROPIC_API_KEY", "DEFAULT_MODEL", "HOST", "PORT"]
)
def test_quotes_that_an_env_file_has_kept_are_refused(name: str, value: str) -> None:
    with pytest.raises(settings.SettingsError) as caught:
        read(**{name: value})

    assert str(caught.value) == f"{name}: must have no quotes around it"


@pytest.mark.parametrize("value", ["it's", '"', "a'b'"])
def test_a_quote_within_a_key_belongs_to_it(value: str) -> None:
    assert read(PROXY_API_KEY=value).proxy_api_key == value


@pytest.mark.parametrize("value", ["claude sonnet", "claude\tsonnet"])
def test_the_default_model_is_one_name(value: str) -> None:
    with pytest.raises(settings.SettingsError, match="DEFAULT_MODEL: must be"):
        read(DEFAULT_MODEL=value)


@pytest.mark.parametrize(
    "name", ["CLAUDE_CREDENTIALS_PATH", "PROXY_API_KEYS_FILE", "PRICES_FILE"]
)
def test_a_path_below_the_home_directory_needs_no_shell(name: str) -> None:
    config = read(**{name: "~/a/b"}, HOME="/home/ada")

    assert getattr(config, name.lower()) == "/home/ada/a/b"


def test_a_key_is_no_path() -> None:
    assert read(PROXY_API_KEY="~/a", HOME="/home/ada").proxy_api_key == "~/a"


def test_all_bad_values_are_named_at_once() -> None:
    with pytest.raises(settings.SettingsError) as caught:
        read(PORT="http", LOG_LEVEL="chatty", IDLE_TIMEOUT="45s", MAX_REQUESTS="5")

    named = {problem.partition(":")[0] for problem in caught.value.problems}
    assert named == {"PORT", "LOG_LEVEL", "IDLE_TIMEOUT"}


def test_all_values_that_cannot_work_are_named_at_once() -> None:
    with pytest.raises(settings.SettingsError) as caught:
        read(HEALTH_PORT="8080", PROXY_API_KEY="two\nlines")

    named = {problem.partition(":")[0] for problem in caught.value.problems}
    assert named == {"HEALTH_PORT", "PROXY_API_KEY"}


def test_a_setting_of_a_kind_that_has_no_words_yet_is_a_mistake_of_ours() -> None:
    class More(settings.Settings, frozen=True, kw_only=True):
        extra: list[int] | None = None

    with pytest.raises(TypeError):
        More.from_environ({"EXTRA": "1,2"})


@pytest.mark.parametrize("name", ["PORT", "HEALTH_PORT"])
def test_kubernetes_service_variables_count_as_unset(name: str) -> None:
    assert read(**{name: "tcp://10.96.0.7:80"}) == read()


def test_unknown_and_empty_variables_are_left_alone() -> None:
    assert read(CLAUDE_CODE_PROXY_PORT="tcp://x", FOO="1", PORT="", HOST=" ") == read()


def test_the_originals_name_for_the_base_url_comes_first() -> None:
    both = read(ANTHROPIC_API_BASE="http://a", ANTHROPIC_BASE_URL="http://b")

    assert both.base_url == "http://a"
    assert read(ANTHROPIC_BASE_URL="http://b").base_url == "http://b"
    assert read().base_url is None


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.7"])
def test_a_wider_address_needs_an_inbound_key(host: str) -> None:
    with pytest.raises(settings.SettingsError, match="PROXY_API_KEY"):
        read(HOST=host).check_exposure()

    read(HOST=host, PROXY_API_KEY="k").check_exposure()
    read(HOST=host, PROXY_API_KEYS_FILE="/keys").check_exposure()
    read().check_exposure()


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({}, []),
        ({"idle_timeout": 50}, []),
        ({"idle_timeout": 51}, ["IDLE_TIMEOUT"]),
        ({"progress_timeout": 601}, ["PROGRESS_TIMEOUT"]),
        (
            {"idle_timeout": 60, "progress_timeout": 900},
            ["IDLE_TIMEOUT", "PROGRESS_TIMEOUT"],
        ),
    ],
)
def test_deadlines_that_known_clients_do_not_wait_for_are_named(
    given: dict, named: list[str]
) -> None:
    sentences = settings.Settings(**given).longer_than_clients_wait()

    assert [one.partition(":")[0] for one in sentences] == named


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.8.0.1", "::1", "[::1]", "localhost", "LOCALHOST"]
)
def test_all_of_loopback_needs_no_key(host: str) -> None:
    read(HOST=host).check_exposure()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"PORT": "8089", "HEALTH_PORT": "8089"}, "HEALTH_PORT: must be another port"),
        ({"PROXY_API_KEY": "two\nlines"}, "PROXY_API_KEY: must be one line"),
        ({"RETRY_GRACE": "-1"}, "RETRY_GRACE: must be a number from 0 to 604800"),
        ({"ALLOW_HTTP_UPSTREAM": "maybe"}, "ALLOW_HTTP_UPSTREAM: must be 0, 1"),
    ],
)
def test_values_that_cannot_work_are_named(given: dict[str, str], words: str) -> None:
    with pytest.raises(settings.SettingsError, match=f"^{words}"):
        read(**given)
