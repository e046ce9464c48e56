// SPDX-License-Identifier: Apache-2.0

use super::{Bytes, Decode, DecodeError, Decoder, Encode, Encoder, Kind};

/// Any CBOR item. Integers have the whole range of CBOR: -2^64 to 2^64 - 1. Writing an integer outside of it writes the
/// nearest one.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// null
    Null,
    /// undefined
    Undefined,
    /// true or false
    Bool(bool),
    /// An integer.
    Int(i128),
    /// A float. It is written with 64 bits.
    Float(f64),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// An array.
    Array(Vec<Value>),
    /// A map, in the order of the wire. Keys may be anything, and may come twice.
    Map(Vec<(Value, Value)>),
    /// A tag and its item.
    Tag(u64, Box<Value>),
    /// A simple value without a meaning of its own: 0 to 19 or 32 to 255.
    Simple(u8),
}

impl Value {
    /// The value of a map's text key.
    pub fn get(&self, key: &str) -> Option<&Value> {
        let pairs = self.as_map()?;
        let found = pairs.iter().find(|pair| pair.0.as_str() == Some(key));
        found.map(|pair| &pair.1)
    }
    /// The element of an array.
    pub fn at(&self, index: usize) -> Option<&Value> {
        self.as_array()?.get(index)
    }
    /// The text.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }
    /// The bytes.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Value::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }
    /// The integer.
    pub fn as_int(&self) -> Option<i128> {
        match self {
            Value::Int(int) => Some(*int),
            _ => None,
        }
    }
    /// The float, or the integer as one.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Value::Float(float) => Some(*float),
            Value::Int(int) => Some(*int as f64),
            _ => None,
        }
    }
    /// The bool.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Value::Bool(value) => Some(*value),
            _ => None,
        }
    }
    /// The elements.
    pub fn as_array(&self) -> Option<&[Value]> {
        match self {
            Value::Array(items) => Some(items),
            _ => None,
        }
    }
    /// The pairs.
    pub fn as_map(&self) -> Option<&[(Value, Value)]> {
        match self {
            Value::Map(pairs) => Some(pairs),
            _ => None,
        }
    }
    /// Whether it is null or undefined.
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null | Value::Undefined)
    }
    /// A map with text keys.
    pub fn map<K: Into<String>, V: Into<Value>, I: IntoIterator<Item = (K, V)>>(pairs: I) -> Value {
        let pairs = pairs.into_iter();
        Value::Map(
            pairs
                .map(|(k, v)| (Value::Text(k.into()), v.into()))
                .collect(),
        )
    }
    /// The value of any type with a wire form.
    pub fn of<T: Encode + ?Sized>(value: &T) -> Result<Value, DecodeError> {
        super::from_slice(&super::to_vec(value))
    }
    /// Reads the value as a T, leniently.
    pub fn to<T: Decode>(&self) -> Result<T, DecodeError> {
        super::from_slice(&super::to_vec(self))
    }
}

impl Default for Value {
    fn default() -> Value {
        Value::Null
    }
}

impl Encode for Value {
    fn encode(&self, out: &mut Encoder) {
        match self {
            Value::Null => out.null(),
            Value::Undefined => out.undefined(),
            Value::Bool(value) => out.bool(*value),
            Value::Int(value) if *value < 0 => {
                out.negative(u64::try_from(-1 - *value).unwrap_or(u64::MAX));
            }
            Value::Int(value) => out.uint(u64::try_from(*value).unwrap_or(u64::MAX)),
            Value::Float(value) => out.f64(*value),
            Value::Text(text) => out.text(text),
            Value::Bytes(bytes) => out.bytes(bytes),
            Value::Array(items) => items.encode(out),
            Value::Map(pairs) => {
                out.map(pairs.len());
                for (key, value) in pairs {
                    key.encode(out);
                    value.encode(out);
                }
            }
            Value::Tag(number, value) => {
                out.tag(*number);
                value.encode(out);
            }
            Value::Simple(value) => out.simple(*value),
        }
    }
}

impl Decode for Value {
    fn decode(input: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        if let Some(number) = input.tag()? {
            input.deeper()?;
            let value = Value::decode(input)?;
            input.shallower();
            return Ok(Value::Tag(number, Box::new(value)));
        }
        Ok(match input.kind()? {
            Kind::Uint | Kind::Negative => Value::Int(input.int()?),
            Kind::Bytes => Value::Bytes(Bytes::decode(input)?.0),
            Kind::Text => Value::Text(String::decode(input)?),
            Kind::Array => Value::Array(Vec::decode(input)?),
            Kind::Map => {
                let mut level = input.map()?;
                let mut pairs = Vec::new();
                while input.more(&mut level)? {
                    pairs.push((Value::decode(input)?, Value::decode(input)?));
                }
                Value::Map(pairs)
            }
            Kind::Bool => Value::Bool(input.bool()?),
            Kind::Null => {
                input.skip()?;
                Value::Null
            }
            Kind::Undefined => {
                input.skip()?;
                Value::Undefined
            }
            Kind::Float => Value::Float(input.f64()?),
            Kind::Simple => Value::Simple(input.simple()?),
            Kind::Tag | Kind::Break => {
                input.skip()?; // which fails
                return input.expected("an item");
            }
        })
    }
}

macro_rules! from {
    ($($from:ty => $to:expr;)*) => {$(
        impl From<$from> for Value {
            fn from(value: $from) -> Value {
                $to(value.into())
            }
        }
    )*};
}
from! {
    bool => Value::Bool; f32 => Value::Float; f64 => Value::Float;
    i8 => Value::Int; i16 => Value::Int; i32 => Value::Int; i64 => Value::Int;
    u8 => Value::Int; u16 => Value::Int; u32 => Value::Int; u64 => Value::Int;
    &str => Value::Text; String => Value::Text; Vec<Value> => Value::Array;
}
impl From<Bytes> for Value {
    fn from(bytes: Bytes) -> Value {
        Value::Bytes(bytes.0)
    }
}
impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Value {
        value.map_or(Value::Null, Into::into)
    }
}
