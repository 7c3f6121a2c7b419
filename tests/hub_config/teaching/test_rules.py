"""What may be published, who sees it, and what a report of progress is worth."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub_config.groups.rules import UnknownGroup, person_of
from hub_config.teaching.model import MOST_MODULES, Answered, Progress, Scheme, Tried, reports_of
from hub_config.teaching.rules import (
    BadAudience,
    BadSource,
    NotYourModule,
    audience_of,
    changed_audience,
    may_see_publication,
    score,
    sees,
    source_of,
)

ANA = person_of("ana", ["administrators"])
INES = person_of("ines", ["radiology", "radiology:instructors", "instructors"])
SAM = person_of("sam", ["radiology"])
ODA = person_of("oda", ["oncology"])
KNOWN = ("oncology", "radiology")


@pytest.mark.parametrize(
    "source",
    [
        "https://git.example.edu/course.git",
        "https://git.example.edu/course.git#05_classification",
        "ssh://git@git.example.edu:2222/course.git#a/b",
        "https://token@git.example.edu/course.git",
    ],
)
def test_an_address_of_git_is_taken_from_every_teacher(source: str) -> None:
    assert source_of(f" {source}\n", administrator=False) == source
    assert source_of(source, administrator=True) == source


@pytest.mark.parametrize("source", ["/srv/course/05_classification", "05_classification"])
def test_a_folder_of_the_machine_is_taken_from_administrators_alone(source: str) -> None:
    assert source_of(source, administrator=True) == source
    with pytest.raises(BadSource):
        source_of(source, administrator=False)


@pytest.mark.parametrize(
    "source",
    [
        "",
        "  ",
        "--upload-pack=touch /tmp/x",
        "-x",
        "http://git.example.edu/course.git",
        "file:///etc",
        "git://git.example.edu/course.git",
        "ext::sh -c id",
        "https://",
        "https:///course.git",
        "ssh://-oProxyCommand=id/course",
        "https://git.example.edu/a b",
        "https://git.example.edu/a\tb",
        "https://git.example.edu/\x00",
        "https://[::1/course",
        "../course",
        "https://git.example.edu/" + "a" * 400,
    ],
)
@pytest.mark.parametrize("administrator", [True, False])
def test_nothing_else_is_a_source(source: str, administrator: bool) -> None:
    with pytest.raises(BadSource):
        source_of(source, administrator=administrator)


def test_a_password_is_not_kept() -> None:
    with pytest.raises(BadSource) as refused:
        source_of("https://ines:secret@git.example.edu/course.git", administrator=True)
    assert "secret" not in str(refused.value)
    assert "secret" not in str(refused.value.as_dict())


@given(st.text(max_size=60))
def test_no_text_makes_an_instructors_source_a_path_or_an_option(text: str) -> None:
    try:
        source = source_of(text, administrator=False)
    except BadSource:
        return
    assert source.lower().startswith(("https://", "ssh://"))


def test_instructors_offer_to_the_groups_that_they_teach() -> None:
    assert audience_of(INES, ["radiology"], everyone=False, known=KNOWN) == ("radiology",)
    for groups in (["oncology"], ["oncology", "radiology"]):
        with pytest.raises(NotYourModule):
            audience_of(INES, groups, everyone=False, known=KNOWN)
    with pytest.raises(NotYourModule):
        audience_of(INES, ["radiology"], everyone=True, known=KNOWN)


def test_administrators_offer_to_any_group_and_to_everyone() -> None:
    assert audience_of(ANA, ["radiology", "oncology"], everyone=False, known=KNOWN) == KNOWN
    assert audience_of(ANA, [], everyone=True, known=KNOWN) is None


def test_a_module_is_for_somebody_that_exists() -> None:
    with pytest.raises(BadAudience):
        audience_of(ANA, [], everyone=False, known=KNOWN)
    with pytest.raises(UnknownGroup, match="Did you mean 'radiology'"):
        audience_of(ANA, ["radiolgy"], everyone=False, known=KNOWN)


def test_an_instructor_leaves_other_teachers_groups_as_they_are() -> None:
    def changed(before: tuple[str, ...], groups: list[str]) -> tuple[str, ...] | None:
        return changed_audience(INES, before, groups, everyone=False, known=KNOWN)

    assert changed(("oncology",), ["radiology"]) == ("oncology", "radiology")
    assert changed(("oncology", "radiology"), []) == ("oncology",)
    assert changed(("radiology",), []) == ()


def test_only_an_administrator_takes_a_module_from_everyone() -> None:
    for groups in ([], ["radiology"]):
        with pytest.raises(NotYourModule):
            changed_audience(INES, None, groups, everyone=False, known=KNOWN)
    assert changed_audience(ANA, None, [], everyone=False, known=KNOWN) == ()
    assert changed_audience(ANA, (), [], everyone=True, known=KNOWN) is None


@pytest.mark.parametrize(
    ("audience", "expected"),
    [
        (None, {"ana", "ines", "sam", "oda"}),
        (("radiology",), {"ana", "ines", "sam"}),
        (("oncology", "radiology"), {"ana", "ines", "sam", "oda"}),
        ((), set()),
    ],
)
def test_a_module_is_seen_by_those_it_is_for(
    audience: tuple[str, ...] | None, expected: set[str]
) -> None:
    assert {one.name for one in (ANA, INES, SAM, ODA) if sees(one, audience)} == expected


def test_a_publication_is_seen_by_who_asked_and_administrators() -> None:
    seeing = {one.name for one in (ANA, INES, SAM) if may_see_publication(one, "ines")}
    assert seeing == {"ana", "ines"}
    assert not may_see_publication(SAM, "sam")


def shown(exercises: dict[str, Tried], quiz: dict[str, Answered]) -> Progress:
    return Progress(
        username="sam",
        module="08_segmentation",
        version="1.0.0",
        exercises=exercises,
        quiz=quiz,
        received_at=datetime(2026, 3, 1, tzinfo=UTC),
    )


def test_a_report_is_worth_what_the_published_module_gives() -> None:
    scheme = Scheme({"dice": 3, "loss": 2}, frozenset({"leak", "window"}))
    told = shown(
        {
            "dice": Tried(passed=True, points=1000),
            "loss": Tried(passed=False, points=2),
            "invented": Tried(passed=True, points=1000),
        },
        {"leak": Answered(right=True), "invented": Answered(right=True)},
    )
    worth = score(told, scheme)
    assert (worth.points, worth.of, worth.passed, worth.exercises) == (3, 5, 1, 2)
    assert (worth.right, worth.questions) == (1, 2)
    assert worth.part == 0.6


@given(st.dictionaries(st.text(max_size=5), st.floats(0, 1000)), st.booleans())
def test_no_report_is_worth_more_than_the_module(points: dict[str, float], passed: bool) -> None:
    scheme = Scheme({name: 2.0 for name in list(points)[:3]})
    told = shown({name: Tried(passed=passed, points=one) for name, one in points.items()}, {})
    worth = score(told, scheme)
    assert 0 <= worth.points <= worth.of
    assert 0 <= worth.part <= 1


GOOD = {"module": "08_segmentation", "version": "1.0.0", "consent": True}


@pytest.mark.parametrize(
    "bad",
    [
        {"module": "../../etc"},
        {"module": "8_segmentation"},
        {"module": 8},
        {"version": "1.0.0\n"},
        {"version": "latest"},
        {"consent": None},
        {"exercises": {"dice": {"points": -1}}},
        {"exercises": {"dice": {"points": float("nan")}}},
        {"exercises": {"dice": {"points": float("inf")}}},
        {"exercises": {"dice": {"tries": 10**9}}},
        {"exercises": {"dice": {"essay": "x" * 1000}}},
        {"exercises": {"<script>": {}}},
        {"exercises": {"x" * 64: {}}},
        {"exercises": {f"e{number}": {} for number in range(65)}},
        {"quiz": {"leak": {"right": "perhaps"}}},
        {"quiz": [1, 2]},
        {"home": "/home/student"},
        {"updated": "yesterday"},
    ],
)
def test_what_is_no_report_is_left_out_and_the_others_are_kept(bad: dict[str, object]) -> None:
    other = {**GOOD, "module": "03_network"}
    found = reports_of({"progress": [{**GOOD, **bad}, other]})
    assert [report.module for report in found] == ["03_network"]


@pytest.mark.parametrize("body", [None, [], "x", {}, {"progress": 5}, {"progress": ["x", None]}])
def test_a_body_without_reports_holds_none(body: object) -> None:
    assert reports_of(body) == []


def test_only_so_many_reports_are_read() -> None:
    many = [{**GOOD, "module": f"{number % 100:02}_m{number}"} for number in range(100)]
    assert len(reports_of({"progress": many})) == MOST_MODULES
