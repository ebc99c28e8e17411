"""SelfExSR as a whole: what it makes, that it is the same each time, and that it can be stopped."""

import signal
import subprocess
import sys
import tracemalloc

import pytest

pytest.importorskip("numba")

import numba
import numpy as np

from srcore import MethodUnavailable, run
from srcore.__main__ import main
from srcore.images import ImageError, read_image, write_image
from srcore.methods.selfexsr import upscale
from srcore.metrics import measure
from srcore.resize import upscale_bicubic


@pytest.fixture(scope="session")
def butterfly(shared):
    """Set5's smallest picture, 64 x 64 pixels, as LR and HR."""
    path = shared / "benchmarks" / "Set5" / "img_003_SRF_4_LR.png"
    return read_image(path), read_image(path.with_name("img_003_SRF_4_HR.png"))


@pytest.fixture
def patch(butterfly):
    return butterfly[0][20:38, 10:34]


def test_the_butterfly_gains_two_decibels_over_bicubic(butterfly):
    lr, hr = butterfly
    psnr, ssim = measure(hr, upscale(lr))
    bicubic = measure(hr, upscale_bicubic(lr))
    assert psnr - bicubic.psnr > 2
    assert ssim - bicubic.ssim > 0.07


def test_the_same_seed_gives_the_same_picture_on_any_number_of_threads(patch, monkeypatch):
    first = upscale(patch, seed=3)
    monkeypatch.setattr(numba.config, "NUMBA_NUM_THREADS", 1)
    assert np.array_equal(upscale(patch, seed=3), first)
    monkeypatch.setattr(numba.config, "NUMBA_NUM_THREADS", 5)
    assert np.array_equal(upscale(patch, seed=3), first)


def test_another_seed_gives_another_but_similar_picture(patch):
    one, other = (upscale(patch, seed=seed).astype(int) for seed in (0, 1))
    assert np.any(one != other)
    assert np.sqrt(np.mean((one - other) ** 2)) < 8


def test_a_negative_seed_is_refused(patch):
    with pytest.raises(ValueError, match="0 or more, not -1"):
        upscale(patch, seed=-1)


def test_grey_stays_grey_and_equals_the_same_picture_in_rgb(patch):
    grey = np.ascontiguousarray(patch[:, :, 1])
    result = upscale(grey)
    assert result.shape == (72, 96)
    assert np.array_equal(result, upscale(np.repeat(grey[:, :, None], 3, axis=2))[:, :, 2])


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (4, 3, 3), (5, 5), (2, 40, 3), (7, 6, 3)])
def test_pictures_smaller_than_a_patch_are_enlarged_too(shape):
    picture = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    result = upscale(picture)
    assert result.shape == (shape[0] * 4, shape[1] * 4, *shape[2:])
    assert np.abs(result.mean((0, 1)) - picture.mean((0, 1))).max() < 16


def test_a_flat_picture_stays_flat():
    assert np.all(upscale(np.full((9, 12, 3), 77, np.uint8)) == 77)


def test_a_picture_is_not_written_to(patch):
    before = patch.copy()
    patch.setflags(write=False)
    upscale(patch, iterations=1)
    assert np.array_equal(patch, before)


@pytest.mark.parametrize("array", [np.zeros((8, 8, 4), np.uint8), np.zeros((8, 8, 3)), np.zeros((0, 8), np.uint8)])
def test_other_arrays_are_refused(array):
    with pytest.raises(ImageError):
        upscale(array)


def test_progress_rises_to_one(patch):
    told = []
    upscale(patch, progress=told.append)
    assert told == sorted(told)
    assert 0 < told[0] < 0.1
    assert told[-1] == 1
    assert len(told) == 12 + 9 + 6 + 3 + 3 + 3 + 6  # a round each, and the end of each level


def test_what_progress_raises_ends_the_work(patch):
    told = []

    def stop(fraction):
        told.append(fraction)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        upscale(patch, progress=stop)
    assert len(told) == 1


def test_a_time_limit_that_raises_in_the_main_thread_ends_the_work(butterfly):
    """How Celery's soft limit and `kill -INT` arrive."""

    def out_of_time(*_):
        raise TimeoutError

    previous = signal.signal(signal.SIGALRM, out_of_time)
    rounds = []

    def start_clock(fraction):
        rounds.append(fraction)
        if len(rounds) == 1:
            signal.setitimer(signal.ITIMER_REAL, 0.02)

    try:
        with pytest.raises(TimeoutError):
            upscale(butterfly[0], iterations=500, progress=start_clock)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    assert len(rounds) < 100


def test_a_worker_can_be_killed_in_it():
    code = (
        "import numpy as np; from srcore.methods.selfexsr import upscale\n"
        "upscale(np.random.default_rng(0).integers(0, 256, (200, 200, 3), np.uint8), iterations=1000,"
        " progress=lambda share: print(share, flush=True))"
    )
    worker = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert float(worker.stdout.readline()) > 0
    worker.terminate()
    assert worker.wait(timeout=10) == -signal.SIGTERM
    worker.stdout.close()


def test_memory_grows_with_the_number_of_pixels_only():
    peaks = []
    for size in (40, 80):
        picture = np.random.default_rng(0).integers(0, 256, (size, size, 3), dtype=np.uint8)
        tracemalloc.start()
        upscale(picture, iterations=1)
        peaks.append(tracemalloc.get_traced_memory()[1] / (16 * size**2))
        tracemalloc.stop()
    assert max(peaks) < 300  # bytes an output pixel
    assert peaks[1] < 1.1 * peaks[0]


def test_the_command_line_passes_the_iterations_on(patch, tmp_path):
    write_image(tmp_path / "patch.png", patch)
    arguments = ["upscale", "--out", str(tmp_path / "sr"), str(tmp_path / "patch.png"), "--method"]
    assert main([*arguments, "selfexsr", "--iterations", "2"]) == 0
    made = read_image(tmp_path / "sr" / "patch.png")
    assert np.array_equal(made, upscale(patch, iterations=2))
    assert not np.array_equal(made, upscale(patch))


def test_other_methods_have_no_iterations(patch, tmp_path, capsys):
    with pytest.raises(MethodUnavailable, match="nearest has no iterations"):
        run(patch, "nearest", iterations=3)
    with pytest.raises(SystemExit):
        main(["upscale", "--method", "selfexsr", "--iterations", "0", "--out", str(tmp_path), "x.png"])
    assert "must be 1 or more, not 0" in capsys.readouterr().err
