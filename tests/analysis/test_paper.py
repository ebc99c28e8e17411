import pandas as pd
import pytest

from analysis import paper
from analysis.objective import objective_of
from analysis.tables import measures, table_1, table_2


def study(mos, width=0.1):
    return paper.published().assign(mos=mos, ci_low=mos - width, ci_high=mos + width, n=26)


def test_the_two_tables_agree_where_they_show_the_same_method():
    one = paper.table_1().set_index(["benchmark", "method"])
    two = paper.table_2().set_index(["benchmark", "method"])
    shared = one.index.intersection(two.index)
    assert len(shared) == 4  # SRResNet-MSE and SRGAN-VGG54 on Set5 and Set14
    pd.testing.assert_frame_equal(one.loc[shared, ["psnr", "ssim", "mos"]], two.loc[shared, ["psnr", "ssim", "mos"]])


def test_the_paper_rated_33_versions_and_29328_images():
    table = paper.published()
    assert len(table) == 33
    images = table["benchmark"].map(paper.BENCHMARKS)
    assert images.sum() * paper.RATERS == 29_328
    assert paper.table_1().query("asterisk")["method"].tolist() == ["srresnet-vgg22", "srgan-vgg54"]


def test_a_comparison_shows_the_difference_and_whether_it_lies_inside():
    ours = study(paper.published()["mos"] + 0.05)
    assert paper.compare(ours)["inside"].all()
    far = paper.compare(study(paper.published()["mos"] + 0.2))
    assert not far["inside"].any()
    assert far["difference"].tolist() == pytest.approx([0.2] * 33)
    assert paper.compare(ours.assign(method="ours")).empty


def test_the_layouts_are_those_of_the_paper():
    table = paper.published()
    stars = paper.table_1()[["benchmark", "method", "asterisk"]]
    objective = table[["benchmark", "method", "psnr", "ssim"]].assign(source="x")
    scores = objective_of(objective, higher_is_better=["psnr", "ssim"])
    long = measures(table, scores, stars)
    losses, compared = table_1(long), table_2(long)
    assert losses.columns.tolist() == ["benchmark", "measure", *paper.FAMILIES["SRResNet"], *paper.FAMILIES["SRGAN"]]
    assert losses.set_index(["benchmark", "measure"]).loc[("Set14", "mos"), "srgan-vgg54"] == "3.72*"
    assert losses.set_index(["benchmark", "measure"]).loc[("Set5", "mos"), "srgan-vgg54"] == "3.58"
    assert compared.columns[2:].tolist() == [*paper.METHODS[:6], "srresnet-mse", "srgan-vgg54", "hr"]
    row = compared.set_index(["benchmark", "measure"]).loc[("BSD100", "psnr")]
    assert row.tolist() == ["25.02", "25.94", "26.68", "26.83", "27.21", "27.02", "27.58", "25.16", "inf"]


def test_the_reference_is_never_the_best():
    table = pd.DataFrame({"benchmark": "b", "method": ["original", "good", "poor"], "mos": [4.5, 4.0, 2.0]})
    long = measures(table, None, reference="original").set_index("method")
    assert long["best"].to_dict() == {"original": False, "good": True, "poor": False}


def test_a_study_without_the_families_has_no_table_1():
    long = measures(pd.DataFrame({"benchmark": ["b"], "method": ["mine"], "mos": [3.0]}), None)
    assert table_1(long) is None
    assert table_2(long)["mine"].tolist() == ["3.00"]


def test_methods_stand_in_the_papers_order_with_others_before_the_reference():
    assert paper.ordered(["hr", "mine", "srgan-vgg54", "nearest"]) == ["nearest", "srgan-vgg54", "mine", "hr"]
