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


def test_a_comment_in_the_file_is_no_key(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text("# agents\nfirst-key-0123456789\n  #\nsecond#key\n")
    keys = inbound_auth.InboundKeys(settings.Settings(proxy_api_keys_file=str(file)))

    assert keys.owner("# agents") is keys.owner("#") is keys.owner("agents") is None
    assert keys.owner("second#key") is not None


def test_a_file_of_comments_holds_no_key(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text("# none yet\n")
    keys = inbound_auth.InboundKeys(settings.Settings(proxy_api_keys_file=str(file)))

    assert keys.trouble() == "PROXY_API_KEYS_FILE holds no key"
    assert keys.shortest() is None


def test_the_shortest_key_is_known_wherever_it_is_set(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text("0123456789\n0123\n")
    for own, shortest in (("", 4), ("01", 2), ("0123456", 4)):
        config = settings.Settings(proxy_api_key=own, proxy_api_keys_file=str(file))
        assert inbound_auth.InboundKeys(config).shortest() == shortest
