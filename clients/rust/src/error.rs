// SPDX-License-Identifier: Apache-2.0

use crate::cbor::{self, Decode, DecodeError};
use crate::ffi;
use crate::native;
use crate::Status;
use std::fmt;

/// Why something failed: of the host, of a module, or of this side. Errors of this side have the same form. For example,
/// an answer that does not fit has the status `bad_payload`.
#[derive(Clone, PartialEq, Eq)]
pub struct Error(Box<Inner>);

#[derive(Clone, PartialEq, Eq)]
struct Inner {
    status: Status,
    name: String,
    message: String,
    detail: Vec<u8>,
}

impl Error {
    /// An error with a status and a message for people: what was found, what was expected, what to do. A host function
    /// returns it to fail.
    pub fn new(status: impl Into<Status>, message: impl Into<String>) -> Error {
        Error(Box::new(Inner {
            status: status.into(),
            name: String::new(),
            message: message.into(),
            detail: Vec::new(),
        }))
    }
    /// With a detail for programs.
    pub fn with_detail<T: cbor::Encode + ?Sized>(mut self, detail: &T) -> Error {
        self.0.detail = cbor::to_vec(detail);
        self
    }
    /// With what it is about: a wire name, an event, a module.
    pub fn with_name(mut self, name: &str) -> Error {
        self.0.name = name.to_string();
        self
    }
    pub(crate) fn of_status(name: &str, status: ffi::bp_status) -> Error {
        let status = Status::from(status);
        Error::new(status, status.text()).with_name(name)
    }
    /// # Safety
    /// The views must be valid.
    pub(crate) unsafe fn of_answer(
        name: &str,
        status: ffi::bp_status,
        message: ffi::bp_str,
        detail: ffi::bp_bytes,
    ) -> Error {
        let status = Status::from(status);
        let message = match native::text(message) {
            text if text.is_empty() => status.text().to_string(),
            text => text.into_owned(),
        };
        Error(Box::new(Inner {
            status,
            name: name.to_string(),
            message,
            detail: native::slice(detail).to_vec(),
        }))
    }
    pub(crate) fn of_answer_form(name: &str, error: DecodeError) -> Error {
        let text = format!("the answer has another form than expected: {}", error);
        Error::new(Status::BadPayload, text).with_name(name)
    }

    /// How it ended.
    pub fn status(&self) -> Status {
        self.0.status
    }
    /// The number of the status.
    pub fn code(&self) -> i32 {
        self.0.status.code()
    }
    /// What it is about: a wire name, an event, a module. It may be empty.
    pub fn name(&self) -> &str {
        &self.0.name
    }
    /// For people.
    pub fn message(&self) -> &str {
        &self.0.message
    }
    /// For programs: one CBOR item, or nothing.
    pub fn detail_bytes(&self) -> &[u8] {
        &self.0.detail
    }
    /// Reads the detail.
    pub fn detail<T: Decode>(&self) -> Result<T, DecodeError> {
        cbor::from_slice(&self.0.detail)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.0.name.is_empty() {
            write!(out, "{}: ", self.0.name)?;
        }
        write!(out, "{} ({})", self.0.message, self.0.status)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Error")
            .field("status", &self.0.status)
            .field("name", &self.0.name)
            .field("message", &self.0.message)
            .field("detail", &self.0.detail)
            .finish()
    }
}

impl std::error::Error for Error {}

/// An error that a module declares, with its detail. Generated code has these.
#[derive(Clone, Debug, PartialEq)]
pub struct Declared<D> {
    /// Status, message and the bytes of the detail.
    pub error: Error,
    /// For programs.
    pub detail: D,
}

impl Error {
    /// Makes the variant of a generated error, unless the detail has another form.
    pub fn declared<D: Decode, E>(
        self,
        declared: fn(Declared<D>) -> E,
        other: fn(Error) -> E,
    ) -> E {
        let bytes: &[u8] = match &self.0.detail[..] {
            [] => &[0xf6], // none is null
            bytes => bytes,
        };
        match cbor::from_slice(bytes) {
            Ok(detail) => declared(Declared {
                error: self,
                detail,
            }),
            Err(_) => other(self),
        }
    }
}
