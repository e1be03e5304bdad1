//! One message as it is printed.

use base64::{Engine as _, prelude::BASE64_STANDARD};

use crate::{
    cli::{
        Failure,
        client::{
            json::json,
            output::{Output, harmless, one_line},
        },
    },
    proto::{Header, ReceivedMessage, received_message::Payload},
};

/// Prints a message: a line about it, a line for each header, the payload, and an empty line.
pub(super) fn print(output: &mut Output, message: &ReceivedMessage) -> Result<(), Failure> {
    if output.is_json() {
        return output.object(&json(message)?);
    }
    output.heading(&about(message))?;
    for header in &message.headers {
        output.line(&format!("{}: {}", one_line(&header.name), value(header)))?;
    }
    let payload = match &message.payload {
        Some(Payload::Text(text)) => harmless(text),
        Some(Payload::Data(data)) => {
            let size = data.len();
            format!("({size} bytes in base64) {}", BASE64_STANDARD.encode(data))
        }
        None => String::new(),
    };
    if !payload.is_empty() {
        output.line(&payload)?;
    }
    output.line("")
}

/// `#7 orders.new 2026-01-31T12:00:00Z, attempt 2`
fn about(message: &ReceivedMessage) -> String {
    let mut text = format!(
        "#{} {}",
        message.stream_sequence,
        one_line(&message.subject)
    );
    if let Some(time) = message.publish_time {
        text.push_str(&format!(" {time}"));
    }
    if message.delivery_attempt > 1 {
        text.push_str(&format!(", attempt {}", message.delivery_attempt));
    }
    text
}

fn value(header: &Header) -> String {
    if header.binary_value.is_empty() {
        one_line(&header.value)
    } else {
        format!("(base64) {}", BASE64_STANDARD.encode(&header.binary_value))
    }
}
