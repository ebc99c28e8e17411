"""What raters who each see a part of the images leave behind: the paper's 1128 images, by `studies.protocol.subsets`.

    python -m tests.bench.bench_subsets [--seeds 20] [--design spread|together] [--late 0.3]

200 raters arrive together and rate 60 images each, one in a unit of time; 30 % leave at a random trial. A rater away
for 30 units gives back what is claimed, but the images that their browser may hold; what they rate of those if they
come back (`--late`: so many of those who left, after 60 units) is late, and counted apart in all but range-after. When
all have ended, so many more raters as the page asks for go on, all to their end.
"""

import argparse
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from studies.protocol.order import Showing
from studies.protocol.subsets import WINDOW, Images, Plan, claim_weight, more_raters, next_run

RATERS, TRIALS, LEAVE, AWAY, BACK = 200, 60, 0.3, 30, 60
RATINGS_EACH = RATERS * TRIALS // 1128


def paper_images() -> Images:
    """12 versions of Set5's and Set14's 19 sources, 9 of BSD100's 100."""
    return Images.of(
        [(100 * source + method, source, method) for source in range(119) for method in range(12 if source < 19 else 9)]
    )


@dataclass
class Rater:
    """`done` of the claimed positions are rated. `leaves`: after so many; `back`: when they come back, if they do."""

    plan: Plan
    leaves: int = 10**9
    back: float = float("inf")
    claimed: list[Showing] = field(default_factory=list)
    done: int = 0
    last_active: int = 0

    @property
    def has_ended(self) -> bool:
        return self.done == self.plan.trials + self.plan.repeats


class Study:
    """Who has claimed and rated what, by the site's rules, in memory."""

    def __init__(self, images: Images, *, plan: Plan, rng: np.random.Generator) -> None:
        self.images, self.plan, self.rng = images, plan, rng
        self.place = {int(key): place for place, key in enumerate(images.stimulus)}
        self.stored = np.zeros(len(images.stimulus), dtype=np.int64)
        self.late = np.zeros_like(self.stored)
        self.raters: list[Rater] = []

    def claim(self, rater: Rater, now: int) -> None:
        counts, promised = (self.stored + self.late).astype(float), np.zeros(len(self.stored))
        for one in self.raters:
            weight = claim_weight(now - one.last_active, AWAY)
            if not weight:
                del one.claimed[one.done + WINDOW :]
                continue
            counts += weight * self._count(one.claimed[one.done :])
            if self.plan.together and not one.has_ended:
                promised += np.isin(self.images.source, self.images.source[self._places(one.claimed)])
                promised[self._places(one.claimed)] -= 1
        run = next_run(self.images, counts, rater.claimed, plan=self.plan, rng=self.rng, promised=promised)
        rater.claimed += run

    def rate(self, rater: Rater, now: int) -> None:
        """The next image; claims a run where fewer than a browser may hold ahead are left."""
        if len(rater.claimed) - rater.done < min(WINDOW, self._left(rater)):
            self.claim(rater, now)
        was_away = now - rater.last_active > AWAY
        at = self.place[rater.claimed[rater.done].stimulus]
        (self.late if was_away or rater.back <= now < rater.back + WINDOW else self.stored)[at] += 1
        rater.done += 1
        rater.last_active = now

    def _left(self, rater: Rater) -> int:
        return self.plan.trials + self.plan.repeats - rater.done

    def _places(self, showings: list[Showing]) -> list[int]:
        return sorted({self.place[s.stimulus] for s in showings})

    def _count(self, showings: list[Showing]) -> np.ndarray:
        first = [self.place[s.stimulus] for s in showings if not s.repeat]
        return np.bincount(first, minlength=len(self.stored)).astype(np.int64)

    def run(self, now: int = 0) -> int:
        """Until all have ended or left for good; returns the time."""
        while any(self._goes_on(rater) for rater in self.raters):
            for number in self.rng.permutation(len(self.raters)):
                rater = self.raters[number]
                if not rater.has_ended and (rater.done < rater.leaves or now >= rater.back):
                    self.rate(rater, now)
            now += 1
        return now

    def _goes_on(self, rater: Rater) -> bool:
        return not rater.has_ended and (rater.done < rater.leaves or rater.back < np.inf)


def simulate(*, seed: int, design: str = "spread", late: float = 0.0) -> dict[str, float]:
    """One study of the paper's images; what is left when all have ended, and after as many raters more as it says."""
    rng = np.random.default_rng(seed)
    plan = Plan(trials=TRIALS, together=design == "together")
    study = Study(paper_images(), plan=plan, rng=rng)
    for _ in range(RATERS):
        leaves = int(rng.integers(TRIALS)) if rng.random() < LEAVE else 10**9
        back = leaves + BACK if leaves < TRIALS and rng.random() < late else float("inf")
        study.raters.append(Rater(plan, leaves=leaves, back=back))
    now = study.run()
    table = {"seed": seed, **_ended(study.stored)}
    missing = np.maximum(RATINGS_EACH - study.stored - study.late, 0)
    more = more_raters(missing, trials=TRIALS)
    table |= {"late": int(study.late.sum()), "missing": int(missing.sum()), "more": more}
    table |= {"sources": float(np.mean([_sources(study, rater) for rater in study.raters if rater.has_ended]))}
    table |= {"twice running": sum(_twice_running(study, rater) for rater in study.raters)}
    study.raters += [Rater(plan, last_active=now + AWAY + 1) for _ in range(more)]
    study.run(now + AWAY + 1)
    return table | {"range after": int(np.ptp(study.stored + study.late))}


def _ended(stored: np.ndarray) -> dict[str, float]:
    near = np.abs(stored - np.median(stored)) <= 1
    return {
        "ratings": int(stored.sum()),
        "least": int(stored.min()),
        "most": int(stored.max()),
        "range": int(np.ptp(stored)),
        "near": float(near.mean()),
    }


def _sources(study: Study, rater: Rater) -> int:
    return len(set(study.images.source[study._places(rater.claimed)]))


def _twice_running(study: Study, rater: Rater) -> int:
    sources = [int(study.images.source[study.place[s.stimulus]]) for s in rater.claimed]
    return sum(a == b for a, b in pairwise(sources))


def rows(seeds: int, design: str, late: float) -> Iterator[dict[str, float]]:
    for seed in range(seeds):
        yield simulate(seed=seed, design=design, late=late)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--design", choices=["spread", "together"], default="spread")
    parser.add_argument("--late", type=float, default=0.0, help="share of those who left that comes back")
    given = parser.parse_args()
    print(f"{given.design}: 1128 images, {RATERS} raters of {TRIALS} trials, {RATINGS_EACH} ratings each wanted")
    print(
        "seed ratings least most range near-median late missing more-raters range-after sources-a-rater twice-running"
    )
    worst: Counter[str] = Counter()
    for row in rows(given.seeds, given.design, given.late):
        print(
            f"{row['seed']:4} {row['ratings']:7} {row['least']:5} {row['most']:4} {row['range']:5} {row['near']:11.1%} "
            f"{row['late']:4} {row['missing']:7} {row['more']:11} {row['range after']:11} {row['sources']:15.1f} "
            f"{row['twice running']:13}",
            flush=True,
        )
        for name in ("range", "range after", "twice running"):
            worst[name] = max(worst[name], int(row[name]))
        worst["off"] = max(worst["off"], round(1000 * (1 - row["near"])))
    print(
        f"worst: range {worst['range']}, {100 - worst['off'] / 10:.1f} % within one of the median, "
        f"range after {worst['range after']}, no source twice running broken {worst['twice running']} times"
    )


if __name__ == "__main__":
    main()
