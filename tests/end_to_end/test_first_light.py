"""The story of first light, whole: real commands, real Hub, real Docker Engine, real Chromium.

An administrator sets a class up; a student comes in by a code and trains on a GPU; a second one
waits for nothing, works on the CPU, and proves what they cannot reach. The tests are steps of one
story and run in this order.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker
import pytest
import yaml
from docker.models.containers import Container
from people import (
    assign_gpu,
    create_code,
    make_group,
    portal,
    sign_up,
    start,
    stop_own_server,
    wait_for_lab,
)
from playwright.sync_api import expect
from sqlalchemy import update

from hub_config import clock
from hub_config.db import open_database, writing
from hub_config.gpus.tables import LeaseTable
from hub_config.settings import load_settings

pytestmark = [pytest.mark.engine, pytest.mark.images, pytest.mark.chromium]
HERE = Path(__file__).parent
MODULE = "05_classification"
SHORT = "90_bell"
SERVICES = ("keeper", "proxy", "hub", "portal")


class Story:
    """What earlier steps left for later ones."""

    def __init__(self) -> None:
        self.admin: Any = None
        self.ada: Any = None
        self.bo: Any = None
        self.link = ""


@pytest.fixture(scope="module")
def story() -> Story:
    return Story()


@pytest.fixture(scope="module")
def engine_client() -> Iterator[docker.DockerClient]:
    client = docker.from_env()
    yield client
    client.close()


@pytest.fixture(scope="module")
def container_of(engine_client: docker.DockerClient) -> Callable[[str], Container]:
    def find(user: str) -> Container:
        labels = {"label": [f"radlab.user={user}", "radlab.instance=radlabtest"]}
        found = engine_client.containers.list(filters=labels)
        assert len(found) == 1, f"{user} has {len(found)} containers"
        return found[0]

    return find


def inside(container: Container, *command: str) -> str:
    """Run a command as the student and give what it printed."""
    status, output = container.exec_run(list(command), user="10001:10001")
    assert status == 0, output.decode()
    return str(output.decode())


def test_up_a_second_time_changes_nothing(platform: Any) -> None:
    before = {name: platform.pid(name) for name in SERVICES}
    done = platform.run("up")
    assert done.returncode == 0, done.stdout + done.stderr
    assert {name: platform.pid(name) for name in SERVICES} == before
    # Nobody has entered yet: a new link is printed, and the one before it works no longer.
    platform.first_output = done.stdout


def test_doctor_finds_nothing_wrong(platform: Any) -> None:
    checks = platform.json("doctor")["checks"]
    assert [c for c in checks if c["verdict"] == "wrong"] == []
    assert {"walls", "engine"} <= {c["name"] for c in checks}


def test_the_administrator_enters_by_the_one_time_link(
    platform: Any, visit: Any, story: Story
) -> None:
    story.admin = visit()
    page = story.admin.page
    sign_up(
        page,
        platform.first_link,
        "grace",
        shot=lambda: story.admin.shoot("01-sign-up-administrator"),
    )
    expect(page).to_have_url(re.compile("/services/radlab/"))
    expect(page.locator("h1")).to_have_text("Overview")
    story.admin.shoot("02-portal-new-site")


def test_the_first_link_works_only_once(platform: Any, visit: Any) -> None:
    other = visit()
    sign_up(other.page, platform.first_link, "mallory")
    expect(other.page.locator("#form-error")).to_be_visible()
    other.shoot("03-sign-up-refused")


def test_the_administrator_sets_up_a_class(platform: Any, story: Story) -> None:
    page, address = story.admin.page, platform.address
    make_group(page, address, "radiology", "Radiology, spring term")
    story.admin.shoot("04-portal-groups")
    assign_gpu(page, address, 0, "radiology")
    story.admin.shoot("05-portal-gpus")
    story.link = create_code(page, address, group="radiology", uses=2)
    assert "#code=" in story.link
    story.admin.shoot("06-portal-code-shown-once")
    code = story.link.split("#code=")[1].split("&")[0]
    portal(page, address, "invites")
    assert code not in page.content()
    story.admin.shoot("07-portal-invites")
    # The code stands in no log: it never reaches the server but in the form that uses it.
    for log in (platform.state / "log").glob("*"):
        assert code not in log.read_text(errors="replace"), log


def test_a_student_enters_and_sees_what_can_start(platform: Any, visit: Any, story: Story) -> None:
    story.ada = visit()
    page = story.ada.page
    sign_up(page, story.link, "ada", shot=lambda: story.ada.shoot("08-sign-up-student"))
    expect(page).to_have_url(re.compile("/hub/spawn"))
    expect(page.locator("#gpu-supply")).to_contain_text("1 of 1 GPUs free")
    expect(page.locator("#gpu-supply .rl-badge--simulated")).to_be_visible()
    headings = page.locator("main h2").all_inner_texts()
    assert headings.index("Course modules") < headings.index("Just an environment")
    story.ada.shoot("09-launch-page")
    page.set_viewport_size({"width": 375, "height": 800})
    story.ada.shoot("10-launch-page-phone")
    page.set_viewport_size({"width": 1280, "height": 860})


def test_the_student_starts_the_module_and_jupyterlab_opens_on_it(
    story: Story, container_of: Callable[[str], Container]
) -> None:
    page = story.ada.page
    start(page, f"module/{MODULE}/gpu")
    story.ada.shoot("11-starting")
    wait_for_lab(page)
    page.wait_for_selector(".jp-NotebookPanel .jp-Cell", timeout=60_000)
    expect(page.locator(".lm-TabBar-tab.jp-mod-current").first).to_contain_text("lesson.ipynb")
    page.wait_for_timeout(2000)
    story.ada.shoot("12-jupyterlab", full=False)
    container = container_of("ada")
    environment = dict(e.split("=", 1) for e in container.attrs["Config"]["Env"])
    assert environment["RADLAB_GPUS"] == "SIM-radlabtest-0"
    assert container.name == f"radlabtest-{environment['RADLAB_LEASE']}"
    inside(container, "sh", "-c", "echo mine > ~/first-secret.txt")


def test_the_administrator_sees_who_holds_which_gpu(platform: Any, story: Story) -> None:
    page = story.admin.page
    portal(page, platform.address)
    row = page.locator("#gpus tbody tr").first
    expect(row).to_contain_text("ada")
    expect(row.locator("time")).to_have_count(2)  # since, until
    story.admin.shoot("13-portal-overview")
    held = platform.json("gpu", "list")
    assert "ada" in json.dumps(held)


def test_a_second_student_is_told_at_once_when_the_gpu_is_free(
    platform: Any, visit: Any, story: Story
) -> None:
    story.bo = visit("zh-CN")
    page = story.bo.page
    sign_up(page, story.link, "bo", shot=lambda: story.bo.shoot("14-sign-up-chinese"))
    button = page.locator(f"button[value='module/{MODULE}/gpu']")
    expect(button).to_be_enabled()
    expect(button).to_contain_text("排队等候")
    expect(page.locator(".rl-hint time").first).to_be_visible()
    assert "ada" not in page.locator("main").inner_text()
    story.bo.shoot("15-launch-page-chinese-no-gpu-free")


def test_the_second_student_starts_on_the_cpu_in_chinese(story: Story) -> None:
    page = story.bo.page
    page.reload()
    page.goto(page.url)
    start(page, f"module/{MODULE}/cpu")
    wait_for_lab(page)
    page.wait_for_selector(".jp-NotebookPanel .jp-Cell", timeout=60_000)
    expect(page.locator(".lm-TabBar-tab.jp-mod-current").first).to_contain_text("lesson.zh.ipynb")
    expect(page.locator("#jp-MainMenu")).to_contain_text("文件")
    page.wait_for_timeout(2000)
    story.bo.shoot("16-jupyterlab-chinese", full=False)


class Listener:
    """A port of the host that nobody allowed."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("0.0.0.0", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                self.socket.accept()[0].close()
            except OSError:
                return


def reachable(container: Container, *targets: str) -> dict[str, bool]:
    script = (HERE / "probe.py").read_text()
    return dict(json.loads(inside(container, "python3", "-c", script, *targets)))


def own_addresses() -> list[str]:
    """The host's IPv4 addresses on its ordinary networks."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # sends nothing; only chooses a route
        return [probe.getsockname()[0]]


def test_the_second_student_reaches_no_neighbour_and_no_other_host_port(
    container_of: Callable[[str], Container],
) -> None:
    ada, bo = container_of("ada"), container_of("bo")
    address = next(iter(ada.attrs["NetworkSettings"]["Networks"].values()))["IPAddress"]
    listener = Listener()
    gateway = "172.30.240.1"
    allowed = [f"{gateway}:28081", f"{gateway}:28000"]
    forbidden = [
        f"{address}:8888",
        f"{gateway}:{listener.port}",
        "172.30.241.1:28081",
        "172.17.0.1:22",
        "169.254.169.254:80",
        "1.1.1.1:443",
        *(f"{own}:{port}" for own in own_addresses() for port in (listener.port, 28091, 28081)),
    ]
    # The targets are really there: the host itself reaches them.
    for target in (f"{address}:8888", f"{gateway}:{listener.port}"):
        host, port = target.split(":")
        socket.create_connection((host, int(port)), timeout=5).close()
    found = reachable(bo, *allowed, *forbidden)
    listener.socket.close()
    assert {target for target, open_ in found.items() if open_} == set(allowed)


def test_the_second_student_reaches_neither_the_first_ones_server_nor_files(
    platform: Any, story: Story, container_of: Callable[[str], Container]
) -> None:
    page = story.bo.context.new_page()
    answer = page.goto(f"{platform.address}/user/ada/api/contents")
    assert answer is not None and answer.status in (403, 404), answer and answer.status
    assert "first-secret" not in page.content()
    page.close()
    bo = container_of("bo")
    status, output = bo.exec_run(
        ["sh", "-c", "find / -xdev -name first-secret.txt 2>/dev/null; ls /home/student/.. "],
        user="10001:10001",
    )
    assert b"first-secret" not in output and status == 0
    sources = [m.get("Source", "") for m in bo.attrs["Mounts"]]
    assert not any("ada" in source for source in sources)
    own = [m for m in bo.attrs["Mounts"] if m["RW"] and m["Type"] != "tmpfs"]
    assert [m["Destination"] for m in own] == ["/home/student"]


def test_the_container_is_fenced(container_of: Callable[[str], Container]) -> None:
    container = container_of("bo")
    assert inside(container, "id", "-u").strip() == "10001"
    status = inside(container, "cat", "/proc/self/status")
    assert re.search(r"CapBnd:\s*0{16}", status), status
    assert re.search(r"NoNewPrivs:\s*1", status)
    assert re.search(r"Seccomp:\s*2", status)
    code, _ = container.exec_run(["sh", "-c", "touch /opt/venv/x || touch /datasets/x"])
    assert code != 0
    limits = container.attrs["HostConfig"]
    assert limits["Memory"] == limits["MemorySwap"] > 0 and limits["PidsLimit"] > 0
    assert not any("docker.sock" in m.get("Source", "") for m in container.attrs["Mounts"])


def test_a_version_appears_in_a_running_session_and_a_withdrawn_one_says_why(
    platform: Any, container_of: Callable[[str], Container]
) -> None:
    def python(program: str) -> str:
        return inside(container_of("ada"), "python", "-c", program)

    samples = "breast-us brain-mr chest-ct chest-film endoscopy histology"
    seen = python("from dicom_catalog import Catalog; print(*Catalog())").split()
    assert set(samples.split()) <= set(seen)  # another story may have imported one more
    name = "breast-us@9.0.0"
    small = ("--patients", "3", "--version", "9.0.0", "--to", "radiology")
    platform.json("dataset", "generate", "breast-us", *small)
    count = f"from dicom_catalog import Catalog; print(len(Catalog()[{name!r}]))"
    assert int(python(count)) > 0
    everyone = platform.state / "datasets" / "visible" / "everyone" / "breast-us"
    assert "9.0.0" not in [version.name for version in everyone.iterdir()]
    done = platform.run("dataset", "withdraw", name, "--reason", "two films were swapped")
    assert done.returncode == 0, done.stderr
    refused = python(
        "from dicom_catalog import Catalog, CatalogError\n"
        f"try:\n    Catalog()[{name!r}]\nexcept CatalogError as error:\n    print(error)"
    )
    assert "two films were swapped" in refused


def test_when_the_student_stops_the_gpu_is_free_and_the_home_is_kept(
    platform: Any, story: Story
) -> None:
    stop_own_server(story.ada.page, platform.address)
    story.ada.shoot("17-home-nothing-running")
    story.bo.page.goto(f"{platform.address}/hub/home")
    story.bo.shoot("18-home-chinese")
    devices = platform.json("gpu", "list")
    assert "ada" not in json.dumps(devices)
    kept = platform.state / "homes" / "ada" / "first-secret.txt"
    assert kept.read_text() == "mine\n"
    assert (platform.state / "homes" / "ada" / MODULE / "lesson.ipynb").is_file()


@pytest.fixture(scope="module")
def short_module(platform: Any, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A module shorter than the warning, published as an instructor would."""
    folder = tmp_path_factory.mktemp("course") / SHORT
    folder.mkdir()
    source = yaml.safe_load((HERE.parents[1] / "courses" / MODULE / "module.yaml").read_text())
    source |= {
        "id": SHORT,
        "version": "1.0.0",
        "minutes": 5,
        "image": "base",
        "languages": ["en"],
    }
    for name in ("title", "summary", "objectives", "changes"):
        source[name] = {"en": source[name]["en"]}
    (folder / "module.yaml").write_text(yaml.safe_dump(source, allow_unicode=True))
    lesson = '# %% [markdown] name="card"\n# # Five minutes\n\n# %% name="hello"\nprint("hello")\n'
    (folder / "lesson.py").write_text(lesson)
    done = platform.run("course", "build", str(folder))
    assert done.returncode == 0, done.stdout + done.stderr
    return SHORT


def let_time_pass(platform: Any, user: str) -> None:
    """Move the end of that user's session to now, as if its minutes had gone by."""
    settings = load_settings(platform.state)
    with writing(open_database(settings.radlab_database_url)) as session:
        changed = session.execute(
            update(LeaseTable)
            .where(LeaseTable.username == user, LeaseTable.released_at.is_(None))
            .values(ends_at=clock.now())
        )
        assert changed.rowcount == 1


def session_of(platform: Any, user: str) -> Any:
    [found] = [s for s in platform.json("server", "list") if s["username"] == user]
    return found


def test_a_session_is_extended_by_a_click_and_the_bell_ends_it(
    platform: Any, story: Story, short_module: str, container_of: Callable[[str], Container]
) -> None:
    page = story.ada.page
    page.goto(f"{platform.address}/hub/spawn")
    start(page, f"module/{short_module}/gpu")
    wait_for_lab(page)
    notice = page.locator(".Toastify__toast", has_text="session").first
    expect(notice).to_be_visible(timeout=30_000)
    story.ada.shoot("19-warning-before-the-end", full=False)
    until = session_of(platform, "ada")["until"]
    page.get_by_role("button", name=re.compile("Extend")).click(timeout=90_000)
    expect(page.locator(".Toastify__toast", has_text="now ends at").first).to_be_visible()
    assert session_of(platform, "ada")["until"] > until
    story.ada.shoot("19-extended-by-a-click", full=False)
    inside(container_of("ada"), "sh", "-c", "echo kept > ~/at-the-bell.txt")
    let_time_pass(platform, "ada")
    deadline = time.monotonic() + 60
    while "ada" in json.dumps(platform.json("gpu", "list")):
        assert time.monotonic() < deadline, "the bell did not end the session"
        time.sleep(2)
    assert (platform.state / "homes" / "ada" / "at-the-bell.txt").read_text() == "kept\n"
    page.goto(f"{platform.address}/hub/spawn")
    expect(page.locator("#gpu-supply")).to_contain_text("1 of 1 GPUs free")


def test_a_full_home_still_starts(
    platform: Any, story: Story, container_of: Callable[[str], Container], full_home: Path
) -> None:
    page = story.ada.page
    page.goto(f"{platform.address}/hub/spawn")
    start(page, "image/base/0")
    wait_for_lab(page)
    page.wait_for_timeout(3000)
    story.ada.shoot("20-full-home", full=False)
    code, _ = container_of("ada").exec_run(
        ["sh", "-c", "head -c 100000 /dev/zero > ~/more"], user="10001:10001"
    )
    assert code != 0, "the home was meant to be full"
    stop_own_server(page, platform.address)


@pytest.fixture
def full_home(platform: Any) -> Iterator[Path]:
    """Ada's home on a file system of its own with no byte left."""
    home = platform.state / "homes" / "ada"
    subprocess.run(shlex.split(f"mount -t tmpfs -o size=64k,uid=10001 tmpfs {home}"), check=True)
    with pytest.raises(OSError), (home / "filler").open("wb", buffering=0) as filler:
        while True:
            filler.write(bytes(4096))
    yield home
    subprocess.run(["umount", "-l", str(home)], check=True)


def test_an_instructor_sees_their_own_group_and_invites_its_students(
    platform: Any, visit: Any, story: Story
) -> None:
    link = create_code(
        story.admin.page, platform.address, group="radiology", uses=1, role="instructor"
    )
    ines = visit()
    sign_up(ines.page, link, "ines")
    portal(ines.page, platform.address)
    expect(ines.page.locator("#servers")).to_contain_text("bo")
    ines.shoot("21-portal-instructor")
    portal(ines.page, platform.address, "invites")
    expect(ines.page.locator("#role")).to_have_count(0)
    ines.page.fill("#uses", "3")
    ines.page.get_by_role("button", name="Create the code").click()
    expect(ines.page.locator("#code")).to_be_visible()
    answer = ines.page.goto(f"{platform.address}/services/radlab/groups")
    assert answer is not None and answer.status == 403
    ines.shoot("22-portal-refusal")


def test_a_stopped_hub_leaves_proxy_and_kernels_alone(
    platform: Any, story: Story, container_of: Callable[[str], Container]
) -> None:
    started = container_of("bo").attrs["State"]["StartedAt"]
    before = {name: platform.pid(name) for name in SERVICES}
    os.kill(before["hub"], signal.SIGKILL)
    page = story.bo.page
    deadline = time.monotonic() + 60
    while platform.pid("hub") == before["hub"] or platform.run("status").returncode:
        assert time.monotonic() < deadline, platform.run("status").stdout
        time.sleep(1)
    assert {n: platform.pid(n) for n in SERVICES} == before | {"hub": platform.pid("hub")}
    page.goto(f"{platform.address}/user/bo/lab")
    wait_for_lab(page)
    assert container_of("bo").attrs["State"]["StartedAt"] == started


def test_what_cannot_be_is_refused_with_a_sentence_and_changes_nothing(platform: Any) -> None:
    cases = [
        (["invite", "create", "--group", "radiolgy", "--role", "student"], "radiology"),
        (["gpu", "assign", "SIM-radlabtest-7", "--group", "radiology"], "SIM-radlabtest"),
        (["invite", "revoke", "999999"], "no"),
        (["dataset", "show", "chest-flim"], "chest-film"),
        (["course", "build", "05_clasification"], "05_classification"),
        (["statsu"], "status"),
    ]
    before = platform.json("gpu", "list"), platform.json("invite", "list")
    for arguments, said in cases:
        done = platform.run(*arguments)
        assert done.returncode in (1, 2), arguments
        assert said in done.stderr + done.stdout, (arguments, done.stderr)
        assert "Traceback" not in done.stderr, done.stderr
    assert (platform.json("gpu", "list"), platform.json("invite", "list")) == before


def test_a_start_is_measured_beside_plain_dockerspawner(platform: Any) -> None:
    done = platform.run("bench", "start", "--cold", "1", "--warm", "1", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert set(told["arms"]) == {"radlab", "plain"}
    for row in ("cold", "warm"):
        assert all(told["figures"][row][arm]["median_s"] > 0 for arm in told["arms"])
        assert told["ratios"][row]["plain"] > 0


def test_down_stops_everything_and_keeps_all_data(
    platform: Any, engine_client: docker.DockerClient
) -> None:
    done = platform.run("down")
    assert done.returncode == 0, done.stdout + done.stderr
    labels = {"label": "radlab.instance=radlabtest"}
    assert engine_client.containers.list(all=True, filters=labels) == []
    assert (platform.state / "homes" / "ada" / "first-secret.txt").exists()
    parts = json.loads(platform.run("status", "--json").stdout)["parts"]
    assert not any(parts[name]["up"] for name in SERVICES)
