from typing import Any

from django.core.management.base import BaseCommand

from mosweb import staff


class Command(BaseCommand):
    help = f"Give the login '{staff.USERNAME}' a new random password, print it, and lift a lock after failed attempts."

    def handle(self, **options: Any) -> None:
        password = staff.reset_password()
        self.stdout.write(f"login: {staff.USERNAME}\npassword: {password}")
        self.stderr.write(f"also kept, readable by you alone, in {staff.password_file()}")
