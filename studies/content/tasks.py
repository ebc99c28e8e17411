"""What workers run for imports. A task takes ids, does one idempotent thing and returns nothing."""

from celery import shared_task

from studies.content.incoming import run


@shared_task  # type: ignore[untyped-decorator]
def run_import(incoming: int) -> None:
    """Look at what was sent, or take it, if that is still wanted."""
    run(incoming)
