"""`./radlab course`: write a course module, prove it, publish it, and say to whom it is offered."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import click

from hub_config.cli import _course_grade, _course_new, _course_words
from hub_config.cli._site import NotSetUp, Site, open_site, operator, print_json
from hub_config.errors import Conflict, nearest
from hub_config.groups.rules import unknown_group
from hub_config.groups.store import GroupStore
from hub_config.machine import checkout, course_git, course_pictures, course_run
from hub_config.offers.lessons import Published, publish_module, sources
from hub_config.offers.modules import METADATA, Module, UnknownModule, load_modules, read_module
from hub_config.offers.proving import PATIENCE, Ask, ModuleUnproved, Report, parse_parameters
from hub_config.settings import load_settings
from hub_config.teaching.store import OfferStore

Audience = Sequence[str] | None


class BeyondYourGroups(Conflict):
    """A module is on offer beyond the groups of whoever wants to change it."""

    code = "beyond_your_groups"


@click.group("course", no_args_is_help=True)
def command() -> None:
    """Course modules: write them, prove them, publish them."""


command.add_command(_course_new.command)
command.add_command(_course_grade.command)
command.add_command(_course_words.command)


@command.command("build")
@click.argument("modules", nargs=-1, metavar="[FOLDER|ID]...")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder to build into; default: the modules that students see.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def build(modules: tuple[str, ...], out: Path | None, as_json: bool) -> None:
    """Build notebooks from module folders or ids; all of courses/ where none is named.

    A published version never changes: after an edit, raise `version` in module.yaml.
    """
    out = out or load_settings().path("modules")
    folders = [_source(word) for word in modules] or sources(_courses())
    published = [publish_module(folder, out) for folder in folders]
    if as_json:
        return print_json([_facts(one) for one in published])
    for one in published:
        click.echo(f"{one.module.id} {one.module.version}: {_told(one)}: {one.folder}")


@command.command("check")
@click.argument("module", metavar="FOLDER|ID|ADDRESS")
@click.option("--profile", default="ci", show_default=True, help="Budget of module.yaml to run in.")
@click.option("--language", default="en", show_default=True, help="Language of the notebook.")
@click.option("--set", "words", multiple=True, metavar="NAME=VALUE", help="Change a parameter.")
@click.option("--untouched", is_flag=True, help="Run the students' copy, with its gaps open.")
@click.option("--here", is_flag=True, help="Run in this Python instead of the module's image.")
@click.option(
    "--keep",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the executed notebook and the report.",
)
@click.option(
    "--pictures",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the executed notebook as a page, and pictures of all of it.",
)
@click.option(
    "--patience",
    type=click.FloatRange(0.1, 20),
    default=PATIENCE,
    show_default=True,
    help="Times the budget's seconds, for a slow or busy machine.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def check(
    module: str,
    profile: str,
    language: str,
    words: tuple[str, ...],
    untouched: bool,
    here: bool,
    keep: Path | None,
    pictures: Path | None,
    patience: float,
    as_json: bool,
) -> None:
    """Prove a module: its checks, its whole notebook, and every claim of its text.

    The notebook runs offline in the image and with the limits that its students get. Each check
    must refuse the open gap and every known wrong answer, and pass the solution. With changed
    parameters, or the students' copy, the text's claims are not asked for.
    """
    ask = Ask(
        profile, language, parse_parameters(words), untouched, not untouched, patience=patience
    )
    with _found(module, None) as (folder, _):
        kept = keep or pictures
        proved, report = course_run.prove(folder, load_settings(), ask, here=here, keep=kept)
    # Where the page could not even be begun, there is none to look at.
    if pictures is not None and kept is not None and (kept / "run.ipynb").is_file():
        for path in course_pictures.draw(kept / "run.ipynb", pictures):
            _say(f"{path}")
    if as_json:
        print_json(_report(proved, report))
        # One document, whatever it says.
        click.get_current_context().exit(0 if report.ok else 1)
    for line in _lines(proved, report):
        click.echo(line)
    if not report.ok:
        raise _unproved(proved, report)


@command.command("publish")
@click.argument("module", metavar="FOLDER|ID|ADDRESS")
@click.option("--to", "groups", multiple=True, metavar="GROUP", help="Only this group sees it.")
@click.option("--everyone", is_flag=True, help="All see it, whoever saw an earlier version.")
@click.option("--ref", help="Branch or tag of a Git address.")
@click.option("--by", default=None, help="Who publishes it, for the records; default: you.")
@click.option(
    "--within",
    multiple=True,
    metavar="GROUP",
    help="Refuse where the module is offered beyond these groups.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON at the end.")
def publish(
    module: str,
    groups: tuple[str, ...],
    everyone: bool,
    ref: str | None,
    by: str | None,
    within: tuple[str, ...],
    as_json: bool,
) -> None:
    """Prove a module, then offer it as a version that never changes.

    FOLDER holds a module.yaml; ADDRESS is one that `git clone` takes without a password, with
    `#folder` for a folder inside. What fails its proof is not published. Without --to and
    --everyone a new module is for everyone, and a new version for those who see the module now.
    """
    if groups and everyone:
        raise click.UsageError("Give --to or --everyone, not both.")
    site = open_site()
    _known_groups(site, groups)
    settings, offers = site.settings, OfferStore(site.engine)
    out = settings.path("modules")
    with _found(module, ref) as (folder, origin):
        facts = read_module(folder)
        _stay_within(out, offers, facts.id, within)
        for language in facts.languages:
            _say(f"{facts.id} {facts.version}: proving it in '{language}' ...")
            # One language proves the checks: they are the same in all.
            ask = Ask(language=language, exercises=language == "en")
            proved, report = course_run.prove(folder, settings, ask)
            for line in _lines(proved, report):
                _say(line)
            if not report.ok:
                raise _unproved(proved, report)
        before = offers.audiences().get(facts.id)
        audience = groups or (None if everyone else before)
        with _offered(offers, facts.id, audience, by or operator()):
            one = publish_module(folder, out, origin)
    _say(f"{one.module.id} {one.module.version}: {_told(one)}; {_reach(audience)}.")
    if as_json:
        print_json(_facts(one))


@command.command("offer")
@click.argument("module", metavar="ID")
@click.option("--to", "groups", multiple=True, metavar="GROUP", help="Only this group sees it.")
def offer_(module: str, groups: tuple[str, ...]) -> None:
    """Offer a published module to these groups; to everyone where none is named."""
    offers = _offers_of_built(module)
    _known_groups(open_site(), groups)
    offers.offer(module, groups or None, operator())
    click.echo(f"{module}: {_reach(groups or None)}.")


@command.command("withdraw")
@click.argument("module", metavar="ID")
def withdraw(module: str) -> None:
    """Offer a module to nobody; copies that students have stay theirs."""
    _offers_of_built(module).withdraw(module, operator())
    click.echo(f"{module}: withdrawn. `./radlab course offer {module}` offers it again.")


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(as_json: bool) -> None:
    """List the published course modules, newest version of each, and who is offered them."""
    out = load_settings().path("modules")
    modules = load_modules(out).all
    reach = _audiences()
    if as_json:
        return print_json([one.model_dump() | {"offered_to": reach.get(one.id)} for one in modules])
    if not modules:
        return click.echo("No course module is published yet: ./radlab course build")
    width = max(len(module.id) for module in modules)
    for module in modules:
        words = f"{_needs(module)}  {_reach(reach.get(module.id))}  {module.title['en']}"
        click.echo(f"{module.id:<{width}}  {module.version}  {words}")


def _courses() -> Path:
    return checkout.root() / "courses"


@contextlib.contextmanager
def _found(word: str, ref: str | None) -> Iterator[tuple[Path, dict[str, str] | None]]:
    """The folder of a module, and where it came from."""
    if not course_git.is_address(word):
        yield _source(word), None
        return
    _say(f"{word}: cloning ...")
    with course_run.stopped_by_signals(), course_git.cloned(word, ref) as clone:
        yield clone.folder, {"address": clone.address, "commit": clone.commit}


def _source(word: str) -> Path:
    folder = Path(word)
    if (folder / METADATA).is_file():
        return folder.resolve()
    if (_courses() / word / METADATA).is_file():
        return _courses() / word
    known = [source.name for source in sources(_courses())]
    raise UnknownModule(
        "'{word}' is neither a folder with a module.yaml nor a module of courses/.{hint}",
        given=word,
        allowed=known,
        do="Give the folder of a module, or one of: {known}.",
        word=word,
        hint=nearest(word, known),
        known=", ".join(known),
    )


def _known_groups(site: Site, groups: Sequence[str]) -> None:
    """UnknownGroup for one that nobody is in: the module would be seen by nobody."""
    known = GroupStore(site.engine).names()
    for group in groups:
        if group not in known:
            raise unknown_group(group, known)


def _offers_of_built(id: str) -> OfferStore:
    """Who sees what, where a module of that id is built; UnknownModule."""
    site = open_site()
    load_modules(site.settings.path("modules")).module(id)
    return OfferStore(site.engine)


def _audiences() -> Mapping[str, Audience]:
    """Who sees which module; of a folder of modules without a RadLab nothing is said."""
    try:
        return OfferStore(open_site().engine).audiences()
    except NotSetUp:
        return {}


@contextlib.contextmanager
def _offered(offers: OfferStore, id: str, groups: Audience, by: str) -> Iterator[None]:
    """Offer it before it is there, so that nobody else sees it first; not where that fails."""
    before = offers.audiences()
    offers.offer(id, groups, by)
    try:
        yield
    except BaseException:
        # None, everyone, is also what a module without a row is for.
        offers.offer(id, before.get(id), by)
        raise


def _stay_within(out: Path, offers: OfferStore, id: str, within: Sequence[str]) -> None:
    if not within or id not in load_modules(out):
        return
    audience = offers.audiences().get(id)
    if audience is None or not set(audience) <= set(within):
        raise BeyondYourGroups(
            "{id} is offered to others than {groups}, who would get your version.",
            given=id,
            do="Give your module an id of its own, or ask an administrator.",
            id=id,
            groups=", ".join(within),
        )


def _say(line: str) -> None:
    click.echo(line, err=True)


def _unproved(module: Module, report: Report) -> ModuleUnproved:
    return ModuleUnproved(
        "{id} {version} does not hold: {count} problems. {problems}",
        do="Mend them and run `./radlab course check` again.",
        id=module.id,
        version=module.version,
        count=len(report.problems),
        problems=" ".join(f"({place}) {text}" for place, text in enumerate(report.problems, 1)),
    )


def _lines(module: Module, report: Report) -> list[str]:
    mistakes = sum(report.exercises.values())
    told = [f"{module.id} {module.version}"]
    if report.exercises:
        told.append(f"  {len(report.exercises)} checks, {mistakes} known wrong answers")
    if report.seconds:
        first = report.first_figure_seconds
        picture = f", first picture after {first:.1f} s" if first is not None else ""
        told.append(f"  notebook: {report.seconds:.1f} s{picture}")
        slow = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in report.slowest[:4])
        told.append(f"  slowest cells: {slow}")
    for claim in report.claims:
        verdict = "holds" if claim["held"] else "does not hold"
        if not claim.get("asked", True):
            verdict = "not asked for in this run"
        told.append(f"  claim {claim['id']}: {claim['value']:.4g}, {verdict}")
    return told


def _report(module: Module, report: Report) -> dict[str, object]:
    return {
        "id": module.id,
        "version": module.version,
        "ok": report.ok,
        "problems": list(report.problems),
        "exercises": dict(report.exercises),
        "claims": list(report.claims),
        "seconds": report.seconds,
        "first_figure_seconds": report.first_figure_seconds,
        "slowest": [list(one) for one in report.slowest],
    }


def _needs(module: Module) -> str:
    gpus = f"{module.gpus} GPU" if module.gpus else "no GPU"
    return f"{module.minutes} min, {module.image}, {gpus}"


def _reach(groups: Audience) -> str:
    if groups is None:
        return "offered to everyone"
    return f"offered to {', '.join(groups)}" if groups else "withdrawn"


def _told(one: Published) -> str:
    return "built" if one.changed else "is there already"


def _facts(one: Published) -> dict[str, object]:
    return {
        "id": one.module.id,
        "version": one.module.version,
        "folder": str(one.folder),
        "changed": one.changed,
    }
