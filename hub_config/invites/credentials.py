"""Which user names and passwords are good. Pure.

**User names** are 2 to 32 of a-z and 0-9, beginning with a letter. The same word is then the
JupyterHub user, the folder of the home, a label of a container and, where a site turns that on, a
host name, and none of these has to escape anything: DockerSpawner and host names each treat a
hyphen, a dot or an underscore in a way of their own, and two escapings are how two people come to
share a home. Capitals and full-width characters are read as the plain letter, so that `Ana`, `ana`
and `ａｎａ` are one person. Names that would be taken for the platform's own voice are nobody's;
those that sound like authority are an administrator's only.

**Passwords** follow NIST SP 800-63B: length counts, classes of characters do not, nothing is cut
off. 10 to 256 characters, not the user name, not digits alone, nothing that a guesser tries first.
Such guesses are recognised by how they are made rather than by a list of leaked ones: a walk over
a keyboard or the alphabet, a short piece repeated, a common word with decoration around it.
"""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise

from hub_config.errors import BadInput, NotAllowed

NAME_LENGTHS = range(2, 33)
PASSWORD_LENGTHS = range(10, 257)
_NAME = re.compile(r"[a-z][a-z0-9]{1,31}")
_PLATFORM_NAMES = re.compile(
    r"""administrators | anonymous | api | everyone | hub | instructors | jupyterhub | keeper
    | nobody | none | null | portal | proxy | radlab | services | students | system | users?""",
    re.VERBOSE,
)
_AUTHORITY_NAMES = re.compile(
    r"""admin | administrator | helpdesk | instructor | moderator | official | professor | root
    | security | staff | support | teacher""",
    re.VERBOSE,
)

_FEWEST_SURPRISES = 6
_WALKS = """
abcdefghijklmnopqrstuvwxyz
01234567890
qwertyuiop   asdfghjkl   zxcvbnm
qwertzuiop   yxcvbnm
azertyuiop   qsdfghjklm  wxcvbn
1qaz2wsx3edc4rfv5tgb6yhn7ujm
1q2w3e4r5t6y7u8i9o0p
a1b2c3d4e5f6g7h8i9
!@#$%^&*()
"""
_DECORATED_WORDS = re.compile(
    r"""(?: abc | access | admin | administrator | azerty | change | default | dragon | football
    | guest | hello | hospital | iloveyou | jupyter | let | login | love | master | me | mima | in
    | monkey | my | nihao | pass | passwd | passwort | password | princess | qwerty | qwertz
    | radiology | radlab | root | secret | student | summer | sunshine | superman | teacher | test
    | this | trustno | university | user | welcome | winter | woaini )+""",
    re.VERBOSE,
)
_LEET = str.maketrans("013457@$!", "oieastasi")


class BadUserName(BadInput):
    """Nobody can have this user name."""

    code = "bad_user_name"
    field = "username"


class WeakPassword(BadInput):
    """This password would be guessed."""

    code = "weak_password"
    field = "password"


class PasswordsDiffer(BadInput):
    """The password was typed in two ways."""

    code = "passwords_differ"
    field = "password_again"


class WrongLogin(NotAllowed):
    """No account has this name and this password; which of the two is wrong is not said."""

    code = "wrong_login"


def fold_name(text: str) -> str:
    """`text` as a user name is compared: plain letters, lower case, no space around."""
    return unicodedata.normalize("NFKC", text).strip().lower()


def is_user_name(name: str) -> bool:
    """True where `name` has the shape of a user name."""
    return _NAME.fullmatch(name) is not None


def read_user_name(text: str) -> str:
    """The user name in `text`; BadUserName where nobody can be called that."""
    name = fold_name(text)
    if not is_user_name(name):
        raise BadUserName(
            "'{name}' cannot be a user name.",
            given=text[:64],
            allowed="a-z and 0-9, beginning with a letter, 2 to 32 characters",
            do="Use 2 to 32 letters a-z and digits, beginning with a letter, such as ana or li2.",
            name=text[:64],
        )
    return name


def check_name_for_role(name: str, role: str | None) -> None:
    """Refuse a name that others would take for the platform or for authority: BadUserName."""
    sounds_official = _AUTHORITY_NAMES.fullmatch(name) and role != "administrator"
    if _PLATFORM_NAMES.fullmatch(name) or sounds_official:
        raise BadUserName(
            "The user name '{name}' is reserved.",
            given=name,
            do="Choose another name.",
            name=name,
        )


def check_password(password: str, name: str) -> None:
    """Refuse a password for the user `name` that would be guessed: WeakPassword."""
    if len(password) < PASSWORD_LENGTHS.start:
        raise _weak("The password is too short.", "Use at least {fewest} characters.")
    if len(password) >= PASSWORD_LENGTHS.stop:
        raise _weak("The password is too long.", "Use at most {most} characters.")
    plain = password.lower()
    if name in plain and len(plain) - len(name) < _FEWEST_SURPRISES:
        raise _weak("The password is hardly more than the user name.", _ADVICE)
    if plain.isdigit():
        raise _weak("The password has digits only.", _ADVICE)
    if _is_walk(plain) or _is_repetition(plain) or _is_decorated_word(plain):
        raise _weak("This password is among the first that are guessed.", _ADVICE)


_ADVICE = "Use several unrelated words, or let a password manager make one."


def wrong_login() -> WrongLogin:
    """The one answer to a name and a password that do not belong together."""
    return WrongLogin(
        "Wrong user name or password.",
        do="Try again; if you have forgotten the password, ask an administrator for a reset link.",
    )


def _weak(template: str, do: str) -> WeakPassword:
    return WeakPassword(
        template,
        do=do,
        allowed=f"{PASSWORD_LENGTHS.start} to {PASSWORD_LENGTHS.stop - 1} characters",
        fewest=PASSWORD_LENGTHS.start,
        most=PASSWORD_LENGTHS.stop - 1,
    )


def _is_walk(plain: str) -> bool:
    """Few characters are a surprise after the one before: `abcdefghij`, `qwertyuiop1234`."""
    surprises = 1 + sum(not _follows(before, after) for before, after in pairwise(plain))
    return surprises < _FEWEST_SURPRISES


def _follows(before: str, after: str) -> bool:
    return before == after or before + after in _WALKS or after + before in _WALKS


def _is_repetition(plain: str) -> bool:
    """One short piece again and again: `xk7xk7xk7xk7`."""
    period = (plain + plain).find(plain, 1)  # the smallest shift that maps it onto itself
    return period < _FEWEST_SURPRISES


def _is_decorated_word(plain: str) -> bool:
    """Common words with digits and signs before or after: `p4ssw0rd!2024`."""
    core = re.sub(r"^[^a-z@$]+|[^a-z@$]+$", "", plain).translate(_LEET)
    return _DECORATED_WORDS.fullmatch(core) is not None
