"""What the keeper takes, and what it answers: JSON over HTTP on a Unix socket.

    PUT    /v1/leases/{lease_id}/container      StartOrder  -> Running   create, start, wait for it
    GET    /v1/leases/{lease_id}/container                  -> Seen      what the engine says now
    DELETE /v1/leases/{lease_id}/container      StopOrder   -> Gone      stop, remove, release
    POST   /v1/wake                                         -> {}        look at the queue now
    GET    /v1/health                                       -> Health

Nothing else of a container can be asked for: image, devices, cores, memory, home and network
follow from the lease, which the keeper reads from the ledger itself. A refusal is answered with
its status and `errors.RadLabError.as_dict()`, with `template`, `do_template` and `params` beside
it, so that the client can raise it again and say it in both languages.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

# What the Hub and the session's own facts need; nothing that a loader or an interpreter reads.
ENVIRONMENT_KEY = (
    r"^(JUPYTERHUB_[A-Z_]+|JPY_[A-Z_]+|RADLAB_[A-Z_]+"
    r"|MEM_LIMIT|MEM_GUARANTEE|CPU_LIMIT|CPU_GUARANTEE|LANG)$"
)

_Key = Annotated[str, Field(pattern=ENVIRONMENT_KEY)]
_Line = Annotated[str, Field(max_length=8192)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class StartOrder(_Model):
    """Start the container of a lease.

    `fresh`: one that stands already is removed first, because whoever asks cannot use its token;
    else it is kept, so that asking twice does no harm.
    """

    environment: dict[_Key, _Line]
    arguments: list[_Line] = Field(default=[], max_length=64)
    fresh: bool = False


class Running(_Model):
    """A container whose JupyterLab answers."""

    container_id: str
    address: str
    port: int


class Seen(_Model):
    """What the engine says of a lease's container; `standing` False: there is none."""

    standing: bool
    running: bool = False
    exit_code: int = 0
    out_of_memory: bool = False
    address: str | None = None
    port: int = 8888


class StopOrder(_Model):
    """Stop the container of a lease, with `seconds` of grace, and release the lease."""

    why: Literal["stopped", "failed_start", "container_gone"] = "stopped"
    seconds: int = Field(default=10, ge=0, le=60)


class Gone(_Model):
    """The container is gone and the lease released."""

    released: bool


class Health(_Model):
    """How the keeper is: `walls` and `engine` say whether containers can start."""

    status: Literal["ok"] = "ok"
    walls: bool
    engine: bool
    starting: int
    instance: str
