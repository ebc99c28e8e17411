"""The original as a third image of a pair: served as the two are, stored what was looked at, frozen, exported."""

import pytest
from django.core.exceptions import ValidationError
from django.db import DatabaseError, transaction
from django.urls import reverse

from analysis.pairs.methodology import pairs_methodology
from analysis.pairs.report import PairsOptions, analyse_pairs
from analysis.pairs.schema import validate_pairs
from studies.models import Rating, Session, SourceImage, Stimulus, Study, StudyImage, TakenBack, Task, Trial
from studies.models.task import comparison_scale, degradation_scale, pair_scale
from studies.protocol import languages, readiness
from studies.protocol.slots import slots
from studies.rating import evidence
from studies.rating.recording import InvalidRating, Looks, NoReceipt, TrialNotDue, UnknownTrial, image_trial
from studies.rating.undo import take_back
from studies.research import drafts
from studies.research.monitoring import protocol_rows
from studies.research.pair_export import pairs_frame
from tests.studies.factories import launch, make_benchmark, make_rater, make_study
from tests.studies.rating.test_pairs import LOOKS, NOW, begin, choose, due, pair_study, receipts, shown
from tests.studies.research.test_pairs import form_of
from tests.studies.research.test_regions import SIZE, place_all

pytestmark = [pytest.mark.services, pytest.mark.django_db]
SEEN = Looks(**{**vars(LOOKS), "original_looks": 2, "original_ms": 350.5})


def study_of_three(**protocol):
    """A draft of pairs of nearest and bicubic, with the original on a key."""
    return pair_study(**{"original_on_key": True, "methods": ["nearest", "bicubic"], **protocol})


@pytest.fixture
def rater():
    return make_rater(launch(study_of_three()))


def all_receipts(trial):
    return f"{receipts(trial)} {evidence.receipt(token=trial.token, now=NOW, which='original')}"


def answer(rater, trial, **values):
    return choose(rater, trial, **{"looks": SEEN, "receipt": all_receipts(trial), **values})


@pytest.mark.parametrize("part", [{}, {"allocation": "spread", "trials": 4}, {"traps_a_run": 2}, {"repeats": 2}])
def test_each_pair_has_the_original_of_its_source_and_traps_have_it_too(part):
    rater = make_rater(launch(study_of_three(images=12, **part)))
    begin(rater)
    while Session.objects.get(rater=rater).finished_at is None:
        answer(rater, due(rater))
    trials = list(rater.session.trials.select_related("stimulus__source", "original__method", "original__source"))
    assert {trial.original.method.name for trial in trials} == {"hr"}
    assert all(trial.original.source == trial.stimulus.source for trial in trials)
    traps = [trial for trial in trials if trial.phase == Trial.Phase.TRAP]
    assert bool(traps) == ("traps_a_run" in part)
    of_pairs = [trial for trial in trials if trial not in traps]
    assert all(trial.original_id not in (trial.stimulus_id, trial.right_id) for trial in of_pairs)


def test_it_has_an_address_its_bytes_a_receipt_and_the_size_of_the_two(rater, client):
    client.get(reverse("invitation", args=[rater.token]))
    begin(rater)
    trial = due(rater)
    told = client.get(reverse("upcoming")).json()["upcoming"][0]
    assert set(told) == {"position", "url", "right", "original", "token", "attempt", "width", "height"}
    three = [client.get(told[name]) for name in ("url", "right", "original")]
    assert three[2].content == trial.original.file.open().read()
    assert len({one.content for one in three}) == 3
    assert len({len(one.content) for one in three}) == 1
    assert len({tuple(sorted(one.headers)) for one in three}) == 1
    said = " ".join(one.headers["Receipt"] for one in three)
    assert answer(rater, trial, receipt=said).rated == 1


def test_nobody_else_nobody_early_and_no_study_without_it_gets_it(client):
    rater = make_rater(launch(study_of_three(images=6)))
    begin(rater)
    stranger, late = make_rater(rater.study), shown(rater)[-1]
    with pytest.raises(TrialNotDue):
        image_trial(rater_token=rater.token, token=late.token, now=NOW, which="original")
    with pytest.raises(UnknownTrial):
        image_trial(rater_token=stranger.token, token=due(rater).token, now=NOW, which="original")
    plain = make_rater(launch(make_study(
        name="plain", benchmarks=[rater.study.cells.first().benchmark], task=Task.PAIR, scale=rater.study.scale
    )))  # fmt: skip
    begin(plain)
    with pytest.raises(UnknownTrial):
        image_trial(rater_token=plain.token, token=due(plain).token, now=NOW, which="original")
    client.get(reverse("invitation", args=[plain.token]))
    assert client.get(reverse("original-image", args=[due(plain).token])).status_code == 404
    choose(plain, due(plain), looks=SEEN)
    assert Rating.objects.get().original_looks is None


def test_without_its_receipt_or_what_was_looked_at_nothing_is_stored(rater):
    begin(rater)
    trial = due(rater)
    left, right, original = all_receipts(trial).split(" ")
    for said in (f"{left} {right}", f"{left} {right} ", f"{left} {right} {right}", f"{left} {original} {right}",
                 f"{left} {right} {original} {original}"):  # fmt: skip
        with pytest.raises(NoReceipt):
            answer(rater, trial, receipt=said)
    for gone in ("original_looks", "original_ms"):
        with pytest.raises(InvalidRating, match="looks"):
            answer(rater, trial, looks=Looks(**{**vars(SEEN), gone: None}))
    assert not Rating.objects.exists()


def test_what_was_looked_at_is_stored_also_of_an_answer_taken_back(rater):
    begin(rater)
    trial = due(rater)
    answer(rater, trial)
    take_back(rater_token=rater.token, token=trial.token, attempt=1, now=NOW)
    assert (TakenBack.objects.get().original_looks, TakenBack.objects.get().original_ms) == (2, 350.5)
    answer(rater, trial, attempt=2, looks=Looks(**{**vars(SEEN), "original_looks": 0, "original_ms": 0}))
    assert (Rating.objects.get().original_looks, Rating.objects.get().original_ms) == (0, 0)
    frame = pairs_frame(rater.study)
    assert frame[["original_looks", "original_ms"]].to_numpy().tolist() == [[0, 0]]


def test_the_browsers_form_takes_it(rater, client):
    client.get(reverse("invitation", args=[rater.token]))
    begin(rater)
    trial = due(rater)
    told = client.get(reverse("upcoming")).json()["upcoming"][0]
    said = " ".join(client.get(told[name]).headers["Receipt"] for name in ("url", "right", "original"))
    shape = {"device_pixel_ratio": 1, "visual_viewport_scale": 1, "viewport_width": 1, "viewport_height": 1}
    body = {"score": 1, "receipt": said, "response_ms": 900, "hidden_ms": 0, "screen_width": 1, "screen_height": 1}
    looks = {**vars(SEEN), "side_by_side": "false"}
    assert client.post(reverse("rate", args=[trial.token]), {**body, **shape, **looks}).status_code == 200
    assert Rating.objects.get().original_looks == 2


def test_the_database_takes_no_original_of_another_source(rater):
    session = begin(rater)
    mine = session.trials.first()
    other = Stimulus.objects.exclude(source=mine.stimulus.source).filter(method__name="hr").first()
    two = {"stimulus": mine.stimulus, "right": mine.right}
    with pytest.raises(DatabaseError, match="source"), transaction.atomic():
        Trial.objects.create(session=session, position=99, phase="rated", original=other, **two)


def test_it_is_frozen_and_cloned_and_stands_in_the_overview(rater):
    study = rater.study
    assert study.images.filter(role=StudyImage.Role.ORIGINAL, stimulus__method__name="hr").count() == 4
    with pytest.raises(DatabaseError, match="does not change"), transaction.atomic():
        type(study).objects.filter(pk=study.pk).update(original_on_key=False)
    copy = drafts.clone(study=study, name="copy", title="Copy")
    assert copy.original_on_key
    assert readiness.check(copy) == []
    assert ("The original is on a key", "yes") in protocol_rows(study)
    scores = make_study(name="scores", benchmarks=[study.cells.first().benchmark])
    assert "The original is on a key" not in dict(protocol_rows(scores))


def test_hr_is_none_of_the_two_and_only_pairs_of_methods_have_it():
    study = study_of_three(methods=["nearest", "bicubic", "hr"])
    [problem] = readiness.check(study)
    assert problem.startswith("The original is on a key, beside which HR would be known")
    benchmark = study.cells.first().benchmark
    for name, asked in {
        "scores": {},
        "dcr": {"task": Task.DEGRADATION, "scale": degradation_scale()},
    }.items():
        with pytest.raises(ValidationError, match="as a third image"):
            make_study(name=name, benchmarks=[benchmark], original_on_key=True, **asked)
    ccr = {"task": Task.COMPARISON, "scale": comparison_scale(), "methods": ["nearest", "bicubic"]}
    assert readiness.check(make_study(name="ccr", benchmarks=[benchmark], original_on_key=True, **ccr)) == []


def test_its_region_is_cut_as_those_of_the_two(client):
    benchmark = make_benchmark("large", images=2, height=64, width=96)
    study = make_study(
        benchmarks=[benchmark], methods=["nearest", "bicubic"], task=Task.PAIR, scale=pair_scale(ties=True),
        order="random", original_on_key=True, **SIZE,
    )  # fmt: skip
    place_all(study)
    assert {slot.cut is not None for slot in slots(study)} == {True}
    rater = make_rater(launch(study))
    client.get(reverse("invitation", args=[rater.token]))
    begin(rater)
    trial = due(rater)
    cut = next(slot.cut for slot in slots(study) if slot.stimulus == trial.original)
    assert client.get(reverse("original-image", args=[trial.token])).content == cut.file.open().read()


def test_the_methods_paragraph_says_so_and_how_often_it_was_looked_at(rater):
    begin(rater)
    for number in range(4):
        answer(rater, due(rater), looks=SEEN if number else Looks(**{**vars(SEEN), "original_looks": 0}))
    frame = validate_pairs(pairs_frame(rater.study))
    told = {"task": "pair", "original_on_key": True}
    results = analyse_pairs(frame, options=PairsOptions())
    said = pairs_methodology(results, frame, told)["Procedure"]
    assert "By a key or a button the original came in their place, while the question was about the two." in said
    assert "It was looked at before 3 of 4 choices, for 0.4 s in the median." in said
    assert "original came" not in pairs_methodology(results, frame, {"task": "pair"}).get("Procedure", "")
    nobody = frame.assign(check=["trap", "", "", ""], original_looks=[1, None, None, None])
    assert "looked at before" not in pairs_methodology(results, nobody, told)["Procedure"]


def test_staff_who_try_a_draft_go_on_where_an_original_is_not_there_yet():
    study = study_of_three(images=24, allocation="spread", trials=24, original_on_key=False)
    preview = make_rater(study, is_preview=True)
    begin(preview)
    Study.objects.filter(pk=study.pk).update(original_on_key=True)
    half = [source.pk for source in SourceImage.objects.all()[::2]]
    Stimulus.objects.filter(method__name="hr", source__in=half).update(state="wanted")
    while Session.objects.get(rater=preview).finished_at is None:
        trial = due(preview)
        answer(preview, trial, **({} if trial.original_id else {"receipt": receipts(trial)}))
    later = preview.session.trials.filter(run__gt=1)
    assert set(later.filter(original=None).values_list("stimulus__source", flat=True)) <= set(half)
    assert 0 < later.exclude(original=None).count() < later.count()


def test_a_language_of_the_researchers_needs_the_sentence_on_it_only_where_it_is_on_a_key():
    study = study_of_three(languages=["en", "cs"])
    with_it = set(languages.missing_texts(study, "cs"))
    study.original_on_key = False
    assert [text[:9] for text in with_it - set(languages.missing_texts(study, "cs"))] == ["The R key"]


@pytest.mark.parametrize(("language", "said"), [
    ("en", "The R key or its button shows the original"), ("de", "Die Taste R oder ihre Schaltfläche"),
    ("fr", "La touche R ou son bouton"), ("es", "La tecla R o su botón"), ("zh-hans", "按 R 键或其按钮"),
])  # fmt: skip
def test_raters_read_of_it_in_every_language_and_nobody_else_does(client, language, said):
    study = study_of_three(languages=[language])
    asked = client.get(reverse("invitation", args=[make_rater(launch(study)).token]), follow=True)
    assert said in asked.content.decode()
    plain = make_study(name="plain", benchmarks=[study.cells.first().benchmark], languages=[language])
    asked = client.get(reverse("invitation", args=[make_rater(launch(plain)).token]), follow=True)
    assert said not in asked.content.decode()


def test_the_designs_form_has_it(staff):
    assert staff.post(reverse("study-new"), form_of(task="pair", original_on_key="on")).status_code == 302
    study = Study.objects.get()
    assert study.original_on_key
    assert any("HR would be known" in said for said in readiness.check(study))
    page = staff.post(reverse("study-edit", args=["chosen"]), form_of(task="rating", original_on_key="on"))
    [error] = page.context["form"].errors["original_on_key"]
    assert error == "Only pairs of methods have the original as a third image."
