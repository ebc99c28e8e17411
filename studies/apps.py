from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate, pre_migrate


class StudiesConfig(AppConfig):
    name = "studies"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # Models can be imported only when the apps are ready.
        from studies.jobs.watch import ALSO
        from studies.protocol.freezing import freeze, thaw

        ALSO.extend([_stop_rules, _abandoned_imports])
        pre_migrate.connect(thaw, sender=self)
        post_migrate.connect(freeze, sender=self)
        post_migrate.connect(_follow_code, sender=self)


def _follow_code(apps: Any = None, **kwargs: Any) -> None:
    """The rows of the registry's methods follow the code that was just deployed, and workers must run that code."""
    from studies.content.methods import sync_methods
    from studies.jobs.fitness import declare_code

    # After `migrate studies zero` there is no table; `flush` does not say which there are.
    if apps is None or "method" in apps.all_models["studies"]:
        sync_methods()
    if apps is None or "installation" in apps.all_models["studies"]:
        declare_code()


def _abandoned_imports() -> None:
    """In workers: what a browser began to send long ago and nobody takes is given up."""
    from studies.content.uploads import discard_abandoned

    discard_abandoned()


def _stop_rules() -> None:
    """In workers: a study that has enough lets nobody new in."""
    from studies.research.stopping import look_at_all

    look_at_all()
