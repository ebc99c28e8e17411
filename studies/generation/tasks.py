"""What workers run to make an image. A task takes ids, does one idempotent thing and returns nothing."""

from celery import shared_task

from studies.generation.render import render


@shared_task  # type: ignore[untyped-decorator]
def render_stimulus(stimulus: int) -> None:
    """Make the image of this row if it is still wanted."""
    render(stimulus)
