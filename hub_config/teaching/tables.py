"""The tables of what is to be published and who sees it, and of the progress that is shown."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from hub_config.db import Base, UtcDateTime


class PublicationTable(Base):
    """A request to publish a module; `audience` and `within` are JSON lists, NULL: everyone."""

    __tablename__ = "publications"
    __table_args__ = (
        Index("ix_publications_state", "state"),
        Index("ix_publications_asked_at", "asked_at"),
    )

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    source: Mapped[str] = mapped_column(Text)
    audience: Mapped[str | None] = mapped_column(Text)
    within: Mapped[str | None] = mapped_column(Text)
    by: Mapped[str] = mapped_column(String(255))
    asked_at: Mapped[datetime] = mapped_column(UtcDateTime)
    state: Mapped[str] = mapped_column(String(20))
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    log: Mapped[str] = mapped_column(Text)
    module: Mapped[str | None] = mapped_column(String(80))
    version: Mapped[str | None] = mapped_column(String(40))


class OfferTable(Base):
    """Who sees a module: `audience` is a JSON list of class groups, NULL: everyone."""

    __tablename__ = "offers"

    module: Mapped[str] = mapped_column(String(80), primary_key=True)
    audience: Mapped[str | None] = mapped_column(Text)
    by: Mapped[str] = mapped_column(String(255))
    at: Mapped[datetime] = mapped_column(UtcDateTime)


class ProgressTable(Base):
    """What a student shows of one module: `exercises` and `quiz` are JSON."""

    __tablename__ = "progress"

    username: Mapped[str] = mapped_column(String(255), primary_key=True)
    module: Mapped[str] = mapped_column(String(80), primary_key=True)
    version: Mapped[str] = mapped_column(String(40))
    exercises: Mapped[str] = mapped_column(Text)
    quiz: Mapped[str] = mapped_column(Text)
    received_at: Mapped[datetime] = mapped_column(UtcDateTime)
