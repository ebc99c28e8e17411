"""Photographs found and decoded, crops with the whole picture's LR, and the same crops in every leg."""

import io
import tarfile
from fractions import Fraction

import numpy as np
import pytest
import torch
from PIL import Image

from srcore import ImageError, downscale, write_image
from srcore.resize_torch import imresize
from srcore.training.data import Crops
from srcore.training.photos import decode, find_photos

CPU = torch.device("cpu")


def noise(height, width, seed):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.fixture
def folder(tmp_path):
    photos = tmp_path / "photos"
    (photos / "more").mkdir(parents=True)
    for index in range(6):
        write_image(photos / ("more" if index % 2 else "") / f"{index}.png", noise(100 + 4 * index, 120, index))
    return photos


def crops_of(folder, **options):
    return Crops(find_photos([folder]), **({"batch": 4, "lr_size": 6, "device": CPU, "seed": 1} | options))


def dihedral(picture):
    return [np.rot90(side, turns) for side in (picture, picture[::-1]) for turns in range(4)]


def test_photographs_are_found_in_folders_tars_and_globs(folder, tmp_path):
    with tarfile.open(tmp_path / "more.tar", "w") as tar:
        for index in range(2):
            stream = io.BytesIO()
            Image.fromarray(noise(64, 64, index)).save(stream, "PNG")
            member = tarfile.TarInfo(f"in/{index}.png")
            member.size = stream.tell()
            tar.addfile(member, io.BytesIO(stream.getvalue()))
        tar.addfile(tarfile.TarInfo("readme.txt"))
    assert len(find_photos([folder])) == 6
    assert len(find_photos([str(folder / "*.png")])) == 3
    assert len(find_photos([folder, folder / "0.png"])) == 6  # each once
    in_tar = find_photos([tmp_path / "more.tar"])
    assert np.array_equal([pixels for _, pixels in decode(in_tar)], [noise(64, 64, 0), noise(64, 64, 1)])


def test_sources_without_pictures_are_named(tmp_path):
    for source in (tmp_path, tmp_path / "gone", str(tmp_path / "*.png")):
        with pytest.raises(ImageError, match="no pictures there"):
            find_photos([source])
    (tmp_path / "x.tar").write_bytes(b"no tar")
    with pytest.raises(ImageError, match="not an uncompressed tar"):
        find_photos([tmp_path / "x.tar"])


def test_a_real_tar_of_photographs_is_read(shared):
    photos = find_photos([shared / "train" / "photos-0.tar"])
    assert len(photos) > 100
    assert all(isinstance(pixels, np.ndarray) for _, pixels in decode(photos[:5]))


def test_an_hr_crop_is_a_piece_of_a_photograph_in_one_of_eight_positions(folder):
    pictures = [pixels for _, pixels in decode(find_photos([folder]))]
    for crop in crops_of(folder).batch_of(0).hr:
        pixels = (crop * 255).round().byte().permute(1, 2, 0).numpy()
        corner = [side[0, 0] for side in dihedral(pixels)]
        found = False
        for picture in pictures:
            for turned, first in zip(dihedral(pixels), corner, strict=True):
                for top, left in np.argwhere((picture == first).all(axis=2)):
                    found |= np.array_equal(picture[top : top + 24, left : left + 24], turned)
        assert found


def test_all_eight_positions_occur_and_places_differ(folder):
    crops = crops_of(folder, batch=6)
    places = torch.cat([crops.places(update) for update in range(40)])
    assert set(places[:, 4].tolist()) == set(range(8))
    assert len({tuple(row) for row in places.tolist()}) > 200


def test_the_lr_crop_is_that_of_the_whole_picture(tmp_path):
    write_image(tmp_path / "one.png", noise(96, 96, 0))
    crops = crops_of(tmp_path, batch=1)
    top, left = 16, 24  # multiples of 4, away from the border
    places = torch.tensor([[0, 96, top - 8, left - 8, 0]])
    batch = crops.cut(places)
    whole = downscale(noise(96, 96, 0))
    lr = (batch.lr[0] * 255).round().byte().permute(1, 2, 0).numpy()
    hr = (batch.hr[0] * 255).round().byte().permute(1, 2, 0).numpy()
    assert np.array_equal(hr, noise(96, 96, 0)[top : top + 24, left : left + 24])
    assert np.array_equal(lr, whole[top // 4 : top // 4 + 6, left // 4 : left // 4 + 6])


def test_with_a_margin_the_bicubic_enlargement_has_no_border_effect_either(tmp_path):
    write_image(tmp_path / "one.png", noise(96, 96, 0))
    crops = crops_of(tmp_path, batch=1, lr_margin=2)
    places = torch.tensor([[0, 96, 16, 24, 0]])
    batch = crops.cut(places)
    lr = torch.from_numpy(downscale(noise(96, 96, 0)).transpose(2, 0, 1).copy())[None].float() / 255
    enlarged = imresize(lr, Fraction(4))[:, :, 32:56, 40:64]
    assert torch.allclose(imresize(batch.lr, 4)[:, :, 8:-8, 8:-8], enlarged, atol=1e-6)
    assert batch.hr.shape == (1, 3, 24, 24)


def test_a_batch_comes_from_distinct_photographs(folder):
    crops = crops_of(folder)
    for update in range(30):
        assert len(set(crops.places(update)[:, 0].tolist())) == 4


def test_every_photograph_is_used_equally(folder):
    crops = crops_of(folder, batch=3)
    used = torch.cat([crops.places(update)[:, 0] for update in range(20)])
    assert torch.unique(used, return_counts=True)[1].tolist() == [10] * 6


def test_an_updates_crops_depend_on_seed_and_number_alone(folder):
    first, again, other = crops_of(folder), crops_of(folder), crops_of(folder, seed=2)
    for update in (0, 1, 300):
        first.places(update)
    assert torch.equal(first.places(300), again.places(300))
    assert not torch.equal(first.places(300), other.places(300))


def test_two_processes_share_out_the_doubled_batch(folder):
    whole = crops_of(folder, batch=4).places(7)
    halves = [crops_of(folder, batch=2, rank=rank, world=2).places(7) for rank in (0, 1)]
    assert torch.equal(torch.cat(halves), whole)


def test_photographs_beyond_memory_stream_and_are_all_seen(folder):
    crops = crops_of(folder, batch=2, memory=2 * 120 * 120 * 3)
    assert not crops.all_fit
    seen, update = set(), 0
    while crops.since < 6 * crops.lasts:
        batch = crops.batch_of(update)
        seen.add(crops.shard.first % 6)
        assert torch.isfinite(batch.hr).all()
        update += 1
    assert len(seen) >= 3
    assert crops.shard.pixels.numel() <= 2 * 120 * 120 * 3


def test_streaming_goes_on_after_a_pause_with_the_same_crops(folder):
    options = {"batch": 2, "memory": 2 * 120 * 120 * 3}
    whole = crops_of(folder, **options)
    expected = [whole.batch_of(update).hr for update in range(3 * whole.lasts)]
    begun = crops_of(folder, **options)
    pause = begun.lasts + 3
    for update in range(pause):
        begun.batch_of(update)
    resumed = crops_of(folder, batch=2)
    resumed.resume(begun.state())
    for update in range(pause, len(expected)):
        assert torch.equal(resumed.batch_of(update).hr, expected[update])


def test_files_that_cannot_be_read_or_are_too_small_are_passed_over(folder):
    (folder / "broken.png").write_bytes(b"no picture")
    write_image(folder / "small.png", noise(10, 10, 0))
    with pytest.warns(UserWarning, match=r"passed over: .*broken\.png"):
        assert len(crops_of(folder).shard.table) == 6


def test_nothing_to_train_on_is_an_error(tmp_path):
    write_image(tmp_path / "small.png", noise(20, 200, 0))
    with pytest.raises(ImageError, match="none of the 1 photographs"):
        crops_of(tmp_path).places(0)
