"""What browsers and zips send as a folder: nothing gets out of it, nothing is endless, and refusals say what to do."""

import stat
import zipfile

import pytest

from studies.content import unpacking
from studies.content.unpacking import UploadRefused, folders_with_pictures, safe_path, unzip, unzip_all


def packed(path, entries, *, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return path


def found(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize(
    ("path", "safe"),
    [("a.png", "a.png"), ("x/Set5/./a.png", "x/Set5/a.png"), ("x\\a.png", "x/a.png"), ("ä b.png", "ä b.png")],
)
def test_a_path_below_the_folder_stays(path, safe):
    assert str(safe_path(path)) == safe


@pytest.mark.parametrize("path", [".DS_Store", "a/.git/x.png", "__MACOSX/._a.png", "x/Thumbs.db", "desktop.ini"])
def test_what_systems_leave_beside_files_is_passed_over(path):
    assert safe_path(path) is None


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/etc/passwd", "absolute"),
        ("\\\\host\\a.png", "absolute"),
        ("C:\\a.png", "absolute"),
        ("c:a.png", "absolute"),
        ("../a.png", "leads out"),
        ("a/../../b.png", "leads out"),
        ("a\\..\\..\\b.png", "leads out"),
        ("", "no name"),
        ("./", "no name"),
        ("a\0.png", "no name"),
        ("a\nb.png", "no name"),
        ("a\x1b[2J.png", "no name"),
        (f"{'x' * 201}.png", "too long"),
        ("/".join(["folder"] * 200), "too long"),
    ],
)
def test_a_path_that_leads_out_or_is_none_is_refused(path, said):
    with pytest.raises(UploadRefused, match=said):
        safe_path(path)


def test_a_zip_alone_is_unpacked_in_its_place_and_several_each_into_its_own(tmp_path):
    packed(tmp_path / "one.zip", [("Set5/a.png", b"1"), ("__MACOSX/._a.png", b"x")])
    unzip_all(tmp_path)
    assert found(tmp_path) == {"Set5/a.png": b"1"}
    for name in ("b", "c"):
        packed(tmp_path / f"{name}.zip", [("a.png", name.encode())])
    unzip_all(tmp_path)
    assert found(tmp_path) == {"Set5/a.png": b"1", "b/a.png": b"b", "c/a.png": b"c"}


@pytest.mark.parametrize("name", ["../out.png", "/out.png", "a/../../out.png", "..\\out.png"])
def test_a_zip_whose_paths_lead_out_writes_nothing(tmp_path, name):
    archive, into = packed(tmp_path / "x.zip", [("fine.png", b"1"), (name, b"2")]), tmp_path / "a" / "into"
    with pytest.raises(UploadRefused, match="In x.zip: "):
        unzip(archive, into, name="x.zip")
    assert found(tmp_path) == {"x.zip": archive.read_bytes()}


def test_a_link_is_refused(tmp_path):
    entry = zipfile.ZipInfo("a.png")
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    archive = packed(tmp_path / "x.zip", [(entry, "/etc/passwd")])
    with pytest.raises(UploadRefused, match="'a.png' in x.zip is a link"):
        unzip(archive, tmp_path / "into", name="x.zip")
    assert not (tmp_path / "into").exists()


def test_a_bomb_ends_at_the_bound_whatever_it_says_of_its_size(tmp_path, monkeypatch):
    archive = packed(tmp_path / "x.zip", [("a.png", b"\0" * 5_000_000)])
    small = archive.read_bytes().replace((5_000_000).to_bytes(4, "little"), (500).to_bytes(4, "little"))
    monkeypatch.setattr(unpacking, "MOST_BYTES_A_FILE", 2_000_000)
    with pytest.raises(UploadRefused, match="unpacks to more than is taken"):
        unzip(archive, tmp_path / "honest", name="x.zip")
    assert (tmp_path / "honest/a.png").stat().st_size <= 2_000_000
    archive.write_bytes(small)
    with pytest.raises(UploadRefused):
        unzip(archive, tmp_path / "lying", name="x.zip")
    assert (tmp_path / "lying/a.png").stat().st_size <= 2_000_000


def test_many_files_that_are_small_each_end_at_the_bound_for_all(tmp_path):
    archive = packed(tmp_path / "x.zip", [(f"{n}.png", b"\0" * 1000) for n in range(10)])
    with pytest.raises(UploadRefused, match="unpacks to more"):
        unzip(archive, tmp_path / "into", name="x.zip", room=4500)
    assert sum(len(content) for content in found(tmp_path / "into").values()) <= 4500


def test_too_many_files_are_refused_before_their_list_is_read(tmp_path, monkeypatch):
    archive = packed(tmp_path / "x.zip", [(f"{n}.png", b"") for n in range(11)])
    monkeypatch.setattr(unpacking, "MOST_FILES", 10)
    monkeypatch.setattr(zipfile, "ZipFile", None)
    with pytest.raises(UploadRefused, match="more than 10 files"):
        unzip(archive, tmp_path / "into", name="x.zip")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_files_of_one_name_and_a_zip_in_a_zip_are_refused(tmp_path):
    with pytest.raises(UploadRefused, match="there twice"):
        unzip(packed(tmp_path / "x.zip", [("a.png", b"1"), ("./a.png", b"2")]), tmp_path / "1", name="x.zip")
    with pytest.raises(UploadRefused, match="another zip"):
        unzip(packed(tmp_path / "x.zip", [("a.zip", b"1")]), tmp_path / "2", name="x.zip")
    with pytest.raises(UploadRefused, match="a file and a folder of one name"):
        unzip(packed(tmp_path / "x.zip", [("a", b"1"), ("a/b.png", b"2")]), tmp_path / "3", name="x.zip")


def test_an_encrypted_zip_is_refused(tmp_path):
    archive = packed(tmp_path / "x.zip", [("a.png", b"1")])
    content = bytearray(archive.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    archive.write_bytes(content)
    with pytest.raises(UploadRefused, match="'a.png' in x.zip is encrypted"):
        unzip(archive, tmp_path / "into", name="x.zip")


def test_what_is_no_zip_is_cut_off_or_damaged_is_refused(tmp_path):
    whole = packed(tmp_path / "x.zip", [("a.png", bytes(range(256)) * 40)], method=zipfile.ZIP_STORED).read_bytes()
    damaged = bytearray(whole)
    damaged[2000] ^= 1
    for number, content in enumerate((b"", b"no zip", whole[:-30], whole[:500], bytes(damaged))):
        (tmp_path / "x.zip").write_bytes(content)
        with pytest.raises(UploadRefused, match="x.zip is no zip, or is cut off or damaged"):
            unzip(tmp_path / "x.zip", tmp_path / f"into{number}", name="x.zip")


def test_folders_that_hold_pictures_and_what_is_said_where_none_does(tmp_path):
    for name in ("readme.txt", "Set5/a.png", "Set5/notes.pdf", "Set14/deep/b.JPG", "c.tif"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert folders_with_pictures(tmp_path) == [".", "Set14/deep", "Set5"]
    for name in ("Set5/a.png", "Set14/deep/b.JPG", "c.tif"):
        (tmp_path / name).unlink()
    with pytest.raises(UploadRefused, match=r"There is no picture among what was sent \(Set5/notes.pdf, readme.txt\)"):
        folders_with_pictures(tmp_path)
