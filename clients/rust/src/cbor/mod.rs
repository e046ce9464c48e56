// SPDX-License-Identifier: Apache-2.0

//! CBOR (RFC 8949): what payloads are made of.
//!
//! Generated types implement [`Encode`] and [`Decode`]. [`Value`] holds any item. [`Raw`] is a payload that is not CBOR.
//!
//! The [`Decoder`] takes untrusted bytes: it checks each length against the bytes that follow before it reserves
//! memory, checks UTF-8, and refuses what is nested deeper than [`MAX_DEPTH`]. The [`Encoder`] writes the shortest form
//! of each number and length.

mod decoder;
mod encoder;
mod error;
mod kind;
mod types;
mod value;

pub use decoder::{Decoder, Level};
pub use encoder::Encoder;
pub use error::DecodeError;
pub use kind::Kind;
pub use types::{ByteArray, Bytes, Cbor, Empty, MapKey, Raw};
pub use value::Value;

/// How many arrays, maps and tags may be around an item.
pub const MAX_DEPTH: u32 = 64;

/// A type that can be written as one CBOR item.
pub trait Encode {
    /// Appends the item.
    fn encode(&self, out: &mut Encoder);
}

/// A type that can be read from one CBOR item.
pub trait Decode: Sized {
    /// Reads the next item.
    fn decode(input: &mut Decoder<'_>) -> Result<Self, DecodeError>;
}

/// Writes a value.
pub fn to_vec<T: Encode + ?Sized>(value: &T) -> Vec<u8> {
    let mut out = Encoder::new();
    value.encode(&mut out);
    out.into_vec()
}

/// Reads a value that takes all of `bytes`. Members that a struct does not have are ignored.
pub fn from_slice<T: Decode>(bytes: &[u8]) -> Result<T, DecodeError> {
    finish(Decoder::new(bytes))
}

/// The same, but a member that a struct does not have is an error.
pub fn from_slice_strict<T: Decode>(bytes: &[u8]) -> Result<T, DecodeError> {
    finish(Decoder::new(bytes).strict())
}

/// The value of a member that must be there. For generated code, as the two functions below.
#[inline]
pub fn required<T>(slot: Option<T>, name: &str) -> Result<T, DecodeError> {
    match slot {
        Some(value) => Ok(value),
        None => Err(DecodeError::new("missing").in_member(name)),
    }
}

/// The value of a map that has exactly one of the members `expected`.
pub fn one_of<T>(slot: Option<T>, expected: &str) -> Result<T, DecodeError> {
    slot.ok_or_else(|| DecodeError::new(format!("found none of the members {}", expected)))
}

/// An error: the text is no value of an enum.
#[cold]
pub fn refuse<T>(found: &str, expected: &str) -> Result<T, DecodeError> {
    let found: String = found.chars().take(64).collect();
    Err(DecodeError::new(format!(
        "expected {}, got {:?}",
        expected, found
    )))
}

fn finish<T: Decode>(mut input: Decoder<'_>) -> Result<T, DecodeError> {
    let value = T::decode(&mut input)?;
    input.finish()?;
    Ok(value)
}
