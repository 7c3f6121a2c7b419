"""The launch page as a student sees it: sizes, the line, what is left; in both languages.

Pictures of it, wide and on a phone, land in `test-output/screenshots`.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from spawning_support import MODULE, in_line, sizes
from spawning_support import reach as reach_of
from test_pages import Asker, environment, someone

from hub_config.gpus.model import DeviceRow, Free
from hub_config.offers.host import Host
from hub_config.offers.images import Images, load_images
from hub_config.offers.modules import Module, Modules, read_module
from hub_config.settings import Settings
from hub_config.spawning import pages, rules
from hub_config.spawning.launch import Hours, Launch, Mine, OpenPlace, build_launch

ROOT = Path(__file__).parents[3]
PICTURES = ROOT / "test-output" / "screenshots"
CHROMIUM = "/usr/bin/chromium"
SITE = "http://radlab.test"
GPU = "module/05_classification/gpu"


def images() -> Images:
    """The images of the checkout, as if they were built."""
    catalog = load_images(ROOT / "images" / "catalog.yaml")
    return Images([each.model_copy(update={"built": f"{each.id}:1"}) for each in catalog])


def lesson(**changes: Any) -> Module:
    return read_module(ROOT / "courses" / "05_classification").model_copy(update=changes)


def cards(free: int) -> Any:
    """Two cards of 24 GB, of which so many are free."""

    def answer(gpus: int, memory_mb: int) -> Free:
        serve = memory_mb <= 24 * 1024
        enough = serve and gpus <= free
        return Free(
            free=free if serve else 0, total=2 if serve else 0, enough=enough,
            next_free_at=None if enough or not serve else in_line()(None).expected_at,
            largest_memory_mb=24 * 1024, simulated=False,
        )  # fmt: skip

    return answer


def launch(free: int = 2, modules: tuple[Module, ...] | None = None, **how: Any) -> Launch:
    rows = [
        DeviceRow(
            uuid=f"GPU-{n}", index=n, model="NVIDIA L4", memory_mb=24 * 1024, group="radiology",
            gone=False, lease=None if n < free else _LEASED,
        )
        for n in range(2)
    ]  # fmt: skip
    host, waiting = how.pop("host", Host(4, 16 * 1024)), how.pop("waiting", 0)
    who = reach_of(cards(free), groups=("radiology",), host=host)
    offered = Modules(modules or (lesson(),))
    line = in_line(waiting + 1)
    return build_launch(offered, images(), sizes(), rows, who, line, waiting=waiting, **how)


_LEASED: Any = object()  # that a card is held is all that the page looks at
MINE = Mine(
    home_mb=9216,
    disk_mb=10240,
    hours=(Hours(group=None, used=6.5, limit=10), Hours(group="radiology", used=80, limit=100)),
    places=(
        OpenPlace(
            server_name="second lab", module=lesson(), image=None, starting=False
        ),
    ),
)  # fmt: skip
OTHER = Module.model_validate(
    MODULE
    | {"id": "08_segmentation", "order": 8, "image": "imaging", "cpus": 2, "memory_gb": 12}
    | {"gpu_memory_gb": 40, "cpu_ok": False, "minutes": 90}
)
SCENES = {
    "free": launch(),
    "busy": launch(free=0, waiting=2),
    "mine": launch(free=1, modules=(lesson(), OTHER), mine=MINE),
    "small-host": launch(host=Host(1, 2048)),
}


def render(launch_: Launch, language: str) -> str:
    asker = Asker(cookie=language)
    shared = {
        key: value(None) if callable(value) else value
        for key, value in pages.template_vars(Settings()).items()
    }
    values = {
        "base_url": "/hub/", "login_url": "/hub/login", "user": someone(), "for_user": someone(),
        "url": "/hub/spawn?_xsrf=abc", "xsrf": "a-token", "static_url": asker.static_url,
        "spawner_options_form": launch_,
    }  # fmt: skip
    template = environment().get_template("spawn.html")
    with ThreadPoolExecutor(1) as thread:  # the browser's driver has a loop running in this one
        return thread.submit(asyncio.run, template.render_async(shared | values)).result()


def options(html: str, start: str) -> dict[str, tuple[str, str]]:
    """Of the sizes beside a button: attributes and text, by value."""
    field = re.search(rf'<select[^>]*name="size/{start}"[^>]*>(.*?)</select>', html, re.DOTALL)
    assert field, f"no sizes beside {start}"
    found = re.findall(r'<option value="([\w-]*)"([^>]*)>(.*?)</option>', field[1], re.DOTALL)
    return {value: (attributes, " ".join(text.split())) for value, attributes, text in found}


def test_what_a_lab_asks_for_is_proposed_and_smaller_sizes_say_what_it_needs() -> None:
    beside = options(render(SCENES["free"], "en"), "module/05_classification/cpu")
    assert beside[""] == (" selected", "Recommended: 2 cores, 3 GB")
    assert beside["small"] == (
        " disabled",
        "Small: 1 core, 2 GB – too small for this lab: needs 2 cores, 3 GB",
    )
    assert beside["medium"] == ("", "Medium: 2 cores, 6 GB")


def test_a_size_that_nothing_here_serves_is_greyed_and_says_why() -> None:
    beside = options(render(SCENES["free"], "en"), GPU)
    assert beside[""][1] == "Recommended: 2 cores, 3 GB, 1 GPU"
    assert beside["gpu"][1].endswith("2 free")
    assert beside["gpu-large"] == (
        " disabled",
        "Large GPU: 4 cores, 16 GB, 1 GPU of 40 GB – no such GPU for your group",
    )
    small = options(render(SCENES["small-host"], "en"), "image/base/0")
    assert small["small"] == (" selected", "Small (recommended): 1 core, 2 GB")
    assert small["medium"][1].endswith("– more than this server has")


def test_a_lab_that_nothing_here_serves_says_so_on_its_button() -> None:
    html = render(SCENES["mine"], "en")
    button = re.search(r'<button[^>]*value="module/08_segmentation/gpu"[^>]*>', html)
    assert button and "disabled" in button[0]
    assert "It wants a GPU of 40 GB, and the largest of your group has 24 GB." in html
    large = render(SCENES["small-host"], "en")
    (only,) = re.findall(r'<button[^>]*value="module/[^>]*>\s*([^<]*?)\s*</button>', large)
    assert only == "Too large for this server", "what is closed for one reason is said once"
    assert "It wants 2 cores, 3 GB memory, 1 GPU, and this server has 1 core and 2 GB." in large


def test_a_busy_gpu_is_a_place_in_line_with_position_and_time() -> None:
    html = render(SCENES["busy"], "en")
    assert "You would be number 3 in line." in html and "2 students wait." in html
    assert re.search(r"there at about\s*<time datetime=\"2026-03-01T09:40:00Z\"", html)
    assert options(html, GPU)["gpu"][1].endswith("– none free now")


@pytest.mark.parametrize(
    ("language", "said"),
    [
        (
            "en",
            [
                "Your files take 9 of 10 GB.",
                "GPU hours left this week: 3.5 of 10",
                "GPU hours left this week in radiology: 20 of 100",
                "You are in line for: Classification: one chest film, one question.",
            ],
        ),
        ("zh_CN", ["您的文件已占用 9 GB，上限 10 GB。", "您本周剩余 GPU 小时：3.5 / 10"]),
    ],
)
def test_a_student_sees_what_is_used_and_where_they_stand(language: str, said: list[str]) -> None:
    html = render(SCENES["mine"], language)
    assert [text for text in said if text not in html] == []
    assert 'href="/hub/spawn-pending/mei/second%20lab"' in html
    assert "home-nearly-full" not in render(SCENES["free"], language)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    playwright_api = pytest.importorskip("playwright.sync_api")
    if not Path(CHROMIUM).exists():
        pytest.skip("Chromium is not installed; `./radlab test` installs it where it can")
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with playwright_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


def show(chromium: Any, html: str, sent: list[str], **how: Any) -> Any:
    """The page in a browser; what its form sends is appended to `sent`."""

    def answer(route: Any) -> None:
        request, name = route.request, route.request.url.rsplit("/", 1)[-1]
        if request.method == "POST":
            sent.append(request.post_data)
            route.fulfill(body="started", content_type="text/plain")
        elif "/radlab/assets/" in request.url:
            route.fulfill(path=pages.ASSETS / name)
        else:
            route.fulfill(body=html, content_type="text/html; charset=utf-8")

    page = chromium.new_context(**how).new_page()
    page.route("**/*", answer)
    page.goto(f"{SITE}/hub/spawn")
    return page


@pytest.mark.chromium
@pytest.mark.parametrize(
    ("button", "chosen", "meant"),
    [
        (GPU, None, {"module": "05_classification", "gpu": True, "language": "en"}),
        (
            GPU,
            "gpu",
            {"module": "05_classification", "gpu": True, "language": "en", "size": "gpu"},
        ),
        (
            "module/05_classification/cpu",
            "medium",
            {"module": "05_classification", "gpu": False, "language": "en", "size": "medium"},
        ),
        ("image/base/0", None, {"image": "base", "gpus": 0, "language": "en", "size": "small"}),
        (
            "image/imaging/1",
            "gpu",
            {"image": "imaging", "gpus": 1, "language": "en", "size": "gpu"},
        ),
    ],
)
def test_a_size_is_chosen_without_javascript(
    chromium: Any, button: str, chosen: str | None, meant: dict[str, Any]
) -> None:
    sent: list[str] = []
    page = show(chromium, render(SCENES["free"], "en"), sent, java_script_enabled=False)
    if chosen:
        page.get_by_label(re.compile("^Size"))  # every field has a name to be read out
        page.locator(f'select[name="size/{button}"]').select_option(chosen)
    page.click(f'button[value="{button}"]')
    page.wait_for_load_state()
    form = parse_qs(sent[0], keep_blank_values=True)
    assert rules.read_form({name: list(values) for name, values in form.items()}) == meant
    assert rules.read_options(meant).size == meant.get("size")
    page.context.close()


@pytest.mark.chromium
@pytest.mark.parametrize("width", [1280, 375])
@pytest.mark.parametrize("language", ["en", "zh_CN"])
def test_the_page_fits_its_window(chromium: Any, language: str, width: int) -> None:
    PICTURES.mkdir(parents=True, exist_ok=True)
    for name, scene in SCENES.items():
        page = show(chromium, render(scene, language), [], viewport={"width": width, "height": 800})
        label = f"launch-{name}-{language}-{width}"
        page.screenshot(path=PICTURES / f"{label}.png", full_page=True)
        wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
        assert not page.evaluate(wide), f"{label} is wider than its window"
        page.context.close()
