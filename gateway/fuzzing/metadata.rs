//! What callers say about a call in its metadata.

use std::time::Duration;

use tonic::metadata::MetadataMap;

use crate::deadline::Deadline;
use crate::error::Reason;

/// A caller without a deadline of its own has this one.
const DEFAULT: Duration = Duration::from_secs(3);

/// The value of `grpc-timeout`.
pub fn timeouts(input: &[u8]) {
    let Ok(value) = tonic::metadata::MetadataValue::try_from(input) else {
        return;
    };
    let mut metadata = MetadataMap::new();
    metadata.insert("grpc-timeout", value);
    match (Deadline::of_call(&metadata, DEFAULT), seconds(input)) {
        (Ok(deadline), Some(seconds)) => {
            let remaining = deadline.remaining().as_secs_f64();
            assert!(remaining <= seconds.min(24.0 * 60.0 * 60.0), "{remaining}");
        }
        (Err(error), Some(seconds)) => {
            assert_eq!(error.reason(), Reason::DeadlineExceeded);
            assert!(seconds < 1.0, "{seconds} s were over at once");
        }
        (Err(error), None) => assert_eq!(error.reason(), Reason::InvalidRequest),
        (Ok(_), None) => panic!("{} is a time", input.escape_ascii()),
    }
}

/// What it means, by the gRPC protocol.
fn seconds(input: &[u8]) -> Option<f64> {
    let (unit, digits) = input.split_last()?;
    let unit = match unit {
        b'H' => 3600.0,
        b'M' => 60.0,
        b'S' => 1.0,
        b'm' => 1e-3,
        b'u' => 1e-6,
        b'n' => 1e-9,
        _ => return None,
    };
    let is_amount = (1..=8).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    let digit = |value: f64, digit: &u8| value * 10.0 + f64::from(digit - b'0');
    is_amount.then(|| digits.iter().fold(0.0, digit) * unit)
}
