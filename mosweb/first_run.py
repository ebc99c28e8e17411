"""What `make run` does to the data before the site starts, and what it tells the user once it is up."""

import os
import time
import urllib.request
from collections.abc import Callable

from django.core.management import CommandError, call_command
from django.urls import reverse

from mosweb import staff
from studies.jobs.dispatch import living_queues
from studies.models import Study
from studies.research.sample import create_sample, launch_when_ready, open_rater
from studies.storage.guard import StorageUnavailable
from studies.storage.marker import NotTheStorage, mark


def prepare() -> None:
    """Bring the database and the static files up to date; on the first run make the staff login and the sample."""
    call_command("migrate", verbosity=0, interactive=False)
    call_command("collectstatic", verbosity=0, interactive=False)
    staff.ensure_login()
    create_sample()
    try:
        mark()
    except (NotTheStorage, StorageUnavailable) as error:
        print(f"mosweb: no worker will make images. {error}", flush=True)


def announce(url: str) -> None:
    """Wait for the site and the sample's images, then print the site, the staff login and a rater's link."""
    login, link = _login(), _open_sample(url)
    _wait_for("the site", lambda: _answers(os.environ["MOSWEB_PROBE"]))
    print(f"\n  Site               {url}/\n  Staff login        {login}\n  A rater's link     {link}\n", flush=True)
    print("Ctrl-C stops it. The data stays; 'make run' goes on with it.", flush=True)


def _open_sample(url: str) -> str:
    study = create_sample()
    if study is None:
        return "invite one: python manage.py invite STUDY"
    if study.state == Study.State.DRAFT:
        _wait_for("a worker", living_queues)
        call_command("generate", study.name)
        launch_when_ready(study)
    if study.state == Study.State.CLOSED:
        return "the sample study is closed; invite to another: python manage.py invite STUDY"
    return url + reverse("invitation", args=[open_rater(study).token])


def _login() -> str:
    password = staff.known_password()
    if password is None:
        return f"{staff.USERNAME}, with the password you chose (python manage.py staff_password makes a new one)"
    return f"{staff.USERNAME}, password {password}"


def _answers(probe: str) -> bool:
    try:
        urllib.request.urlopen(probe, timeout=5).close()  # noqa: S310
    except OSError:  # refused, timed out, or answered with an error
        return False
    return True


def _wait_for(what: str, ready: Callable[[], object], *, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            raise CommandError(f"Waited {seconds:.0f} s for {what} in vain; the logs in var/log say why.")
        time.sleep(0.2)
