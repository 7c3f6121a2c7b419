"""A home is a folder that nobody but root could have put there."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import docker
import pytest
from keeper_support import Site, order

from hub_config.containers.refusals import HomeTrouble
from hub_config.keeper.homes import make_home
from hub_config.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    made = Settings(state=str(tmp_path))
    made.make_folders()
    return made


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_home_is_the_students_alone(settings: Settings) -> None:
    home = make_home(settings, "mei")
    assert home == settings.path("homes", "mei")
    found = home.stat()
    assert (found.st_uid, stat.S_IMODE(found.st_mode)) == (10001, 0o700)
    assert make_home(settings, "mei") == home


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_home_whose_making_was_interrupted_becomes_the_students(settings: Settings) -> None:
    settings.path("homes", "mei").mkdir()
    assert make_home(settings, "mei").stat().st_uid == 10001


def test_a_link_in_the_place_of_a_home_is_refused(settings: Settings, tmp_path: Path) -> None:
    settings.path("homes", "mei").symlink_to(tmp_path)
    with pytest.raises(HomeTrouble, match="a link or a file"):
        make_home(settings, "mei")


def test_a_link_in_the_place_of_all_homes_is_refused(settings: Settings, tmp_path: Path) -> None:
    settings.path("homes").rmdir()
    settings.path("homes").symlink_to(tmp_path)
    with pytest.raises(HomeTrouble):
        make_home(settings, "mei")


def test_homes_that_others_may_write_in_are_refused(settings: Settings) -> None:
    settings.path("homes").chmod(0o777)
    with pytest.raises(HomeTrouble, match="others than root"):
        make_home(settings, "mei")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_homes_of_somebody_else_are_refused(settings: Settings) -> None:
    os.chown(settings.path("homes"), 65534, -1)
    with pytest.raises(HomeTrouble, match="others than root"):
        make_home(settings, "mei")


@pytest.mark.engine
def test_a_volume_that_lies_elsewhere_is_not_taken_for_the_home(
    lab: Site, docker_client: docker.DockerClient
) -> None:
    labels = {"radlab.instance": lab.settings.instance}
    docker_client.volumes.create(f"{lab.settings.instance}-home-mei", labels=labels)
    lease = lab.grant("mei")
    with pytest.raises(HomeTrouble, match="no folder of ours"):
        lab.starter().start(lease.id, order())


@pytest.mark.engine
def test_what_a_student_wrote_is_there_in_the_next_session(
    lab: Site, docker_client: docker.DockerClient
) -> None:
    starter = lab.starter()
    first = lab.grant("mei")
    running = starter.start(first.id, order())
    docker_client.containers.get(running.container_id).exec_run(
        ["/bin/busybox", "touch", "/home/student/mine"]
    )
    again = starter.start(first.id, order(fresh=True))
    there = docker_client.containers.get(again.container_id).exec_run(
        ["/bin/busybox", "ls", "/home/student/mine"]
    )
    assert there.exit_code == 0
