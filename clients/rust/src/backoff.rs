// SPDX-License-Identifier: Apache-2.0

//! How long to wait for a connection, and whether one is broken.

use crate::ffi::*;
use crate::native;
use crate::options::Reconnect;
use crate::{Error, Status};
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::os::raw::c_void;
use std::time::Duration;

/// The wait before an attempt; see Reconnect. `random`: 0 to 1.
pub(crate) fn wait_before(how: &Reconnect, attempt: u32, random: f64) -> Duration {
    let most = how.max.as_secs_f64();
    let exponent = i32::try_from(attempt).unwrap_or(i32::MAX) - 1;
    let wait = (how.initial.as_secs_f64() * how.factor.powi(exponent)).min(most);
    Duration::from_secs_f64(wait * (1.0 - how.jitter * random))
}

pub(crate) fn check(how: &Reconnect) -> Result<(), Error> {
    let hour = Duration::from_secs(3600);
    let ms = Duration::from_millis(1);
    let text = if how.max < ms || how.max > hour {
        format!("max: found {:?}; expected 1 ms to 1 h", how.max)
    } else if how.initial < ms || how.initial > how.max {
        let found = how.initial;
        format!(
            "initial: found {:?}; expected 1 ms to max, {:?}",
            found, how.max
        )
    } else if !(1.0..=10.0).contains(&how.factor) {
        format!("factor: found {}; expected 1 to 10", how.factor)
    } else if !(0.0..=1.0).contains(&how.jitter) {
        format!("jitter: found {}; expected 0 to 1", how.jitter)
    } else {
        return Ok(());
    };
    let text = format!("reconnect: {}", text);
    Err(Error::new(Status::InvalidArgument, text))
}

pub(crate) fn random() -> f64 {
    let bits = RandomState::new().build_hasher().finish(); // each has keys of its own
    (bits >> 11) as f64 / (1u64 << 53) as f64
}

/// Whether the connection is broken. Does not wait for the host.
pub(crate) fn refuses_calls(at: bp_context) -> bool {
    unsafe extern "C" fn ignore(_: *mut c_void, _: *const bp_answer) {}
    let submission = bp_submission {
        struct_size: native::size::<bp_submission>(),
        flags: BP_SUBMIT_NO_STALE,
        method: bp_method::default(),
        name: native::str("client.probe"),
        payload: native::NOTHING,
        buffer: std::ptr::null_mut(),
        timeout_ms: 0,
        on_reply: Some(ignore),
        user: std::ptr::null_mut(),
        source: bp_source::default(),
        window_bytes: 0,
        window_parts: 0,
        reserved: 0,
        on_credit: None,
    };
    let mut ignored = bp_request::default();
    at.id != 0 && unsafe { bp_submit(at, &submission, &mut ignored) } == Status::Unreachable.code()
}
