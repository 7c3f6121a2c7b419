"""The tables of invites and accounts: one transaction a verb.

`redeem` is the heart. In one writing transaction, which no other writer can interleave
(`hub_config.db.writing`), it finds the code, checks it, makes the account and counts the use: so
200 people who redeem a code of 50 uses at once are 50 accounts, and a name that is taken costs no
use. The table's own CHECK says the same, should a later hand get it wrong.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

from sqlalchemy import CheckConstraint, Engine, ForeignKey, String, select
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from hub_config import clock
from hub_config.db import Base, UtcDateTime, open_database, reading, writing
from hub_config.groups import store as groups
from hub_config.invites import codes, credentials, rules
from hub_config.invites.codes import Kind
from hub_config.invites.rules import Account, Invite, Role, Terms
from hub_config.settings import Settings

log = logging.getLogger(__name__)

INVITES_KEY = "invites.key"
FIRST_ADMINISTRATOR = "first-administrator"
_FIRST_LINK_LASTS = timedelta(days=1)


class InviteTable(Base):
    """A code's terms and what is left of it; never the code."""

    __tablename__ = "invites"
    __table_args__ = (CheckConstraint("0 <= used AND used <= uses", name="uses_kept"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    prefix: Mapped[str] = mapped_column(String(codes.PREFIX_LENGTH))
    fingerprint: Mapped[str] = mapped_column(String(64), unique=True)
    role: Mapped[str | None] = mapped_column(String(16))
    group: Mapped[str | None] = mapped_column(ForeignKey("groups.name"))
    user: Mapped[str | None] = mapped_column(String(32), index=True)
    uses: Mapped[int]
    used: Mapped[int] = mapped_column(default=0)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    created_by: Mapped[str] = mapped_column(String(255))
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class AccountTable(Base):
    """Somebody who can sign in; role and first group are those of the invite that let them in."""

    __tablename__ = "accounts"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    password: Mapped[str] = mapped_column(String(255))
    invite_id: Mapped[int] = mapped_column(ForeignKey("invites.id"))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    entered_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    closed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    invite: Mapped[InviteTable] = relationship(lazy="joined")


@dataclass(frozen=True)
class Issued:
    """A new invite and its code, which exists nowhere else: show it once."""

    invite: Invite
    code: str


class InviteStore:
    """All invites and accounts of this RadLab."""

    def __init__(self, engine: Engine, key: bytes, now: Callable[[], datetime] = clock.now) -> None:
        self.engine = engine
        self._key = key
        self._now = now

    # --- invites -----------------------------------------------------------------------------

    def create(
        self,
        *,
        role: str,
        by: str,
        expires_at: datetime,
        group: str | None = None,
        user: str | None = None,
        uses: int = 1,
    ) -> Issued:
        """A new invite by `by`; BadInvite, UnknownGroup, BadUserName, NameTaken.

        Bound to the name of a closed account it opens that account again, home included.
        """
        if user is not None:
            user = credentials.read_user_name(user)
            credentials.check_name_for_role(user, role)
        terms = Terms("invite", role, group, user, uses, expires_at)
        rules.check_terms(terms)
        with writing(self.engine) as session:
            if group is not None:
                groups.find(session, group)
            if user is not None and _is_open(session.get(AccountTable, user)):
                raise rules.name_taken(user)
            return self._issue(session, terms, by)

    def create_reset(self, *, user: str, by: str, expires_at: datetime) -> Issued:
        """A one-time code with which `user` chooses a new password; UnknownAccount."""
        name = credentials.fold_name(user)
        terms = Terms("reset", None, None, name, 1, expires_at)
        with writing(self.engine) as session:
            _find_account(session, name)
            return self._issue(session, terms, by)

    def create_first_administrator(self) -> Issued:
        """The code that lets the first administrator in, for a day; AdministratorExists.

        Whatever was made for this before and not used is revoked: only the last one works.
        """
        now = self._now()
        terms = Terms("invite", "administrator", None, None, 1, now + _FIRST_LINK_LASTS)
        with writing(self.engine) as session:
            if _has_administrator(session):
                raise rules.administrator_exists()
            earlier = select(InviteTable).where(InviteTable.created_by == FIRST_ADMINISTRATOR)
            for row in session.scalars(earlier.where(InviteTable.revoked_at.is_(None))):
                row.revoked_at = now
            return self._issue(session, terms, FIRST_ADMINISTRATOR)

    def all(self) -> list[Invite]:
        """Every invite, newest first."""
        with reading(self.engine) as session:
            rows = session.scalars(select(InviteTable).order_by(InviteTable.id.desc()))
            return [_invite(row) for row in rows]

    def get(self, invite_id: int) -> Invite:
        """The invite of that number; UnknownInvite."""
        with reading(self.engine) as session:
            return _invite(_find_invite(session, invite_id))

    def revoke(self, invite_id: int, by: str) -> Invite:
        """Let the code in nobody from now on; who is in stays. UnknownInvite."""
        with writing(self.engine) as session:
            row = _find_invite(session, invite_id)
            row.revoked_at = row.revoked_at or self._now()
        log.info("invite %d (%s) revoked by %s", row.id, row.prefix, by)
        return _invite(row)

    # --- codes become accounts ---------------------------------------------------------------

    def redeem(self, code: str, name: str, password: str) -> Account:
        """The account `name` that `code` makes; `password` is a hash.

        CodeUnusable, NameBound, BadUserName (reserved), NameTaken; a refusal costs no use.
        """
        now = self._now()
        with writing(self.engine) as session:
            row = self._usable(session, code, "invite", now)
            rules.check_bound_name(_invite(row), name)
            credentials.check_name_for_role(name, row.role)
            self._check_free(session, name, row, now)
            account = session.get(AccountTable, name) or AccountTable(name=name)
            account.password = password
            account.invite = row
            account.created_at = now
            account.entered_at = account.closed_at = None
            session.add(account)
            row.used += 1
        log.info("invite %d (%s) made the account %s", row.id, row.prefix, name)
        return _account(account)

    def account_of_reset(self, code: str) -> Account:
        """The account for which `code` chooses a new password; CodeUnusable. Nothing is used."""
        with reading(self.engine) as session:
            return _account(self._reset_account(session, code)[1])

    def reset(self, code: str, password: str) -> Account:
        """Give the account that `code` belongs to the new hash `password`; CodeUnusable."""
        with writing(self.engine) as session:
            row, account = self._reset_account(session, code)
            account.password = password
            row.used += 1
        log.info("invite %d (%s) reset the password of %s", row.id, row.prefix, account.name)
        return _account(account)

    # --- accounts ----------------------------------------------------------------------------

    def accounts(self) -> list[Account]:
        """Every account, closed ones too, by name."""
        with reading(self.engine) as session:
            rows = session.scalars(select(AccountTable).order_by(AccountTable.name))
            return [_account(row) for row in rows]

    def account(self, name: str) -> Account:
        """The open account `name`; UnknownAccount."""
        with reading(self.engine) as session:
            return _account(_find_account(session, name))

    def password_of(self, name: str) -> str | None:
        """The hash of the password of the open account `name`; None where nobody can sign in."""
        with reading(self.engine) as session:
            row = session.get(AccountTable, name)
            return row.password if row is not None and _is_open(row) else None

    def replace_password(self, name: str, old: str, new: str) -> None:
        """Keep the hash `new` where `old` is kept still: a reset in between wins."""
        with writing(self.engine) as session:
            row = session.get(AccountTable, name)
            if row is not None and row.password == old:
                row.password = new

    def enter(self, name: str) -> None:
        """Note that the Hub knows the account `name` and has taken its first groups."""
        with writing(self.engine) as session:
            row = session.get(AccountTable, name)
            if row is not None and row.entered_at is None:
                row.entered_at = self._now()

    def close(self, name: str) -> None:
        """Let `name` sign in no more; the name stays taken. Nothing where nobody has it."""
        with writing(self.engine) as session:
            row = session.get(AccountTable, name)
            if row is not None and _is_open(row):
                row.closed_at = self._now()
                log.info("account %s closed", name)

    def is_closed(self, name: str) -> bool:
        """True where `name` had an account that was closed."""
        with reading(self.engine) as session:
            row = session.get(AccountTable, name)
            return row is not None and not _is_open(row)

    def needs_first_administrator(self) -> bool:
        """True until somebody has come in as an administrator."""
        with reading(self.engine) as session:
            return not _has_administrator(session)

    # --- inside a transaction ----------------------------------------------------------------

    def _issue(self, session: Session, terms: Terms, by: str) -> Issued:
        code = codes.spell(secrets.token_bytes(codes.RANDOM_BYTES))
        row = InviteTable(
            **vars(terms),
            prefix=code[: codes.PREFIX_LENGTH],
            fingerprint=codes.fingerprint(self._key, code),
            used=0,
            created_at=self._now(),
            created_by=by,
            revoked_at=None,
        )
        session.add(row)
        session.flush()  # gives it its number
        log.info("invite %d (%s) of kind %s created by %s", row.id, row.prefix, row.kind, by)
        return Issued(_invite(row), code)

    def _usable(self, session: Session, code: str, kind: Kind, now: datetime) -> InviteTable:
        mark = codes.fingerprint(self._key, code)
        row = session.scalar(select(InviteTable).where(InviteTable.fingerprint == mark))
        if row is None:
            raise rules.code_unusable()
        rules.check_usable(_invite(row), kind, now)
        return row

    def _reset_account(self, session: Session, code: str) -> tuple[InviteTable, AccountTable]:
        row = self._usable(session, code, "reset", self._now())
        account = session.get(AccountTable, row.user)
        if account is None or not _is_open(account):
            raise rules.code_unusable()
        return row, account

    def _check_free(self, session: Session, name: str, by: InviteTable, now: datetime) -> None:
        """Refuse a name that is held, was held, or is promised by another open invite."""
        account = session.get(AccountTable, name)
        promised = by.user == name
        if account is not None and (_is_open(account) or not promised):
            raise rules.name_taken(name)
        bound = select(InviteTable).where(InviteTable.user == name, InviteTable.kind == "invite")
        if not promised and any(_invite(r).state(now) == "open" for r in session.scalars(bound)):
            raise rules.name_taken(name)


def open_store(settings: Settings, engine: Engine | None = None) -> InviteStore:
    """The invites of the RadLab that `settings` describe; makes the key where it is missing."""
    key = bytes.fromhex(settings.make_secret(INVITES_KEY))
    return InviteStore(engine or open_database(settings.radlab_database_url), key)


def first_administrator_link(settings: Settings, store: InviteStore) -> str:
    """A new link that makes the first administrator, good for a day; AdministratorExists."""
    return codes.link(settings.address, "invite", store.create_first_administrator().code)


def _find_invite(session: Session, invite_id: int) -> InviteTable:
    row = session.get(InviteTable, invite_id)
    if row is None:
        raise rules.unknown_invite(invite_id)
    return row


def _find_account(session: Session, name: str) -> AccountTable:
    row = session.get(AccountTable, name)
    if row is None or not _is_open(row):
        known = session.scalars(select(AccountTable.name).where(AccountTable.closed_at.is_(None)))
        raise rules.unknown_account(name, sorted(known))
    return row


def _is_open(row: AccountTable | None) -> bool:
    return row is not None and row.closed_at is None


def _has_administrator(session: Session) -> bool:
    found = select(AccountTable.name).join(InviteTable)
    found = found.where(InviteTable.role == "administrator", AccountTable.closed_at.is_(None))
    return session.scalar(found.limit(1)) is not None


def _invite(row: InviteTable) -> Invite:
    return Invite(
        id=row.id,
        kind=cast(Kind, row.kind),
        prefix=row.prefix,
        role=cast("Role | None", row.role),
        group=row.group,
        user=row.user,
        uses=row.uses,
        used=row.used,
        expires_at=row.expires_at,
        created_at=row.created_at,
        created_by=row.created_by,
        revoked_at=row.revoked_at,
    )


def _account(row: AccountTable) -> Account:
    return Account(
        name=row.name,
        role=cast(Role, row.invite.role),
        group=row.invite.group,
        created_at=row.created_at,
        entered_at=row.entered_at,
        closed_at=row.closed_at,
    )
