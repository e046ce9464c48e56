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
pub use types::{ByteArray, Bytes, Cbor, Empty, Ignored, MapKey, Raw};
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

fn finish<T: Decode>(mut input: Decoder<'_>) -> Result<T, DecodeError> {
    let value = T::decode(&mut input)?;
    input.finish()?;
    Ok(value)
}
