"""Whether a name appeared in a directory, however briefly."""

from refresher import watch


def test_a_name_that_comes_and_goes_is_seen(tmp_path):
    with watch.watch(tmp_path, "lock") as seen:
        (tmp_path / "lock").mkdir()
        (tmp_path / "lock").rmdir()

        assert seen.seen()


def test_other_names_and_earlier_ones_are_not(tmp_path):
    (tmp_path / "lock").mkdir()
    with watch.watch(tmp_path, "lock") as seen:
        (tmp_path / "lock").rmdir()
        for number in range(200):
            (tmp_path / f"lock.{number}").touch()

        assert not seen.seen()


def test_a_name_among_many_others_is_seen(tmp_path):
    with watch.watch(tmp_path, "lock") as seen:
        for number in range(2000):
            (tmp_path / f"a-rather-long-name-{number}").touch()
        (tmp_path / "moved").touch()
        (tmp_path / "moved").rename(tmp_path / "lock")

        assert seen.seen()


def test_where_the_kernel_cannot_tell_it_may_have_appeared(tmp_path):
    with watch.watch(tmp_path / "nowhere", "lock") as seen:
        assert seen.seen()
