"""Which of many alike variants of a test are tried each time; with MOSWEB_LONG=1 all are, before a release, say."""

import os
from collections.abc import Sequence
from typing import Any

LONG = bool(os.environ.get("MOSWEB_LONG"))


def variants(*each_time: Any, more: Sequence[Any] = ()) -> list[Any]:
    """Those to try now. `more` differ from the others in what other tests try already, and take minutes."""
    return [*each_time, *(more if LONG else ())]
