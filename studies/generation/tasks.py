"""What workers run to make, cut or measure an image.

A task takes ids, does one idempotent thing and returns nothing.
"""

from celery import shared_task

from studies.generation.cutting import cut
from studies.generation.measuring import measure
from studies.generation.render import render


@shared_task  # type: ignore[untyped-decorator]
def render_stimulus(stimulus: int) -> None:
    """Make the image of this row if it is still wanted."""
    render(stimulus)


@shared_task  # type: ignore[untyped-decorator]
def measure_images(study_metric: int) -> None:
    """Measure some of the images that this study's metric lacks, if it is still wanted."""
    measure(study_metric)


@shared_task  # type: ignore[untyped-decorator]
def cut_region(region: int) -> None:
    """Cut this region out of the images that lack it, if it is still wanted."""
    cut(region)
