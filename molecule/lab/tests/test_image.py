"""What can be known of the image without building one: where packages come from, and how the cache behaves."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from lab.apt import Source, parse_targets
from lab.cache import cached, key_of

TARGETS = """\
http://mirror.example/debian/ bookworm main Debian bookworm
http://mirror.example/debian/ bookworm-updates main Debian bookworm-updates
http://mirror.example/security/ bookworm-security main Debian bookworm-security
https://vendor.example/node/ nodistro main Vendor nodistro
https://vendor.example/short/ x main  x
"""


def test_only_the_distributions_own_sources_are_used() -> None:
    found = parse_targets(TARGETS)
    assert found is not None
    assert found.codename == "bookworm"
    assert len(found.sources) == 3
    assert Source("http://mirror.example/debian/", "bookworm", "main") in found.sources
    assert found.sources[0].line() == "deb http://mirror.example/debian/ bookworm main"


def test_a_machine_without_package_lists_has_no_sources() -> None:
    assert parse_targets("") is None
    assert parse_targets("https://vendor.example/node/ nodistro main Vendor nodistro\n") is None


def test_a_key_changes_with_everything_that_it_is_made_of() -> None:
    keys = {key_of("1", ["a", "b"]), key_of("2", ["a", "b"]), key_of("1", ["a"]), key_of("1", ["ab"])}
    assert len(keys) == 4
    assert key_of("1", ["a", "b"]) == key_of("1", ["a", "b"])


def test_the_second_who_asks_gets_what_the_first_built(tmp_path: Path) -> None:
    built: list[Path] = []

    def build(target: Path) -> None:
        built.append(target)
        (target / "file").write_text("content")

    assert cached(tmp_path, "thing", build) == cached(tmp_path, "thing", build) == tmp_path / "thing"
    assert (tmp_path / "thing/file").read_text() == "content"
    assert len(built) == 1


def test_a_build_that_was_interrupted_is_begun_anew(tmp_path: Path) -> None:
    def interrupted(target: Path) -> None:
        (target / "half").write_text("")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cached(tmp_path, "thing", interrupted)
    assert not (tmp_path / "thing").exists()
    ready = cached(tmp_path, "thing", lambda target: (target / "whole").touch())
    assert [path.name for path in ready.iterdir()] == ["whole"]


def test_two_at_once_build_one_after_the_other(tmp_path: Path) -> None:
    inside = threading.Semaphore(1)
    overlapped: list[bool] = []

    def build(target: Path) -> None:
        overlapped.append(not inside.acquire(blocking=False))
        (target / "file").touch()
        inside.release()

    threads = [threading.Thread(target=cached, args=(tmp_path, name, build)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert overlapped == [False] * 4
