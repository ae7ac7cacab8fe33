//! STIX timestamps: RFC 3339 in UTC with a `Z`, compared without losing digits.
//!
//! One rule holds here: a timestamp is never rewritten, so any precision compares exactly.

/// A timestamp that names a real moment; ordered by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Stamp<'a> {
    seconds: &'a str,
    /// Fraction digits without trailing zeros, which orders as text.
    fraction: &'a str,
}

/// Reads a timestamp, or nothing when it has the wrong shape or names no real day.
pub(super) fn read(text: &str) -> Option<Stamp<'_>> {
    let body = text.strip_suffix('Z')?;
    let (seconds, tail) = body.split_at_checked(19)?;
    let fraction = match tail.strip_prefix('.') {
        Some(digits) if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => digits,
        None if tail.is_empty() => "",
        _ => return None,
    };
    let mut fields = [0_u32; 6];
    for (field, (start, length, mark)) in fields.iter_mut().zip([(0, 4, '-'), (5, 2, '-'), (8, 2, 'T'), (11, 2, ':'), (14, 2, ':'), (17, 2, '.')]) {
        let digits = seconds.get(start..start + length)?;
        if !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        if seconds.get(start + length..).and_then(|r| r.chars().next()).unwrap_or('.') != mark {
            return None;
        }
        *field = digits.parse().ok()?;
    }
    let [year, month, day, hour, minute, second] = fields;
    let real = (1..=12).contains(&month) && (1..=days_in(year, month)).contains(&day) && hour < 24 && minute < 60 && second <= 60;
    real.then(|| Stamp { seconds, fraction: fraction.trim_end_matches('0') })
}

/// Whether the text has the shape of a timestamp; the 31st of April passes, a 13th month does not.
pub(super) fn is_shaped(text: &str) -> bool {
    let late_day = text.get(8..10).is_some_and(|day| matches!(day, "29" | "30" | "31"));
    if !late_day {
        return read(text).is_some();
    }
    let (Some(head), Some(tail)) = (text.get(..8), text.get(10..)) else {
        return false;
    };
    read(&format!("{head}28{tail}")).is_some()
}

/// Whether the seconds are a leap second, which most software cannot keep.
pub(super) fn is_leap_second(stamp: Stamp<'_>) -> bool {
    stamp.seconds.ends_with(":60")
}

/// How many digits follow the decimal point.
pub(super) fn fraction_digits(text: &str) -> usize {
    text.split_once('.').map_or(0, |(_, fraction)| fraction.trim_end_matches('Z').len())
}

fn days_in(year: u32, month: u32) -> u32 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}
