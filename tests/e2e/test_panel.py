"""The stand-in for a panel in short: `python -m tests.e2e.panel` has the thousand."""

from tests.e2e import everywhere
from tests.e2e.panel import HABITS, PanelSite, check, killing, run, search_for
from tests.e2e.plant import Sqlite, wait_for

PLANT = """
from studies.models import *
study = Study.objects.get()
StudyEvent.objects.create(study=study, kind="arrival", rater="{pid}", detail={{"came as": "{pid}"}})
study.raters.filter(label="p0002").update(label="{pid}")
print("planted {pid}")
"""
ARRIVALS = 4 * len(HABITS)


def test_every_arrival_has_one_session_and_one_code_while_the_web_server_is_killed(tmp_path):
    site = PanelSite(tmp_path, Sqlite(tmp_path / "db.sqlite3"), quota=ARRIVALS)
    try:
        people = run(site, ARRIVALS, [killing(site)])
        print(check(site, people))
        found_once_it_is_planted(site, people)
    finally:
        site.kill()


def found_once_it_is_planted(site, people):
    """An event that named a person by the panel's id would be found on each of its pages; a label in every table."""
    with site.log.open("a") as log:
        log.write(f"WARNING somebody came with {people[1].pid}\n")
    out = site.manage("shell", "--no-imports", "-c", PLANT.format(pid=people[2].pid))
    walk = everywhere.search(site, search_for(people), rater=people[0].cookies)
    found = {leak.partition(" as ")[0].partition("?")[0] for leak in walk.leaks}
    assert out.strip() == f"planted {people[2].pid}"
    wanted = {
        "/studies/study/events/", "/studies/study/events.csv", "/admin/studies/studyevent/",
        "/studies/study/quality/", "/studies/study/ratings.csv", "/studies/study/ratings.parquet", "answers.parquet",
        "gunicorn.log", "commands.log",
    }  # fmt: skip
    assert {place for place in wanted if not any(place in one for one in found)} == set(), sorted(found)
    assert any(".zip" in leak and "ratings" in leak for leak in walk.leaks), "in the report's data"


def test_and_while_the_database_is_killed_too(own_postgresql, tmp_path):
    site = PanelSite(tmp_path, own_postgresql, quota=ARRIVALS)

    def kill_database():
        own_postgresql.kill()
        wait_for(own_postgresql.is_ready, seconds=60, what="PostgreSQL comes back")

    try:
        print(check(site, run(site, ARRIVALS, [killing(site), kill_database])))
    finally:
        site.kill()
