"""What an invite gives, who may make one, and until when."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub_config.groups.rules import person_of
from hub_config.invites import rules
from hub_config.invites.rules import BadExpiry, BadInvite, Invite, InviteNotAllowed, Terms

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
OPEN = Invite(
    id=1, kind="invite", prefix="7M2Q", role="student", group="ct", user=None, uses=2, used=0,
    expires_at=NOW + timedelta(days=1), created_at=NOW, created_by="ada", revoked_at=None,
)  # fmt: skip
ADA = person_of("ada", ["administrators"])
IRA = person_of("ira", ["ct", "ct:instructors", "mr", "instructors"])  # teaches ct, studies mr
STU = person_of("stu", ["ct"])


@pytest.mark.parametrize(
    ("change", "state"),
    [
        ({}, "open"),
        ({"used": 1}, "open"),
        ({"used": 2}, "used"),
        ({"expires_at": NOW}, "expired"),
        ({"revoked_at": NOW}, "revoked"),
        ({"revoked_at": NOW, "used": 2, "expires_at": NOW}, "revoked"),
    ],
)
def test_an_invite_has_one_state(change: dict[str, object], state: str) -> None:
    invite = replace(OPEN, **change)
    assert invite.state(NOW) == state
    if state == "open":
        rules.check_usable(invite, "invite", NOW)


def test_every_reason_has_one_answer() -> None:
    answers = set()
    for change in ({"used": 2}, {"expires_at": NOW}, {"revoked_at": NOW}, {"kind": "reset"}):
        with pytest.raises(rules.CodeUnusable) as refused:
            rules.check_usable(replace(OPEN, **change), "invite", NOW)
        answers.add(str(refused.value))
    assert answers == {str(rules.code_unusable())}


@pytest.mark.parametrize(
    ("role", "group", "groups"),
    [
        ("student", "ct", ["ct"]),
        ("instructor", "ct", ["ct", "ct:instructors", "instructors"]),
        ("administrator", None, ["administrators"]),
    ],
)
def test_a_role_begins_in_its_groups(role: rules.Role, group: str, groups: list[str]) -> None:
    assert rules.groups_at_entry(role, group) == groups


def test_an_instructor_at_entry_teaches_their_group() -> None:
    assert person_of("ira", rules.groups_at_entry("instructor", "ct")).taught == {"ct"}


@pytest.mark.parametrize(
    ("role", "group", "user", "uses"),
    [
        ("student", "ct", None, 1),
        ("student", "ct", None, 1000),
        ("instructor", "ct", None, 3),
        ("student", "ct", "ana", 1),
        ("administrator", None, None, 1),
        ("administrator", None, "ada", 1),
    ],
)
def test_terms_that_make_sense_are_taken(role: str, group: str, user: str, uses: int) -> None:
    rules.check_terms(Terms("invite", role, group, user, uses, NOW))


@pytest.mark.parametrize(
    ("role", "group", "user", "uses", "said"),
    [
        ("studnet", "ct", None, 1, "no role 'studnet'. Did you mean 'student'?"),
        ("student", None, None, 1, "needs a group"),
        ("administrator", "ct", None, 1, "belongs to no class group"),
        ("administrator", None, None, 2, "cannot have 2 uses"),
        ("student", "ct", "ana", 2, "cannot have 2 uses"),
        ("student", "ct", None, 0, "cannot have 0 uses"),
        ("student", "ct", None, 1001, "Use 1 to 1000"),
    ],
)
def test_terms_that_contradict_themselves_are_refused(
    role: str, group: str, user: str, uses: int, said: str
) -> None:
    with pytest.raises(BadInvite) as refused:
        rules.check_terms(Terms("invite", role, group, user, uses, NOW))
    assert said in str(refused.value)


@pytest.mark.parametrize("role", rules.ROLES)
@pytest.mark.parametrize("group", ["ct", "mr", None])
@pytest.mark.parametrize("user", ["ana", None])
def test_instructors_make_student_codes_for_groups_they_teach_and_nothing_else(
    role: str, group: str | None, user: str | None
) -> None:
    rules.check_may_create(ADA, role, group, user)
    allowed = {IRA: (role, group, user) == ("student", "ct", None), STU: False}
    for person, may in allowed.items():
        if may:
            rules.check_may_create(person, role, group, user)
        else:
            with pytest.raises(InviteNotAllowed):
                rules.check_may_create(person, role, group, user)


@pytest.mark.parametrize(
    ("change", "ira_may"),
    [
        ({}, True),
        ({"group": "mr"}, False),
        ({"role": "instructor"}, False),
        ({"user": "ana"}, False),
        ({"kind": "reset", "role": None, "group": None, "user": "ada"}, False),
    ],
)
def test_who_may_make_a_code_may_see_and_revoke_its_like(
    change: dict[str, object], ira_may: bool
) -> None:
    invite = replace(OPEN, **change)
    assert rules.may_see(ADA, invite)
    assert rules.may_see(IRA, invite) == ira_may
    assert not rules.may_see(STU, invite)
    with pytest.raises(InviteNotAllowed):
        rules.check_may_revoke(STU, invite)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("30m", NOW + timedelta(minutes=30)),
        ("12h", NOW + timedelta(hours=12)),
        (" 14D ", NOW + timedelta(days=14)),
        ("366d", NOW + timedelta(days=366)),
        ("2026-03-02", datetime(2026, 3, 3, tzinfo=UTC)),
        ("2026-12-31", datetime(2027, 1, 1, tzinfo=UTC)),
    ],
)
def test_an_expiry_is_a_span_or_a_last_day(text: str, moment: datetime) -> None:
    assert rules.parse_expiry(text, NOW) == moment


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not a time that we understand"),
        ("14", "not a time that we understand"),
        ("two weeks", "not a time that we understand"),
        ("2026-02-30", "not a time that we understand"),
        ("9999-12-31", "not a time that we understand"),
        ("999999999d", "not a time that we understand"),
        ("0d", "is over already"),
        ("2026-03-01", "is over already"),
        ("367d", "more than a year away"),
        ("2028-01-01", "more than a year away"),
    ],
)
def test_a_bad_expiry_is_refused_with_the_grammar(text: str, said: str) -> None:
    with pytest.raises(BadExpiry, match=said) as refused:
        rules.parse_expiry(text, NOW)
    assert "30m, 12h, 14d" in str(refused.value)


@given(st.text(max_size=30))
def test_every_expiry_lies_ahead_and_within_a_year(text: str) -> None:
    with suppress(BadExpiry):
        assert NOW < rules.parse_expiry(text, NOW) <= NOW + rules.LONGEST
