// SPDX-License-Identifier: Apache-2.0

use std::fmt;

/// Why bytes cannot be read as a value: `messages[2].delay_ms: expected int, got text`.
#[derive(Clone, PartialEq, Eq)]
pub struct DecodeError(Box<Fault>);

#[derive(Clone, PartialEq, Eq)]
struct Fault {
    path: String, // a step in front of it is a member or "[index]"
    what: String,
}

impl DecodeError {
    /// An error at the place that is being read.
    #[cold]
    pub fn new(what: impl Into<String>) -> DecodeError {
        DecodeError(Box::new(Fault {
            path: String::new(),
            what: what.into(),
        }))
    }

    /// The same error, seen from the struct that has the member `name`.
    #[cold]
    pub fn in_member(mut self, name: &str) -> DecodeError {
        let joined = match self.0.path.as_bytes().first() {
            None | Some(b'[') => format!("{}{}", name, self.0.path),
            Some(_) => format!("{}.{}", name, self.0.path),
        };
        self.0.path = joined;
        self
    }

    /// The same error, seen from the list.
    #[cold]
    pub fn in_element(self, index: usize) -> DecodeError {
        self.in_member(&format!("[{}]", index))
    }

    /// Where it is: `messages[2].delay_ms`. Empty: the item as a whole.
    pub fn path(&self) -> &str {
        &self.0.path
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.0.path.is_empty() {
            write!(out, "{}: ", self.0.path)?;
        }
        out.write_str(&self.0.what)
    }
}

impl fmt::Debug for DecodeError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "DecodeError({:?})", self.to_string())
    }
}

impl std::error::Error for DecodeError {}
