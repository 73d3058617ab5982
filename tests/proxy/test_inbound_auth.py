"""Whose request it is: the key that was sent, as a digest."""

from pathlib import Path

from proxy import inbound_auth, settings


def test_every_key_is_an_owner_of_its_own_however_it_is_encoded(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text("first-key\nschlüssel\n", encoding="utf-8")
    config = settings.Settings(
        proxy_api_key="own-key", proxy_api_keys_file=str(file)
    )  # fmt: skip
    keys = inbound_auth.InboundKeys(config)

    owners = [keys.owner(key) for key in ("own-key", "first-key", "schlüssel")]

    assert len({*owners, None}) == 4
    as_utf8 = "schlüssel".encode().decode("latin-1")
    assert keys.owner(as_utf8) == keys.owner("schlüssel")
    assert keys.owner("wrong") is None
    assert all(b"key" not in (owner or b"") for owner in owners)
