// SPDX-License-Identifier: Apache-2.0

//! Views and results of the library.

use crate::ffi::*;
use crate::Error;
use std::borrow::Cow;
use std::ffi::CString;
use std::mem::size_of;
use std::os::raw::c_char;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;
use std::time::Duration;

pub(crate) const NOTHING: bp_bytes = bp_bytes {
    data: ptr::null(),
    size: 0,
};

#[inline]
pub(crate) fn str(text: &str) -> bp_str {
    bp_str {
        data: text.as_ptr() as *const c_char,
        size: text.len(),
    }
}
#[inline]
pub(crate) fn bytes(bytes: &[u8]) -> bp_bytes {
    bp_bytes {
        data: bytes.as_ptr(),
        size: bytes.len(),
    }
}
/// # Safety
/// The view must stay valid for 'a.
#[inline]
pub(crate) unsafe fn slice<'a>(view: bp_bytes) -> &'a [u8] {
    match view.size {
        0 => &[],
        size => std::slice::from_raw_parts(view.data, size),
    }
}
/// # Safety
/// The view must stay valid for 'a.
pub(crate) unsafe fn text<'a>(view: bp_str) -> Cow<'a, str> {
    String::from_utf8_lossy(slice(bp_bytes {
        data: view.data as *const u8,
        size: view.size,
    }))
}
#[inline]
pub(crate) fn size<T>() -> u32 {
    size_of::<T>() as u32
}

/// Milliseconds, rounded up. A duration that is over is the shortest one; none is 0.
#[inline]
pub(crate) fn timeout_ms(duration: Option<Duration>) -> u64 {
    duration.map_or(0, rounded_ms)
}
fn rounded_ms(duration: Duration) -> u64 {
    let ms = (duration.as_nanos() + 999_999) / 1_000_000;
    u64::try_from(ms).unwrap_or(u64::MAX).max(1)
}
pub(crate) fn ms32(duration: Duration) -> u32 {
    match duration.is_zero() {
        true => 0,
        false => u32::try_from(timeout_ms(Some(duration))).unwrap_or(u32::MAX),
    }
}

/// A path as C takes it. A path with a NUL is an error.
pub(crate) fn c_path(path: &Path) -> Result<CString, Error> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| {
        let text = "found a path with a NUL, expected one without";
        Error::new(crate::Status::InvalidArgument, text).with_name(&path.to_string_lossy())
    })
}

/// A bp_result that frees itself.
pub(crate) struct NativeResult(pub bp_result);

impl NativeResult {
    #[inline]
    pub fn new() -> NativeResult {
        NativeResult(bp_result {
            struct_size: size::<bp_result>(),
            status: 0,
            payload: NOTHING,
            message: bp_str {
                data: ptr::null(),
                size: 0,
            },
            detail: NOTHING,
            owner: ptr::null_mut(),
        })
    }
    #[inline]
    pub fn payload(&self) -> &[u8] {
        unsafe { slice(self.0.payload) }
    }
    pub fn error(&self, name: &str, status: bp_status) -> Error {
        unsafe { Error::of_answer(name, status, self.0.message, self.0.detail) }
    }
}

impl Drop for NativeResult {
    #[inline]
    fn drop(&mut self) {
        unsafe { bp_result_free(&mut self.0) }
    }
}

/// Writes a line to the log of the process.
pub(crate) fn log(level: i32, line: &str) {
    unsafe { bp_log_write(level, 0, str("client"), str(line)) }
}
