"""Exact conversions between 90 kHz ticks, nanoseconds, and other time bases: integers throughout, rounding to nearest."""

from datetime import datetime, timedelta

TICKS_PER_S = 90_000


def rescale(value: int, numerator: int, denominator: int) -> int:
    """Returns `value * numerator / denominator` rounded to nearest, halves away from zero."""
    product = value * numerator
    half = denominator // 2
    return (product + half) // denominator if product >= 0 else -((-product + half) // denominator)


def ticks_to_ns(ticks_90k: int) -> int:
    """Returns 90 kHz ticks as nanoseconds."""
    return rescale(ticks_90k, 100_000, 9)


def ns_to_ticks(ns: int) -> int:
    """Returns nanoseconds as 90 kHz ticks."""
    return rescale(ns, 9, 100_000)


def ticks_to_us(ticks_90k: int) -> int:
    """Returns 90 kHz ticks as microseconds."""
    return rescale(ticks_90k, 100, 9)


def ticks_to_s(ticks_90k: int) -> float:
    """Returns 90 kHz ticks as seconds."""
    return ticks_90k / TICKS_PER_S


def utc_at(pts_90k: int, *, anchor_pts_90k: int, anchor_at: datetime, rate_ppb: int) -> datetime:
    """Returns the UTC instant of a media time on the line of a `ClockEstimate`, to the microsecond."""
    elapsed_us = ticks_to_us(pts_90k - anchor_pts_90k)
    return anchor_at + timedelta(microseconds=elapsed_us + rescale(elapsed_us, rate_ppb, 1_000_000_000))


def pts_at(moment_at: datetime, *, anchor_pts_90k: int, anchor_at: datetime, rate_ppb: int) -> int:
    """Returns the media time, in 90 kHz ticks, of a UTC instant on the line of a `ClockEstimate`."""
    elapsed_us = round((moment_at - anchor_at) / timedelta(microseconds=1))
    media_us = rescale(elapsed_us, 1_000_000_000, 1_000_000_000 + rate_ppb)
    return anchor_pts_90k + rescale(media_us, 9, 100)
