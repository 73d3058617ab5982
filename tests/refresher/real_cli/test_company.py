"""Several at once on one volume, whose refresh token works once."""

import concurrent.futures
import json
import threading

from refresher import lock


def test_five_refreshers_at_once_ask_once(installation):
    installation.login()
    installation.behave(delay=1)

    done = [
        installation.finish(process)
        for process in [installation.start() for _ in range(5)]
    ]

    kinds = sorted(one.stdout.partition(":")[0] for one in done)
    assert kinds == ["NotDue"] * 4 + ["Refreshed"]
    assert len(installation.token_calls) == 1
    assert installation.standin.ledger.reused == 0


def test_a_person_at_the_cli_and_a_refresher_ask_once(installation):
    installation.login()
    installation.behave(delay=1)

    by_hand = installation.by_hand("mcp", "list")
    done = installation.run("once")
    by_hand.wait(timeout=120)

    assert done.returncode == 0
    assert len(installation.token_calls) == 1
    assert installation.standin.ledger.reused == 0


def test_a_person_at_the_cli_refreshes_and_the_refresher_notices(installation):
    installation.login()
    installation.by_hand("mcp", "list").wait(timeout=120)

    done = installation.run("once")

    assert done.stdout.startswith("NotDue: "), done
    assert len(installation.token_calls) == 1


def test_an_import_waits_for_a_cli_that_refreshes_and_is_not_overwritten(
    installation, eventually
):
    installation.login()
    may_be_answered = threading.Event()
    installation.behave(held_until=may_be_answered)
    imported = json.dumps(installation.standin.login(3600, 25 * 86400)).encode()
    by_hand = installation.by_hand("mcp", "list")
    eventually(lambda: installation.token_calls)

    with concurrent.futures.ThreadPoolExecutor() as pool:
        importing = pool.submit(installation.run, "import", data=imported)
        eventually(lambda: lock.state(installation.volume) == "held")  # by the import
        may_be_answered.set()
        done = importing.result()
    by_hand.wait(timeout=120)

    assert done.returncode == 0, done
    assert installation.path.read_bytes() == imported
    assert installation.token_calls[0]["status"] == 200
