"""All that a site gives out is searched for ids: every address as everybody who may ask, the pages that these link to,
the reports and exports unpacked, the log of the server and of each command.

Only the panel's own files may have them, and what is handed over to a person theirs: EXCEPTIONS. A backup holds the
database, and so the ids too, until they are deleted; it is kept, or encrypted, as the database is (OPERATIONS.md).
"""

import html
import http.client
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from tests.e2e.id_search import Search
from tests.e2e.scripted import Site

EXCEPTIONS = {
    "panel-csv": "whom the panel is told to approve, to reject and to pay: its ids are what they are for",
    "person-everything": "all that there is of one person, to hand over to that person",
}
METRICS_TOKEN = "only for this test"
# Of addresses that differ in keys and tokens alone; of the pages of a list all.
MOST_ALIKE = 25
_LINK = re.compile(r'(?:href|src|action|data-url)="([/?][^"]*)"')
_CALL = "from django.core.management import call_command\n"
_KEY = re.compile(r"\d+|[A-Za-z0-9_-]{20,}")
# What an owner, or an administrator, must get to see, or the search would have passed it by.
SEEN = {
    "study", "live", "live-now", "quality", "results", "reports", "report", "download", "raters", "raters-file",
    "events", "events-file", "people", "public-link", "consent", "endings", "study-sheet", "study-languages",
    "study-texts", "study-protocol", "study-list", "study-new", "imports", "import", "content", "status", "metrics",
    "studies_studyevent_changelist", "studies_studyevent_change", "auth_user_changelist", "axes_accesslog_changelist",
    "rater-home", "withdraw-code", "panel-csv", "study-picture", "study-delete", "ratings-erase",
    "site-events", "site-events-file", "person", "person-everything",
}  # fmt: skip


@dataclass
class Walk:
    """What was seen, and where an id was found."""

    search: Search
    answers: int = 0
    seen: set[str] = field(default_factory=set)
    leaks: list[str] = field(default_factory=list)
    of_panel: set[str] = field(default_factory=set)

    def look(self, name: str, content: bytes | str) -> None:
        self.leaks += self.search.found(name, content)


def search(site: Site, search: Search, *, rater: Mapping[str, str], study: str = "study") -> Walk:
    """`rater`: the cookies of the browser of one who took part. The site is up."""
    out = site.manage("shell", "--no-imports", "-c", f"from tests.e2e.addresses import prepare; prepare({study!r})")
    told = json.loads(next(line for line in out.splitlines() if line.startswith("ADDRESSES")).partition(" ")[2])
    visitors = {role: {"sessionid": cookie} for role, cookie in told["sessions"].items()}
    visitors |= {"rater": dict(rater), "stranger": {}}
    walk = Walk(search)
    for visitor, cookies in visitors.items():
        _walk_as(visitor, cookies, site.port, told["addresses"], walk)
    assert walk.seen >= SEEN, SEEN - walk.seen
    for name, content in _files(site, study):
        walk.look(name, content)
    return walk


def _walk_as(visitor: str, cookies: Mapping[str, str], port: int, addresses: list[list[str]], walk: Walk) -> None:
    names = {path: name for name, path in addresses}
    excepted = {_KEY.sub("#", path) for path, name in names.items() if name in EXCEPTIONS}
    # A bonus has an amount.
    waiting = [f"{path}?amount=1.50" if path.endswith("/bonus.csv") else path for path in names]
    known, alike = set(waiting), Counter[str]()
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    head = {"Authorization": f"Bearer {METRICS_TOKEN}", "Cookie": "; ".join(f"{k}={v}" for k, v in cookies.items())}
    while waiting:
        path = waiting.pop(0)
        line.request("GET", path, headers={**head, "Host": f"localhost:{port}"})
        answer = line.getresponse()
        body, name = answer.read(), names.get(urlsplit(path).path, "")
        assert answer.status < 500 or name == "ready", (visitor, path, answer.status, body[:300])
        walk.answers += 1
        walk.seen |= {name} if answer.status == 200 else set()
        if _KEY.sub("#", urlsplit(path).path) in excepted:
            walk.of_panel |= {path} if walk.search.found(path, body) else set()
            continue
        where = f"{path} as {visitor}"
        walk.look(f"{where}, its head", str(answer.headers))
        walk.look(where, body)
        if answer.headers.get_content_type() != "text/html":
            continue
        for found in _LINK.findall(body.decode()):
            address = urljoin(path, html.unescape(found))
            shape = _KEY.sub("#", address)
            alike[shape] += address not in known
            if address not in known and (alike[shape] <= MOST_ALIKE or "page=" in address) and not _passed_by(address):
                known.add(address)
                waiting.append(address)
    line.close()


def _passed_by(address: str) -> bool:
    """Static files, other sites, and the orders and filters of Django's own lists, which combine without end: the same
    rows are in the list as it comes, and on its further pages."""
    query = urlsplit(address).query
    is_arranged = address.startswith("/admin/") and query and not re.fullmatch(r"p=\d+", query)
    return bool(is_arranged) or address.startswith(("/static/", "//"))


def _files(site: Site, study: str) -> Iterator[tuple[str, bytes]]:
    """Every export of the shell, of both kinds, with labels and with pseudonyms, and every log."""
    folder = Path(site.log).parent / "exports"
    folder.mkdir(exist_ok=True)
    commands: list[tuple[str, ...]] = [("erased",), ("verify",)]
    for kind in ("csv", "parquet"):
        for names in ("", "--pseudonyms"):
            own = f"{names.strip('-')}.{kind}"
            options = ("--out", f"ratings{own}", "--objective", f"objective{own}", "--answers", f"answers{own}",
                       "--protocol", f"protocol{own}.json")  # fmt: skip
            words = [word if word.startswith("--") else str(folder / word) for word in options]
            commands.append(("export_ratings", study, "--free-texts", *words, *filter(None, [names])))
    site.manage("shell", "--no-imports", "-c", f"{_CALL}for words in {commands!r}: call_command(*words)")
    for path in (*sorted(folder.iterdir()), *sorted(folder.parent.glob("*.log"))):
        yield path.name, path.read_bytes()
