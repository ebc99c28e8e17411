"""Django's own lists of what the site holds, for staff to look at."""

import pytest
from django.contrib.auth.models import User

from studies.models import StudyEvent
from tests.studies.factories import make_benchmark, make_study

pytestmark = [pytest.mark.services, pytest.mark.django_db]


def test_a_list_of_events_asks_the_database_as_often_for_many_as_for_few(client, django_assert_max_num_queries):
    client.force_login(User.objects.create_superuser("root"))
    benchmark = make_benchmark(images=1)
    for number in range(12):
        study = make_study(name=f"study-{number}", benchmarks=[benchmark])
        StudyEvent.objects.create(study=study, kind="odd")
    with django_assert_max_num_queries(12):
        page = client.get("/admin/studies/studyevent/").text
    assert page.count("odd") >= 12
