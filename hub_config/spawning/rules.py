"""What a student asked to start, and what that asks of the ledger; pure.

User options reach the Hub from the launch page or from its REST API, and are believed in neither
case: only the keys below are taken, and nothing else of the container can be asked for.

    {"module": ID, "gpu": true|false, "size": ID, "language": "en"|"zh_CN"}   a course module
    {"image": ID, "gpus": 0|1, "size": ID, "language": "en"|"zh_CN"}          just an environment

Without a size a module brings its own numbers, and an environment those of its image. With one,
the size says whether there are GPUs where `gpu` (`gpus`) does not: `fitting.py` says whether it is
large enough, and whether anything here can serve it.

The launch page's buttons carry the same as one word: `module/ID/gpu`, `module/ID/cpu`,
`image/ID/1`, `image/ID/0`; beside a button stands the field `size/` + that word.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hub_config.errors import BadInput, NotAllowed, NotFound, Unready, nearest
from hub_config.gpus.rules import LeaseRequest
from hub_config.language import LANGUAGES
from hub_config.offers.images import Image
from hub_config.offers.modules import Module
from hub_config.offers.sizes import Numbers, Size

MODULE_KEYS = ("module", "gpu", "size", "language")
IMAGE_KEYS = ("image", "gpus", "size", "language")
SIZE_FIELD = "size/"
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
    """What a student asked for; exactly one of `module` and `image` is set.

    `gpu` is None where the size alone says whether there are GPUs.
    """

    module: str | None = None
    image: str | None = None
    gpu: bool | None = False
    size: str | None = None
    language: str = "en"

    def as_options(self) -> dict[str, Any]:
        """The same as user options, as the Hub keeps them for the next start."""
        options: dict[str, Any] = {"language": self.language}
        if self.module is not None:
            options |= {"module": self.module}
            options |= {} if self.gpu is None else {"gpu": self.gpu}
        else:
            options |= {"image": self.image}
            options |= {} if self.gpu is None else {"gpus": int(self.gpu)}
        return options if self.size is None else {**options, "size": self.size}


@dataclass(frozen=True, kw_only=True)
class Order:
    """A choice with everything that follows from catalog and size.

    `numbers` are what the session gets; `needs` are what it cannot do without: those of the module,
    and of an environment only that it has the GPU that was asked for.
    """

    choice: Choice
    module: Module | None
    image: Image
    size: str | None
    numbers: Numbers
    needs: Numbers
    language: str

    @property
    def gpus(self) -> int:
        """GPUs that the session holds."""
        return self.numbers.gpus

    @property
    def gpu_memory_mb(self) -> int:
        """Memory that each of them has at least, in MB; 0: any card serves."""
        return round(self.numbers.gpu_memory_gb * MB_PER_GB)

    @property
    def cpus(self) -> float:
        """CPU cores of the session."""
        return self.numbers.cpus

    @property
    def memory_mb(self) -> int:
        """Memory of the session in MB."""
        return round(self.numbers.memory_gb * MB_PER_GB)

    @property
    def minutes(self) -> int:
        """Length of the session."""
        return self.numbers.minutes

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
    options = {"language": fields.pop("language", "en")}
    # Each button has a field of its own, and a browser sends them all: the others mean nothing.
    sizes = {name: fields.pop(name) for name in list(fields) if name.startswith(SIZE_FIELD)}
    if size := sizes.get(SIZE_FIELD + start):
        options |= {"size": size}
    _refuse_unknown(fields, ("start", "language"))
    kind, _, rest = start.partition("/")
    name, _, how = rest.rpartition("/")
    if kind == "module" and how in ("gpu", "cpu"):
        return {"module": name, "gpu": how == "gpu", **options}
    if kind == "image" and how in ("0", "1"):
        return {"image": name, "gpus": int(how), **options}
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
    choice = Choice(
        language=_one_of(options, "language", tuple(LANGUAGES), "en"),
        size=_text(options, "size") if options.get("size") is not None else None,
    )
    sized = choice.size is not None
    if "module" in options:
        _refuse_unknown(options, MODULE_KEYS)
        gpu = _one_of(options, "gpu", (True, False), None if sized else True)
        return replace(choice, module=_text(options, "module"), gpu=gpu)
    if "image" in options:
        _refuse_unknown(options, IMAGE_KEYS)
        gpus = _one_of(options, "gpus", (0, 1), None if sized else 0)
        gpu = None if gpus is None else bool(gpus)
        return replace(choice, image=_text(options, "image"), gpu=gpu)
    _refuse_unknown(options, (*MODULE_KEYS, *IMAGE_KEYS))
    raise _nothing_chosen()


def order_module(choice: Choice, module: Module, image: Image, size: Size | None = None) -> Order:
    """What starting that module takes; NeedsGpu where it was to run without one and cannot."""
    gpu = _with_gpu(choice, size)
    if module.gpus and not gpu and not module.cpu_ok:
        raise NeedsGpu(
            "The module {module} needs a GPU.",
            given=False,
            do="Start it with a GPU.",
            module=module.id,
        )
    needs = module_needs(module, image, gpu=gpu)
    return Order(
        choice=choice,
        module=module,
        image=image,
        size=choice.size,
        numbers=sized(size, needs, gpu=gpu and module.gpus > 0),
        needs=needs,
        language=choice.language,
    )


def order_image(choice: Choice, image: Image, size: Size | None = None) -> Order:
    """What starting that environment takes."""
    gpu = _with_gpu(choice, size)
    return Order(
        choice=choice,
        module=None,
        image=image,
        size=choice.size,
        numbers=sized(size, image_numbers(image, gpu=gpu), gpu=gpu),
        needs=Numbers(cpus=0, memory_gb=0, gpus=int(gpu)),
        language=choice.language,
    )


def module_needs(module: Module, image: Image | None, *, gpu: bool) -> Numbers:
    """What a module cannot do without; its image's numbers where it says nothing."""
    gpus = module.gpus if gpu else 0
    return Numbers(
        cpus=module.cpus or (image.cpus if image else 0),
        memory_gb=module.memory_gb or (image.memory_gb if image else 0),
        gpus=gpus,
        gpu_memory_gb=(module.gpu_memory_gb or 0) if gpus else 0,
        minutes=module.minutes,
    )


def image_numbers(image: Image, *, gpu: bool) -> Numbers:
    """What an environment has where nobody chose a size."""
    return Numbers(cpus=image.cpus, memory_gb=image.memory_gb, gpus=int(gpu), minutes=image.minutes)


def sized(size: Size | None, own: Numbers, *, gpu: bool) -> Numbers:
    """What a session has: the `own` numbers of what runs in it, or those of the chosen size."""
    if size is None:
        return own
    numbers = size.numbers(own)
    return numbers if gpu else replace(numbers, gpus=0, gpu_memory_gb=0)


def _with_gpu(choice: Choice, size: Size | None) -> bool:
    if choice.gpu is None:
        return size is not None and size.gpus > 0
    return choice.gpu


def lease_request(
    order: Order, username: str, server_name: str, groups: Iterable[str]
) -> LeaseRequest:
    """The lease that an order asks for; any of `groups` may give the GPUs."""
    return LeaseRequest(
        username=username,
        server_name=server_name,
        groups=tuple(groups),
        size=order.size,
        gpu_count=order.gpus,
        gpu_memory_mb=order.gpu_memory_mb,
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
    if key not in options:
        return default
    value = options[key]
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
