"""import_results: somebody's pictures as a method's, measured, all or none."""

from pathlib import Path

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from PIL import Image

from srcore.images import read_image
from srcore.metrics import measure
from srcore.resize import upscale_bicubic, upscale_nearest
from studies.content.benchmarks import ImportRefused, import_benchmark
from studies.content.bringing import look, said, take, touched
from studies.content.methods import sync_methods
from studies.content.sources import read_source
from studies.content.stimuli import current_stimuli
from studies.models import Method, SourceImage, Stimulus
from tests.studies import factories

pytestmark = [pytest.mark.django_db, pytest.mark.services]


@pytest.fixture
def folder(tmp_path) -> Path:
    """Bicubic results of the benchmark `own` (sources a and b), named as result archives name them."""
    pictures, results = tmp_path / "pictures", tmp_path / "results"
    for path in (pictures, results):
        path.mkdir()
    for name, seed in (("a", 1), ("b", 2)):
        Image.fromarray(factories.photograph(seed)).save(pictures / f"{name}.png")
    import_benchmark(name="own", path=pictures)
    supply(results, upscale_bicubic)
    return results


def import_results(**what):
    """Look, and take whatever it warns of."""
    seen = look(**what)
    take(seen)
    return seen


def supply(folder: Path, method) -> None:
    for source in SourceImage.objects.all():
        Image.fromarray(method(read_source(source)[1])).save(folder / f"{source.name}_x4_SRGAN.png")


def counting(source: str, method: str) -> Stimulus:
    row, by = SourceImage.objects.get(name=source), Method.objects.get(name=method)
    return current_stimuli([(row, by)])[row.pk, by.pk]


def stored(settings) -> int:
    return sum(path.is_file() for path in Path(settings.MEDIA_ROOT, "stimuli").rglob("*"))


def test_results_become_measured_stimuli_of_a_method_that_cannot_run_here(folder):
    seen = import_results(method="srgan-vgg54", benchmark="own", path=folder)
    assert seen.named("new") == ["a", "b"]
    stimulus = counting("a", "srgan-vgg54")
    hr, lr = read_source(stimulus.source)
    with stimulus.file.open() as file:
        np.testing.assert_array_equal(read_image(file, name="a"), upscale_bicubic(lr))
    assert (stimulus.psnr, stimulus.ssim) == measure(hr, upscale_bicubic(lr))
    assert (stimulus.state, stimulus.origin, stimulus.seconds) == ("done", "folder", None)
    assert Method.objects.get(name="srgan-vgg54").kind == "upscaler"


def test_a_result_travels_with_as_many_bytes_as_the_other_versions_of_its_source(folder):
    import_results(method="srgan-vgg54", benchmark="own", path=folder)
    stimulus = counting("a", "srgan-vgg54")
    assert stimulus.file.size == stimulus.source.hr.size


def test_a_new_name_becomes_a_method_of_its_own_after_those_of_the_paper(folder):
    call_command("import_results", "esrgan", "own", str(folder), display_name="ESRGAN (Wang 2018)")
    method = Method.objects.get(name="esrgan")
    assert (method.kind, method.display_name) == ("folder", "ESRGAN (Wang 2018)")
    assert Method.objects.last() == method
    assert counting("b", "esrgan").psnr > 10


def test_the_same_results_again_change_nothing(folder, settings):
    import_results(method="esrgan", benchmark="own", path=folder)
    before = list(Stimulus.objects.values())
    seen = import_results(method="esrgan", benchmark="own", path=folder)
    assert said(seen) == "esrgan on own: 0 replaced, 0 new, 2 unchanged."
    assert list(Stimulus.objects.values()) == before
    assert stored(settings) == 2


def test_interrupted_just_after_the_commit_it_keeps_the_files_of_the_rows(folder, settings, request):
    sync_methods()  # which has transactions of its own
    request.getfixturevalue("interrupted_after_commit")
    with pytest.raises(KeyboardInterrupt):
        import_results(method="srgan-vgg54", benchmark="own", path=folder)
    rows = Stimulus.objects.filter(method__name="srgan-vgg54")
    assert rows.count() == stored(settings) == 2
    assert all(row.file.size for row in rows)


def test_other_pixels_get_a_new_row_that_counts_and_the_old_row_stays(folder):
    import_results(method="esrgan", benchmark="own", path=folder)
    first = counting("a", "esrgan")
    supply(folder, upscale_nearest)
    import_results(method="esrgan", benchmark="own", path=folder)
    second = counting("a", "esrgan")
    assert second.pixels_sha256 != first.pixels_sha256
    assert Stimulus.objects.filter(pk=first.pk, pixels_sha256=first.pixels_sha256).exists()


def test_the_first_pixels_count_again_when_they_are_imported_again(folder):
    import_results(method="esrgan", benchmark="own", path=folder)
    first = counting("a", "esrgan")
    for method in (upscale_nearest, upscale_bicubic):
        supply(folder, method)
        import_results(method="esrgan", benchmark="own", path=folder)
    third = counting("a", "esrgan")
    assert third.pixels_sha256 == first.pixels_sha256
    assert third.pk != first.pk


def test_supplied_results_count_before_older_generated_ones(folder):
    sync_methods()
    method = Method.objects.get(name="bicubic")
    source = SourceImage.objects.get(name="a")
    generated = factories.make_stimulus(source, method, read_source(source)[0])
    assert counting("a", "bicubic") == generated
    import_results(method="bicubic", benchmark="own", path=folder)
    assert counting("a", "bicubic").origin == "folder"


def missing(folder: Path) -> None:
    (folder / "b_x4_SRGAN.png").unlink()


def cut(folder: Path) -> None:
    pixels = np.asarray(Image.open(folder / "b_x4_SRGAN.png"))
    Image.fromarray(pixels[4:-4, 4:-4]).save(folder / "b_x4_SRGAN.png")


def doubled(folder: Path) -> None:
    for name in ("a", "b"):
        (folder / f"{name}_x4_other.png").write_bytes((folder / f"{name}_x4_SRGAN.png").read_bytes())


def broken(folder: Path) -> None:
    (folder / "b_x4_SRGAN.png").write_bytes((folder / "b_x4_SRGAN.png").read_bytes()[:200])


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (missing, r"b: no file has this name"),
        (cut, r"b_x4_SRGAN\.png: 88 x 56 pixels where b needs 96 x 64"),
        (doubled, r"b: several files fit \(b_x4_SRGAN\.png, b_x4_other\.png\)"),
        (broken, r"b_x4_SRGAN\.png: broken or cut off"),
    ],
)
def test_one_bad_file_and_nothing_is_imported(folder, settings, spoil, message):
    spoil(folder)
    with pytest.raises(CommandError, match=rf"{message}(.|\n)*Nothing was imported"):
        call_command("import_results", "esrgan", "own", str(folder))
    assert not Method.objects.filter(name="esrgan").exists()
    assert not Stimulus.objects.exists()
    assert stored(settings) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"method": "hr"}, "hr is the benchmark's own picture"),
        ({"benchmark": "Set6"}, "there is no benchmark 'Set6'; imported are: own"),
        ({"method": "my method"}, "cannot be a method's name"),
        ({"method": "bicubic", "display_name": "better"}, "bicubic is built in"),
        ({"path": Path("/nowhere")}, "is not a folder"),
    ],
)
def test_it_says_what_it_cannot_import_and_what_there_is(folder, arguments, message):
    with pytest.raises(ImportRefused, match=message):
        import_results(**{"method": "esrgan", "benchmark": "own", "path": folder, **arguments})
    assert not Stimulus.objects.exists()


def test_a_suffix_picks_one_method_from_a_folder_of_several(folder):
    doubled(folder)
    assert import_results(method="esrgan", benchmark="own", path=folder, suffix="SRGAN").named("new") == ["a", "b"]


def test_a_mapping_says_which_file_is_which_and_the_way_of_naming_is_told(folder, tmp_path, capsys):
    call_command("import_results", "esrgan", "own", str(folder))
    assert "The files are named <name>_x4_SRGAN." in capsys.readouterr().out
    for number, name in enumerate("ab"):
        (folder / f"{name}_x4_SRGAN.png").rename(folder / f"{number:05d}.png")
    with pytest.raises(CommandError, match=r"a: no file has this name; not used: 00000\.png, 00001\.png"):
        call_command("import_results", "other", "own", str(folder))
    mapping = tmp_path / "map.csv"
    mapping.write_text("name,file\na,00000.png\nb,00001.png\n")
    call_command("import_results", "other", "own", str(folder), mapping=mapping, confirm=True)
    assert counting("a", "other").pixels_sha256 == counting("a", "esrgan").pixels_sha256


def warned(folder, method="esrgan") -> list[str]:
    return look(method=method, benchmark="own", path=folder).all_warnings


def test_clean_results_raise_no_warning(folder):
    assert warned(folder) == []


def swapped(folder):
    names = [folder / f"{name}_x4_SRGAN.png" for name in "ab"]
    first, second = (path.read_bytes() for path in names)
    names[0].write_bytes(second)
    names[1].write_bytes(first)


def turned(folder):
    pixels = np.asarray(Image.open(folder / "a_x4_SRGAN.png"))
    Image.fromarray(pixels[:, :, ::-1].copy()).save(folder / "a_x4_SRGAN.png")


def lossy(folder):
    Image.open(folder / "a_x4_SRGAN.png").save(folder / "a_x4_SRGAN.jpg", quality=95)
    (folder / "a_x4_SRGAN.png").unlink()


def grid(folder):
    Image.fromarray(factories.photograph(3)).save(folder / "comparison.png")


def original(folder):
    Image.fromarray(read_source(SourceImage.objects.get(name="a"))[0]).save(folder / "a_x4_SRGAN.png")


def one_colour(folder):
    Image.new("RGB", (96, 64), "grey").save(folder / "a_x4_SRGAN.png")


@pytest.mark.parametrize(
    ("spoil", "warning"),
    [
        (swapped, "a_x4_SRGAN.png: nearer to b than to its own"),
        (turned, "a_x4_SRGAN.png: channels exchanged: they are BGR and not RGB"),
        (lossy, "a_x4_SRGAN.jpg: a JPEG or lossy WebP: its compression would be rated as the method's"),
        (grid, "files that are no picture's and stay out: comparison.png"),
        (original, "a_x4_SRGAN.png: the original itself, or a copy of it, and no result of a method"),
        (one_colour, "a_x4_SRGAN.png: one colour all over"),
    ],
)
def test_what_is_strange_is_said_and_taken_only_when_it_is_confirmed(folder, spoil, warning, capsys):
    spoil(folder)
    assert warning in warned(folder)
    with pytest.raises(CommandError, match="say --confirm"):
        call_command("import_results", "esrgan", "own", str(folder))
    assert warning in capsys.readouterr().err
    assert not Stimulus.objects.exists()
    call_command("import_results", "esrgan", "own", str(folder), confirm=True)
    assert "0 replaced, 2 new, 0 unchanged" in capsys.readouterr().out


def test_the_pixels_of_another_method_are_named(folder):
    import_results(method="srcnn", benchmark="own", path=folder)
    assert "a_x4_SRGAN.png: the very pixels of SRCNN" in warned(folder)
    assert warned(folder, "srcnn") == []


def test_a_look_says_what_will_be_done_and_imports_nothing(folder, capsys):
    pixels = np.asarray(Image.open(folder / "a_x4_SRGAN.png"))
    Image.fromarray(np.dstack([pixels, np.full(pixels.shape[:2], 255, np.uint8)])).save(folder / "a_x4_SRGAN.png")
    call_command("import_results", "esrgan", "own", str(folder), look=True)
    told = capsys.readouterr().out
    assert "a: a_x4_SRGAN.png, 96 x 64 RGB, transparency is laid over white, new, " in told
    assert not Stimulus.objects.exists()
    assert not Method.objects.filter(name="esrgan").exists()


def test_a_file_that_changes_after_the_look_is_not_taken(folder, settings):
    seen = look(method="esrgan", benchmark="own", path=folder)
    supply(folder, upscale_nearest)
    with pytest.raises(ImportRefused, match="has changed since it was looked at"):
        take(seen)
    assert not Stimulus.objects.exists()
    assert stored(settings) == 0


def test_the_size_of_another_scale_is_named(folder):
    source = SourceImage.objects.get(name="a")
    Image.new("RGB", (source.width // 2, source.height // 2)).save(folder / "a_x4_SRGAN.png")
    problems = look(method="esrgan", benchmark="own", path=folder).problems
    assert problems == [
        "a_x4_SRGAN.png: 48 x 32 pixels where a needs 96 x 64; that is 2x of the LR picture, and the benchmark is 4x"
    ]


def test_the_studies_that_show_the_method_are_named(folder):
    import_results(method="srcnn", benchmark="own", path=folder)
    benchmark = SourceImage.objects.get(name="a").benchmark
    study = factories.make_study(benchmarks=[benchmark], methods=("srcnn",), name="shows", order="random")
    supply(folder, upscale_nearest)
    seen = look(method="srcnn", benchmark="own", path=folder)
    assert seen.named("replaced") == ["a", "b"]
    assert touched(seen) == [(study, "draft")]
    factories.launch(study)
    assert touched(seen) == [(study, "keeps its images")]
    assert touched(look(method="espcn", benchmark="own", path=folder)) == []
