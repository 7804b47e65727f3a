"""The store in the documentation passes the contract suite that its page recommends."""

import re
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "own-store.md"
_NAMESPACE: dict[str, Any] = {"__name__": __name__}
_FENCE = re.search(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
assert _FENCE is not None
exec(compile(_FENCE[1], PAGE, "exec"), _NAMESPACE)  # noqa: S102 - our own page

TestTableStore = _NAMESPACE["TestTableStore"]
