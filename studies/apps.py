from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class StudiesConfig(AppConfig):
    name = "studies"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        post_migrate.connect(_sync_methods, sender=self)


def _sync_methods(apps: Any, **kwargs: Any) -> None:
    """The rows of the registry's methods follow the code that was just deployed."""
    # Models can be imported only when the apps are ready.
    from studies.stimuli import sync_methods

    if "method" in apps.all_models["studies"]:  # not after `migrate studies zero`
        sync_methods()
