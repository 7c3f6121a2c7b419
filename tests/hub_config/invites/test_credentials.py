"""User names that nothing escapes; passwords that are not the first to be guessed."""

from __future__ import annotations

import pytest
from dockerspawner import DockerSpawner
from hypothesis import given
from hypothesis import strategies as st

from hub_config.invites import credentials
from hub_config.invites.credentials import BadUserName, WeakPassword


@pytest.mark.parametrize(
    ("typed", "name"),
    [("ana", "ana"), (" Ana ", "ana"), ("LI2", "li2"), ("ｌｉ２", "li2"), ("x" * 32, "x" * 32)],
)
def test_a_good_name_is_read_as_plain_letters(typed: str, name: str) -> None:
    assert credentials.read_user_name(typed) == name


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "a",
        "2li",
        "x" * 33,
        "a b",
        "a-b",
        "a.b",
        "a_b",
        "a/b",
        "..",
        "müller",
        "李",
        "a\n",
        "ａ％",
    ],
)
def test_an_impossible_name_is_refused_with_what_is_allowed(typed: str) -> None:
    with pytest.raises(BadUserName) as refused:
        credentials.read_user_name(typed)
    assert "letters a-z and digits" in str(refused.value)


@given(st.text(max_size=40))
def test_whatever_is_read_is_escaped_by_nothing(typed: str) -> None:
    try:
        name = credentials.read_user_name(typed)
    except BadUserName:
        return
    assert credentials.read_user_name(name) == name
    assert DockerSpawner._escape(name) == name
    assert name.encode("idna").decode() == name


@pytest.mark.parametrize("name", ["administrators", "instructors", "hub", "radlab", "system"])
def test_names_of_the_platform_are_nobodys(name: str) -> None:
    for role in ("student", "administrator"):
        with pytest.raises(BadUserName, match="reserved"):
            credentials.check_name_for_role(name, role)


@pytest.mark.parametrize("name", ["admin", "root", "teacher"])
def test_names_of_authority_are_for_administrators(name: str) -> None:
    credentials.check_name_for_role(name, "administrator")
    with pytest.raises(BadUserName, match="reserved"):
        credentials.check_name_for_role(name, "student")


@pytest.mark.parametrize(
    "password",
    [
        "correct horse battery",
        "vier rote Schuhe",
        "我喜欢看胸部的片子很多年",
        "k8#mPz2q!v",
        "lungs-and-windows",
        "x" * 5 + "correct horse" * 18,
    ],
)
def test_a_good_password_is_taken(password: str) -> None:
    credentials.check_password(password, "ana")


@pytest.mark.parametrize(
    ("password", "said"),
    [
        ("short", "too short"),
        ("nine char", "too short"),
        ("correct horse " * 19, "too long"),
        ("1385550017829", "digits only"),
        ("aaaaaaaaaaaa", "first that are guessed"),
        ("abcdefghijkl", "first that are guessed"),
        ("qwertyuiop12", "first that are guessed"),
        ("poiuytrewq", "first that are guessed"),
        ("1q2w3e4r5t6y", "first that are guessed"),
        ("x7kx7kx7kx7k", "first that are guessed"),
        ("Password2024", "first that are guessed"),
        ("p4ssw0rd!!!!", "first that are guessed"),
        ("12345letmein", "first that are guessed"),
        ("welcomestudent", "first that are guessed"),
        ("woaini520520", "first that are guessed"),
        ("anastasia123", "hardly more than the user name"),
    ],
)
def test_a_weak_password_is_refused_with_the_reason(password: str, said: str) -> None:
    with pytest.raises(WeakPassword, match=said) as refused:
        credentials.check_password(password, "anastasia")
    assert refused.value.do
    assert refused.value.given is None  # a refusal does not repeat a password


@given(st.text(max_size=300), st.from_regex(r"[a-z][a-z0-9]{1,31}", fullmatch=True))
def test_no_text_does_worse_than_be_refused(password: str, name: str) -> None:
    try:
        credentials.check_password(password, name)
    except WeakPassword:
        return
    assert 10 <= len(password) <= 256
    assert password.lower() != name
