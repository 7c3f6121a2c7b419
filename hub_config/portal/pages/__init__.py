"""The portal's pages, one file each; every form works without JavaScript."""

from __future__ import annotations

from hub_config.portal.pages import (
    audit,
    courses,
    gpus,
    groups,
    invites,
    members,
    overview,
    people,
    queue,
    quotas,
    servers,
    usage,
)

PAGES = (
    overview.router,
    courses.router,
    groups.router,
    gpus.router,
    invites.router,
    people.router,
    members.router,
    servers.router,
    queue.router,
    quotas.router,
    usage.router,
    audit.router,
)
