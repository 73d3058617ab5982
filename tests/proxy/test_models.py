"""b9: the models list, live and built in."""

import json
from collections.abc import Callable

import pytest
from falcon import testing

from proxy import capabilities, models, transport
from standin import models as listing
from standin import server


def listed(**info: object) -> bytes:
    one = {"id": "claude-opus-9", "created_at": "2027-01-01T00:00:00Z", **info}
    return json.dumps({"data": [one], "has_more": False}).encode()


def failing() -> bytes:
    raise transport.UnreachedError(transport.Obstacle.REFUSED)


def test_b9_list_is_anthropics_own(
    client: testing.TestClient, standin: server.StandIn
) -> None:
    answer = client.simulate_get("/v1/models").json

    assert answer["object"] == "list"
    ids = {model["id"] for model in answer["data"]}
    assert {"claude-opus-5-5", "claude-haiku-4-5-20251001"} <= ids
    for model in answer["data"]:
        assert model.keys() == {"id", "object", "created", "owned_by"}
        assert (model["object"], model["owned_by"]) == ("model", "anthropic")


def test_b9_one_model_by_a_routers_name(client: testing.TestClient) -> None:
    answer = client.simulate_get("/v1/models/anthropic/claude-haiku-4.5")

    assert answer.status_code == 200
    assert answer.json["id"] == "anthropic/claude-haiku-4.5"


def test_b9_one_that_is_unknown_is_a_404(client: testing.TestClient) -> None:
    answer = client.simulate_get("/v1/models/gpt-4")

    assert answer.status_code == 404
    assert answer.json["error"]["code"] == "model_not_found"


def test_b9_retired_models_are_hidden() -> None:
    assert models.to_models(listed(lifecycle="retired")) == []


def test_b9_fallback_is_the_built_in_table_when_anthropic_is_away() -> None:
    catalogue = models.Catalogue(failing)

    assert [one.row for one in catalogue.models()] == list(capabilities.MODELS)


def test_b9_fallback_serves_without_a_credential_and_the_log_says_why(
    make_client: Callable[..., testing.TestClient], log_lines: Callable[[], list[dict]]
) -> None:
    client = make_client(anthropic_api_key="", claude_credentials_path="/nowhere")

    answer = client.simulate_get("/v1/models").json

    assert len(answer["data"]) == len(capabilities.MODELS)
    warnings = [one for one in log_lines() if one["level"] == "warning"]
    words = "/nowhere does not exist: set ANTHROPIC_API_KEY"
    assert [words in one["message"] for one in warnings].count(True) == 1
    assert "proxy.models" in {one["logger"] for one in warnings}


def test_b9_list_is_cached_and_a_failure_keeps_the_old_one() -> None:
    pages = iter([listed()])
    catalogue = models.Catalogue(lambda: next(pages, None) or failing())

    assert [one.row.id for one in catalogue.models()] == ["claude-opus-9"]
    assert [one.row.id for one in catalogue.models()] == ["claude-opus-9"]


def test_b0_live_capabilities_are_read_from_the_list() -> None:
    (one,) = models.to_models(
        listed(
            max_tokens=200_000,
            max_input_tokens=2_000_000,
            capabilities={
                "effort": {"supported": True, "low": {"supported": True},
                           "max": {"supported": False}, "xhigh": None},
                "thinking": {"supported": True, "types": {
                    "adaptive": {"supported": True}, "enabled": {"supported": False}}},
                "structured_outputs": {"supported": False},
                "something_new": {"supported": True},
            },
        )
    )  # fmt: skip

    row = one.row
    assert row.effort == {"low"}
    assert row.thinking == {"adaptive"}
    assert not row.structured_outputs
    assert (row.max_tokens, row.max_input_tokens) == (200_000, 2_000_000)


def test_b0_live_capabilities_decide_what_is_sent(
    client: testing.TestClient, standin: server.StandIn
) -> None:
    """The stand-in's list says that Opus 4.5 has no max effort."""
    client.simulate_post(
        "/v1/chat/completions",
        json={
            "model": "claude-opus-4-5",
            "messages": [{"role": "user", "content": "Hi"}],
            "reasoning_effort": "max",
        },
    )

    assert standin.requests[-1].body["output_config"] == {"effort": "high"}


def test_b9_list_survives_an_entry_that_does_not_fit() -> None:
    good = {"id": "claude-opus-9", "created_at": "2027-01-01T00:00:00Z"}
    page = {"data": [{"id": 7}, {"id": "x", "lifecycle": None}, good]}

    (one,) = models.to_models(json.dumps(page).encode())

    assert one.row.id == "claude-opus-9"


@pytest.mark.parametrize("page", [b"<html>", b"[]", b'{"data": [{}]}'])
def test_b9_fallback_is_used_for_what_is_no_list(page: bytes) -> None:
    found = models.Catalogue(lambda: page).models()

    assert [one.row for one in found] == list(capabilities.MODELS)


# ------------------------------------------------------------------ Anthropic's shape

ANTHROPIC = {"anthropic-version": "2023-06-01"}


def test_an_anthropic_client_gets_anthropics_own_entries(
    client: testing.TestClient, standin: server.StandIn
) -> None:
    page = client.simulate_get("/v1/models", headers=ANTHROPIC).json

    ids = [model["id"] for model in page["data"]]
    assert (page["first_id"], page["last_id"]) == (ids[0], ids[-1])
    assert page["has_more"] is False
    assert page["data"] == [listing.info(model) for model in listing.MODELS]


def test_an_anthropic_client_gets_one_entry_by_any_of_its_names(
    client: testing.TestClient,
) -> None:
    path = "/v1/models/anthropic/claude-haiku-4.5"

    model = client.simulate_get(path, headers=ANTHROPIC).json

    assert model["type"] == "model"
    assert model["id"] == "claude-haiku-4-5-20251001"


def test_an_anthropic_client_is_refused_in_anthropics_envelope(
    client: testing.TestClient,
) -> None:
    answer = client.simulate_get("/v1/models/gpt-4", headers=ANTHROPIC)

    assert answer.status_code == 404
    assert answer.json["type"] == "error"
    assert answer.json["error"]["type"] == "not_found_error"


def test_without_anthropic_the_table_is_listed_in_its_shape(
    make_client: Callable[..., testing.TestClient],
) -> None:
    client = make_client(anthropic_api_key="", claude_credentials_path="/nowhere")

    page = client.simulate_get("/v1/models", headers=ANTHROPIC).json

    assert [model["id"] for model in page["data"]] == [
        model.id for model in capabilities.MODELS
    ]
    sonnet = next(one for one in page["data"] if one["id"] == "claude-sonnet-4-6")
    assert sonnet["created_at"] == "2026-02-17T00:00:00Z"
    assert sonnet["display_name"]


# ------------------------------------------------------------------ Codex's shape


def test_r6_models_codex_gets_a_catalogue_beside_the_list(
    client: testing.TestClient,
) -> None:
    plain = client.simulate_get("/v1/models").json
    page = client.simulate_get("/v1/models?client_version=0.171.0").json

    catalogue = page.pop("models")
    assert page == plain
    listed = [one for one in catalogue if one["visibility"] == "list"]
    ids = [one["id"] for one in plain["data"]]
    assert [one["slug"] for one in listed] == [capabilities.undated(id_) for id_ in ids]
    assert [one["priority"] for one in listed] == list(range(len(ids)))
    for one in catalogue:
        assert one["display_name"].startswith("Claude ")
        assert one["supported_in_api"] is True
        assert one["shell_type"] == "shell_command"
        assert one["apply_patch_tool_type"] == "freeform"
        assert one["support_verbosity"] is False
        assert one["experimental_supported_tools"] == []
        assert one["truncation_policy"].keys() == {"mode", "limit"}
        assert one["base_instructions"]


@pytest.mark.parametrize(
    ("model", "window", "levels"),
    [
        ("claude-opus-5-5", 1_000_000, ["low", "medium", "high", "xhigh", "max"]),
        ("claude-sonnet-4-6", 1_000_000, ["low", "medium", "high", "max"]),
        ("claude-haiku-4-5", 200_000, ["low", "medium", "high"]),
        ("claude-haiku-4-5-20251001", 200_000, ["low", "medium", "high"]),
    ],
)
def test_r6_models_codex_learns_the_real_window_and_the_levels_of_effort(
    client: testing.TestClient, model: str, window: int, levels: list[str]
) -> None:
    page = client.simulate_get("/v1/models?client_version=0.171.0").json
    [one] = [one for one in page["models"] if one["slug"] == model]

    assert one["context_window"] == window
    offered = one["supported_reasoning_levels"]
    assert [level["effort"] for level in offered] == levels
    assert all(level["description"] for level in offered)
    assert one["default_reasoning_level"] in levels


def test_r6_models_codex_offers_a_model_once_and_knows_it_with_its_date_too(
    client: testing.TestClient,
) -> None:
    page = client.simulate_get("/v1/models?client_version=0.171.0").json
    shown = {one["slug"]: one["visibility"] for one in page["models"]}

    assert shown["claude-opus-5-5"] == "list"
    assert shown["claude-haiku-4-5"] == "list"
    assert shown["claude-haiku-4-5-20251001"] == "hide"


def test_r6_models_codex_gets_the_built_in_list_where_anthropic_cannot_be_asked(
    make_client: Callable[..., testing.TestClient],
) -> None:
    client = make_client(anthropic_api_key="", claude_credentials_path="/nowhere")
    page = client.simulate_get("/v1/models?client_version=0.171.0").json

    names = [one["display_name"] for one in page["models"]]
    assert names == [model.id for model in capabilities.MODELS]
