"""A schema registry with no server behind it."""

from __future__ import annotations

from typing import cast

from mabos.schemas.errors import RegistryUnavailable
from mabos.schemas.registry import SchemaRegistry


class FakeRegistry:
    """Knows the schemas it is told, by id; the first asked by text gets id 1, the next 2.

    Attributes:
        is_away: Whether it does not answer.
        asked: The ids that were looked up.
    """

    def __init__(self) -> None:
        self.texts: dict[int, str] = {}
        self.is_away = False
        self.asked: list[int] = []

    def schema_id(self, subject: str, text: str) -> int:
        for schema_id, known in self.texts.items():
            if known == text:
                return schema_id
        self.texts[len(self.texts) + 1] = text
        return len(self.texts)

    def schema_text(self, schema_id: int) -> str | None:
        self.asked.append(schema_id)
        if self.is_away:
            raise RegistryUnavailable("the schema registry is away, says the fake")
        return self.texts.get(schema_id)

    @property
    def as_registry(self) -> SchemaRegistry:
        """Itself, for what wants the real one."""
        return cast(SchemaRegistry, self)
