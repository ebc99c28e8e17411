import json

import pytest
from django.utils import timezone

from analysis.report import analyse
from studies.models import Study
from studies.rehearsal import copies
from studies.research import drafts
from studies.research.export import protocol_json, ratings_frame
from studies.research.refusals import StudyError
from tests.studies import factories
from tests.studies.research.test_export import rate_all

pytestmark = [pytest.mark.django_db, pytest.mark.services]


def copy_of(study: Study, name: str = "") -> Study:
    return copies.copy_of(study, name=name, now=timezone.now())


def test_a_copy_is_launched_marked_and_gone_on_with():
    study = factories.launch(factories.make_study(stabilising=1))
    copy = copy_of(study)
    assert (copy.name, copy.state, copy.simulated, copy.stabilising) == ("study-simulated", "launched", True, 1)
    assert copy_of(study) == copy
    assert copy_of(copy) == copy
    assert study.raters.count() == 0


def test_no_simulated_rater_comes_into_a_study_of_people():
    study = factories.launch(factories.make_study())
    other = factories.make_study(name="other", benchmarks=[factories.make_benchmark("other")])
    with pytest.raises(StudyError, match="no rehearsal"):
        copy_of(study, name="other")
    assert not other.raters.exists()


def test_a_clone_of_a_rehearsal_is_a_study_of_people():
    copy = copy_of(factories.launch(factories.make_study()))
    assert not drafts.clone(study=copy, name="for-people", title="Image quality").simulated


def test_it_is_marked_in_list_overview_results_export_protocol_and_report(client, admin_user):
    study = factories.launch(factories.make_study())
    copy = copy_of(study)
    rate_all(copy, "one")
    rate_all(copy, "two")
    client.force_login(admin_user)
    assert ">simulated</span>" in client.get("/studies/").content.decode()
    for page in ("", "results/", "raters/"):
        assert "its raters are simulated" in client.get(f"/studies/{copy.name}/{page}").content.decode()
        assert "simulated" not in client.get(f"/studies/{study.name}/{page}").content.decode()
    assert set(ratings_frame(copy)["simulated"]) == {True}
    assert json.loads(protocol_json(copy))["simulated"] is True
    assert analyse(ratings_frame(copy)).simulated


def test_guests_are_named_by_their_kind_and_numbered_on():
    copy = copy_of(factories.launch(factories.make_study()))
    copies.invite(copy, kinds=["honest"])
    assert [guest.label for guest in copies.invite(copy, kinds=["random", "honest"])] == [
        "simulated-random-0002",
        "simulated-honest-0003",
    ]
