"""One container in the Docker Engine: create, start, find, stop, remove; synchronous, for threads.

Every method of the engine that fails becomes EngineTrouble with the engine's own reason. What the
engine does not say is not known: `gone` is only what it answers with 404.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import requests
from docker import APIClient
from docker.errors import APIError, DockerException, ImageNotFound, NotFound

from hub_config.containers.refusals import EngineTrouble, ImageMissing, LabEnded
from hub_config.keeper.hardening import STOP_SECONDS, Container, create_arguments, host_config

_GONE_SECONDS = 20.0
_LOGGED_LINES = 20
_LOGGED_CHARACTERS = 200


@dataclass(frozen=True)
class Found:
    """What the engine says of a container; `pid` is its first process as the host counts."""

    id: str
    running: bool
    status: str
    exit_code: int
    out_of_memory: bool
    address: str | None
    pid: int
    image_id: str


def create(client: APIClient, container: Container) -> str:
    """Create the container; its id. ImageMissing, EngineTrouble."""
    with said_clearly():
        try:
            config = client.create_host_config(**host_config(container))
            answer = client.create_container(**create_arguments(container), host_config=config)
        except ImageNotFound as error:
            raise ImageMissing(
                "The image {image} is not on this server.",
                given=container.image,
                do="Ask an administrator to run `./radlab up`, which builds it.",
                image=container.image,
            ) from error
    return str(answer["Id"])


def start(client: APIClient, name: str) -> None:
    """Start the container; EngineTrouble."""
    with said_clearly():
        client.start(name)


def find(client: APIClient, name: str) -> Found | None:
    """The container of that name, with its address; None where there is none."""
    with said_clearly():
        try:
            facts = client.inspect_container(name)
        except NotFound:
            return None
    return _found(facts)


def require_running(found: Found | None) -> str:
    """The address of a container that runs; LabEnded says how it ended."""
    if found is not None and found.running and found.address:
        return found.address
    if found is not None and found.out_of_memory:
        raise LabEnded(
            "The container ran out of memory while it was starting.",
            do="Choose an environment or a module with more memory.",
        )
    raise LabEnded(
        "The container ended while it was starting (exit code {code}).",
        do="Try again; if it stays so, tell an administrator.",
        code=found.exit_code if found is not None else "unknown",
    )


def last_words(client: APIClient, name: str) -> str:
    """The last lines that the container wrote, for the keeper's log; empty where it is gone.

    A student decides what they say, so each is quoted, as `repr` does, and cut: none of them can
    pass for a line of the log, or speak to the terminal of whoever reads it.
    """
    with said_clearly():
        try:
            words = bytes(client.logs(name, tail=_LOGGED_LINES)).decode(errors="replace")
        except NotFound:
            return ""
    lines = words.strip().splitlines()[-_LOGGED_LINES:]
    return "\n".join(repr(line[:_LOGGED_CHARACTERS])[:_LOGGED_CHARACTERS] for line in lines)


def stop(client: APIClient, name: str, seconds: int = STOP_SECONDS) -> None:
    """Ask the container to end, and end it after `seconds`; nothing where it is gone."""
    with said_clearly():
        try:
            client.stop(name, timeout=seconds)
        except NotFound:
            return


def remove(client: APIClient, name: str) -> None:
    """Remove the container, running or not, and return when the engine says that it is gone."""
    with said_clearly():
        try:
            client.remove_container(name, force=True, v=True)
        except NotFound:
            return
        except APIError as error:
            if error.status_code != requests.codes.conflict:  # somebody else removes it just now
                raise
    deadline = time.monotonic() + _GONE_SECONDS
    while find(client, name) is not None:
        if time.monotonic() > deadline:
            raise EngineTrouble(
                "The container {name} cannot be removed.",
                do="An administrator finds the reason with `docker inspect {name}`.",
                name=name,
            )
        time.sleep(0.1)


@contextmanager
def said_clearly() -> Iterator[None]:
    """Turn what the engine's client raises into EngineTrouble."""
    try:
        yield
    except (DockerException, requests.RequestException, OSError) as error:
        raise EngineTrouble(
            "The Docker Engine did not do what was asked: {reason}.",
            do="Try again in a minute; if it stays so, tell an administrator.",
            reason=_reason(error),
        ) from error


def _found(facts: dict[str, Any]) -> Found:
    state = facts["State"]
    # A container of ours is on one network.
    networks = facts["NetworkSettings"]["Networks"].values()
    return Found(
        id=facts["Id"],
        running=bool(state["Running"]),
        status=state["Status"],
        exit_code=int(state["ExitCode"]),
        out_of_memory=bool(state["OOMKilled"]),
        address=next((one["IPAddress"] for one in networks if one["IPAddress"]), None),
        pid=int(state["Pid"]),
        image_id=facts["Image"],
    )


def _reason(error: Exception) -> str:
    text = error.explanation if isinstance(error, APIError) and error.explanation else str(error)
    return str(text).strip().rstrip(".")[:300]
