"""Several at once on one volume, whose refresh token works once."""

import json


def test_five_refreshers_at_once_ask_once(house):
    house.login()
    house.behave(delay=1)

    done = [house.finish(process) for process in [house.start() for _ in range(5)]]

    kinds = sorted(one.stdout.partition(":")[0] for one in done)
    assert kinds == ["NotDue"] * 4 + ["Refreshed"]
    assert len(house.token_calls) == 1
    assert house.standin.ledger.reused == 0


def test_a_person_at_the_cli_and_a_refresher_ask_once(house):
    house.login()
    house.behave(delay=1)

    by_hand = house.by_hand("mcp", "list")
    done = house.run("once")
    by_hand.wait(timeout=120)

    assert done.returncode == 0
    assert len(house.token_calls) == 1
    assert house.standin.ledger.reused == 0


def test_a_person_at_the_cli_renews_and_the_refresher_sees_it(house):
    house.login()
    house.by_hand("mcp", "list").wait(timeout=120)

    done = house.run("once")

    assert done.stdout.startswith("NotDue: "), done
    assert len(house.token_calls) == 1


def test_an_import_waits_for_a_cli_that_renews_and_is_not_overwritten(
    house, eventually
):
    house.login()
    house.behave(delay=4)
    imported = json.dumps(house.standin.login(3600, 25 * 86400)).encode()
    by_hand = house.by_hand("mcp", "list")
    eventually(lambda: house.token_calls, seconds=60)

    done = house.run("import", data=imported)
    by_hand.wait(timeout=120)

    assert done.returncode == 0, done
    assert house.path.read_bytes() == imported
    assert house.token_calls[0]["status"] == 200
