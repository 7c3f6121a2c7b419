"""The Hub's pages speak two languages, whole, in the browser's or the chosen one."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from jinja2 import ChoiceLoader, Environment, FileSystemLoader, PrefixLoader
from spawning_support import MODULE, image, in_line, reach, sizes
from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine
from tornado.web import RequestHandler

from hub_config import clock
from hub_config.gpus.model import DeviceRow
from hub_config.gpus.refusals import none_free
from hub_config.gpus.rules import Free
from hub_config.language import catalog
from hub_config.offers.images import Images
from hub_config.offers.modules import Module, Modules
from hub_config.settings import Settings
from hub_config.spawning import pages
from hub_config.spawning.launch import Launch, build_launch
from hub_config.spawning.refusal import Refused
from hub_config.spawning.steps import STEPS

SOURCES = Path(pages.__file__).parent
LINE = RequestStartLine("GET", "/hub/home", "HTTP/1.1")
LATER = clock.from_iso("2026-03-01T09:40:00Z")
SESSION = {
    "title": MODULE["title"],
    "image_title": {"en": "Tiny", "zh_CN": "微型"},
    "gpus": ["NVIDIA L4, 24 GB"],
    "simulated": True,
    "ends_at": "2026-03-01T09:40:00Z",
}


class Asker(RequestHandler):
    """A request of which only its language is looked at."""

    def __init__(self, cookie: str | None = None, accept: str = "") -> None:
        headers = HTTPHeaders({"Host": "radlab", "Accept-Language": accept})
        if cookie:
            headers["Cookie"] = f"radlab-language={cookie}"
        self.request = HTTPServerRequest(start_line=LINE, headers=headers)

    def static_url(self, path: str) -> str:
        return path


def environment() -> Environment:
    loader = FileSystemLoader(str(pages.TEMPLATES))
    both = ChoiceLoader([loader, PrefixLoader({"templates": loader})])
    return Environment(loader=both, autoescape=True, enable_async=True)


def launch(groups: tuple[str, ...] = ("radiology",), busy: bool = False) -> Launch:
    free = Free(
        free=0 if busy else 2, total=2, enough=not busy, next_free_at=LATER if busy else None,
        largest_memory_mb=24576, simulated=True,
    )  # fmt: skip
    row = DeviceRow(
        uuid="SIM-0", index=0, model="Simulated", memory_mb=24576, simulated=True,
        group="radiology", gone=False, lease=None,
    )  # fmt: skip
    images = Images([image("tiny:1")])
    modules = Modules([Module.model_validate(MODULE)])
    return build_launch(modules, images, sizes(), [row], reach(free, groups), in_line())


def someone() -> SimpleNamespace:
    return SimpleNamespace(name="mei", escaped_name="mei")


def server(**facts: object) -> SimpleNamespace:
    return SimpleNamespace(**({"active": True, "ready": True, "pending": None} | facts))


REFUSED = Refused(none_free(["radiology"], 2, 0, LATER), lambda message: message)
SCOPE = {"description": "Know your name", "filter": ""}
TOKEN = SimpleNamespace(note="script", last_activity=None, expires_at=LATER, api_id="a1")
PAGES = {
    "launch": ("spawn.html", {"spawner_options_form": launch()}),
    "launch-busy": ("spawn.html", {"spawner_options_form": launch(busy=True)}),
    "launch-alone": ("spawn.html", {"spawner_options_form": launch(groups=())}),
    "launch-refused": (
        "spawn.html",
        {"spawner_options_form": launch(), "html_error_message": REFUSED.jupyterhub_html_message},
    ),
    "pending": (
        "spawn_pending.html", {"spawner": server(session=SESSION), "progress_url": "/p"},
    ),
    "stopping": ("stop_pending.html", {}),
    "failed": ("not_running.html", {"failed": True, "exception": REFUSED}),
    "failed-late": (
        "not_running.html", {"failed": True, "exception": SimpleNamespace(reason="timeout")},
    ),
    "not-running": ("not_running.html", {}),
    "home": ("home.html", {"default_server": server(session=SESSION)}),
    "home-starting": ("home.html", {"default_server": server(ready=False, session={})}),
    "home-idle": ("home.html", {"default_server": server(active=False)}),
    "logout": ("logout.html", {"user": None}),
    "missing": ("404.html", {"status_code": 404}),
    "unavailable": ("error.html", {"status_code": 503}),
    "forbidden": ("error.html", {"status_code": 403}),
    "broken": ("error.html", {"status_code": 500}),
    "oauth": (
        "oauth.html",
        {
            "oauth_client": SimpleNamespace(description="App", redirect_uri="/x"),
            "scope_descriptions": [SCOPE],
            "allowed_scopes": ["read"],
        },
    ),
    "share": (
        "accept-share.html", {"owner": someone(), "spawner_ready": False, "scope_descriptions": []},
    ),
    "tokens": ("token.html", {"api_tokens": [TOKEN]}),
}  # fmt: skip


async def show(name: str, asker: Asker) -> str:
    template, values = PAGES[name]
    shared = {
        key: value(None) if callable(value) else value
        for key, value in pages.template_vars(Settings(admin_contact="help@example.edu")).items()
    }
    base = {
        "base_url": "/hub/",
        "login_url": "/hub/login",
        "user": someone(),
        "for_user": someone(),
        "url": "/hub/spawn?_xsrf=abc",
        "xsrf": "a-token",
        "xsrf_token": "a-token",
        "static_url": asker.static_url,
    }
    return await environment().get_template(template).render_async(base | shared | values)


def messages_of_templates() -> set[str]:
    extracting = Environment(extensions=["jinja2.ext.i18n"])
    return {
        message
        for path in pages.TEMPLATES.glob("*.html")
        for _, _, message in extracting.extract_translations(path.read_text())
    }


def messages_of_refusals() -> set[str]:
    """First arguments and `do` of what the modules raise, and what they hand to `gettext`."""
    found = {step.message for step in STEPS.values()}
    for path in SOURCES.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            texts = [each.value for each in node.keywords if each.arg == "do"]
            if texts or name == "gettext":
                texts += node.args[:1]
            found |= {each.value for each in texts if isinstance(each, ast.Constant)}
    return found


def test_every_message_of_the_pages_and_of_the_spawner_has_a_chinese_translation():
    messages = messages_of_templates() | messages_of_refusals()
    assert len(messages) > 100
    assert sorted(messages - set(catalog("zh_CN"))) == []


def test_translations_keep_the_places_of_their_values():
    ours = messages_of_templates() | messages_of_refusals()
    for message in ours:
        places = set(re.findall(r"{\w+}", message))
        assert set(re.findall(r"{\w+}", catalog("zh_CN")[message])) == places, message


@pytest.mark.parametrize("name", PAGES)
async def test_a_page_is_wholly_in_the_language_of_its_reader(name):
    english = await show(name, Asker(accept="en"))
    chinese = await show(name, Asker(accept="zh-CN,zh;q=0.9,en;q=0.8"))
    assert '<html lang="en">' in english and '<html lang="zh-CN">' in chinese
    assert not re.search(r"[\u4e00-\u9fff]", without_the_switch(english))
    words = re.sub(r"<[^>]*>", " ", without_the_switch(chinese))
    for message in messages_of_templates() - {"RadLab", "GPU"}:
        if "{" not in message and len(message) > 3:
            assert not re.search(rf"\b{re.escape(message)}(?=\s*$)", words, re.MULTILINE), message


def without_the_switch(html: str) -> str:
    return re.sub(r"<(button|option)[^>]* lang=[^>]*>[^<]*</\1>", "", html)


async def test_the_chosen_language_goes_before_the_browsers():
    assert '<html lang="en">' in await show("home", Asker(cookie="en", accept="zh-CN"))
    assert '<html lang="zh-CN">' in await show("home", Asker(cookie="zh_CN", accept="en"))


@pytest.mark.parametrize("name", PAGES)
async def test_a_page_needs_nothing_from_elsewhere_and_no_script_within_it(name):
    html = await show(name, Asker())
    for address in re.findall(r'(?:src|href|action)="([^"]*)"', html):
        assert address == "" or address.startswith(("/", "#")), address
    assert not re.search(r"<script(?![^>]*\bsrc=)", html)
    assert not re.search(r"\s(on\w+|style)=", html)


@pytest.mark.parametrize("name", PAGES)
async def test_every_field_and_picture_is_named_for_those_who_do_not_see_it(name):
    html = await show(name, Asker())
    assert html.count("<h1") == 1
    for picture in re.findall(r"<img[^>]*>", html):
        assert "alt=" in picture
    for field in re.findall(r'<(?:input|select)[^>]*id="([\w-]+)"', html):
        labelled = f'for="{field}"' in html or field == "notebook-language"
        assert labelled, field


async def test_the_launch_page_offers_the_line_and_the_processor_while_no_gpu_is_free():
    html = await show("launch-busy", Asker())
    line = re.search(r'<button[^>]*value="module/05_classification/gpu"[^>]*>', html)
    open_ = re.search(r'<button[^>]*value="module/05_classification/cpu"[^>]*>', html)
    assert line and "disabled" not in line.group()
    assert open_ and "rl-button--primary" in open_.group() and "disabled" not in open_.group()
    assert "Wait in line" in html and "Start on CPU now" in html
    assert '<time datetime="2026-03-01T09:40:00Z"' in html


async def test_simulated_gpus_are_marked_as_such():
    assert "rl-badge--simulated" in await show("launch", Asker())
    assert "rl-badge--simulated" in await show("home", Asker())


async def test_the_token_against_forged_posts_stays_out_of_the_address():
    html = await show("launch", Asker())
    assert 'action="/hub/spawn"' in html
    assert 'name="_xsrf" value="a-token"' in html


async def test_what_a_user_typed_is_never_markup():
    refusal = Refused(
        type(REFUSED.error)("No '{x}'.", next_free_at=LATER, x="<b>"), lambda message: message
    )
    from hub_config.spawning.rules import UnknownOption

    typed = Refused(UnknownOption("No '{x}'.", x="<script>"), lambda message: message)
    assert "<script>" not in typed.jupyterhub_html_message
    assert "<b>" not in refusal.jupyterhub_html_message


@pytest.mark.parametrize(
    ("groups", "active", "leads_to"),
    [
        (["administrators"], False, "/services/radlab/"),
        (["radiology", "radiology:instructors", "instructors"], False, "/services/radlab/"),
        (["administrators"], True, ""),
        (["radiology"], False, ""),
    ],
)
def test_staff_with_nothing_running_land_in_the_portal(groups, active, leads_to):
    user = SimpleNamespace(
        name="mei", active=active, groups=[SimpleNamespace(name=name) for name in groups]
    )
    assert pages.landing(SimpleNamespace(current_user=user)) == leads_to
