"""Media time becomes UTC: against a synthetic camera whose truth is known."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from edge_agent.sources.packet import Kind, MediaPacket
from edge_agent.sync.clock_map import ClockMap
from edge_agent.sync.linear_fit import fit_least_squares, fit_lower_envelope
from edge_agent.sync.utc_reference import UtcReference
from shared.kernel.clock import SLEW_PPM, UNKNOWN_ERROR_US, FakeClock
from shared.kernel.timebase import utc_at
from shared.protocol.media import ClockMethod
from shared.protocol.timing import ERROR_BOUND_MOST_US

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
FRAME_S = 1 / 30


class SyntheticCamera:
    """A camera with a crystal, a wall clock and a network, all of them known."""

    def __init__(
        self,
        clock: FakeClock,
        *,
        drift_ppm: float = 0.0,
        wall_error_s: float = 0.0,
        reports: bool = True,
        first_report_error_s: float = 0.0,
        jitter_s: float = 0.02,
        latency_s: float = 0.01,
    ) -> None:
        self.clock = clock
        self.rate = 1 + drift_ppm / 1e6
        self.wall_error_s = wall_error_s
        self.reports = reports
        self.first_report_error_s = first_report_error_s
        self.random = random.Random(7)
        self.jitter_s, self.latency_s = jitter_s, latency_s
        self.begin_at = clock.now()
        self.begin_ns = clock.monotonic_ns()
        self.report_count = 0

    def truth(self, pts_90k: int) -> datetime:
        """Returns when a picture was taken."""
        return self.begin_at + timedelta(seconds=(pts_90k - 900_000) / 90_000 * self.rate)

    def play(self, seconds: float, *, begin_s: float = 0.0) -> Iterator[MediaPacket]:
        """Yields pictures as they arrive, and moves the clock along."""
        arrived_s = 0.0
        for index in range(round(begin_s / FRAME_S), round((begin_s + seconds) / FRAME_S)):
            pts_90k = 900_000 + index * 3000
            taken_s = index * FRAME_S * self.rate
            delay_s = (
                self.latency_s + self.random.expovariate(1 / self.jitter_s)
                if self.jitter_s
                else self.latency_s
            )
            arrived_s = max(arrived_s, taken_s + delay_s)
            due_ns = self.begin_ns + round(arrived_s * 1e9)
            if due_ns > self.clock.monotonic_ns():
                self.clock.advance((due_ns - self.clock.monotonic_ns()) / 1e9)
            if self.reports and index % 150 == 60:
                self.report_count += 1
            sender_us = None
            if self.report_count:
                error_s = self.first_report_error_s if self.report_count == 1 else 0.0
                at = self.truth(pts_90k) + timedelta(seconds=self.wall_error_s + error_s)
                sender_us = (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
            yield MediaPacket(
                Kind.VIDEO, b"", 0, pts_90k, pts_90k, index % 60 == 0, due_ns, sender_us, self.report_count
            )


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOON)


def _error_s(camera: SyntheticCamera, clock_map: ClockMap, pts_90k: int) -> float:
    line = clock_map.estimate()
    assert line is not None
    dated = utc_at(
        pts_90k, anchor_pts_90k=line.anchor_pts_90k, anchor_at=line.anchor_at, rate_ppb=line.rate_ppb
    )
    return (dated - camera.truth(pts_90k)).total_seconds()


def _play(camera: SyntheticCamera, clock_map: ClockMap, seconds: float, *, begin_s: float = 0.0) -> int:
    pts = 0
    for packet in camera.play(seconds, begin_s=begin_s):
        assert not clock_map.observe(packet)
        pts = packet.pts_90k
    return pts


@pytest.mark.parametrize("drift_ppm", [0.0, 100.0, -100.0])
def test_honest_reports_date_pictures_to_a_millisecond(clock: FakeClock, drift_ppm: float) -> None:
    camera = SyntheticCamera(clock, drift_ppm=drift_ppm)
    clock_map = ClockMap(UtcReference(clock))
    pts = _play(camera, clock_map, 300)
    line = clock_map.estimate()
    assert line is not None
    assert (line.method, line.provisional) == (ClockMethod.RTCP_SR, False)
    assert abs(_error_s(camera, clock_map, pts)) < 0.001
    assert abs(_error_s(camera, clock_map, pts) * 1e6) <= line.error_bound_us
    assert line.rate_ppb == pytest.approx(drift_ppm * 1000, abs=2000)


def test_before_two_reports_agree_the_map_is_provisional(clock: FakeClock) -> None:
    camera = SyntheticCamera(clock, first_report_error_s=-0.693)
    clock_map = ClockMap(UtcReference(clock))
    methods = []
    for packet in camera.play(20):
        clock_map.observe(packet)
        line = clock_map.estimate()
        assert line is not None
        methods.append((line.method, line.provisional))
    assert methods[30 * 5] == (ClockMethod.ARRIVAL, True)
    assert methods[-1] == (ClockMethod.RTCP_SR, False)
    assert len(set(methods)) == 2
    assert abs(_error_s(camera, clock_map, packet.pts_90k)) < 0.001


def test_a_camera_without_reports_is_dated_by_arrival_within_the_stated_bound(clock: FakeClock) -> None:
    camera = SyntheticCamera(clock, reports=False, drift_ppm=60)
    clock_map = ClockMap(UtcReference(clock))
    pts = _play(camera, clock_map, 400)
    line = clock_map.estimate()
    assert line is not None
    assert (line.method, line.provisional) == (ClockMethod.ARRIVAL, False)
    error_s = _error_s(camera, clock_map, pts)
    assert 0 <= error_s < 0.02, "never before it was taken, and close to the shortest delay"
    assert abs(error_s) * 1e6 <= line.error_bound_us
    assert line.rate_ppb == pytest.approx(60_000, abs=20_000)


@pytest.mark.parametrize("wall_error_s", [3600.0, -3600.0, 5.0, -2.0, 0.5])
def test_a_camera_whose_clock_is_plainly_wrong_is_dated_by_arrival(
    clock: FakeClock, wall_error_s: float
) -> None:
    camera = SyntheticCamera(clock, wall_error_s=wall_error_s)
    clock_map = ClockMap(UtcReference(clock))
    pts = _play(camera, clock_map, 60)
    line = clock_map.estimate()
    assert line is not None
    assert (line.method, line.provisional) == (ClockMethod.ARRIVAL, False)
    assert 0 <= _error_s(camera, clock_map, pts) < 0.03


def test_once_settled_the_method_stays(clock: FakeClock) -> None:
    camera = SyntheticCamera(clock, reports=False)
    clock_map = ClockMap(UtcReference(clock))
    _play(camera, clock_map, 15)
    camera.reports = True
    _play(camera, clock_map, 30, begin_s=15)
    line = clock_map.estimate()
    assert line is not None
    assert line.method is ClockMethod.ARRIVAL


def test_a_camera_that_sets_its_clock_begins_another_run(clock: FakeClock) -> None:
    camera = SyntheticCamera(clock)
    clock_map = ClockMap(UtcReference(clock))
    _play(camera, clock_map, 30)
    camera.wall_error_s = 0.5
    stepped = [clock_map.observe(packet) for packet in camera.play(30, begin_s=30)]
    assert any(stepped)
    # One report alone is not believed; two are.
    assert 150 <= stepped.index(True) <= 360


def test_a_single_stray_report_changes_nothing(clock: FakeClock) -> None:
    camera = SyntheticCamera(clock)
    clock_map = ClockMap(UtcReference(clock))
    _play(camera, clock_map, 12.5)
    camera.wall_error_s = 0.5
    assert not any(clock_map.observe(packet) for packet in camera.play(4, begin_s=12.5))
    camera.wall_error_s = 0.0
    pts = _play(camera, clock_map, 60, begin_s=16.5)
    assert abs(_error_s(camera, clock_map, pts)) < 0.001


def test_a_media_clock_that_jumps_begins_another_run(clock: FakeClock) -> None:
    camera = SyntheticCamera(clock, reports=False)
    clock_map = ClockMap(UtcReference(clock))
    _play(camera, clock_map, 30)
    # From now on pictures claim to be a second younger than they can be.
    camera.begin_ns -= 1_000_000_000
    assert any(clock_map.observe(packet) for packet in camera.play(5, begin_s=31))


def test_dates_within_a_run_never_jump(clock: FakeClock) -> None:
    camera = SyntheticCamera(clock, reports=False, drift_ppm=120, jitter_s=0.05)
    clock_map = ClockMap(UtcReference(clock))
    last = None
    for packet in camera.play(200):
        clock_map.observe(packet)
        line = clock_map.estimate()
        assert line is not None
        if line.provisional:
            continue
        offset_us = (line.anchor_at - NOON) / timedelta(microseconds=1) - line.anchor_pts_90k / 0.09
        if last is not None:
            assert abs(offset_us - last) < 1000
        last = offset_us


def test_the_cameras_measured_delay_is_added(clock: FakeClock) -> None:
    camera = SyntheticCamera(clock)
    clock_map = ClockMap(UtcReference(clock), offset_us=-40_000)
    pts = _play(camera, clock_map, 30)
    assert _error_s(camera, clock_map, pts) == pytest.approx(-0.04, abs=0.001)


def test_all_cameras_share_one_line_of_arrivals_through_small_corrections(clock: FakeClock) -> None:
    reference = UtcReference(clock)
    start_us = reference.utc_us(clock.monotonic_ns())
    clock.step_utc(0.1)
    clock.advance(10)
    assert reference.utc_us(clock.monotonic_ns()) - start_us == pytest.approx(
        10_000_000, abs=10 * SLEW_PPM + 100
    )
    for _ in range(2000):
        clock.advance(1)
        reference.utc_us(clock.monotonic_ns())
    assert reference.utc_us(clock.monotonic_ns()) - start_us == pytest.approx(2_010_100_000, abs=50)
    assert reference.generation == 0


def test_a_step_of_the_agents_clock_begins_another_run_for_every_camera(clock: FakeClock) -> None:
    reference = UtcReference(clock)
    maps = [ClockMap(reference) for _ in range(3)]
    camera = SyntheticCamera(clock)
    for packet in camera.play(5):
        assert not any(m.observe(packet) for m in maps)
    clock.step_utc(3600)
    clock.advance(2)
    packet = next(camera.play(1, begin_s=7))
    assert all(m.observe(packet) for m in maps)
    fresh = ClockMap(reference)
    assert not fresh.observe(packet)


def test_a_step_of_the_timescale_begins_another_run_however_small_it_is(clock: FakeClock) -> None:
    clock_map = ClockMap(UtcReference(clock))
    camera = SyntheticCamera(clock)
    for packet in camera.play(5):
        assert not clock_map.observe(packet)
    clock.step_utc(0.05)
    clock.steps += 1
    clock.advance(2)
    assert clock_map.observe(next(camera.play(1, begin_s=7)))


def test_dates_by_arrival_are_claimed_no_better_than_the_clock_they_are_made_of(clock: FakeClock) -> None:
    camera = SyntheticCamera(clock, reports=False)
    clock_map = ClockMap(UtcReference(clock))
    _play(camera, clock_map, 15)
    line = clock_map.estimate()
    assert line is not None
    clock.error_us = 1_700_000
    _play(camera, clock_map, 15, begin_s=15)
    wider = clock_map.estimate()
    assert wider is not None
    assert wider.error_bound_us - line.error_bound_us == pytest.approx(1_700_000, abs=10_000)
    clock.error_us = UNKNOWN_ERROR_US
    _play(camera, clock_map, 2, begin_s=30)
    unknown = clock_map.estimate()
    assert unknown is not None
    assert unknown.error_bound_us == ERROR_BOUND_MOST_US < 2**31


def test_an_honest_camera_is_believed_where_it_may_be_our_clock_that_is_off(clock: FakeClock) -> None:
    """Ours is 0.5 s slow: to it, pictures seem to arrive before they were taken."""
    methods = {}
    for error_us in (0, 450_000):
        clock.error_us = error_us
        camera = SyntheticCamera(clock, wall_error_s=0.5)
        clock_map = ClockMap(UtcReference(clock))
        _play(camera, clock_map, 40)
        line = clock_map.estimate()
        assert line is not None
        methods[error_us] = line.method
        if line.method is ClockMethod.RTCP_SR:
            assert line.error_bound_us < 5_000, "its dates are its own clock's, and not made of ours"
    assert methods == {0: ClockMethod.ARRIVAL, 450_000: ClockMethod.RTCP_SR}


def test_a_clock_that_knows_nothing_believes_no_camera_that_is_plainly_wrong(clock: FakeClock) -> None:
    clock.error_us = UNKNOWN_ERROR_US
    camera = SyntheticCamera(clock, wall_error_s=5.0)
    clock_map = ClockMap(UtcReference(clock))
    _play(camera, clock_map, 40)
    line = clock_map.estimate()
    assert line is not None
    assert line.method is ClockMethod.ARRIVAL


class HeldUp(FakeClock):
    """A busy agent: the thread may be held up between one reading of the clock and the next."""

    held_up_s = 0.0

    def now(self) -> datetime:
        self.advance(self.held_up_s)
        return super().now()


def test_a_thread_that_is_held_up_between_two_readings_is_no_step_of_the_clock() -> None:
    clock = HeldUp(NOON)
    reference = UtcReference(clock)
    start_us, start_ns = reference.utc_us(clock.monotonic_ns()), clock.monotonic_ns()
    clock.held_up_s = 0.7
    for _ in range(20):
        clock.advance(1.5)
        reference.utc_us(clock.monotonic_ns())
    assert reference.generation == 0
    end_ns = clock.monotonic_ns()
    assert reference.utc_us(end_ns) - start_us == pytest.approx((end_ns - start_ns) / 1000, abs=100)


def test_the_line_beneath_touches_the_lowest_points() -> None:
    points = [(x * 1_000_000, 5.0 + x * 100 + (x % 7) * 300) for x in range(100)]
    line = fit_lower_envelope(points, least_span_us=10_000_000)
    assert line.rate_ppb == pytest.approx(100_000)
    assert min(o - line.offset_at(x) for x, o in points) == pytest.approx(0, abs=1e-6)
    assert line.error_us == pytest.approx(900, abs=1)


def test_a_slope_no_crystal_has_is_not_believed() -> None:
    points = [(x * 1_000_000, x * 5000.0) for x in range(100)]
    assert fit_lower_envelope(points, least_span_us=10_000_000).rate_ppb == 200_000
    assert fit_least_squares(points, least_span_us=10_000_000).rate_ppb == 200_000
