"""The portal with a fake Hub on a port, to look at: `python tests/.../portal_site.py 8095`.

Sign-in is a page of names. `school` fills it as a class in the middle of a lesson would be.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from hub_config import clock
from hub_config.db import migrate, open_database
from hub_config.gpus.model import Device, Ended, LeaseRequest
from hub_config.offers.modules import BUILT_METADATA, Module
from hub_config.portal import TOKEN_SECRET
from hub_config.portal.app import create_app
from hub_config.portal.hub import Hub
from hub_config.portal.services import Services
from hub_config.settings import Settings
from hub_config.teaching.model import Answered, Report, Tried
from hub_config.usage.model import HomeUse, Kind, Limits, Sample

sys.path.insert(0, str(Path(__file__).parent))
from portal_fake_hub import FakeHub


def site(state: Path) -> tuple[FastAPI, Services, FakeHub]:
    """A portal on an empty site, with the Hub's sign-in page beside it."""
    settings = Settings(state=str(state), admin_contact="teaching-lab@example.edu")
    settings.make_folders()
    fake = FakeHub(settings.make_secret(TOKEN_SECRET))
    engine = open_database(settings.radlab_database_url)
    migrate(engine)
    transport = httpx.MockTransport(fake.answer)
    hub = Hub(settings.hub_api_url, fake.portal_token, transport=transport)
    app = create_app(settings, engine=engine, hub=hub)
    add_sign_in(app, fake)

    def spawner(name: str, options: dict[str, Any]) -> bool:
        wait(app.state.services, name)
        return True

    fake.spawner = spawner
    return app, app.state.services, fake


def add_sign_in(app: FastAPI, fake: FakeHub) -> None:
    @app.get("/hub/api/oauth2/authorize", include_in_schema=False)
    def authorize(request: Request) -> Response:
        asked = request.query_params
        name = request.cookies.get("who")
        if name:
            code = fake.code_for(name, asked["code_challenge"])
            query = urlencode({"code": code, "state": asked["state"]})
            return RedirectResponse(f"{asked['redirect_uri']}?{query}")
        links = "".join(f'<li><a href="/as/{name}">{name}</a></li>' for name in fake.groups)
        return HTMLResponse(f"<ul>{links}</ul>")

    @app.get("/as/{name}", include_in_schema=False)
    def become(name: str) -> Response:
        response = RedirectResponse("/services/radlab/")
        response.set_cookie("who", name)
        response.delete_cookie("radlab-portal", path="/services/radlab/")
        return response


def lesson(services: Services, fake: FakeHub) -> None:
    """A class in the middle of a lesson."""
    now = clock.now()
    publish(services.settings)
    catalog = Path(__file__).parents[3] / "images" / "catalog.yaml"
    shutil.copy(catalog, services.settings.path("offers", "images.yaml"))
    services.groups.create("radiology-2026", title="Deep learning in radiology", by="ana")
    services.groups.create("oncology", title="Tumour board", internet=True, by="ana")
    fake.groups["ines"] = ["radiology-2026", "radiology-2026:instructors", "instructors"]
    fake.groups["sam"] = ["radiology-2026"]
    for name in ("maria", "wei", "yusuf", "chloe", "priya", "tomas"):
        fake.groups[name] = ["radiology-2026"]
    devices = [
        Device(f"SIM-radlab-{i}", i, "Simulated GPU", 24576, simulated=True) for i in range(4)
    ]
    services.devices.record(devices, now)
    for index, group in enumerate(("radiology-2026", "radiology-2026", "oncology")):
        services.devices.assign(f"SIM-radlab-{index}", group, "ana")
    make = services.invites.create
    day, fortnight = now + timedelta(days=1), now + timedelta(days=14)
    make(role="student", by="ines", group="radiology-2026", uses=30, expires_at=fortnight)
    make(role="instructor", by="ana", group="oncology", uses=2, expires_at=day)
    bound = make(role="student", by="ana", group="oncology", user="maria", expires_at=day)
    services.invites.redeem(bound.code, "maria", "hash")
    services.invites.revoke(2, by="ana")
    start(services, fake, "sam", "radiology-2026", 1, "05_classification", 25)
    start(services, fake, "wei", "radiology-2026", 0, None, 5)
    start(services, fake, "oda", "oncology", 1, "05_classification", 61)
    fake.servers["wei"].pending = "spawn"
    services.groups.set_lending("oncology", True, False, "ana")
    services.groups.set_lending("radiology-2026", True, True, "ana")
    busy_lab(services, fake)
    term(services)


def busy_lab(services: Services, fake: FakeHub) -> None:
    """Loads, quotas, what was used before, who waits, and what staff did."""
    past(services, fake)
    start(services, fake, "chloe", "radiology-2026", 1, "05_classification", 70)
    leases = {lease.username: lease for lease in services.ledger.active()}
    measure(services, leases["sam"].id, cpu=1.62)
    services.usage.sample(
        [
            Sample(
                lease_id=leases["chloe"].id,
                cpu=0.04,
                memory_mb=7900,
                gpu=0.0,
                gpu_memory_mb=2100,
                oom_kills=2,
                oom_process="python",
            ),
        ],
        clock.now(),
    )
    services.usage.busy(leases["sam"].id, clock.now(), 1)
    idle_end = clock.now() + timedelta(minutes=9)
    services.ledger.stop_early(leases["chloe"].id, idle_end, Ended.IDLE)
    for lease in leases.values():
        services.ledger.ready(lease.id, lease.granted_at)
    services.devices.drain("SIM-radlab-3", True, "ana")
    group = Limits(gpus=4, cpus=32, memory_mb=128 * 1024, gpu_hours_week=120, minutes=180)
    services.quotas.set(Kind.GROUP, "radiology-2026", group, "ana", reason="winter term")
    own = Limits(gpus=1, gpu_hours_week=8, disk_mb=10 * 1024)
    services.quotas.set(Kind.PERSON, "sam", own, "ana", reason="")
    measured = HomeUse(username="sam", used_mb=8700, measured_at=clock.now())
    services.usage.homes([measured])
    for name in ("yusuf", "tomas", "maria"):
        wait(services, name)
    services.audit.note(
        "ines", "extend", "her training needs the hour", username="chloe", detail="30 min"
    )
    services.audit.note("ana", "stop", "left over from the exam", username="priya")


def measure(services: Services, lease_id: str, cpu: float) -> None:
    """A look at a container that trains."""
    sample = Sample(lease_id=lease_id, cpu=cpu, memory_mb=5300, gpu=0.83, gpu_memory_mb=17800)
    services.usage.sample([sample], clock.now())


def past(services: Services, fake: FakeHub) -> None:
    """Sessions of the days before, one of them on a GPU of the pool."""
    services.devices.assign("SIM-radlab-3", None, "ana", pool=True)
    reasons = (Ended.TIME_UP, Ended.STOPPED, Ended.IDLE, Ended.ADMINISTRATOR)
    for days, (name, why) in enumerate(zip(("sam", "maria", "wei", "sam"), reasons, strict=True)):
        ago = 1440 * days + 300
        gpus = int(days == 3)
        start(services, fake, name, "oncology", gpus, "05_classification", ago, "earlier")
        lease = next(x for x in services.ledger.active() if x.server_name == "earlier")
        end = clock.now() - timedelta(minutes=ago - 85)
        services.usage.sample(
            [Sample(lease_id=lease.id, cpu=1.0, memory_mb=3100 + 900 * days)], end
        )
        services.ledger.release(lease.id, why, end)


def wait(services: Services, name: str) -> None:
    """Let somebody wait for a GPU."""
    request = LeaseRequest(
        username=name,
        gpu_count=1,
        cpus=1,
        memory_mb=1024,
        minutes=90,
        image="imaging",
        module="05_classification",
        module_version="1.0.0",
    )
    options = {"module": "05_classification", "gpu": True, "language": "en"}
    services.queue.enter(name, "", ("radiology-2026",), request, options, name, clock.now())


COURSE = {
    "03_network": ("A first network: what learning is", "第一个网络：什么是学习", 60),
    "05_classification": ("Opacity or not: a first classifier", "有无阴影：第一个分类器", 90),
    "08_segmentation": ("Outlining a lesion in ultrasound", "在超声中勾画病灶", 90),
    "10_detection": ("Finding polyps, and counting false alarms", "发现息肉并计算误报", 75),
}
CHANGES = {
    "en": "The figures are larger, and exercise 2 explains a wrong axis. Your points are kept.",
    "zh_CN": "图更大了；练习 2 会说明坐标轴用错的情况。您的得分会保留。",
}


def publish(settings: Settings) -> None:
    """Course modules as `./radlab course publish` leaves them; one of them in two versions."""
    for id, (english, chinese, minutes) in COURSE.items():
        for version in ("1.0.0", "1.1.0") if id == "08_segmentation" else ("1.0.0",):
            both = {"en": english, "zh_CN": chinese}
            module = Module(
                id=id,
                version=version,
                title=both,
                summary=both,
                objectives={"en": ["Train."], "zh_CN": ["训练。"]},
                minutes=minutes,
                image="imaging",
                languages=["en", "zh_CN"],
                order=int(id[:2]),
                changes=CHANGES if version == "1.1.0" else None,
            )
            folder = settings.path("modules", module.folder)
            folder.mkdir(parents=True)
            (folder / BUILT_METADATA).write_text(module.model_dump_json())
            (folder / "exercises.yaml").write_text(
                "- {id: dice, points: 6}\n- {id: loss, points: 4}"
            )
            (folder / "quiz.yaml").write_text("- {id: a}\n- {id: b}\n- {id: c}\n- {id: d}\n")


def term(services: Services) -> None:
    """Who sees which module, what was published, and how far students are."""
    services.offers.offer("08_segmentation", ["radiology-2026"], "ana")
    services.offers.offer("10_detection", (), "ana")
    course, group = "https://git.example.edu/radiology/course.git", ("radiology-2026",)
    ask = services.publications.ask
    for source, by in ((f"{course}#08_segmentation", "ines"), (f"{course}#11_pathology", "ines")):
        ask(source, group, by, within=group)
    done, failed = services.publications.take(), services.publications.take()
    assert done and failed
    services.publications.end(done.id, PUBLISHED, module="08_segmentation", version="1.1.0")
    services.publications.end(failed.id, UNPROVED)
    ask(f"{course}#12_endoscopy", group, "ines", within=group)
    running = services.publications.take()
    assert running
    services.publications.tell(running.id, "\n".join(PUBLISHED.splitlines()[:3]))
    for number, name in enumerate(("sam", "maria", "wei", "yusuf", "chloe")):
        reports = [
            Report(
                module=id,
                version="1.0.0",
                consent=(number + place) % 4 != 3,
                exercises={
                    "dice": Tried(passed=True, points=6 - number, tries=number + 1),
                    "loss": Tried(passed=number < 3, points=4, tries=2),
                },
                quiz={
                    word: Answered(right=number % 2 == 0, tries=1) for word in "abcd"[: 5 - number]
                },
            )
            for place, id in enumerate(("03_network", "05_classification", "08_segmentation"))
        ]
        services.progress.keep(name, reports, lambda module, version: True)


PUBLISHED = """https://git.example.edu/radiology/course.git: cloning ...
08_segmentation 1.1.0: proving it in 'en' ...
08_segmentation 1.1.0
  4 checks, 9 known wrong answers
  notebook: 24.1 s, first picture after 3.2 s
  claim lead: 0.23, holds
08_segmentation 1.1.0: built; offered to radiology-2026.
"""
UNPROVED = """https://git.example.edu/radiology/course.git: cloning ...
11_pathology 1.0.0: proving it in 'en' ...
11_pathology 1.0.0
  4 checks, 8 known wrong answers
11_pathology 1.0.0 does not hold: 1 problems. (1) The claim 'drop' says >= 0.1: it was 0.04. \
Mend them and run `./radlab course check` again.
"""


def start(
    services: Services,
    fake: FakeHub,
    name: str,
    group: str,
    gpus: int,
    module: Any,
    ago: int,
    server: str = "",
) -> None:
    """Let somebody's server run since `ago` minutes."""
    began = clock.now() - timedelta(minutes=ago)
    request = LeaseRequest(
        username=name,
        server_name=server,
        groups=(group,),
        gpu_count=gpus,
        cpus=2,
        memory_mb=8192,
        minutes=90,
        image="imaging",
        module=module,
        module_version="1.0.0" if module else None,
    )
    lease = services.ledger.grant(request, began)
    services.ledger.started(lease.id, f"container-{name}", began)
    if not server:
        fake.start(name, began.isoformat())


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        app, services, fake = site(Path(folder))
        if "--empty" not in sys.argv:
            lesson(services, fake)
        uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
