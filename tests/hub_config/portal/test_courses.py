"""The Courses page: what is published, for whom, by which publication, and who shows what."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from hub_config.groups.rules import ADMINISTRATOR_SCOPES, INSTRUCTOR_SCOPES
from hub_config.portal.services import Services
from hub_config.teaching.model import Answered, Report, State, Tried

CHANGES = {"en": "Larger figures.", "zh_CN": "图更大。"}
SOURCE = "https://git.example.edu/course.git#08_segmentation"


@pytest.fixture
def course(school: Any, services: Services) -> Any:
    """Two modules, one of them in two versions and for radiology alone."""
    school.publish("03_network", "1.0.0")
    school.publish("08_segmentation", "1.0.0")
    school.publish("08_segmentation", "1.1.0", changes=CHANGES)
    services.offers.offer("08_segmentation", ["radiology"], "ana")
    return school


def show(services: Services, name: str, points: float, *, consent: bool = True) -> None:
    """What `name`'s session tells of their progress."""
    told = Report(
        module="08_segmentation",
        version="1.0.0",
        consent=consent,
        exercises={"dice": Tried(passed=True, points=points), "loss": Tried(tries=4)},
        quiz={"leak": Answered(right=True)},
    )
    services.progress.keep(name, [told], lambda module, version: True)


async def test_staff_see_modules_versions_audience_and_changes(
    browser: Callable[..., Any], course: Any
) -> None:
    page = await (browser("ines")).open("/courses")
    assert "Lesson 03" in page.text and "Lesson 08" in page.text
    assert "1.1.0" in page.text and "1 before" in page.text
    assert "Larger figures." in page.text
    assert "everyone" in page.text and "radiology" in page.text


async def test_students_see_what_is_for_them(browser: Callable[..., Any], course: Any) -> None:
    sam = await browser("sam").open("/courses")
    assert "Lesson 03" in sam.text and "Lesson 08" in sam.text
    assert "Larger figures." in sam.text
    oda = await browser("oda").open("/courses")
    assert "Lesson 03" in oda.text and "Lesson 08" not in oda.text
    assert "Publish a module" not in oda.text
    found = (await browser("oda").call("GET", "/api/courses")).json()
    assert [one["id"] for one in found] == ["03_network"]


async def test_a_page_in_chinese_shows_the_modules_chinese(
    browser: Callable[..., Any], course: Any
) -> None:
    ines = browser("ines")
    ines.client.cookies.set("radlab-language", "zh_CN", domain="radlab.test")
    page = await ines.open("/courses")
    assert "第 08 课" in page.text and "图更大。" in page.text and "谁能看到" in page.text


async def test_an_instructor_asks_for_a_publication_and_follows_it(
    browser: Callable[..., Any], course: Any, services: Services
) -> None:
    ines = browser("ines")
    page = await ines.send("/courses/publications", source=SOURCE, groups="radiology")
    assert page.status_code == 200
    assert "It was asked for." in page.text and "waiting" in page.text
    taken = services.publications.take()
    assert taken is not None
    assert (taken.source, taken.groups, taken.within, taken.by) == (
        SOURCE,
        ("radiology",),
        ("radiology",),
        "ines",
    )
    services.publications.tell(taken.id, "proving <it> ...\n")
    running = await ines.open(f"/courses/publications/{taken.id}")
    assert "being checked" in running.text and "proving &lt;it&gt; ..." in running.text
    assert "data-portal-live" in running.text
    services.publications.end(taken.id, "built\n", module="08_segmentation", version="1.2.0")
    done = await ines.open(f"/courses/publications/{taken.id}")
    assert "08_segmentation 1.2.0" in done.text and "published" in done.text
    assert "Asked for lately" in (await ines.open("/courses")).text


async def test_a_publication_that_failed_says_why(
    browser: Callable[..., Any], course: Any, services: Services
) -> None:
    asked = services.publications.ask(SOURCE, ("radiology",), "ines")
    services.publications.take()
    services.publications.end(asked.id, "The claim 'lead' does not hold.\n")
    page = await browser("ines").open(f"/courses/publications/{asked.id}")
    assert "not published" in page.text
    assert "The claim &#39;lead&#39; does not hold." in page.text


async def test_nobody_sees_another_instructors_publication(
    browser: Callable[..., Any], course: Any, services: Services
) -> None:
    asked = services.publications.ask(SOURCE, None, "ana")
    assert (await browser("ines").open(f"/courses/publications/{asked.id}")).status_code == 404
    assert (await browser("ana").open(f"/courses/publications/{asked.id}")).status_code == 200
    assert (await browser("ines").call("GET", "/api/courses/publications")).json() == []
    assert SOURCE not in (await browser("ines").open("/courses")).text


@pytest.mark.parametrize(
    ("source", "groups", "said"),
    [
        ("/etc", "radiology", "cannot be published from"),
        ("05_classification", "radiology", "cannot be published from"),
        ("https://a:b@git.example.edu/c.git", "radiology", "bears a password"),
        (SOURCE, "oncology", "You do not teach the group"),
        (SOURCE, "", "Nobody would see the module."),
    ],
)
async def test_a_refused_publication_keeps_what_was_typed(
    browser: Callable[..., Any],
    course: Any,
    services: Services,
    source: str,
    groups: str,
    said: str,
) -> None:
    fields = {"groups": groups} if groups else {}
    page = await browser("ines").send("/courses/publications", source=source, **fields)
    assert page.status_code in (403, 422)
    assert said in re.sub(r"&#39;", "'", page.text)
    assert f'value="{source}"' in page.text
    assert services.publications.recent() == []


async def test_only_an_administrator_publishes_for_everyone(
    browser: Callable[..., Any], course: Any, services: Services
) -> None:
    ines = await browser("ines").send("/courses/publications", source=SOURCE, everyone="1")
    assert ines.status_code == 403
    ana = await browser("ana").send("/courses/publications", source="03_network", everyone="1")
    assert ana.status_code == 200
    (asked,) = services.publications.recent()
    assert (asked.groups, asked.within, asked.state) == (None, None, State.WAITING)


async def test_a_module_is_offered_and_withdrawn(
    browser: Callable[..., Any], course: Any, services: Services
) -> None:
    ana = browser("ana")
    page = await ana.send("/courses/03_network/audience", groups="oncology")
    assert "Lesson 03 is for oncology now." in page.text
    assert services.offers.audiences()["03_network"] == ("oncology",)
    page = await ana.send("/courses/03_network/audience")
    assert "Lesson 03 is withdrawn." in page.text
    assert "Lesson 03" not in (await browser("sam").open("/courses")).text
    page = await ana.send("/courses/03_network/audience", everyone="1")
    assert "Everyone sees Lesson 03 now." in page.text
    assert services.offers.audiences()["03_network"] is None


async def test_an_instructor_changes_only_what_their_groups_see(
    browser: Callable[..., Any], course: Any, services: Services
) -> None:
    ines = browser("ines")
    services.offers.offer("08_segmentation", ["oncology"], "ana")
    await ines.send("/courses/08_segmentation/audience", groups="radiology")
    assert services.offers.audiences()["08_segmentation"] == ("oncology", "radiology")
    await ines.send("/courses/08_segmentation/audience")
    assert services.offers.audiences()["08_segmentation"] == ("oncology",)
    for groups in ({}, {"groups": "radiology"}):
        refused = await ines.send("/courses/03_network/audience", **groups)
        assert refused.status_code == 403
        assert "Only an administrator may decide what everyone sees." in refused.text
    shown = await ines.open("/courses/03_network/audience")
    assert "only an administrator can change that" in shown.text


async def test_an_unknown_module_names_the_nearest(
    browser: Callable[..., Any], course: Any
) -> None:
    answer = await browser("ana").call(
        "PUT", "/api/courses/03_netwrok/audience", json={"everyone": True}
    )
    assert answer.status_code == 404
    assert "Did you mean '03_network'?" in answer.json()["error"]["message"]


async def test_an_instructor_sees_the_points_of_students_who_show_them(
    browser: Callable[..., Any], course: Any, services: Services, the_hub: Any
) -> None:
    the_hub.groups["rhea"] = ["radiology"]
    show(services, "sam", 1000)
    show(services, "rhea", 2)
    show(services, "rhea", 2, consent=False)
    show(services, "oda", 3)
    page = await browser("ines").open("/courses/progress")
    assert "3 / 5" in page.text, "more than the module gives counts as what it gives"
    assert "1 of 2 students show something" in page.text
    assert "rhea" in page.text and "not shown" in page.text
    assert "oda" not in page.text
    told = (await browser("ines").call("GET", "/api/courses/progress")).json()
    assert [(one["username"], one["points"], one["of"]) for one in told] == [("sam", 3, 5)]
    assert (told[0]["right"], told[0]["questions"]) == (1, 2)


async def test_an_instructor_asks_for_no_group_of_others(
    browser: Callable[..., Any], course: Any, services: Services
) -> None:
    show(services, "oda", 3)
    answer = await browser("ines").call("GET", "/api/courses/progress?group=oncology")
    assert answer.status_code == 404
    assert "oncology" not in answer.json()["error"]["allowed"]
    told = (await browser("ana").call("GET", "/api/courses/progress?group=oncology")).json()
    assert [one["username"] for one in told] == ["oda"]


async def test_a_student_sees_what_they_show(
    browser: Callable[..., Any], course: Any, services: Services
) -> None:
    sam = browser("sam")
    assert "You show no progress of this module." in (await sam.open("/courses")).text
    show(services, "sam", 2)
    page = await sam.open("/courses")
    assert "2 / 5" in page.text and "1 / 2" in page.text
    assert "Your instructors see this." in page.text
    assert "Reached in version 1.0.0." in page.text
    told = (await sam.call("GET", "/api/courses/progress/mine")).json()
    assert [(one["module"], one["points"]) for one in told] == [("08_segmentation", 2)]
    assert (await browser("oda").call("GET", "/api/courses/progress/mine")).json() == []


def test_a_token_of_staff_may_hold_the_scope_of_courses() -> None:
    assert "custom:courses:write" in INSTRUCTOR_SCOPES
    assert "custom:courses:write" in ADMINISTRATOR_SCOPES
