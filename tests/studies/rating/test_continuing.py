"""A study of blocks: who completes one of ratings goes on with pairs of the same images, by the same link."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from studies.models import Agreement, Ending, PublicLink, Rater, Rating, Session, Study, Task
from studies.models.task import pair_scale
from studies.rating.continuing import due_part, parts_of
from studies.rating.withdrawal import withdraw
from studies.research import invitations, lifecycle
from studies.research.deleting import ratings_of
from studies.research.drafts import clone
from studies.research.export_views import guests_of
from tests.studies.factories import launch, make_benchmark, make_rater, make_study
from tests.studies.rating.test_joining import join, make_link, of_prolific
from tests.studies.rating.test_views import FACTS, arrive
from tests.studies.threads import at_once

pytestmark = [pytest.mark.services, pytest.mark.django_db]
PAIRS = {"task": Task.PAIR, "scale": pair_scale(ties=True)}


@pytest.fixture
def blocks():
    return make_blocks()


def make_blocks(**values):
    """A block of ratings that goes on in one of pairs, both launched, over the same images."""
    first = launch(make_study(benchmarks=[make_benchmark(images=3)]))
    second = make_study(name="second", title="Which is better?", benchmarks=list_of(first), **PAIRS, **values)
    launch(second)
    Ending.objects.create(study=first, outcome="completed", code="ALL-DONE", continues_in=second)
    Ending.objects.create(study=second, outcome="completed", code="SECOND")
    return first, second


def list_of(study):
    return [cell.benchmark for cell in study.cells.all()][:1]


def begin(client):
    """Agree and see the examples, if there are any, as the page that is open asks for."""
    assert client.post(reverse("agree")).status_code == 302
    client.post(reverse("calibrated"))


def rate_on(client, *, most=1000):
    """Rate whatever is due; how many were rated."""
    standing, rated = client.get(reverse("upcoming")).json(), 0
    while standing["upcoming"] and rated < most:
        trial = standing["upcoming"][0]
        fields = {"score": 1, "receipt": client.get(trial["url"]).headers["Receipt"], **FACTS}
        if "right" in trial:
            fields["receipt"] += " " + client.get(trial["right"]).headers["Receipt"]
            fields |= {"left_looks": 1, "left_ms": 900, "right_looks": 1, "right_ms": 800, "side_by_side": "true"}
        answer = client.post(reverse("rate", args=[trial["token"]]), fields)
        assert answer.status_code == 200, answer.content
        standing, rated = answer.json(), rated + 1
    return rated


def home(client):
    return client.get(reverse("rater-home"), follow=True)


def complete_the_first(client):
    """Rate all of the first block; the page is then the second's instructions, nothing of it agreed to."""
    begin(client)
    rate_on(client)
    assert "next part" in home(client).text


def test_who_completes_the_first_block_goes_on_in_the_second_and_gets_the_code_after_it(blocks, staff):
    first, second = blocks
    rater = make_rater(first, "anna")
    client = arrive(rater)
    assert "Then the study goes on with another task, for about" in home(client).text
    begin(client)
    agreed = Agreement.objects.get(rater=rater)
    assert "Then the study goes on with another task" in agreed.text
    assert rate_on(client) == 9
    assert not Rater.objects.filter(study=second).exists()
    page = home(client).text
    assert "This is the next part of the study" in page
    assert "Which is better?" in page
    assert "ALL-DONE" not in page
    begin(client)
    part = Rater.objects.get(study=second)
    assert (part.label, part.continues) == ("anna", rater)
    assert "finished; next part: rating" in staff.get(reverse("raters", args=[first.name])).text
    assert rate_on(client) == 9
    assert "finished; next part: finished" in staff.get(reverse("raters", args=[first.name])).text
    page = home(client).text
    assert "ALL-DONE" in page
    assert "SECOND" not in page
    counts = [Rating.objects.filter(trial__session__rater__study=study).count() for study in blocks]
    assert counts == [9, 9]
    # The last page was shown: whoever sits there next goes nowhere.
    assert client.get(reverse("withdraw")).status_code == 403


def test_the_link_leads_to_the_part_at_which_the_person_is_from_any_device(blocks):
    rater = make_rater(blocks[0], "anna")
    client = arrive(rater)
    begin(client)
    rate_on(client)
    begin(arrive(rater))  # not back at home before: the link itself leads on
    part = Rater.objects.get(study=blocks[1])
    other = arrive(rater)
    rate_on(other, most=4)
    assert part.session.rated == 4
    again = arrive(rater)
    assert rate_on(again) == 5
    last = Client().get(reverse("invitation", args=[rater.token]))
    assert "ALL-DONE" in last.text
    assert reverse("withdraw") in last.text
    assert Rater.objects.count() == 2


@pytest.mark.parametrize("at_the_end", [False, True])
def test_a_withdrawal_erases_all_parts_and_closes_the_link(blocks, at_the_end):
    rater = make_rater(blocks[0], "anna")
    client = arrive(rater)
    complete_the_first(client)
    begin(client)
    rated = 9 + rate_on(client, most=1000 if at_the_end else 2)
    if at_the_end:
        code = re.search(r"[A-Z2-7]{4}(-[A-Z2-7]{4}){4}", home(client).text)[0]
        asked = Client().post(reverse("withdraw-code"), {"code": code})
        assert f"{rated} choices" in asked.text
        Client().post(reverse("withdraw-code"), {"code": code, "sure": "1"})
    else:
        assert f"{rated} choices" in client.get(reverse("withdraw")).text
        client.post(reverse("withdraw"))
    assert not Rating.objects.exists()
    assert not Session.objects.exists()
    assert all(part.withdrawn_at for part in Rater.objects.all())
    for study in blocks:
        assert study.events.filter(kind="withdrawal").count() == 1
    refused = Client()
    refused.get(reverse("invitation", args=[rater.token]))
    assert refused.get(reverse("rater-home")).status_code == 403
    assert Rater.objects.count() == 2


def test_a_link_revoked_and_given_back_is_so_in_each_part(blocks):
    rater = make_rater(blocks[0], "anna")
    client = arrive(rater)
    complete_the_first(client)
    invitations.revoke(rater=rater, now=timezone.now())
    assert home(client).status_code == 403
    invitations.restore(rater=rater, now=timezone.now())
    assert home(client).status_code == 200
    assert not Rater.objects.exclude(revoked_at=None).exists()
    # Staff of the second have a say in the second alone.
    invitations.revoke(rater=Rater.objects.get(study=blocks[1]), now=timezone.now())
    assert home(client).status_code == 403
    rater.refresh_from_db()
    assert rater.revoked_at is None


def test_an_erasure_by_an_owner_lists_and_erases_the_other_part_too(blocks, staff):
    rater = make_rater(blocks[0], "anna")
    client = arrive(rater)
    complete_the_first(client)
    begin(client)
    rate_on(client, most=3)
    address = reverse("person-erase", args=[blocks[0].name, rater.pk])
    assert "the part in which the person went on, with 3 ratings" in staff.get(address).text
    staff.post(address, {"typed": "anna"})
    assert not Rating.objects.exists()
    assert not Rater.objects.filter(label="anna").exists()


def test_before_the_second_is_launched_or_once_it_is_closed_the_first_ends_as_ever(blocks):
    first, second = blocks
    lifecycle.close(study=second, now=timezone.now())
    client = arrive(make_rater(first))
    assert "Then the study goes on" not in home(client).text
    begin(client)
    rate_on(client)
    assert "ALL-DONE" in home(client).text
    assert not Rater.objects.filter(study=second).exists()
    # Reopened: the next person at the computer does not go on for the rater, whose link does.
    lifecycle.reopen(study=second, now=timezone.now())
    assert "ALL-DONE" in home(client).text
    assert "next part" in home(arrive(Rater.objects.get())).text


@pytest.mark.parametrize("how", ["closed", "taken back"])
def test_who_has_not_begun_the_second_ends_with_the_first_where_it_is_shut_meanwhile(blocks, how):
    first, second = blocks
    rater = make_rater(first, "anna")
    client = arrive(rater)
    complete_the_first(client)
    (lifecycle.close if how == "closed" else lifecycle.take_back)(study=second, now=timezone.now())
    assert "ALL-DONE" in home(client).text
    assert "ALL-DONE" in Client().get(reverse("invitation", args=[rater.token])).text
    # Who has begun it is told that what they rated is kept, as in every study.
    if how == "closed":
        lifecycle.reopen(study=second, now=timezone.now())
        client = arrive(rater)
        begin(client)
        lifecycle.close(study=second, now=timezone.now())
        assert "so far is kept" in home(client).text


def test_who_does_not_want_to_go_on_keeps_what_they_rated_and_can_be_let_go_on(blocks, staff):
    first, second = blocks
    Ending.objects.create(study=first, outcome="declined", code="HALF")
    rater = make_rater(first, "anna")
    client = arrive(rater)
    begin(client)
    rate_on(client)
    assert "I do not go on" in home(client).text
    client.post(reverse("decline"))
    page = home(client).text
    assert "You have chosen not to go on. What you have rated before is saved." in page
    assert "HALF" in page
    assert re.search(r"[A-Z2-7]{4}(-[A-Z2-7]{4}){4}", page), "with which to withdraw"
    assert Rating.objects.count() == 9
    part = Rater.objects.get(study=second)
    assert part.outcome == "declined"
    person = reverse("person", args=[second.name, part.pk])
    assert "Let anna go on" in staff.get(person).text
    staff.post(reverse("rater-go-on", args=[second.name, part.pk]))
    client = arrive(rater)
    begin(client)
    assert rate_on(client) == 9


def test_who_fails_or_is_refused_in_the_first_does_not_go_on(blocks):
    rater = make_rater(blocks[0])
    client = arrive(rater)
    begin(client)
    rate_on(client, most=3)
    Rater.objects.filter(pk=rater.pk).update(outcome="checks", outcome_at=timezone.now())
    assert "This study ends here for you" in home(client).text
    assert not Rater.objects.filter(study=blocks[1]).exists()


def test_a_label_that_is_taken_gets_a_number_and_a_preview_stays_one(blocks):
    first, second = blocks
    make_rater(second, "anna")
    client = arrive(make_rater(first, "anna", is_preview=True))
    complete_the_first(client)
    part = Rater.objects.get(study=second, is_preview=True)
    assert part.label == "anna-2"


def test_who_came_by_a_public_link_goes_on_in_their_own_browser_and_by_their_id(blocks):
    first, second = blocks
    Ending.objects.filter(study=first).delete()
    link = make_link(first)
    Ending.objects.filter(study=first).update(continues_in=second)
    client, _ = join(link)
    complete_the_first(client)
    begin(client)
    rate_on(client, most=2)
    # Elsewhere the id alone can go on rating, and nothing else.
    other, _ = join(link)
    assert other.get(reverse("withdraw")).status_code == 403
    other.post(reverse("decline"))
    assert not Rater.objects.exclude(outcome="").exists()
    assert rate_on(other, most=1) == 1
    assert client.get(reverse("withdraw")).status_code == 200
    rate_on(other)
    assert "C1ODE" not in home(other).text
    back, _ = join(link, client=client)
    assert "C1ODE" in home(back).text
    assert PublicLink.objects.get().study == first
    assert Rater.objects.filter(study=second).count() == 1
    join(link, of_prolific("second"))
    assert Rater.objects.filter(study=second).count() == 1


@pytest.mark.parametrize("at_the_end", [False, True])
def test_a_browser_that_came_by_a_link_without_ids_is_known_again_in_the_second(blocks, at_the_end):
    Ending.objects.filter(study=blocks[0]).delete()
    link = make_link(blocks[0], panel="none")
    Ending.objects.filter(study=blocks[0]).update(continues_in=blocks[1])
    client, _ = join(link, {})
    complete_the_first(client)
    if at_the_end:
        begin(client)
        rate_on(client)
        home(client)
    client, _ = join(link, {}, client=client)
    assert ("C1ODE" in home(client).text) == at_the_end
    assert Rater.objects.count() == 2
    # Neither part has a link of its own for whom the public one leads.
    assert not guests_of(blocks[1]).exists()


def test_an_offered_place_that_was_left_for_too_long_ends_the_second_part_too(blocks):
    Ending.objects.filter(study=blocks[0]).delete()
    link = make_link(blocks[0], late_go_on=False)
    Ending.objects.filter(study=blocks[0]).update(continues_in=blocks[1])
    client, _ = join(link)
    complete_the_first(client)
    begin(client)
    Session.objects.filter(rater__study=blocks[1]).update(last_active_at=timezone.now() - timedelta(minutes=121))
    assert "your place was given to somebody else" in home(client).text


def test_an_owner_of_the_second_alone_erases_the_second_alone(blocks, client, django_user_model):
    first, second = blocks
    rater = make_rater(first, "anna")
    browser = arrive(rater)
    complete_the_first(browser)
    begin(browser)
    rate_on(browser, most=2)
    ben = django_user_model.objects.create_user("ben", is_staff=True)
    second.members.create(user=ben, role="owner")
    client.force_login(ben)
    part = Rater.objects.get(study=second)
    client.post(reverse("person-erase", args=[second.name, part.pk]), {"typed": "anna"})
    counts = [Rating.objects.filter(trial__session__rater__study=study).count() for study in blocks]
    assert counts == [9, 0]
    # What is left of the person has its last page, and can be withdrawn.
    last = Client().get(reverse("invitation", args=[rater.token])).text
    assert "ALL-DONE" in last
    assert reverse("withdraw") in last
    assert not first.events.exclude(kind__in=["launch", "created", "invited"]).exists()


def test_ratings_are_not_erased_while_their_raters_may_go_on(blocks):
    first, _ = blocks
    client = arrive(make_rater(first, "anna"))
    complete_the_first(client)
    lifecycle.close(study=first, now=timezone.now())
    assert "1 rater of it may still go on in another study" in ratings_of(first).problems[0]
    begin(client)
    rate_on(client)
    assert not ratings_of(first).problems


def test_the_page_names_no_study_that_the_account_cannot_see(blocks, client, django_user_model):
    first, second = blocks
    ada = django_user_model.objects.create_user("ada", is_staff=True)
    first.members.create(user=ada, role="viewer")
    second.members.create(user=django_user_model.objects.create_user("ben"), role="owner")
    client.force_login(ada)
    page = client.get(reverse("endings", args=[first.name])).text
    assert "another study that you cannot see" in page
    assert "second (" not in page


def test_a_page_chooses_it_and_refuses_a_circle(blocks, staff):
    first, second = blocks
    page = staff.get(reverse("endings", args=[second.name])).text
    assert 'name="completed-continues_in"' in page
    assert 'name="checks-continues_in"' not in page
    answer = staff.post(reverse("endings", args=[second.name]), {"completed-continues_in": first.pk})
    assert answer.status_code == 422
    assert "nobody would come to an end" in answer.text
    third = make_study(name="third", benchmarks=list_of(first))
    answer = staff.post(reverse("endings", args=[second.name]), {"completed-continues_in": third.pk})
    assert answer.status_code == 302
    assert third.events.get(kind="parts").detail == {"raters come from study": second.pk}
    assert second.events.get(kind="endings").detail["goes on in study"] == f"nothing -> {third.pk}"
    assert "is not launched" in staff.get(reverse("study-ask", args=[second.name, "launch"])).text
    assert "ends with that one" in staff.get(reverse("study-ask", args=[second.name, "close"])).text


def test_a_study_of_another_cannot_be_chosen(blocks, client, django_user_model):
    first, second = blocks
    ada, ben = (django_user_model.objects.create_user(name, is_staff=True) for name in ("ada", "ben"))
    first.members.create(user=ada, role="owner")
    second.members.create(user=ben, role="owner")
    second.members.create(user=ada, role="viewer")
    Ending.objects.filter(study=first).delete()
    client.force_login(ada)
    assert second.name not in client.get(reverse("endings", args=[first.name])).text.split("<form method", 2)[2]
    answer = client.post(reverse("endings", args=[first.name]), {"completed-continues_in": second.pk})
    assert answer.status_code == 422
    second.members.filter(user=ada).update(role="editor")
    answer = client.post(reverse("endings", args=[first.name]), {"completed-continues_in": second.pk})
    assert answer.status_code == 302


def test_a_clone_goes_on_nowhere_and_a_deleted_study_takes_nobody_with_it(blocks):
    first, second = blocks
    copy = clone(study=first, name="copy", title="Copy")
    assert not copy.endings.exists()
    rater = make_rater(first, "anna")
    client = arrive(rater)
    complete_the_first(client)
    Rater.objects.filter(study=second).get().delete()
    assert [part.pk for part in parts_of(rater)] == [rater.pk]
    withdraw(rater=rater, now=timezone.now())
    assert not Rating.objects.exists()


def test_a_ring_that_was_made_in_the_database_comes_to_an_end(blocks):
    first, second = blocks
    Ending.objects.filter(study=second, outcome="completed").update(continues_in=first)
    client = arrive(make_rater(first, "anna"))
    complete_the_first(client)
    begin(client)
    rate_on(client)
    assert "ALL-DONE" in home(client).text
    assert Rater.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_two_windows_that_go_on_at_once_make_one_part(blocks):
    rater = make_rater(blocks[0], "anna")
    client = arrive(rater)
    begin(client)
    rate_on(client)

    def go_on(_):
        try:
            return due_part(Rater.objects.get(pk=rater.pk), now=timezone.now()).pk
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        found = set(pool.map(go_on, range(4)))
    assert len(found) == 1
    assert Rater.objects.filter(study=blocks[1]).count() == 1
    assert Study.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_a_withdrawal_beside_a_window_that_goes_on_leaves_nothing(blocks):
    for number in range(4):
        rater = make_rater(blocks[0], f"anna {number}")
        client = arrive(rater)
        begin(client)
        rate_on(client)

        def go_on(rater=rater):
            due_part(Rater.objects.get(pk=rater.pk), now=timezone.now())

        def leave(rater=rater):
            withdraw(rater=Rater.objects.get(pk=rater.pk), now=timezone.now())

        assert at_once(go_on, leave) == [None, None]
        assert not Rater.objects.filter(withdrawn_at=None).exists()
