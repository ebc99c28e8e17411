from tests.e2e.hostile import run


def test_a_thousand_hostile_requests_break_nothing_store_nothing_and_leave_raters_at_work(tmp_path):
    """`python -m tests.e2e.hostile` sends ten times as many, and holds raters to half their rate: here other tests run
    beside, more of them at one time than at another."""
    outcome = run(tmp_path, requests=1000, seed=2, slowest=0.1)
    # They are what they should be: most are understood and refused, some are hardly HTTP.
    assert outcome.answers[400] > 50
    assert outcome.answers[403] > 50
    assert outcome.answers[404] > 50
