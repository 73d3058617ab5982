"""proxy.relay.listing: the built-in models in Anthropic's shape, as its SDK reads them."""

import json

import msgspec
from anthropic._models import construct_type
from anthropic.types import ModelInfo

from proxy import capabilities
from proxy.relay import listing


def test_every_model_of_the_table_is_a_model_of_the_sdks() -> None:
    for model in capabilities.MODELS:
        info = construct_type(
            type_=ModelInfo, value=json.loads(bytes(listing.to_info(model)))
        )

        assert isinstance(info, ModelInfo)
        assert (info.type, info.id) == ("model", model.id)
        assert info.created_at.timestamp() == model.created


def test_a_page_holds_entries_as_they_came() -> None:
    entry = msgspec.Raw(b'{"id": "m",  "new": 1.0}')

    page = listing.to_page(["m"], [entry])

    assert bytes(entry) in page
    assert json.loads(page) | {"data": []} == {
        "data": [],
        "has_more": False,
        "first_id": "m",
        "last_id": "m",
    }


def test_a_page_of_nothing_has_no_ends() -> None:
    assert json.loads(listing.to_page([], []))["first_id"] is None
