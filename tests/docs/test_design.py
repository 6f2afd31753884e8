"""The map in DESIGN.md is the code's."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROOMS = ("schemas", "infra/kafka", "producers", "consumers", "streams", "gateway", "cli")


def test_every_module_is_on_the_map_and_nothing_else() -> None:
    """DESIGN.md's tables name each module of each room once, and no module that is gone."""
    text = (ROOT / "DESIGN.md").read_text(encoding="utf-8")
    mapped = re.findall(r"^\| `([a-z_]+/[a-z_]+\.py)` \|", text, re.MULTILINE)
    there = {
        f"{path.parent.name}/{path.name}"
        for room in ROOMS
        for path in (ROOT / room / "mabos").glob("*/*.py")
        if path.name != "__init__.py"
    }
    assert sorted(mapped) == sorted(there)


def test_no_room_hides_the_others() -> None:
    """``mabos`` is a namespace: an ``__init__.py`` in one room would hide all others."""
    assert not list(ROOT.glob("*/mabos/__init__.py"))
    assert not list(ROOT.glob("*/*/mabos/__init__.py"))


def test_every_room_is_typed() -> None:
    """Each room ships ``py.typed``, so that its types reach whoever imports it (PEP 561)."""
    folders = [path for room in ROOMS for path in (ROOT / room / "mabos").iterdir() if path.is_dir()]
    assert folders
    assert [str(folder) for folder in folders if not (folder / "py.typed").is_file()] == []
