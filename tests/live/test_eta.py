"""The time that is left, and the rate: by work, with the first frame in work, and not fooled by free frames."""

from __future__ import annotations

import pytest

from pipeline.execute.events import WorkerState
from pipeline.execute.job import Progress
from pipeline.live.eta import ENOUGH_WARM, RECENT_WARM, WINDOW_S, Course, Courses, Eta, Rate
from tests.plans import record

COLD, WARM, AGAIN = Course("cold", 3.0), Course("warm", 0.4), Course("again", 0.2)
UNIT_S = 10.0  # what a megapixel-iteration takes in these tests


@pytest.fixture
def courses() -> Courses:
    """Those of a segment that begins with frame 0."""
    found = Courses()
    found.add("clip.mp4[0-9]", 0, COLD, WARM)
    return found


def expecting(cold: int = 0, warm: int = 0, again: int = 0) -> Eta:
    eta = Eta()
    for course, count in ((COLD, cold), (WARM, warm), (AGAIN, again)):
        eta.expect(course, count)
    return eta


def finish(eta: Eta, course: Course, share: float, frames: int = 1, first: int = 0) -> None:
    """So many frames that took a share of the most that they may."""
    work = share * course.most
    for index in range(first, first + frames):
        eta.add(
            course,
            record(index, megapixel_iterations=work, iterations=round(100 * work), seconds=work * UNIT_S),
        )


def at(
    work: float, left: float, frame: int = 0, pictures: int = 0, name: str = "clip.mp4[0-9]"
) -> WorkerState:
    return WorkerState("host-1", "cpu", True, Progress(name, frame, 7, 9, 1.0, work, left, pictures))


def test_cold_and_warm_frames_are_counted_apart(courses: Courses) -> None:
    eta = expecting(cold=2, warm=20, again=5)
    finish(eta, COLD, 1.0)
    finish(eta, WARM, 0.25, ENOUGH_WARM)
    warm_s, again_s = 8 * 0.25 * 0.4 * UNIT_S, 5 * 0.2 * UNIT_S
    assert eta.seconds_left(courses, workers=1) == pytest.approx(3.0 * UNIT_S + warm_s + again_s)


def test_workers_share_what_is_left(courses: Courses) -> None:
    eta = expecting(cold=9)
    finish(eta, COLD, 0.5)
    assert eta.seconds_left(courses, workers=4) == pytest.approx(8 * 1.5 * UNIT_S / 4)


def test_where_nothing_has_been_seen_nothing_is_guessed_and_where_nothing_is_left_there_is_no_need_to(
    courses: Courses,
) -> None:
    assert expecting(cold=1).seconds_left(courses, 1) is None
    assert expecting().seconds_left(courses, 1) == 0
    assert expecting().seconds_left(courses, 1, pictures=1) is None


def test_the_first_frame_tells_while_it_is_in_work(courses: Courses) -> None:
    eta = expecting(cold=1, warm=10)
    eta.look([at(0.3, 2.7)], now_s=100)
    assert eta.seconds_left(courses, 1) is None
    eta.look([at(1.3, 1.7)], now_s=110)
    assert eta.seconds_left(courses, 1) == pytest.approx((1.7 + 10 * 0.5 * 0.4) * UNIT_S)
    eta.look([at(2.9, 0.1)], now_s=126)
    assert eta.seconds_left(courses, 1) == pytest.approx((0.1 + 10 * 0.5 * 0.4) * UNIT_S)


def test_what_a_worker_says_once_more_of_a_finished_frame_counts_no_more(courses: Courses) -> None:
    eta = expecting(cold=1, warm=9)
    eta.look([at(0.0, 3.0)], now_s=0)
    eta.look([at(2.0, 1.0)], now_s=20)
    finish(eta, COLD, 1.0)
    eta.look([at(2.9, 0.1)], now_s=90)
    eta.look([at(2.9, 0.1)], now_s=91)
    assert eta.seconds_left(courses, 1) == pytest.approx(9 * 0.5 * 0.4 * UNIT_S)


def test_some_free_frames_do_not_promise_that_all_will_be_and_many_do(courses: Courses) -> None:
    eta = expecting(cold=1, warm=1000)
    finish(eta, COLD, 1.0)
    finish(eta, WARM, 0.02, 6)
    as_ever_s = 994 * 0.5 * 0.4 * UNIT_S
    left_s = eta.seconds_left(courses, 1)
    assert left_s is not None and 0.4 * as_ever_s < left_s < as_ever_s
    finish(eta, WARM, 0.02, RECENT_WARM)
    assert eta.seconds_left(courses, 1) == pytest.approx((994 - RECENT_WARM) * 0.02 * 0.4 * UNIT_S)


def test_only_the_frames_finished_last_count(courses: Courses) -> None:
    eta = expecting(warm=RECENT_WARM + 15)
    finish(eta, WARM, 1.0, 10)
    finish(eta, WARM, 0.25, RECENT_WARM)
    assert eta.seconds_left(courses, 1) == pytest.approx(5 * 0.25 * 0.4 * UNIT_S)


def test_photographs_tell_while_the_first_are_in_work_and_by_the_page_afterward(courses: Courses) -> None:
    eta = Eta()
    eta.look([at(1.0, 7.0, pictures=4, name="a.jpg")], now_s=0)
    eta.look([at(2.0, 6.0, pictures=4, name="a.jpg")], now_s=10)
    assert eta.seconds_left(courses, 1, pictures=8) == pytest.approx((8 - 1) * 20)
    for name in ("a.jpg", "b.jpg", "c.jpg", "d.jpg"):
        eta.add_picture(name, 30)
    assert eta.seconds_left(courses, 1, pictures=4) == pytest.approx(4 * 30)


def test_the_rate_is_that_of_the_last_minutes_and_knows_nothing_of_the_start() -> None:
    rate = Rate()
    assert rate.per_minute(now_s=50) is None
    for second in range(100, 160, 10):
        rate.add(1, now_s=second)
    assert rate.per_minute(now_s=160) == pytest.approx(5)  # the first only says when work began
    assert rate.per_minute(now_s=160 + WINDOW_S) is None


def test_the_rate_has_the_first_frame_in_it_once_work_was_seen_to_begin() -> None:
    rate = Rate()
    rate.begin(now_s=100)
    rate.begin(now_s=155)
    for second in (158, 159, 160, 161):
        rate.add(1, now_s=second)
    assert rate.per_minute(now_s=160.0 + 2) == pytest.approx(4 * 60 / 62)
