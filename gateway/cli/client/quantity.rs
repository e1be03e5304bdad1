//! Times, sizes and numbers as people write and read them.

use std::time::Duration;

/// Longest unit first.
const TIME_UNITS: [(&str, u128); 7] = [
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

const SIZE_UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

/// How many units tell how long ago something was.
const UNITS_OF_AGE: usize = 2;

/// Reads `30s`, `7d`, `1h30m`, `1.5s`.
pub(super) fn parse_time(text: &str) -> Result<Duration, String> {
    if let Ok(time) = humantime::parse_duration(text) {
        return Ok(time);
    }
    // The form of JSON in the contract: seconds, perhaps with a fraction.
    let seconds = text.parse::<prost_types::Duration>().ok();
    seconds
        .and_then(|time| Duration::try_from(time).ok())
        .ok_or_else(|| "expected a time such as 30s, 7d or 1h30m".to_owned())
}

/// A time, exactly: `7d`, `1h30m`. [`parse_time`] reads it back.
pub(super) fn time(time: Duration) -> String {
    units_of(time, TIME_UNITS.len())
}

/// About how long ago: `3d4h`, `12s`; less than a second is `0s`.
pub(super) fn age(age: Duration) -> String {
    units_of(Duration::from_secs(age.as_secs()), UNITS_OF_AGE)
}

fn units_of(time: Duration, most: usize) -> String {
    let mut rest = time.as_nanos();
    let mut text = String::new();
    let mut left = most;
    for (unit, nanos) in TIME_UNITS {
        let begun = !text.is_empty();
        let number = rest / nanos;
        if number > 0 && left > 0 {
            text.push_str(&format!("{number}{unit}"));
        }
        if number > 0 || begun {
            left = left.saturating_sub(1);
        }
        rest %= nanos;
    }
    if text.is_empty() {
        text.push_str("0s");
    }
    text
}

/// About how many bytes: `1.2 GiB`.
pub(super) fn size(bytes: u64) -> String {
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1023.95 && unit + 1 < SIZE_UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let digits = usize::from(unit > 0);
    format!("{value:.digits$} {}", SIZE_UNITS[unit])
}

/// A whole number with its thousands apart: `1,234,567`.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// How many in a second: `12.5`, `1,234`.
pub(super) fn rate(per_second: f64) -> String {
    if per_second >= 100.0 {
        return count(per_second.round() as u64);
    }
    format!("{per_second:.1}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        for (text, seconds) in [
            ("30s", 30.0),
            ("7d", 604_800.0),
            ("1h30m", 5400.0),
            ("604800s", 604_800.0),
            ("1.5s", 1.5),
            ("100ms", 0.1),
        ] {
            let expected = Duration::from_secs_f64(seconds);
            assert_eq!(parse_time(text).unwrap(), expected, "{text}");
        }
        for bad in ["", "30", "soon", "-5s", "5 parsecs"] {
            assert!(parse_time(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn ages_have_two_units() {
        for (seconds, text) in [
            (0, "0s"),
            (59, "59s"),
            (3600, "1h"),
            (3661, "1h1m"),
            (90_061, "1d1h"),
            (86_400 + 61, "1d"),
        ] {
            assert_eq!(age(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn sizes_have_the_unit_that_fits() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            (1024 * 1024 - 1, "1.0 MiB"),
            (1 << 30, "1.0 GiB"),
            (u64::MAX, "16.0 EiB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn thousands_stand_apart() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(count(number), text);
        }
        assert_eq!(rate(0.25), "0.2");
        assert_eq!(rate(12_345.6), "12,346");
    }

    proptest! {
        #[test]
        fn exact_times_are_read_back(nanos in 0..=u64::MAX) {
            let exact = Duration::from_nanos(nanos);
            prop_assert_eq!(parse_time(&time(exact)).unwrap(), exact);
        }
    }
}
