from typing import Any

from django.core.management.base import BaseCommand, CommandError

from studies.storage.guard import StorageUnavailable
from studies.storage.marker import NotTheStorage, mark


class Command(BaseCommand):
    help = (
        "Mark the image storage as this site's, for workers to know it by. The first import does it by itself; this is "
        "for a site that was there before, and after images were moved to another storage."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            mark()
        except (NotTheStorage, StorageUnavailable) as error:
            raise CommandError(str(error)) from error
        self.stdout.write("The image storage is marked.")
