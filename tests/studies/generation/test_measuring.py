"""Further metrics of a study: asked for at any time, measured in turns by workers, each value kept once."""

import uuid
import zipfile
from datetime import timedelta
from pathlib import Path

import pytest
from celery import current_app
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from analysis.objective import objective_of
from srcore.metrics import METRICS, Metric, Settings
from studies.content.sources import read_hr, read_stimulus
from studies.generation import measuring, metrics
from studies.generation.measuring import measure
from studies.generation.metrics import add, measure_again, offered, progress, remove
from studies.jobs.dispatch import STALE_SECONDS, reconcile
from studies.models import MetricValue, Report, Stimulus, Study, StudyMetric
from studies.research.export import objective_frame
from studies.research.reporting import make
from tests import their_metric
from tests.studies.factories import launch, make_benchmark, make_methods, make_stimulus, make_study, photograph
from tests.studies.research.test_export import rate_all

pytestmark = [pytest.mark.services, pytest.mark.django_db]


@pytest.fixture
def study() -> Study:
    """Two sources of 192 pixels a side and more by three methods: MS-SSIM needs 176 after the crop."""
    return launch(make_study(benchmarks=[make_benchmark(height=192, width=196)]))


@pytest.fixture
def a_metric(monkeypatch):
    """Puts a metric into the registry, as a file in srcore/metrics would; gives what it was called with."""

    def make(name: str = "mine", score=lambda hr, sr: 1.0, **values) -> list[tuple]:
        seen: list[tuple] = []

        def compare(hr, sr):
            seen.append((hr, sr))
            return score(hr, sr)

        metric = Metric(name=name, title=name, better="lower", decimals=1, prepare=lambda settings: compare, **values)
        monkeypatch.setattr(metrics, "METRICS", {**METRICS, name: metric})
        monkeypatch.setattr(measuring, "get_metric", lambda name: metrics.METRICS[name])
        return seen

    yield make
    measuring._comparison.cache_clear()


def test_a_launched_study_gets_a_metric_and_its_values_are_the_library_s(study):
    add(study, ["ms-ssim"])
    measure(StudyMetric.objects.get().pk)
    compare = METRICS["ms-ssim"].prepare(Settings())
    values = {value.stimulus: value.value for value in MetricValue.objects.select_related("stimulus__source")}
    assert values == {stimulus: compare(read_hr(stimulus.source), read_stimulus(stimulus)) for stimulus in values}
    assert len(values) == 6
    assert {stimulus.method.name: round(value, 6) for stimulus, value in values.items()}["hr"] == 1
    row = StudyMetric.objects.get()
    assert (row.state, row.error, row.claim) == ("done", "", None)
    assert [(p.done, p.total, p.pending) for p in progress(study)] == [(6, 6, False)]


def test_the_objective_table_has_it_with_what_the_registry_says_of_it(study, a_metric):
    a_metric(unit="dB", score=lambda hr, sr: -2.5)
    add(study, ["mine"])
    measure(StudyMetric.objects.get().pk)
    found = objective_of(objective_frame(study))
    assert [m.name for m in found.metrics] == ["psnr", "ssim", "mine"]
    mine = found.metrics[2]
    assert (mine.better, mine.unit, mine.decimals) == ("lower", "dB", 1)
    assert list(found.values["mine"]) == [-2.5] * 6
    assert list(found.values["ssim"]) == [0.9] * 6


def test_one_file_more_in_srcore_is_offered_measured_shown_and_in_the_report(study, staff, tmp_path, monkeypatch):
    """Put in before the site starts; tests/srcore/test_further_metrics.py has it in `evaluate`."""
    monkeypatch.setattr(metrics, "METRICS", their_metric.added(tmp_path, monkeypatch))
    for number in range(3):
        rate_all(study, f"rater{number}", shift=number % 2)
    assert "worst" in {metric.name for metric in offered(study)}
    address = reverse("metrics-add", kwargs={"name": study.name})
    assert staff.post(address, {"metrics": ["worst"]}).status_code == 302
    measure(study.metrics.get().pk)
    values = {value.stimulus: value.value for value in MetricValue.objects.select_related("stimulus__source")}
    assert len(values) == 6
    assert all(
        value == abs(read_hr(image.source).astype(int) - read_stimulus(image)).max() for image, value in values.items()
    )
    page = staff.get(reverse("results", kwargs={"name": study.name})).content.decode()
    assert '<th class="number">WORST</th>' in page or '<th class="number">Worst</th>' in page
    report = Report.objects.create(study=study)
    make(report.pk)
    report.refresh_from_db()
    with report.file.open() as file, zipfile.ZipFile(file) as archive:
        assert "study-report/figures/mos_worst.svg" in archive.namelist()
        assert "\ntiny,worst," in archive.read("study-report/tables/table_2.csv").decode()
        summary = archive.read("study-report/summary.json").decode()
    assert '"worst"' in summary


def test_a_metric_that_lacks_something_says_what_to_fetch_and_the_others_go_on(study, monkeypatch):
    monkeypatch.delenv("SRCORE_ALEXNET", raising=False)
    monkeypatch.setenv("TORCH_HOME", "/nowhere")
    add(study, ["lpips", "ms-ssim"])
    for row in study.metrics.all():
        measure(row.pk)
    lpips, ms_ssim = study.metrics.all()
    assert lpips.state == "failed"
    assert lpips.error.startswith("LPIPS cannot be measured on ")
    assert "SRCORE_ALEXNET" in lpips.error
    assert ms_ssim.state == "done"
    assert {value.metric for value in MetricValue.objects.all()} == {"ms-ssim"}


def test_a_package_that_is_missing_is_named_and_once_it_is_there_the_metric_is_measured(study, a_metric):
    lacking = ["pip install piq"]
    a_metric(needs=lambda settings: lacking[0])
    add(study, ["mine"])
    measure(StudyMetric.objects.get().pk)
    assert StudyMetric.objects.get().error.endswith("pip install piq")
    lacking[0] = ""
    measure_again(study, ["mine"])
    measure(StudyMetric.objects.get().pk)
    assert [(p.done, p.row.state, p.row.error) for p in progress(study)] == [(6, "done", "")]


def test_a_turn_ends_and_the_next_goes_on_where_it_stopped(
    study, a_metric, monkeypatch, broker, django_capture_on_commit_callbacks
):
    seen = a_metric()
    monkeypatch.setattr(measuring, "TURN_SECONDS", -1)
    with django_capture_on_commit_callbacks(execute=True):
        add(study, ["mine"])
    pk = StudyMetric.objects.get().pk
    with django_capture_on_commit_callbacks(execute=True):
        measure(pk)
    row = StudyMetric.objects.get()
    assert (row.state, row.attempts, MetricValue.objects.count()) == ("wanted", 0, 1)
    with current_app.connection_for_read() as opened:
        queue = current_app.amqp.queues["cpu"](opened.default_channel)
        assert queue.queue_declare().message_count == 2, "one message of the order, one of the turn that ended"
    for _ in range(5):
        measure(pk)
    assert StudyMetric.objects.get().state == "done"
    assert MetricValue.objects.count() == len(seen) == 6
    measure(pk)
    assert len(seen) == 6, "a message too many measures nothing"


def test_what_a_dead_worker_held_is_measured_by_the_next(study, a_metric, broker):
    seen = a_metric()
    add(study, ["mine"])
    dead = timezone.now() - timedelta(seconds=2 * STALE_SECONDS)
    row = StudyMetric.objects.get()
    StudyMetric.objects.update(state="running", claim=uuid.uuid4(), heartbeat_at=dead, sent_at=dead, attempts=1)
    measure(row.pk)
    assert seen == [], "somebody else's"
    assert reconcile(watched_seconds=3600) == 1
    measure(row.pk)
    assert (StudyMetric.objects.get().state, len(seen)) == ("done", 6)


def test_an_image_that_cannot_be_measured_is_named_and_the_others_are():
    # MS-SSIM needs 176 pixels: after the crop the first source has 172, the second 176.
    study = launch(make_study(name="small", benchmarks=[make_benchmark("s", height=180, width=196)]))
    add(study, ["ms-ssim"])
    measure(StudyMetric.objects.get().pk)
    [found] = progress(study)
    assert (found.done, found.lacks, found.row.state) == (3, 3, "done")
    assert {str(problem.stimulus.source) for problem in found.problems} == {"s/s_000"}
    assert "at least 176 pixels" in found.problems[0].problem
    frame = objective_frame(study)
    assert (frame["metric"] == "ms-ssim").sum() == 3, "a value that is not there has no row"


def test_what_a_package_raises_about_an_image_is_that_image_s_problem(study, a_metric):
    def score(hr, sr):
        if sr.shape[0] == 192:
            raise AssertionError("kernel  too\nlarge")
        return 2.0

    a_metric(score=score)
    add(study, ["mine"])
    measure(StudyMetric.objects.get().pk)
    [found] = progress(study)
    assert (found.done, [p.problem for p in found.problems]) == (3, ["AssertionError: kernel too large"] * 3)


def test_no_number_is_a_problem_and_asked_again_it_may_be_one(study, a_metric):
    scores = [float("nan")]
    a_metric(score=lambda hr, sr: scores[0])
    add(study, ["mine"])
    pk = StudyMetric.objects.get().pk
    measure(pk)
    assert len(progress(study)[0].problems) == 6
    scores[0] = 3.0
    measure_again(study, ["mine"])
    measure(pk)
    assert (progress(study)[0].done, progress(study)[0].problems) == (6, [])


def test_a_file_that_is_gone_is_the_image_s_problem(study, a_metric):
    a_metric()
    gone = Stimulus.objects.filter(method__name="bicubic").first()
    gone.file.storage.delete(gone.file.name)
    add(study, ["mine"])
    measure(StudyMetric.objects.get().pk)
    [found] = progress(study)
    assert (found.done, [p.stimulus for p in found.problems]) == (5, [gone])


def test_a_storage_that_goes_away_in_a_turn_is_no_image_s_problem(study, a_metric, settings):
    folder = Path(settings.MEDIA_ROOT)
    away = folder.with_name("away")

    def unmounts(hr, sr):
        if folder.exists():
            folder.rename(away)
        return 1.0

    a_metric(score=unmounts)
    add(study, ["mine"])
    pk = StudyMetric.objects.get().pk
    measure(pk)
    row = StudyMetric.objects.get()
    assert (row.state, row.claim, row.attempts) == ("wanted", None, 0)
    assert "no marker" in row.error
    assert not MetricValue.objects.exclude(problem="").exists()
    away.rename(folder)
    a_metric()
    measuring._comparison.cache_clear()
    measure(pk)
    assert [(p.done, p.problems, p.row.state) for p in progress(study)] == [(6, [], "done")]


def test_a_draft_has_metrics_too_and_its_launch_measures_what_came_later(a_metric):
    a_metric()
    benchmark = make_benchmark()
    study = make_study(benchmarks=[benchmark])
    add(study, ["mine"])
    measure(StudyMetric.objects.get().pk)
    late = make_methods()["srcnn"]
    for source in benchmark.sources.all():
        make_stimulus(source, late, photograph(1, height=source.height, width=source.width))
    study.cells.create(benchmark=benchmark, method=late)
    assert [(p.done, p.total, p.lacks) for p in progress(study)] == [(6, 8, 2)]
    launch(study)
    measure(StudyMetric.objects.get().pk)
    assert [(p.done, p.total, p.row.state) for p in progress(study)] == [(8, 8, "done")]


def test_two_studies_of_the_same_images_share_the_values(study, a_metric):
    seen = a_metric()
    other = launch(make_study(name="other", benchmarks=[study.cells.first().benchmark]))
    for one in (study, other):
        add(one, ["mine"])
        measure(one.metrics.get().pk)
    assert len(seen) == 6
    remove(study, ["mine"])
    assert (progress(study), progress(other)[0].done) == ([], 6)
    assert "mine" in {metric.name for metric in offered(study)}


def test_asked_twice_it_is_there_once_and_what_is_there_is_not_offered(study):
    add(study, ["ms-ssim"])
    add(study, ["ms-ssim", "psnr-rgb"])
    assert list(study.metrics.values_list("metric", flat=True)) == ["ms-ssim", "psnr-rgb"]
    names = {metric.name for metric in offered(study)}
    assert names == set(METRICS) - {"psnr", "ssim", "ms-ssim", "psnr-rgb"}


def test_a_metric_that_srcore_no_longer_has_is_said_and_leaves_the_results(study):
    StudyMetric.objects.create(study=study, metric="gone")
    measure(StudyMetric.objects.get().pk)
    [found] = progress(study)
    assert (found.metric, found.row.state) == (None, "failed")
    assert "unknown metric 'gone'" in found.row.error
    assert set(objective_frame(study)["metric"]) == {"psnr", "ssim"}


def test_a_grey_source_is_compared_in_grey(a_metric):
    seen = a_metric()
    benchmark = make_benchmark(images=1)
    benchmark.sources.update(mode="L")
    study = make_study(benchmarks=[benchmark], methods=["bicubic", "srcnn"], order="random")
    source = benchmark.sources.get()
    bicubic = Stimulus.objects.get(method__name="bicubic")
    Stimulus.objects.filter(pk=bicubic.pk).delete()
    grey = photograph(3)[:, :, 0]
    make_stimulus(source, make_methods()["bicubic"], grey)
    make_stimulus(source, make_methods()["srcnn"], photograph(4))
    launch(study)
    add(study, ["mine"])
    measure(StudyMetric.objects.get().pk)
    assert [(hr.ndim, sr.ndim) for hr, sr in seen] == [(2, 2), (2, 3)]


def test_the_number_of_queries_does_not_grow_with_the_images(a_metric):
    a_metric()
    counts = []
    for number in (1, 5):
        study = launch(
            make_study(name=f"s{number}", benchmarks=[make_benchmark(f"b{number}", images=number)], order="random")
        )
        add(study, ["mine"])
        with CaptureQueriesContext(
            connection,
        ) as asked:
            measure(study.metrics.get().pk)
            progress(study)
            objective_frame(study)
        # A worker looks at its fitness once in so many seconds, which may fall into either.
        fitness = ("studies_installation", 'SELECT DISTINCT "studies_method"')
        counts.append(sum(not any(part in query["sql"] for part in fitness) for query in asked))
    assert counts[0] == counts[1]
