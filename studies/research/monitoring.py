"""What staff see while a study runs: how far each rater is, and the MOS as it stands."""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pandas as pd
from django.db.models import Count, Q, QuerySet

from analysis.opinion import method_scores
from analysis.scale import Scale
from analysis.schema import counted
from analysis.tables import objective_means
from studies.models import Backup, Method, Rater, Session, Study
from studies.rating.sessions import largest_images
from studies.research.export import objective_scores, ratings_frame

# A daily schedule that failed once has not missed yet.
BACKUP_IS_OLD = timedelta(hours=49)
# The bar under an image with its scale: the tallest in a window of ordinary width, measured in the browser.
BAR_CSS_PIXELS = 155


@dataclass(frozen=True, kw_only=True)
class RaterProgress:
    """A rater's state is invited, calibrating, rating, finished, withdrawn or revoked."""

    rater: Rater
    state: str
    rated: int
    total: int
    last_active_at: datetime | None

    @property
    def percent(self) -> int:
        return 100 * self.rated // self.total if self.total else 0


def protocol_rows(study: Study) -> list[tuple[str, str]]:
    """How the study is run: a label and a value for each field of its protocol."""
    return [(str(field.verbose_name).capitalize(), _shown(study, field.name)) for field in Study.protocol_fields()]


def screen_needed(study: Study) -> str:
    """Which window shows every image of the study with the bar below it; empty while there are no images."""
    sizes = largest_images(study)
    if not sizes:
        return ""
    width, height = max(w for w, _ in sizes), max(h for _, h in sizes)
    images = " and ".join(f"{w} x {h}" for w, h in sizes[:4]) + (" and others" if len(sizes) > 4 else "")
    at = {ratio: f"{math.ceil(width / ratio)} x {math.ceil(height / ratio) + BAR_CSS_PIXELS}" for ratio in (1, 1.5, 2)}
    return (
        f"The largest images have {images} pixels. With the bar below them they need a window of {at[1]} CSS pixels "
        f"({at[1.5]} at a device pixel ratio of 1.5, {at[2]} at 2)."
    )


def studies_with_counts(studies: "QuerySet[Study]") -> "QuerySet[Study]":
    """These studies with raters_invited, raters_finished and ratings_given; staff previews aside."""
    invited = Q(raters__is_preview=False)
    finished = invited & Q(raters__session__finished_at__isnull=False)
    return studies.annotate(
        raters_invited=Count("raters", filter=invited, distinct=True),
        raters_finished=Count("raters", filter=finished, distinct=True),
        ratings_given=Count("raters__session__trials__rating", filter=invited, distinct=True),
    )


def last_backup(*, now: datetime) -> dict[str, Any]:
    """`backup`, the last one or None, and `backup_is_old`, whether a daily schedule would have made another."""
    backup = Backup.objects.first()
    return {"backup": backup, "backup_is_old": backup is not None and now - backup.made_at > BACKUP_IS_OLD}


def rater_progress(study: Study) -> list[RaterProgress]:
    """Every invited rater of the study, staff previews aside, in the order of invitation."""
    raters = study.raters.filter(is_preview=False).select_related("session", "study").order_by("pk")
    return [_progress(rater) for rater in raters]


def results_table(study: Study) -> pd.DataFrame:
    """benchmark, method, title, n, mos, sd, ci_low, ci_high, psnr, ssim; methods in the paper's order.

    The MOS and its 95 % interval are those that the report prints (`analysis.opinion.method_scores`). psnr and ssim are
    means over the images of the study's design, rated or not. Stabilising trials are left out. Empty before the first
    rating that counts.
    """
    ratings = counted(ratings_frame(study))
    if ratings.empty:
        return pd.DataFrame()
    objective = objective_means(objective_scores(study))
    table = method_scores(ratings).merge(objective, on=["benchmark", "method"], how="left")
    titles = dict(Method.objects.values_list("name", "display_name"))
    table.insert(2, "title", table["method"].map(titles))
    table["rank"] = table["method"].map({name: rank for rank, name in enumerate(titles)})
    return table.sort_values(["benchmark", "rank"]).drop(columns="rank").reset_index(drop=True)


def _shown(study: Study, field: str) -> str:
    value = getattr(study, field)
    if isinstance(value, Scale):
        return f"{value.text}: {', '.join(word for _, word in value.labels)}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    display = getattr(study, f"get_{field}_display", None)
    return str(display() if display else value) or "none"


def _progress(rater: Rater) -> RaterProgress:
    session: Session | None = getattr(rater, "session", None)
    return RaterProgress(
        rater=rater,
        state=_state(rater, session),
        rated=session.rated if session else 0,
        total=session.to_rate if session else 0,
        last_active_at=session.last_active_at if session else None,
    )


def _state(rater: Rater, session: Session | None) -> str:
    if rater.withdrawn_at:
        return "withdrawn"
    if rater.revoked_at:
        return "revoked"
    if session is None:
        return "invited"
    if session.finished_at:
        return "finished"
    return "calibrating" if session.is_calibrating else "rating"
