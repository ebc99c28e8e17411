"""What workers run to make a report. A task takes ids, does one idempotent thing and returns nothing."""

from celery import shared_task

from studies.research import tallying
from studies.research.reporting import make


@shared_task  # type: ignore[untyped-decorator]
def make_report(report: int) -> None:
    """Write this report if it is still wanted."""
    make(report)


@shared_task  # type: ignore[untyped-decorator]
def make_tally(tally: int) -> None:
    """Compute this tally if it is still wanted."""
    tallying.make(tally)
