"""What a draft's page says of its images: found with the page while they are few, of a large draft by a worker, who
looks again once something is changed. A launch looks at everything itself, whatever this says.
"""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import Count, Max, Q

from srcore.registry import METHODS
from studies.content.stimuli import generated_key
from studies.generation import requests as stimuli
from studies.models import Benchmark, Cut, SourceImage, Stimulus, Study, Tally
from studies.protocol import practice, readiness
from studies.protocol.chosen import Chosen, chosen_of
from studies.protocol.slots import slots
from studies.research import drafts
from studies.research.monitoring import screen_needed
from studies.research.tallies import kept_tally

IMMEDIATE = 2_000
"""The most places of a design that a page looks at by itself: the paper's has 1,128."""
FAILURES_KEPT = 20


@dataclass(frozen=True)
class DraftState:
    """`problems` keep it from a launch; `newer` says of what there are newer images, `same` which studies show its
    own, `screen` what window they need. `uncut` and `cutting`: images whose region is not cut, or being cut.

    `tally`: of a large draft; its numbers are empty before a worker has looked, and `is_current` says whether nothing
    was changed since.
    """

    problems: list[str] = field(default_factory=list)
    images: stimuli.ImagesProgress = field(default_factory=stimuli.ImagesProgress)
    newer: list[tuple[str, int]] = field(default_factory=list)
    same: list[drafts.Shared] = field(default_factory=list)
    screen: str = ""
    uncut: int = 0
    cutting: int = 0
    tally: Tally | None = None
    is_current: bool = True


def state_of(study: Study, *, now: datetime, chosen: Chosen | None = None) -> DraftState:
    """Of a draft. `chosen`: where it is known."""
    tally = draft_tally(study, now=now, chosen=chosen)
    return look(study) if tally is None else _read(tally)


def draft_tally(study: Study, *, now: datetime, chosen: Chosen | None = None) -> Tally | None:
    """The tally of a large draft, which may be empty yet, made again by a worker where it is outdated; None of others.
    """
    chosen = chosen or chosen_of(study)
    return kept_tally(study, draft_stamp(study, chosen), now=now) if chosen.places > IMMEDIATE else None


def draft_stamp(study: Study, chosen: Chosen) -> dict[str, Any]:
    """What the state of a draft depends on: its row, cells and examples as `design`, the images of its benchmarks that
    are there or asked for, and the code that makes them."""
    cells = [(benchmark.pk, [method.pk for method in methods]) for benchmark, methods in chosen.cells.items()]
    names = {method.name for methods in chosen.cells.values() for method in methods}
    row = [str(one.get_prep_value(getattr(study, one.attname))) for one in study._meta.concrete_fields]
    code = sorted(str(generated_key(name)) for name in names if name in METHODS)
    examples = sorted(study.calibration.all(), key=lambda source: source.pk)
    design = hashlib.sha256(str((row, cells, code, [source.pk for source in examples])).encode()).hexdigest()
    states = {state: Count("pk", filter=Q(state=state)) for state in Stimulus.State.values}
    shown = Q(pk__in={benchmark.pk for benchmark in chosen.cells} | {source.benchmark_id for source in examples})
    shown |= Q(name__in=practice.benchmarks(study.practice) | practice.benchmarks(study.gold))
    benchmarks = Benchmark.objects.filter(shown).values("pk")
    made = Stimulus.objects.filter(source__benchmark__in=benchmarks).aggregate(**states, last=Max("finished_at"))
    sources = SourceImage.objects.filter(benchmark__in=benchmarks).aggregate(number=Count("pk"), last=Max("pk"))
    found = {"design": design, "images": str(sorted(made.items())), "sources": str(sources)}
    if study.region_width:
        regions = study.regions.order_by().values_list("source", "state", "left", "top", "width", "height")
        cuts = Cut.objects.filter(region__study=study).count()
        found["regions"] = hashlib.sha256(str((sorted(regions, key=str), cuts)).encode()).hexdigest()
    return found


def look(study: Study) -> DraftState:
    """At every place of the design."""
    filled = slots(study)
    uncut = stimuli.uncut(study, filled)
    cutting = sum(one.region is not None and one.region.state in ("wanted", "running") for one in uncut)
    return DraftState(
        problems=readiness.check(study, filled),
        images=stimuli.progress(study, filled),
        newer=drafts.newer_images(study, filled),
        same=drafts.same_as_draft(study, filled),
        screen=screen_needed(study, filled),
        uncut=len(uncut) - cutting,
        cutting=cutting,
    )


def stored_state(state: DraftState) -> dict[str, Any]:
    """As a tally keeps it."""
    images, numbers = state.images, ("done", "running", "wanted", "failed", "missing")
    return {
        "problems": state.problems,
        "cells": [[c.benchmark.pk, c.method.pk, {name: getattr(c, name) for name in numbers}] for c in images.cells],
        "failures": [stimulus.pk for stimulus in images.failures[:FAILURES_KEPT]],
        "newer": state.newer,
        "same": [[shared.study.pk, shared.images, shared.total] for shared in state.same],
        "screen": state.screen,
        "uncut": state.uncut,
        "cutting": state.cutting,
    }


def _read(tally: Tally) -> DraftState:
    kept = dict(tally.found)
    if not kept:
        return DraftState(tally=tally, is_current=False)
    others = Study.objects.in_bulk([study for study, *_ in kept["same"]])
    return DraftState(
        problems=kept["problems"],
        images=stimuli.progress_of(kept["cells"], kept["failures"]),
        newer=[(what, number) for what, number in kept["newer"]],
        same=[drafts.Shared(others[study], *numbers) for study, *numbers in kept["same"] if study in others],
        screen=kept["screen"],
        uncut=kept["uncut"],
        cutting=kept["cutting"],
        tally=tally,
        is_current=not tally.is_superseded,
    )
