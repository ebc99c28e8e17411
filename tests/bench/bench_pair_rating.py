"""How many choices between two the site takes beside ratings of one image: raters without thinking time, on SQLite.

    python -m tests.bench.bench_pair_rating [--raters 26] [--sources 20]

Both in one run, one after the other, on servers of their own; every image is fetched, all is looked for afterwards.
"""

import argparse
import asyncio
import tempfile
import time
from pathlib import Path

from tests.e2e.plant import Sqlite
from tests.e2e.scripted import PAIRS, Rater, Site, all_go, p95, wait_until_up


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--raters", type=int, default=26)
    parser.add_argument("--sources", type=int, default=20)
    options = parser.parse_args()
    rates = {}
    for name, protocol in (("ratings", None), ("choices", PAIRS)):
        rates[name] = measure(name, protocol, raters=options.raters, sources=options.sources)
    print(f"choices come at {rates['choices'] / rates['ratings']:.2f} of the rate of ratings")


def measure(name: str, protocol: str | None, *, raters: int, sources: int) -> float:
    """A second, of all raters together."""
    with tempfile.TemporaryDirectory() as folder:
        database = Sqlite(Path(folder) / "db.sqlite3")
        site = Site(Path(folder), database, raters=raters, sources=sources, protocol=protocol)
        site.start()
        try:
            wait_until_up(site)
            people = [Rater(site.port, link) for link in site.links]
            began = time.perf_counter()
            asyncio.run(all_go(people))
            seconds = time.perf_counter() - began
            sent = {token: score for rater in people for token, score in rater.acknowledged.items()}
            assert site.stored() == sent
            print(f"{name}: {len(sent)} of {raters} raters in {seconds:.1f} s, {len(sent) / seconds:.0f}/s; ", end="")
            print(f"p95 of a request {1000 * p95(people):.0f} ms; all stored once")
            return len(sent) / seconds
        finally:
            site.kill()


if __name__ == "__main__":
    main()
