"""Times as people read them."""

from scorer.media.times import as_clock, as_rounded_clock


def test_times_read_as_a_player_shows_them() -> None:
    assert [as_rounded_clock(each) for each in (0, 7.44, 59.96, 3753)] == ["0:00.0", "0:07.4", "1:00.0", "1:02:33.0"]
    assert [as_clock(each) for each in (0, 90.5, 59.9996, 3723)] == ["0:00", "1:30.5", "1:00", "1:02:03"]
