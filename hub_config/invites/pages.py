"""The Hub's pages at its door: sign in, sign up, choose a new password.

Each is one form. GET shows it and changes nothing; POST does it, or shows it again with the
reason and what was typed (never the password), under the refusal's own HTTP status. Who comes in
is decided in `entrance`; where they go then is JupyterHub's `get_next_url`, which sends nobody off
the site.

A code comes in the fragment of a link, which no browser sends: `assets/invites.js` moves it into
the form and out of the address bar. These pages allow no script but the Hub's own files.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from jupyterhub import orm
from jupyterhub._xsrf_utils import _set_xsrf_cookie
from jupyterhub.handlers.base import BaseHandler
from tornado.web import HTTPError, StaticFileHandler

from hub_config.errors import BadInput, NotAllowed, RadLabError
from hub_config.invites import credentials
from hub_config.invites.attempts import client_address
from hub_config.invites.entrance import Entrance
from hub_config.invites.rules import Account
from hub_config.language import COOKIE, negotiate, translator

ASSETS = Path(__file__).parents[1] / "assets"


class NoticeNotAccepted(BadInput):
    """The data-use notice has to be accepted."""

    code = "notice_not_accepted"
    field = "notice"


class FormTooOld(NotAllowed):
    """The form's XSRF token is missing or has expired."""

    code = "form_too_old"


class FormPage(BaseHandler):  # type: ignore[misc]  # JupyterHub has no types
    """A page with one form, which lets somebody in when it is right."""

    template: ClassVar[str]
    kept_fields: ClassVar[tuple[str, ...]]
    _too_old = False

    @property
    def entrance(self) -> Entrance:
        """What decides who comes in."""
        entrance: Entrance = self.authenticator.entrance
        return entrance

    @property
    def client(self) -> str:
        """The address that the request comes from; see `attempts.client_address`."""
        address = self.request.connection.context.address
        peer = address[0] if isinstance(address, tuple) else "127.0.0.1"  # else a Unix socket
        forwarded_for = self.request.headers.get("X-Forwarded-For", "")
        return client_address(peer, forwarded_for, self.authenticator.proxies)

    @property
    def content_security_policy(self) -> str:
        """Our own files only; nobody may frame a page on which passwords are typed."""
        return (
            "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
            "form-action 'self'; frame-ancestors 'none'"
        )

    def set_default_headers(self) -> None:
        """No copy of a page with a code in it stays in a cache."""
        super().set_default_headers()
        self.set_header("Cache-Control", "no-store")

    async def let_in(self) -> Account:
        """The account that the form lets in, or a refusal."""
        raise NotImplementedError

    async def get(self) -> None:
        """Show the form, with a new hour to fill it in."""
        if self.request.headers.get("Sec-Fetch-Mode", "navigate") == "navigate":
            _set_xsrf_cookie(
                self,
                self._xsrf_token_id,
                cookie_path=self.hub.base_url,
                xsrf_token=self.xsrf_token,
            )
        self.finish(await self.render_form())

    async def post(self) -> None:
        """Let somebody in, or show the form again with the reason."""
        try:
            account = await self.let_in()
        except RadLabError as refusal:
            self.set_status(refusal.status)
            if hasattr(refusal, "retry_after"):
                self.set_header("Retry-After", str(refusal.retry_after))
            self.finish(await self.render_form(refusal))
            return
        user = await self.login_user(account)
        self.redirect(self.get_next_url(user))

    async def auth_to_user(self, authenticated: dict[str, Any], user: Any = None) -> Any:
        """JupyterHub's user; once it has taken the first groups, the account has entered."""
        user = await super().auth_to_user(authenticated, user)
        if authenticated["groups"] is not None:
            await self.authenticator.entered(user.name)
        return user

    def check_xsrf_cookie(self) -> None:
        """As JupyterHub does, but remember that this is why, to say so on the form."""
        try:
            super().check_xsrf_cookie()
        except HTTPError:
            self._too_old = True
            raise

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """A form that was open for too long is shown again; other errors are the Hub's."""
        if not self._too_old:
            super().write_error(status_code, **kwargs)
            return
        refusal = FormTooOld(
            "This form was open for too long, or cookies are off.", do="Send it again."
        )
        self.write(self.render_form(refusal, sync=True))

    def render_form(self, refusal: RadLabError | None = None, sync: bool = False) -> Any:
        """The page, as text if `sync`, else as something to await."""
        language = negotiate(self.get_cookie(COOKIE), self.request.headers.get("Accept-Language"))
        return self.render_template(
            self.template,
            sync=sync,
            refusal=refusal.localised(translator(language)) if refusal else None,
            wrong_field=getattr(refusal, "field", None),
            typed={name: self.get_body_argument(name, "") for name in self.kept_fields},
            warn_of_plain_http=not self.authenticator.radlab.plain_http_accepted,
        )

    def typed_password(self) -> str:
        """The password, if it was typed the same way twice; PasswordsDiffer."""
        password: str = self.get_body_argument("password", "", strip=False)
        if password != self.get_body_argument("password_again", "", strip=False):
            raise credentials.PasswordsDiffer(
                "The two passwords are not the same.", do="Type the same password twice."
            )
        return password


class LoginPage(FormPage):
    """`/hub/login`: user name and password."""

    template = "login.html"
    kept_fields = ("username",)

    async def get(self) -> None:
        """Show the form, or go on where somebody is signed in already."""
        if self.current_user is None:
            await super().get()
            return
        # As upstream: the cookie of a single-user server may have been cleared or be another's.
        self.set_login_cookie(self.current_user)
        self.redirect(self.get_next_url(self.current_user))

    async def let_in(self) -> Account:
        """The account of that name and password."""
        name = self.get_body_argument("username", "")
        password = self.get_body_argument("password", "", strip=False)
        return await self.entrance.sign_in(name, password, self.client)


class SignupPage(FormPage):
    """`/hub/signup`: a code becomes an account."""

    template = "signup.html"
    kept_fields = ("code", "username", "notice")

    async def let_in(self) -> Account:
        """The account that the code makes, if the notice is accepted."""
        if self.get_body_argument("notice", "") != "accepted":
            raise NoticeNotAccepted(
                "Nobody may use the images without accepting the data-use notice.",
                do="Read it, and tick the box if you agree.",
            )
        code = self.get_body_argument("code", "")
        name = self.get_body_argument("username", "")
        return await self.entrance.sign_up(code, name, self.typed_password(), self.client)


class ResetPage(FormPage):
    """`/hub/reset`: a code chooses a new password for the account that it belongs to."""

    template = "reset.html"
    kept_fields = ("code",)

    async def let_in(self) -> Account:
        """The account of the code, signed out wherever it was signed in."""
        code = self.get_body_argument("code", "")
        account = await self.entrance.reset(code, self.typed_password(), self.client)
        self._end_sessions(account.name)
        return account

    def _end_sessions(self, name: str) -> None:
        """Sign `name` out of every browser: of the Hub, of running servers, of the portal."""
        user = self.find_user(name)
        if user is None:
            return
        user.orm_user.cookie_id = orm.new_token()  # what the Hub's cookies name
        browsers = orm.APIToken.session_id.is_not(None)  # scripts and servers keep their tokens
        for token in self.db.query(orm.APIToken).filter_by(user_id=user.id).filter(browsers):
            self.db.delete(token)
        self.db.commit()


class AssetPage(StaticFileHandler):
    """`/hub/radlab/assets/...`: the files of `hub_config/assets/`, for everybody."""

    def set_extra_headers(self, path: str) -> None:
        """Kept for five minutes, then asked for again by ETag."""
        self.set_header("Cache-Control", "max-age=300")
        self.set_header("X-Content-Type-Options", "nosniff")


def handlers() -> list[tuple[Any, ...]]:
    """The routes of this module, below the Hub's prefix."""
    return [
        (r"/login", LoginPage),
        (r"/signup", SignupPage),
        (r"/reset", ResetPage),
        (r"/radlab/assets/(.*)", AssetPage, {"path": str(ASSETS)}),
    ]
