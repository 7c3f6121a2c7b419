"""What a student asked to start, and what that asks of the ledger; pure.

User options reach the Hub from the launch page or from its REST API, and are believed in neither
case: only the keys below are taken, and nothing else of the container can be asked for.

    {"module": ID, "gpu": true|false, "language": "en"|"zh_CN"}     a course module
    {"image": ID, "gpus": 0|1, "language": "en"|"zh_CN"}            just an environment

The launch page's buttons carry the same as one word: `module/ID/gpu`, `module/ID/cpu`,
`image/ID/1`, `image/ID/0`. A home's slug is the user's name where that is made of lower-case
letters and digits (all names that RadLab gives are); of any other name it is what can be kept
and the beginning of a hash, joined by a hyphen, which no kept name contains.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# What moved to `containers` is still found here until the spawner asks the keeper.
from hub_config.containers.refusals import (
    EngineTrouble as EngineTrouble,
)
from hub_config.containers.refusals import (
    HomeTrouble as HomeTrouble,
)
from hub_config.containers.refusals import (
    ImageMissing as ImageMissing,
)
from hub_config.containers.refusals import (
    LabEnded as LabEnded,
)
from hub_config.containers.rules import (
    home_slug as home_slug,
)
from hub_config.containers.rules import (
    internet_allowed as internet_allowed,
)
from hub_config.containers.rules import (
    volume_name as volume_name,
)
from hub_config.errors import BadInput, NotAllowed, NotFound, Unready, nearest
from hub_config.gpus.rules import LeaseRequest
from hub_config.language import LANGUAGES
from hub_config.offers.images import Image
from hub_config.offers.modules import Module

MODULE_KEYS = ("module", "gpu", "language")
IMAGE_KEYS = ("image", "gpus", "language")
MB_PER_GB = 1024


class UnknownOption(BadInput):
    """A key or a value of the options is none that can be asked for."""

    code = "unknown_option"


class NothingChosen(BadInput):
    """Neither a module nor an environment was asked for."""

    code = "nothing_chosen"


class NeedsGpu(BadInput):
    """The module cannot be started without a GPU."""

    code = "needs_gpu"


class NotByLink(NotAllowed):
    """Following a link starts nothing: only a button does."""

    code = "not_by_link"


class NotOffered(NotFound):
    """The image is in the catalog, and not for starting alone."""

    code = "not_offered"


class NothingOffered(Unready):
    """No image is offered, so that nothing can be started."""

    code = "nothing_offered"


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What a student asked for; exactly one of `module` and `image` is set."""

    module: str | None = None
    image: str | None = None
    gpu: bool = False
    language: str = "en"

    def as_options(self) -> dict[str, Any]:
        """The same as user options, as the Hub keeps them for the next start."""
        if self.module is not None:
            return {"module": self.module, "gpu": self.gpu, "language": self.language}
        return {"image": self.image, "gpus": int(self.gpu), "language": self.language}


@dataclass(frozen=True, kw_only=True)
class Order:
    """A choice with everything that follows from the catalog: sizes, minutes, notebook."""

    choice: Choice
    module: Module | None
    image: Image
    gpus: int
    cpus: float
    memory_mb: int
    minutes: int
    language: str

    @property
    def default_url(self) -> str:
        """Where JupyterLab opens: on the module's first notebook, else on its launcher."""
        if self.module is None:
            return "/lab"
        return f"/lab/tree/{self.module.id}/{self.module.notebook(self.language)}"


def read_form(form: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """The user options that a button of the launch page stands for."""
    fields = {name: values[-1] for name, values in form.items() if name != "_xsrf" and values}
    start = str(fields.pop("start", ""))
    language = fields.pop("language", "en")
    _refuse_unknown(fields, ("start", "language"))
    kind, _, rest = start.partition("/")
    name, _, size = rest.rpartition("/")
    if kind == "module" and size in ("gpu", "cpu"):
        return {"module": name, "gpu": size == "gpu", "language": language}
    if kind == "image" and size in ("0", "1"):
        return {"image": name, "gpus": int(size), "language": language}
    raise _nothing_chosen()


def read_options(options: Mapping[str, Any]) -> Choice:
    """The choice that user options describe; refuses unknown keys and impossible values."""
    if not options:
        raise _nothing_chosen()
    if "module" in options and "image" in options:
        raise UnknownOption(
            "Both a module and an image were asked for.",
            given=sorted(options),
            allowed=[list(MODULE_KEYS), list(IMAGE_KEYS)],
            do="Ask for one of them.",
        )
    language = _one_of(options, "language", tuple(LANGUAGES), "en")
    if "module" in options:
        _refuse_unknown(options, MODULE_KEYS)
        gpu = _one_of(options, "gpu", (True, False), True)
        return Choice(module=_text(options, "module"), gpu=gpu, language=language)
    if "image" in options:
        _refuse_unknown(options, IMAGE_KEYS)
        gpus = _one_of(options, "gpus", (0, 1), 0)
        return Choice(image=_text(options, "image"), gpu=bool(gpus), language=language)
    _refuse_unknown(options, (*MODULE_KEYS, *IMAGE_KEYS))
    raise _nothing_chosen()


def order_module(choice: Choice, module: Module, image: Image) -> Order:
    """What starting that module takes; NeedsGpu where it was to run without one and cannot."""
    if module.gpus and not choice.gpu and not module.cpu_ok:
        raise NeedsGpu(
            "The module {module} needs a GPU.",
            given=False,
            do="Start it with a GPU.",
            module=module.id,
        )
    return Order(
        choice=choice,
        module=module,
        image=image,
        gpus=module.gpus if choice.gpu else 0,
        cpus=module.cpus or image.cpus,
        memory_mb=round((module.memory_gb or image.memory_gb) * MB_PER_GB),
        minutes=module.minutes,
        language=choice.language,
    )


def order_image(choice: Choice, image: Image) -> Order:
    """What starting that environment takes."""
    return Order(
        choice=choice,
        module=None,
        image=image,
        gpus=int(choice.gpu),
        cpus=image.cpus,
        memory_mb=round(image.memory_gb * MB_PER_GB),
        minutes=image.minutes,
        language=choice.language,
    )


def lease_request(
    order: Order, username: str, server_name: str, groups: Iterable[str]
) -> LeaseRequest:
    """The lease that an order asks for; any of `groups` may give the GPUs."""
    return LeaseRequest(
        username=username,
        server_name=server_name,
        groups=tuple(groups),
        gpu_count=order.gpus,
        cpus=order.cpus,
        memory_mb=order.memory_mb,
        minutes=order.minutes,
        image=order.image.id,
        module=order.module.id if order.module else None,
        module_version=order.module.version if order.module else None,
    )


def _nothing_chosen() -> NothingChosen:
    return NothingChosen(
        "Nothing was chosen to start.", do="Choose a course module or an environment."
    )


def _refuse_unknown(options: Mapping[str, Any], known: Sequence[str]) -> None:
    for key in options:
        if key not in known:
            raise UnknownOption(
                "There is no option '{option}'.{hint}",
                given=key,
                allowed=list(known),
                do="Leave it out.",
                option=key,
                hint=nearest(str(key), known),
            )


def _text(options: Mapping[str, Any], key: str) -> str:
    value = options[key]
    if not isinstance(value, str) or not value:
        raise _bad_value(key, value, ["the id of one on offer"])
    return value


def _one_of(options: Mapping[str, Any], key: str, allowed: tuple[Any, ...], default: Any) -> Any:
    value = options.get(key, default)
    # True == 1 in Python, and JSON tells them apart: so do we.
    if not any(value == each and type(value) is type(each) for each in allowed):
        raise _bad_value(key, value, list(allowed))
    return value


def _bad_value(key: str, value: Any, allowed: list[Any]) -> UnknownOption:
    return UnknownOption(
        "The option '{option}' cannot be {value}.",
        given=value,
        allowed=allowed,
        do="It can be: {allowed_text}.",
        option=key,
        value=repr(value)[:80],
        allowed_text=", ".join(map(str, allowed)),
    )
