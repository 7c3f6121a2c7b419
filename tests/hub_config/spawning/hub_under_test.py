"""As much of JupyterHub as a spawner touches: its own user, database and Hub objects."""

from __future__ import annotations

from typing import Any

from jupyterhub import orm
from jupyterhub.objects import Hub, Server
from jupyterhub.user import User

from hub_config.settings import Settings
from hub_config.spawning.shared import Shared
from hub_config.spawning.spawner import LeaseSpawner
from hub_config.spawning.stores import Stores


class SmallHub:
    """Users of a Hub in memory, each with a `LeaseSpawner` on the given RadLab."""

    def __init__(self, settings: Settings) -> None:
        self.shared = Shared(settings)
        self.db = orm.new_session_factory("sqlite:///:memory:")()
        self.hub = Hub(ip=settings.hub_address, port=settings.hub_port, base_url="/hub/")
        shared = self.shared

        class SpawnerHere(LeaseSpawner):
            @property
            def shared(self) -> Shared:
                return shared

        self.spawner_class = SpawnerHere

    @property
    def stores(self) -> Stores:
        return self.shared.stores

    def spawner(self, username: str, groups: tuple[str, ...] = (), **options: Any) -> LeaseSpawner:
        """A spawner of that user, about to start with those user options."""
        orm_user = orm.User.find(self.db, username) or orm.User(name=username)
        self.db.add(orm_user)
        for name in groups:
            group = orm.Group.find(self.db, name) or orm.Group(name=name)
            self.db.add(group)
            if orm_user not in group.users:
                group.users.append(orm_user)
        self.db.commit()
        user = User(orm_user, {"hub": self.hub, "base_url": "/"}, db=self.db)
        orm_server = orm.Server(base_url=f"/user/{username}/")
        orm_spawner = orm_user.orm_spawners.get("") or orm.Spawner(name="", user=orm_user)
        self.db.add_all([orm_server, orm_spawner])
        self.db.commit()
        spawner = self.spawner_class(
            user=user,
            db=self.db,
            hub=self.hub,
            orm_spawner=orm_spawner,
            oauth_client_id="test",
            api_token="a-token",
        )
        spawner.server = Server(orm_server=orm_server)
        spawner.user_options = options
        return spawner
