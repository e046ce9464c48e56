// SPDX-License-Identifier: Apache-2.0

//! How the transcript shows what it sees.

use backplane::{Error, Events, Value};
use std::fmt::Display;
use std::time::Duration;

pub const LONG: Duration = Duration::from_secs(10);
pub const LARGE: usize = 1 << 20;

pub fn text(value: &str) -> String {
    let mut out = String::from("\"");
    for c in value.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if (c as u32) < 0x20 => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out + "\""
}

pub fn hex(bytes: &[u8]) -> String {
    let digits: String = bytes.iter().map(|b| format!("{:02x}", b)).collect();
    format!("h'{}'", digits)
}

pub fn list<T>(items: &[T], show: impl Fn(&T) -> String) -> String {
    let shown: Vec<_> = items.iter().map(show).collect();
    format!("[{}]", shown.join(", "))
}

pub fn show(value: &Value) -> String {
    match value {
        Value::Text(value) => text(value),
        Value::Bytes(bytes) => hex(bytes),
        Value::Int(int) => int.to_string(),
        Value::Float(float) if float.is_nan() => "NaN".into(),
        Value::Float(float) => format!("{:?}", float),
        Value::Bool(value) => value.to_string(),
        Value::Array(items) => list(items, show),
        Value::Map(pairs) => {
            let mut pairs: Vec<_> = pairs.iter().map(|(k, v)| (show(k), show(v))).collect();
            pairs.sort();
            let pairs: Vec<_> = pairs.iter().map(|(k, v)| format!("{}: {}", k, v)).collect();
            format!("{{{}}}", pairs.join(", "))
        }
        _ => "null".into(),
    }
}

pub fn maybe(value: &Option<String>) -> String {
    value.as_deref().map_or("null".into(), text)
}

pub fn line(name: &str, what: impl Display) {
    println!("{}: {}", name, what);
}

pub fn timeout(name: &str) -> ! {
    line(name, "timeout");
    std::process::exit(1)
}

pub fn error(error: &Error, message: bool) -> String {
    let mut out = match error.code() {
        code if code >= 1000 => format!("error status={}", code),
        _ => format!("error status={}", error.status().name()),
    };
    if message {
        out += &format!(" message={}", text(error.message()));
    }
    if let Ok(detail) = error.detail::<Value>() {
        if !detail.is_null() {
            out += &format!(" detail={}", show(&detail));
        }
    }
    out
}

pub fn failed<T, E: Into<Error>>(name: &str, result: Result<T, E>, message: bool) {
    match result {
        Ok(_) => line(name, "no error"),
        Err(e) => line(name, error(&e.into(), message)),
    }
}

/// The value of a call that is expected to succeed.
pub fn good<T, E: Into<Error>>(name: &str, result: Result<T, E>) -> T {
    result.unwrap_or_else(|e| {
        line(name, error(&e.into(), true));
        std::process::exit(1)
    })
}

pub fn event<T: backplane::cbor::Decode + 'static>(name: &str, events: &mut Events<T>) -> T {
    match events.next_within(LONG) {
        Some(Ok(event)) => event,
        _ => timeout(name),
    }
}
