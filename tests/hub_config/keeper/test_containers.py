"""What a container wrote reaches the keeper's log quoted, whatever it wrote."""

from __future__ import annotations

from docker.errors import NotFound

from hub_config.keeper.containers import last_words


class Wrote:
    """An engine whose one container wrote `words`; None where it is gone."""

    def __init__(self, words: bytes | None) -> None:
        self.words = words

    def logs(self, name: str, tail: int) -> bytes:
        if self.words is None:
            raise NotFound("no such container")
        return b"\n".join(self.words.split(b"\n")[-tail:])


def test_a_container_cannot_forge_a_line_of_the_log_or_speak_to_the_terminal() -> None:
    wrote = b"[I 2026-03-02] all is well\r[E] forged\n\x1b[2Jgone \xe2\x80\xaetxt \xff\n"
    assert last_words(Wrote(wrote), "c").split("\n") == [
        "'[I 2026-03-02] all is well'",
        "'[E] forged'",
        "'\\x1b[2Jgone \\u202etxt \ufffd'",
    ]


def test_long_and_many_lines_are_cut() -> None:
    lines = last_words(Wrote(b"\x1b" * 5000 + b"\r" + b"x\r" * 500), "c").split("\n")
    assert lines == ["'x'"] * 20
    (line,) = last_words(Wrote(b"\x1b" * 5000), "c").split("\n")
    assert len(line) == 200


def test_a_container_that_is_gone_has_no_last_words() -> None:
    assert last_words(Wrote(None), "c") == ""
