"""Releases: built once on the control machine from what they are made of, installed whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

PYPROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "sroamd"
version = "{version}"
dependencies = []
[project.scripts]
sroamd = "sroamd.daemon:main"
sroamctl = "sroamd.cli:main"
[tool.hatch.build.targets.wheel]
packages = ["src/sroamd"]
[tool.ruff]
line-length = {line_length}
"""


def make_source(directory: Path) -> Path:
    package = directory / "agent/src/sroamd"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "daemon.py").write_text("def main():\n    print('the daemon')\n    return 3\n")
    (package / "cli.py").write_text("def main():\n    print('the tool')\n    return 0\n")
    write_project(directory / "agent")
    return directory / "agent"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return make_source(tmp_path)


@pytest.fixture(scope="module")
def control(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A control machine: sources in agent/, and wheelhouse/ with the release of the fixture `built`."""
    directory = tmp_path_factory.mktemp("control")
    make_source(directory)
    return directory


@pytest.fixture(scope="module")
def built(build_release: ModuleType, control: Path) -> dict[str, Any]:
    record: dict[str, Any] = build_release.release(control / "agent", control / "wheelhouse", [])
    return record


def write_project(source: Path, version: str = "1.2.3", line_length: int = 120) -> None:
    (source / "pyproject.toml").write_text(PYPROJECT.format(version=version, line_length=line_length))


def test_the_name_says_what_a_release_is_made_of(build_release: ModuleType, source: Path) -> None:
    name = build_release.release_id(source)
    assert name.startswith("1.2.3-")
    write_project(source, line_length=80)
    (source / "src/sroamd/__pycache__").mkdir()
    (source / "src/sroamd/__pycache__/cli.pyc").write_text("left by a test")
    assert build_release.release_id(source) == name, "settings of tools and what they leave are no part of a release"
    (source / "src/sroamd/cli.py").write_text("def main():\n    return 1\n")
    changed = build_release.release_id(source)
    assert changed != name
    write_project(source, version="1.2.4")
    assert build_release.release_id(source).startswith("1.2.4-")


def test_only_pins_of_what_runs_on_the_access_points_count(build_release: ModuleType, source: Path) -> None:
    text = (source / "pyproject.toml").read_text().replace("dependencies = []", 'dependencies = ["pyroute2>=0.9,<1"]')
    (source / "pyproject.toml").write_text(text)
    (source / "requirements-dev.txt").write_text("# pins\npyroute2==0.9.7\npytest==9.0.0\n")
    before = build_release.release_id(source)
    (source / "requirements-dev.txt").write_text("# pins\npyroute2==0.9.7\npytest==9.9.9\n")
    assert build_release.release_id(source) == before
    (source / "requirements-dev.txt").write_text("# pins\nPyroute2==0.9.8\npytest==9.9.9\n")
    assert build_release.release_id(source) != before


def test_a_release_is_built_once(build_release: ModuleType, control: Path, built: dict[str, Any]) -> None:
    assert built["built"] is True
    assert hashlib.sha256(Path(built["archive"]).read_bytes()).hexdigest() == built["sha256"]
    again = build_release.release(control / "agent", control / "wheelhouse", [])
    assert again == {**built, "built": False}


def test_a_damaged_archive_is_built_again(build_release: ModuleType, control: Path, built: dict[str, Any]) -> None:
    Path(built["archive"]).write_bytes(b"half of it")
    again = build_release.release(control / "agent", control / "wheelhouse", [])
    assert again == built, "the same sources make the same archive"


def test_what_fits_one_kind_of_machine_only_is_refused(build_release: ModuleType, tmp_path: Path) -> None:
    wheel = tmp_path / "fast-1.0-cp311-cp311-linux_x86_64.whl"
    wheel.touch()
    with pytest.raises(build_release.BuildError, match="is not pure Python"):
        build_release.check_wheel(wheel)
    wheel = tmp_path / "wide-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("wide-1.0.data/data/etc/wide.conf", "")
    with pytest.raises(build_release.BuildError, match="outside its package"):
        build_release.check_wheel(wheel)


def test_a_directory_without_the_agent_is_named(build_release: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(build_release.BuildError, match="set sroamd_agent_source"):
        build_release.release_id(tmp_path)


@pytest.fixture
def releases(tmp_path: Path, built: dict[str, Any]) -> Path:
    """As the role leaves it: the archive is on the host, nothing is installed."""
    directory = tmp_path / "opt/releases"
    directory.mkdir(parents=True)
    deliver(built, directory)
    return directory


def deliver(release: dict[str, Any], releases: Path) -> None:
    (releases / f"{release['id']}.tar").write_bytes(Path(release["archive"]).read_bytes())


def marks(release: Path) -> Iterator[Path]:
    return release.glob("installed-python*")


def test_an_installed_release_runs(install_release: ModuleType, releases: Path, built: dict[str, Any]) -> None:
    install_release.install(releases, built["id"], built["sha256"], 2)
    done = subprocess.run([releases / built["id"] / "bin/sroamd"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (3, "the daemon\n")
    assert len(list(marks(releases / built["id"]))) == 1


def test_a_release_that_was_cut_off_is_installed_again(
    install_release: ModuleType, releases: Path, built: dict[str, Any]
) -> None:
    half = releases / built["id"]
    (half / "lib").mkdir(parents=True)
    (half / "lib/leftover").touch()
    install_release.install(releases, built["id"], built["sha256"], 2)
    assert not (half / "lib/leftover").exists()
    assert len(list(marks(half))) == 1


def test_a_damaged_archive_is_not_installed(install_release: ModuleType, releases: Path, built: dict[str, Any]) -> None:
    archive = releases / f"{built['id']}.tar"
    archive.write_bytes(archive.read_bytes()[:-1])
    with pytest.raises(install_release.InstallError, match="damaged"):
        install_release.install(releases, built["id"], built["sha256"], 2)
    assert not (releases / built["id"]).exists()
    assert not archive.exists(), "the next run would not replace it"


def test_old_releases_go_and_the_current_one_stays(
    install_release: ModuleType, releases: Path, built: dict[str, Any]
) -> None:
    for age, name in enumerate(["newest", "older", "oldest-but-current"]):
        (releases / name).mkdir()
        (releases / f"{name}.tar").touch()
        os.utime(releases / name, (1000 - age, 1000 - age))
    (releases.parent / "current").symlink_to(releases / "oldest-but-current")
    install_release.install(releases, built["id"], built["sha256"], 3)
    left = {path.name for path in releases.iterdir()}
    kept = {built["id"], "oldest-but-current", "newest"}
    assert left == kept | {f"{name}.tar" for name in kept}


def test_the_release_that_runs_stays_though_the_link_names_another(
    install_release: ModuleType, releases: Path, built: dict[str, Any]
) -> None:
    """As after a run that was cut off between the link and the restart."""
    install_release.install(releases, built["id"], built["sha256"], 2)
    (releases.parent / "current").symlink_to(releases / "never-tried")
    program = [releases / built["id"] / "bin/python3", "-c", "print(flush=True); input()"]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as running:
        assert running.stdout
        assert running.stdin
        running.stdout.readline()
        install_release.prune(releases, "new", 1)
        running.stdin.close()
    assert (releases / built["id"]).is_dir()
    install_release.prune(releases, "new", 1)
    assert not (releases / built["id"]).exists()


def test_both_programs_say_what_is_wrong(
    build_release: ModuleType,
    install_release: ModuleType,
    tmp_path: Path,
    releases: Path,
    built: dict[str, Any],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert build_release.main([str(tmp_path), str(tmp_path / "wheelhouse"), "--"]) == 1
    assert "set sroamd_agent_source" in capsys.readouterr().err
    assert install_release.main([str(releases), built["id"], "0" * 64, "2"]) == 1
    assert "run the role again" in capsys.readouterr().err


def test_a_wheelhouse_of_somebody_else_is_named(
    build_release: ModuleType, source: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(path: Path, **_: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "mkdir", refuse)
    assert build_release.main([str(source), "/srv/wheelhouse", "--"]) == 1
    assert capsys.readouterr().err == ("/srv/wheelhouse: may not be written; make it yours, or set sroamd_wheelhouse\n")


def test_the_builder_answers_in_json(
    build_release: ModuleType, control: Path, built: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert build_release.main([str(control / "agent"), str(control / "wheelhouse"), "--"]) == 0
    assert json.loads(capsys.readouterr().out) == {**built, "built": False}
