"""The house stays easy to find one's way in: no folder holds more modules than one takes in at a glance."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import transferkit

PACKAGE = Path(transferkit.__file__).parent
MOST = 25


def test_no_folder_holds_more_than_25_modules():
    folders = Counter(path.parent for path in PACKAGE.rglob("*.py"))
    assert len(folders) > 40
    full = {str(folder.relative_to(PACKAGE)): count for folder, count in folders.items() if count > MOST}
    assert full == {}, "divide it by ideas: a subfolder with a name that a stranger guesses"
