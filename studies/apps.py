from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate, pre_migrate


class StudiesConfig(AppConfig):
    name = "studies"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # Models can be imported only when the apps are ready.
        from studies.protocol.freezing import freeze, thaw

        pre_migrate.connect(thaw, sender=self)
        post_migrate.connect(freeze, sender=self)
        post_migrate.connect(_sync_methods, sender=self)


def _sync_methods(apps: Any = None, **kwargs: Any) -> None:
    """The rows of the registry's methods follow the code that was just deployed."""
    from studies.content.methods import sync_methods

    # After `migrate studies zero` there is no table; `flush` does not say which there are.
    if apps is None or "method" in apps.all_models["studies"]:
        sync_methods()
