"""A benchmark at another scale than the paper's, from its import to the tables."""

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.urls import reverse
from PIL import Image

from analysis.objective import match_ratings
from srcore import METHODS
from srcore.metrics import METRICS, Settings, measure
from srcore.registry import Method, register
from srcore.resize import downscale, upscale_bicubic, upscale_nearest
from studies.content.benchmarks import ImportRefused, import_benchmark
from studies.content.bringing import look, take
from studies.content.methods import offered_methods, sync_methods, why_not
from studies.content.sources import read_hr, read_source, read_stimulus
from studies.generation import metrics
from studies.generation.measuring import measure as measure_metric
from studies.generation.render import render
from studies.generation.requests import progress, request_missing
from studies.models import Benchmark, MetricValue, SourceImage, Stimulus
from studies.research import presets
from studies.research.export import objective_scores, ratings_frame
from studies.research.refusals import StudyError
from tests.studies.factories import launch, make_benchmark, make_study, photograph
from tests.studies.research.test_export import rate_all

pytestmark = [pytest.mark.services, pytest.mark.django_db]


@pytest.fixture
def folder(tmp_path):
    """Two photographs with sides that 2 and 3 do not divide, and nothing else."""
    path = tmp_path / "HRs"
    path.mkdir()
    for number, name in enumerate(("baby", "bird")):
        Image.fromarray(photograph(number, height=68, width=96)[:67, :95]).save(path / f"{name}.png")
    return path


@pytest.fixture
def two(folder) -> Benchmark:
    import_benchmark(name="two", path=folder, scale=2)
    return Benchmark.objects.get()


@pytest.mark.parametrize(("scale", "size"), [(2, (66, 94)), (3, (66, 93)), (4, (64, 92)), (8, (64, 88))])
def test_hr_is_cut_to_multiples_of_the_scale_and_lr_is_made_by_it(folder, scale, size):
    call_command("import_benchmark", "set", str(folder), "--scale", str(scale))
    source = SourceImage.objects.first()
    hr, lr = read_source(source)
    assert (source.benchmark.scale, hr.shape[:2]) == (scale, size)
    np.testing.assert_array_equal(lr, downscale(hr, scale))


def test_lr_pictures_are_read_by_scale_and_by_their_names_in_the_wild(folder):
    for scale in (2, 4):
        lr = folder / f"LR_bicubic/X{scale}"
        lr.mkdir(parents=True)
        for name in ("baby", "bird"):
            grey = np.full((68 // 4 * 4 // scale, 92 // scale, 3), 10 * scale, np.uint8)
            Image.fromarray(grey[: 64 // scale + (1 if scale == 2 else 0)]).save(lr / f"{name}x{scale}.png")
    with pytest.raises(ImportRefused, match=r"does not fit baby\.png, 94 x 66 RGB"):
        import_benchmark(name="two", path=folder, scale=2)
    import_benchmark(name="four", path=folder)
    assert (read_source(SourceImage.objects.first())[1] == 40).all()


def test_another_folder_has_the_lr_pictures(folder, tmp_path):
    other = tmp_path / "elsewhere"
    other.mkdir()
    for name in ("baby", "bird"):
        Image.fromarray(np.full((33, 47, 3), 7, np.uint8)).save(other / f"{name}x2_bicubic.png")
    call_command("import_benchmark", "two", str(folder), "--scale", "2", "--lr", str(other))
    assert all((read_source(source)[1] == 7).all() for source in SourceImage.objects.all())


def test_a_benchmark_has_one_scale_and_what_is_added_later_follows_it(folder, two):
    with pytest.raises(ImportRefused, match="two has LR pictures 2 times smaller, not 4; import this as another name"):
        import_benchmark(name="two", path=folder, scale=4)
    Image.fromarray(photograph(7)).save(folder / "cat.png")
    assert import_benchmark(name="two", path=folder).named("new") == ["cat"]
    hr, lr = read_source(SourceImage.objects.get(name="cat"))
    assert hr.shape[0] == 2 * lr.shape[0]
    with pytest.raises(CommandError, match="invalid choice"):
        call_command("import_benchmark", "five", str(folder), "--scale", "5")


def test_methods_that_have_the_scale_make_its_images_and_psnr_cuts_as_many_pixels_off(two):
    study = make_study(benchmarks=[two], methods=("nearest", "bicubic", "espcn", "hr"))
    assert request_missing(study) == 6
    [cell] = [cell for cell in progress(study).cells if cell.method.name == "espcn"]
    assert cell.unavailable.startswith("espcn enlarges 4 times, not 2; import its result images")
    for stimulus in Stimulus.objects.filter(method__name__in=["nearest", "bicubic"]):
        render(stimulus.pk)
        stimulus.refresh_from_db()
        hr, lr = read_source(stimulus.source)
        made = (upscale_bicubic if stimulus.method.name == "bicubic" else upscale_nearest)(lr, 2)
        np.testing.assert_array_equal(read_stimulus(stimulus), made)
        assert (stimulus.psnr, stimulus.ssim) == measure(hr, made, crop=2)


def test_a_method_of_somebody_s_with_that_scale_alone_is_offered_there_alone(two, folder):
    register(Method(name="theirs", family="callable", scales=(2,), run=lambda lr: lr.repeat(2, 0).repeat(2, 1)))
    try:
        sync_methods()
        row = next(method for method in offered_methods() if method.name == "theirs")
        assert (why_not(row, 2), why_not(row)[:32]) == ("", "theirs enlarges 2 times, not 4; ")
        study = make_study(benchmarks=[two], methods=("hr",))
        study.cells.create(benchmark=two, method=row)
        request_missing(study)
        stimulus = Stimulus.objects.filter(method=row).first()
        render(stimulus.pk)
        stimulus.refresh_from_db()
        assert (stimulus.state, stimulus.error) == ("done", "")
    finally:
        METHODS.unregister("theirs")


def test_the_form_offers_a_cell_only_where_the_method_has_the_scale_or_results_were_brought(two, client, folder):
    client.force_login(User.objects.create_user("staff", is_staff=True))
    make_benchmark("four", images=1)
    rows = {method.name: method for method in offered_methods()}
    cell = f'value="{two.pk}:{rows["espcn"].pk}"'
    page = client.get(reverse("study-new")).content.decode()
    assert "<th>two (2x)<br>" in page
    assert "<th>four<br>" in page
    assert cell not in page
    assert page.count(">4x only<") == sum(len(METHODS[name].scales) == 1 for name in rows if name != "hr")
    assert f'value="{two.pk}:{rows["bicubic"].pk}"' in page
    take(look(method="espcn", benchmark="two", path=_results(two, folder)))
    assert cell in client.get(reverse("study-new")).content.decode()


def _results(benchmark, folder):
    path = folder.parent / "results"
    path.mkdir()
    for source in benchmark.sources.all():
        Image.fromarray(np.full((source.height, source.width, 3), 9, np.uint8)).save(path / f"{source.name}x2.png")
    return path


def test_results_that_are_brought_are_measured_with_the_scale_s_crop(two, folder):
    take(look(method="theirs", benchmark="two", path=_results(two, folder)))
    stimulus = Stimulus.objects.select_related("source__benchmark").first()
    hr = read_hr(stimulus.source)
    assert (
        stimulus.psnr == measure(hr, read_stimulus(stimulus), crop=2).psnr != measure(hr, read_stimulus(stimulus)).psnr
    )


def test_a_further_metric_cuts_as_many_pixels_off_too(two):
    study = make_study(benchmarks=[two], methods=("bicubic",))
    request_missing(study)
    for stimulus in Stimulus.objects.all():
        render(stimulus.pk)
    metrics.add(study, ["psnr-rgb"])
    measure_metric(study.metrics.get().pk)
    compare = METRICS["psnr-rgb"].prepare(Settings(crop=2))
    for value in MetricValue.objects.select_related("stimulus__source"):
        assert value.value == compare(read_hr(value.stimulus.source), read_stimulus(value.stimulus))
    assert MetricValue.objects.count() == 2


def test_tables_say_the_scale_where_it_is_not_the_paper_s_and_agree_on_it(two):
    study = make_study(benchmarks=[two, make_benchmark("four")], methods=("nearest", "bicubic", "hr"))
    request_missing(study)
    for stimulus in Stimulus.objects.filter(state="wanted"):
        render(stimulus.pk)
    launch(study)
    rate_all(study, "anna")
    ratings, objective = ratings_frame(study), objective_scores(study)
    assert set(ratings["benchmark"]) == set(objective.values["benchmark"]) == {"two (2x)", "four"}
    matched = match_ratings(objective, ratings)
    assert (len(matched.values), matched.notes) == (12, ())


def test_the_paper_s_design_takes_no_other_scale(folder):
    for name in ("Set14", "BSD100", "Calibration20"):
        make_benchmark(name, images=1)
    import_benchmark(name="Set5", path=folder, scale=2)
    with pytest.raises(StudyError, match=r"4 times larger than LR, and not so Set5 \(2x\)"):
        presets.create_paper_study(name="paper", title="x")


def test_what_was_there_before_is_four_times(folder):
    import_benchmark(name="plain", path=folder)
    assert (str(Benchmark.objects.get()), Benchmark.objects.get().scale) == ("plain", 4)


def test_set5_with_its_lr_for_4_can_be_taken_at_2(shared):
    import_benchmark(name="Set5", path=shared / "benchmarks" / "Set5", scale=2)
    sources = SourceImage.objects.all()
    assert len(sources) == 5
    hr, lr = read_source(sources[0])
    assert np.array_equal(lr, downscale(hr, 2))
