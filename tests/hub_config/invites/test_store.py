"""Codes become accounts in one transaction, on SQLite and on PostgreSQL."""

from __future__ import annotations

import logging
import multiprocessing
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, inspect, text, update
from sqlalchemy.exc import IntegrityError

from hub_config.db import open_database, writing
from hub_config.errors import RadLabError
from hub_config.groups.rules import GroupInUse, UnknownGroup
from hub_config.groups.store import GroupStore
from hub_config.invites import codes, rules
from hub_config.invites.credentials import BadUserName
from hub_config.invites.rules import CodeUnusable, NameBound, NameTaken
from hub_config.invites.store import (
    FIRST_ADMINISTRATOR,
    INVITES_KEY,
    InviteStore,
    InviteTable,
    Issued,
    first_administrator_link,
    open_store,
)
from hub_config.settings import Settings

DAY = timedelta(days=1)
PROCESSES, PEOPLE_EACH, USES = 4, 50, 50


@pytest.fixture
def issue(store: InviteStore, clock: Any) -> Any:
    """Make an invite for students of `ct`, good for a day, unless other terms are given."""

    def make(**terms: Any) -> Issued:
        defaults = {"role": "student", "group": "ct", "by": "ada", "expires_at": clock + DAY}
        return store.create(**{**defaults, **terms})

    return make


def test_a_code_becomes_an_account_with_role_and_group(store: InviteStore, issue: Any) -> None:
    made = issue(uses=2)
    account = store.redeem(made.code, "ana", "hash")
    assert (account.name, account.role, account.group) == ("ana", "student", "ct")
    assert account.entered_at is None
    assert store.password_of("ana") == "hash"
    assert store.get(made.invite.id).used == 1
    assert store.account("ana") == account


def test_the_code_is_nowhere_in_the_database_or_the_logs(
    store: InviteStore, issue: Any, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    made = issue()
    store.redeem(made.code, "ana", "hash")
    with engine.connect() as connection:
        tables = inspect(engine).get_table_names()
        rows = [tuple(r) for t in tables for r in connection.execute(text(f'SELECT * FROM "{t}"'))]
    secret = made.code[codes.PREFIX_LENGTH :]
    assert rows
    assert secret not in str(rows)
    assert f"({made.invite.prefix})" in caplog.text
    assert secret not in caplog.text


def test_another_key_reads_no_code(engine: Engine, issue: Any, clock: Any) -> None:
    with pytest.raises(CodeUnusable):
        InviteStore(engine, b"another key", now=clock).redeem(issue().code, "ana", "hash")


def test_unknown_used_expired_revoked_and_wrong_kind_get_one_answer(
    store: InviteStore, issue: Any, clock: Any
) -> None:
    used, revoked, expired = issue(), issue(), issue(expires_at=clock + DAY / 2)
    store.redeem(used.code, "ana", "hash")
    store.revoke(revoked.invite.id, by="ada")
    reset = store.create_reset(user="ana", by="ada", expires_at=clock + DAY)
    clock.now = clock + DAY / 2
    answers = set()
    for code in (codes.spell(b"x" * 15), used.code, revoked.code, expired.code, reset.code):
        with pytest.raises(CodeUnusable) as refused:
            store.redeem(code, "li", "hash")
        answers.add(repr(refused.value.as_dict()))
    assert len(answers) == 1
    assert [a.name for a in store.accounts()] == ["ana"]


def test_a_taken_name_costs_no_use(store: InviteStore, issue: Any) -> None:
    made = issue(uses=2)
    store.redeem(made.code, "ana", "hash")
    with pytest.raises(NameTaken, match="'ana' is taken"):
        store.redeem(made.code, "ana", "other hash")
    assert store.get(made.invite.id).used == 1
    assert store.password_of("ana") == "hash"


def test_a_name_is_not_probed_without_a_code(store: InviteStore, issue: Any) -> None:
    store.redeem(issue().code, "ana", "hash")
    with pytest.raises(CodeUnusable):
        store.redeem(codes.spell(b"x" * 15), "ana", "hash")


def test_names_of_authority_need_an_administrators_code(store: InviteStore, issue: Any) -> None:
    student = issue()
    with pytest.raises(BadUserName):
        store.redeem(student.code, "admin", "hash")
    assert store.get(student.invite.id).used == 0
    store.redeem(issue(role="administrator", group=None).code, "admin", "hash")
    with pytest.raises(BadUserName):
        issue(user="root")


def test_a_bound_code_makes_its_account_and_no_other(store: InviteStore, issue: Any) -> None:
    bound, anyone = issue(user="Ana"), issue()
    assert bound.invite.user == "ana"
    with pytest.raises(NameBound, match="'ana' and no other"):
        store.redeem(bound.code, "li", "hash")
    with pytest.raises(NameTaken):  # promised
        store.redeem(anyone.code, "ana", "hash")
    store.redeem(bound.code, "ana", "hash")
    with pytest.raises(NameTaken):
        issue(user="ana")


def test_a_promise_that_was_withdrawn_frees_the_name(store: InviteStore, issue: Any) -> None:
    bound = issue(user="ana")
    store.revoke(bound.invite.id, by="ada")
    assert store.redeem(issue().code, "ana", "hash").name == "ana"


def test_a_closed_account_signs_in_no_more_and_keeps_its_name(
    store: InviteStore, issue: Any, clock: Any
) -> None:
    store.redeem(issue().code, "ana", "hash")
    reset = store.create_reset(user="ana", by="ada", expires_at=clock + DAY)
    store.close("ana")
    assert store.is_closed("ana")
    assert store.password_of("ana") is None
    with pytest.raises(NameTaken):
        store.redeem(issue().code, "ana", "hash")
    with pytest.raises(CodeUnusable):
        store.reset(reset.code, "hash")
    with pytest.raises(rules.UnknownAccount):
        store.create_reset(user="ana", by="ada", expires_at=clock + DAY)


def test_a_code_bound_to_a_closed_account_opens_it_again(store: InviteStore, issue: Any) -> None:
    store.redeem(issue().code, "ana", "hash")
    store.enter("ana")
    store.close("ana")
    back = store.redeem(issue(user="ana", role="instructor").code, "ana", "new hash")
    assert (back.role, back.entered_at, back.closed_at) == ("instructor", None, None)
    assert store.password_of("ana") == "new hash"


def test_an_unknown_group_names_the_nearest(issue: Any) -> None:
    with pytest.raises(UnknownGroup, match="Did you mean 'ct'"):
        issue(group="cT2")


def test_a_group_that_an_invite_names_stays(engine: Engine, issue: Any) -> None:
    issue()
    with pytest.raises(GroupInUse):
        GroupStore(engine).remove("ct", "ada")


def test_an_unknown_invite_is_refused(store: InviteStore) -> None:
    with pytest.raises(rules.UnknownInvite, match="no invite 7"):
        store.revoke(7, by="ada")
    with pytest.raises(rules.UnknownInvite):
        store.get(7)


def test_revoking_twice_keeps_the_first_time(store: InviteStore, issue: Any, clock: Any) -> None:
    made = issue()
    first = store.revoke(made.invite.id, by="ada")
    clock.now = clock + DAY
    assert store.revoke(made.invite.id, by="ada") == first


def test_a_reset_changes_the_password_once(store: InviteStore, issue: Any, clock: Any) -> None:
    store.redeem(issue().code, "ana", "old")
    made = store.create_reset(user=" ANA ", by="ada", expires_at=clock + DAY)
    assert store.account_of_reset(made.code).name == "ana"
    store.reset(made.code, "new")
    assert store.password_of("ana") == "new"
    with pytest.raises(CodeUnusable):
        store.reset(made.code, "newer")
    assert store.password_of("ana") == "new"


def test_a_reset_of_nobody_names_the_nearest(store: InviteStore, issue: Any, clock: Any) -> None:
    store.redeem(issue().code, "ana", "old")
    with pytest.raises(rules.UnknownAccount, match="Did you mean 'ana'"):
        store.create_reset(user="anna", by="ada", expires_at=clock + DAY)


def test_an_invite_resets_nothing(store: InviteStore, issue: Any) -> None:
    with pytest.raises(CodeUnusable):
        store.reset(issue().code, "hash")


def test_a_rehash_does_not_undo_a_reset(store: InviteStore, issue: Any) -> None:
    store.redeem(issue().code, "ana", "reset in between")
    store.replace_password("ana", "as it was read", "rehashed")
    assert store.password_of("ana") == "reset in between"
    store.replace_password("ana", "reset in between", "rehashed")
    assert store.password_of("ana") == "rehashed"


def test_entering_is_noted_once(store: InviteStore, issue: Any, clock: Any) -> None:
    store.redeem(issue().code, "ana", "hash")
    store.enter("ana")
    first = store.account("ana").entered_at
    clock.now = clock + DAY
    store.enter("ana")
    assert store.account("ana").entered_at == first is not None


def test_only_the_last_link_makes_the_first_administrator(store: InviteStore) -> None:
    assert store.needs_first_administrator()
    earlier, last = store.create_first_administrator(), store.create_first_administrator()
    assert last.invite.created_by == FIRST_ADMINISTRATOR
    with pytest.raises(CodeUnusable):
        store.redeem(earlier.code, "ada", "hash")
    assert store.redeem(last.code, "ada", "hash").role == "administrator"
    assert not store.needs_first_administrator()
    with pytest.raises(rules.AdministratorExists):
        store.create_first_administrator()


def test_the_key_lies_outside_the_database(settings: Settings, engine: Engine) -> None:
    link = first_administrator_link(settings, open_store(settings, engine))
    key_file = settings.path("secrets", INVITES_KEY)
    assert key_file.stat().st_mode & 0o777 == 0o600
    code = codes.read(link)
    assert link.startswith(f"{settings.address}/hub/signup#code=")
    assert open_store(settings, engine).redeem(code, "ada", "hash").name == "ada"


def test_the_database_itself_refuses_one_use_too_many(engine: Engine, issue: Any) -> None:
    made = issue(uses=2)
    with pytest.raises(IntegrityError), writing(engine) as session:
        session.execute(update(InviteTable).where(InviteTable.id == made.invite.id).values(used=3))


def test_two_hundred_at_once_on_a_code_of_fifty_uses_are_exactly_fifty(
    engine: Engine, store: InviteStore, issue: Any
) -> None:
    made = issue(uses=USES)
    url = engine.url.render_as_string(hide_password=False)
    context = multiprocessing.get_context("spawn")
    with context.Pool(PROCESSES) as pool:
        batches = [(url, store._key, store._now(), made.code, n) for n in range(PROCESSES)]
        outcomes = sum(pool.starmap(_redeem_many, batches), Counter())
    assert outcomes == {"account": USES, "code_unusable": PROCESSES * PEOPLE_EACH - USES}
    assert store.get(made.invite.id).used == USES
    assert len(store.accounts()) == USES


def test_one_name_wanted_by_many_at_once_is_one_account(store: InviteStore, issue: Any) -> None:
    made = issue(uses=20)
    with ThreadPoolExecutor(10) as pool:
        outcomes = Counter(pool.map(lambda n: _redeem(store, made.code, "ana", n), range(20)))
    assert outcomes == {"account": 1, "name_taken": 19}
    assert store.get(made.invite.id).used == 1


def _redeem(store: InviteStore, code: str, name: str, number: int) -> str:
    try:
        store.redeem(code, name, f"hash {number}")
    except RadLabError as refused:
        return refused.code
    return "account"


def _redeem_many(url: str, key: bytes, now: Any, code: str, process: int) -> Counter[str]:
    store = InviteStore(open_database(url), key, now=lambda: now)
    with ThreadPoolExecutor(4) as pool:
        people = [f"p{process}n{number}" for number in range(PEOPLE_EACH)]
        return Counter(pool.map(lambda name: _redeem(store, code, name, 0), people))
