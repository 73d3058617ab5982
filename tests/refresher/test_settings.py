"""The environment as a value."""

import re
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from refresher import settings
from refresher.settings import Command, Settings, SettingsError


def test_defaults_need_only_a_home():
    found = Settings.from_environ({"HOME": "/home/me"})

    assert str(found.config_dir) == "/home/me/.claude"
    assert found.before == timedelta(seconds=240)
    assert found.arguments(Command.REFRESH) == ("mcp", "list")
    assert found.arguments(Command.FALLBACK)[:4] == ("-p", "ping", "--model", "haiku")
    assert "" in found.arguments(Command.FALLBACK)


def test_an_empty_variable_counts_as_unset():
    named = dict.fromkeys(settings.VARIABLES, "")

    assert Settings.from_environ(named | {"HOME": "/h"}) == Settings.from_environ(
        {"HOME": "/h"}
    )


def test_every_setting_can_be_chosen():
    found = Settings.from_environ(
        {
            "CLAUDE_CONFIG_DIR": "/var/lib/claude",
            "CLAUDE_BIN": "/opt/claude",
            "REFRESH_BEFORE": "290",
            "REFRESH_INTERVAL": "90",
            "REFRESH_SCHEDULE": "17 */4 * * *",
            "REFRESH_TIME_ZONE": "Europe/Berlin",
            "CLI_TIMEOUT": "180",
            "REFRESH_COMMAND": "mcp list --some 'two words'",
            "FALLBACK": "Off",
            "FALLBACK_COMMAND": "-p hello",
            "LOG_LEVEL": "DEBUG",
            "CREDENTIAL_NAME": "mine",
            "POD_NAMESPACE": "rockbot",
            "HEALTH_PORT": "9090",
        }
    )

    assert found == Settings(
        claude_config_dir="/var/lib/claude",
        claude_bin="/opt/claude",
        refresh_before=290,
        refresh_interval=90,
        cli_timeout=180,
        refresh_command="mcp list --some 'two words'",
        fallback="off",
        fallback_command="-p hello",
        refresh_schedule="17 */4 * * *",
        refresh_time_zone="Europe/Berlin",
        log_level="debug",
        credential_name="mine",
        pod_namespace="rockbot",
        health_port=9090,
        skipped_for=None,
        cli_environ={},
    )


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("REFRESH_BEFORE", "25201", "a whole number from 60 to 25200"),
        ("REFRESH_BEFORE", "4m", "a whole number from 60 to 25200"),
        ("REFRESH_INTERVAL", "59", "a whole number from 60 to 600"),
        ("REFRESH_INTERVAL", "-60", "a whole number from 60 to 600"),
        ("CLI_TIMEOUT", "119", "a whole number from 120 to 600"),
        ("FALLBACK", "maybe", "on or off"),
        ("HEALTH_PORT", "0", "a whole number from 1 to 65535"),
        ("HEALTH_PORT", "65536", "a whole number from 1 to 65535"),
        ("HEALTH_PORT", "http", "a whole number from 1 to 65535"),
        ("LOG_LEVEL", "loud", "debug, info, warning or error"),
        ("REFRESH_SCHEDULE", "not a cron", "five cron fields"),
        ("REFRESH_SCHEDULE", "61 * * * *", "five cron fields"),
        ("REFRESH_SCHEDULE", "0 * * * * *", "five cron fields"),
        ("REFRESH_SCHEDULE", "TZ=UTC 0 * * * *", "five cron fields"),
        ("REFRESH_TIME_ZONE", "Mars/Olympus", "a name such as Europe/Berlin"),
        ("REFRESH_TIME_ZONE", "../../etc/passwd", "a name such as Europe/Berlin"),
        ("REFRESH_COMMAND", "'", "shell words"),
    ],
)
def test_a_bad_value_names_its_variable_and_what_it_must_be(name, value, expected):
    with pytest.raises(settings.SettingsError, match=f"^{name}: must be {expected}"):
        Settings.from_environ({"HOME": "/h", name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("REFRESH_COMMAND", "--version"),
        ("REFRESH_COMMAND", "agents --json"),
        ("REFRESH_COMMAND", "auth status"),
        ("REFRESH_COMMAND", "--debug auth status"),
        ("REFRESH_COMMAND", "--settings x agents"),
        ("FALLBACK_COMMAND", "-p ping --bare"),
        ("FALLBACK_COMMAND", "-p /cost"),
    ],
)
def test_a_command_that_is_known_to_do_harm_is_refused(name, value):
    with pytest.raises(settings.SettingsError, match=f"^{name}: `claude {value}` "):
        Settings.from_environ({"HOME": "/h", name: value})


@pytest.mark.parametrize("value", ['"x"', "'x'", '""', " 'x' "])
@pytest.mark.parametrize("name", ["CLAUDE_CONFIG_DIR", "CLAUDE_BIN", "REFRESH_BEFORE"])
def test_quotes_that_an_env_file_has_kept_are_refused(name, value):
    with pytest.raises(SettingsError, match=f"^{name}: must have no quotes around it$"):
        Settings.from_environ({"HOME": "/h", name: value})


def test_the_quotes_of_shell_words_are_theirs():
    found = Settings.from_environ({"HOME": "/h", "FALLBACK_COMMAND": "'-p' 'hello'"})

    assert found.arguments(Command.FALLBACK) == ("-p", "hello")


@pytest.mark.parametrize(
    "given",
    [
        {"FALLBACK": "maybe", "LOG_LEVEL": "loud", "HEALTH_PORT": "http"},
        {"REFRESH_COMMAND": "'", "REFRESH_SCHEDULE": "x", "REFRESH_TIME_ZONE": "Mars"},
    ],
)
def test_all_bad_values_are_named_at_once(given):
    with pytest.raises(settings.SettingsError) as caught:
        Settings.from_environ({"HOME": "/h", "CLI_TIMEOUT": "300", **given})

    named = {problem.partition(":")[0] for problem in caught.value.problems}
    assert named == set(given)


def test_a_home_is_needed_only_for_the_default_directory():
    assert str(Settings.from_environ({"CLAUDE_CONFIG_DIR": "/v"}).config_dir) == "/v"
    with pytest.raises(settings.SettingsError, match="CLAUDE_CONFIG_DIR"):
        Settings.from_environ({})


@pytest.mark.parametrize("name", ["ANTHROPIC_API_KEY", "CLAUDE_ACCESS_TOKEN"])
def test_another_credential_is_named_and_not_kept(name):
    found = Settings.from_environ({"HOME": "/h", name: "sk-secret"})

    assert found.skipped_for == name
    assert "sk-secret" not in repr(found)


def test_the_cli_sees_the_network_settings_and_nothing_else():
    network = {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "a", "NODE_EXTRA_CA_CERTS": "c"}
    other = {"CLAUDE_CODE_USE_BEDROCK": "1", "ANTHROPIC_BASE_URL": "http://x", "A": "b"}

    found = Settings.from_environ({"HOME": "/h"} | network | other)

    assert found.cli_environ == network


def test_a_newline_after_a_path_is_no_part_of_it():
    found = Settings.from_environ({"HOME": "/h", "NODE_EXTRA_CA_CERTS": "/ca.pem\n"})

    assert found.cli_environ == {"NODE_EXTRA_CA_CERTS": "/ca.pem"}


def test_a_port_that_kubernetes_sets_for_a_service_counts_as_unset():
    found = Settings.from_environ({"HOME": "/h", "HEALTH_PORT": "tcp://10.0.0.1:80"})

    assert found.health_port == 8080


def test_a_credential_may_bring_a_schedule_of_its_own():
    plain = Settings.from_environ({"HOME": "/h", "REFRESH_SCHEDULE": "0 * * * *"})

    found = plain.scheduled("17 */4 * * *", "Europe/Berlin")

    assert found.refresh_schedule == "17 */4 * * *"
    assert found.time_zone == ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("schedule", "zone", "named"),
    [
        ("61 * * * *", "UTC", "schedule: `61 * * * *`: must be five cron fields"),
        ("0 * * * *", "Mars/Olympus", "timeZone: `Mars/Olympus`: must be a name"),
    ],
)
def test_of_a_credentials_schedule_what_is_wrong_is_named(schedule, zone, named):
    plain = Settings.from_environ({"HOME": "/h"})

    with pytest.raises(SettingsError, match=re.escape(named)):
        plain.scheduled(schedule, zone)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1m", 60),
        ("4m", 240),
        ("90s", 90),
        ("1h30m", 5400),
        ("1h0m5s", 3605),
        ("7h", 25200),
    ],
)
def test_a_credential_may_bring_a_time_before_the_expiry(text, seconds):
    assert (
        Settings.from_environ({"HOME": "/h"}).renewing(text).refresh_before == seconds
    )


@pytest.mark.parametrize(
    "text", ["", "59s", "7h1s", "240", "-4m", "4M", "1d", "m", "soon"]
)
def test_a_credentials_bad_time_before_the_expiry_is_named(text):
    plain = Settings.from_environ({"HOME": "/h"})

    with pytest.raises(
        SettingsError, match=f"`{text}`: must be a duration from 1m to 7h"
    ):
        plain.renewing(text)
