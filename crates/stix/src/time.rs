//! STIX timestamps: compared as time, written back with the digits their producer wrote; nothing is rounded.

/// The version of an object: a point in time with nanoseconds, and how many decimals its producer wrote.
///
/// Two versions are the same when their times are, whatever the number of decimals.
#[derive(Debug, Clone, Copy)]
pub struct Version {
    ns: i64,
    decimals: u8,
}

impl Version {
    /// Reads an RFC 3339 timestamp in UTC (STIX 2.1 section 3.2) of the years 1678 to 2261; `None` when it is not one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let body = text.strip_suffix('Z')?;
        let (seconds, fraction) = body.split_once('.').map_or((body, None), |(s, f)| (s, Some(f)));
        let mut ns = 0i64;
        if let Some(f) = fraction {
            if f.is_empty() || f.len() > 9 || !f.bytes().all(|b| b.is_ascii_digit()) {
                return None;
            }
            let scale = 10i64.checked_pow(u32::try_from(9 - f.len()).ok()?)?;
            ns = f.parse::<i64>().ok()? * scale;
        }
        let ns = seconds_since_1970(seconds)?.checked_mul(1_000_000_000)?.checked_add(ns)?;
        Some(Self { ns, decimals: u8::try_from(fraction.map_or(0, str::len)).ok()? })
    }

    /// From the two numbers a store keeps.
    #[must_use]
    pub fn from_parts(ns: i64, decimals: u8) -> Self {
        Self { ns, decimals: decimals.min(9) }
    }

    /// Nanoseconds since 1970.
    #[must_use]
    pub fn ns(self) -> i64 {
        self.ns
    }

    /// Decimals its producer wrote.
    #[must_use]
    pub fn decimals(self) -> u8 {
        self.decimals
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.ns == other.ns
    }
}

impl Eq for Version {}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write_seconds(f, self.ns.div_euclid(1_000_000_000))?;
        if self.decimals > 0 {
            let fraction = format!("{:09}", self.ns.rem_euclid(1_000_000_000));
            write!(f, ".{}", fraction.get(..usize::from(self.decimals)).unwrap_or(&fraction))?;
        }
        f.write_str("Z")
    }
}

fn seconds_since_1970(text: &str) -> Option<i64> {
    check_seconds(text)?;
    let number = |range: std::ops::Range<usize>| text.get(range)?.parse::<i64>().ok();
    let days = days_from_civil(number(0..4)?, number(5..7)?, number(8..10)?);
    Some(((days * 24 + number(11..13)?) * 60 + number(14..16)?) * 60 + number(17..19)?)
}

fn write_seconds(f: &mut std::fmt::Formatter<'_>, seconds: i64) -> std::fmt::Result {
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (y, m, d) = civil_from_days(days);
    write!(f, "{y:04}-{m:02}-{d:02}T{:02}:{:02}:{:02}", rest / 3600, rest / 60 % 60, rest % 60)
}

fn check_seconds(text: &str) -> Option<()> {
    let shape = b"dddd-dd-ddTdd:dd:dd";
    if text.len() != shape.len() {
        return None;
    }
    let fits = text.bytes().zip(shape).all(|(b, s)| if *s == b'd' { b.is_ascii_digit() } else { b == *s });
    let number = |range: std::ops::Range<usize>| text.get(range)?.parse::<u32>().ok();
    if !fits {
        return None;
    }
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        1..=12 => 31,
        _ => return None,
    };
    ((1..=days).contains(&day) && number(11..13)? < 24 && number(14..16)? < 60 && number(17..19)? < 60).then_some(())
}

/// Microseconds since 1970 of a timestamp with any number of decimals, cut after six; `None` when it is not one.
#[must_use]
pub fn to_us(text: &str) -> Option<i64> {
    let body = text.strip_suffix('Z')?;
    let (seconds, fraction) = body.split_once('.').map_or((body, None), |(s, f)| (s, Some(f)));
    let mut us = 0i64;
    if let Some(f) = fraction {
        if f.is_empty() || !f.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        us = f.bytes().chain(std::iter::repeat(b'0')).take(6).fold(0, |us, b| us * 10 + i64::from(b.wrapping_sub(b'0')));
    }
    Some(seconds_since_1970(seconds)? * 1_000_000 + us)
}

/// A timestamp with six decimals, as TAXII 2.1 wants it, from microseconds since 1970.
#[must_use]
pub fn from_us(us: i64) -> String {
    Version { ns: us.saturating_mul(1000), decimals: 6 }.to_string()
}

// Howard Hinnant's civil calendar arithmetic, proleptic Gregorian.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let yoe = y.rem_euclid(400);
    let doy = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    era * 146_097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719_468
}

fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    (yoe + era * 400 + i64::from(month <= 2), month, doy - (153 * mp + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_every_digit_and_compares_as_time() {
        for text in ["2020-01-01T00:00:00.000Z", "2020-01-01T00:00:00Z", "2020-01-01T00:00:00.029036101Z", "1969-12-31T23:59:59.1Z", "2020-02-29T23:59:59.50Z"]
        {
            assert_eq!(Version::parse(text).unwrap().to_string(), text);
        }
        for bad in [
            "2021-02-29T00:00:00Z",
            "2020-01-01",
            "2020-01-01T00:00:00",
            "2020-01-01T24:00:00Z",
            "2020-01-01T00:00:00.Z",
            "2020-01-01t00:00:00z",
            "",
            "2020-01-01T00:00:00.1234567890Z",
            "9999-01-01T00:00:00Z",
        ] {
            assert!(Version::parse(bad).is_none(), "{bad}");
        }
        let ns = |text| Version::parse(text).unwrap().ns();
        assert!(ns("2020-01-01T00:00:00.029Z") < ns("2020-01-01T00:00:00.029036Z"));
        assert_eq!(Version::parse("2020-01-01T00:00:00.000Z"), Version::parse("2020-01-01T00:00:00Z"));
    }

    #[test]
    fn microseconds_round_trip() {
        for text in ["1970-01-01T00:00:00.000000Z", "2026-11-23T18:35:00.123456Z", "1969-12-31T23:59:59.999999Z", "2000-02-29T12:00:00.000001Z"] {
            assert_eq!(from_us(to_us(text).unwrap()), text);
        }
        assert_eq!(to_us("2020-01-01T00:00:00.1234567Z"), to_us("2020-01-01T00:00:00.123456Z"));
    }
}
