"""The four readers that every page compares, with the name and the colour that they always have."""

from __future__ import annotations

from dataclasses import dataclass

from course_kit.texts import say


@dataclass(frozen=True)
class Readers:
    """Names in the reader's language; `colours` by name."""

    @property
    def trivial(self) -> str:
        """Knows nothing of the image: always says the same."""
        return say("reader_trivial")

    @property
    def classical(self) -> str:
        """Follows rules that people wrote down."""
        return say("reader_classical")

    @property
    def network(self) -> str:
        """Has learnt from examples."""
        return say("reader_network")

    @property
    def ceiling(self) -> str:
        """The best that anyone could do here."""
        return say("reader_ceiling")

    @property
    def colours(self) -> dict[str, str]:
        """Colour of each reader by name, for matplotlib."""
        return {
            self.trivial: "#94a3b8",
            self.classical: "#d97706",
            self.network: "#2563eb",
            self.ceiling: "#059669",
        }


READERS = Readers()
