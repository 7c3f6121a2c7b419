"""The portal's pages, one file each; every form works without JavaScript."""

from __future__ import annotations

from hub_config.portal.pages import gpus, groups, invites, members, overview, people, servers

PAGES = (
    overview.router,
    groups.router,
    gpus.router,
    invites.router,
    people.router,
    members.router,
    servers.router,
)
