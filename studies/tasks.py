"""What workers run. A task takes ids, does one idempotent thing and returns nothing; the logic is elsewhere."""

from celery import shared_task


@shared_task  # type: ignore[untyped-decorator]
def render_stimulus(stimulus: int) -> None:
    """Make the image of this row if it is still wanted."""
    # Not at the top: the web process imports this module to send messages, and must not load the methods.
    from studies.generation import render

    render(stimulus)


@shared_task  # type: ignore[untyped-decorator]
def make_report(report: int) -> None:
    """Write this report if it is still wanted."""
    # As above: figures need matplotlib, which the web process does without.
    from studies.reporting import make

    make(report)
