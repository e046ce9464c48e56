// SPDX-License-Identifier: Apache-2.0

/// The kinds of items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An unsigned integer.
    Uint,
    /// A negative integer.
    Negative,
    /// Bytes.
    Bytes,
    /// Text.
    Text,
    /// An array.
    Array,
    /// A map.
    Map,
    /// A tag; the item that it belongs to follows.
    Tag,
    /// true or false.
    Bool,
    /// null.
    Null,
    /// undefined.
    Undefined,
    /// A float.
    Float,
    /// A simple value without a meaning of its own.
    Simple,
    /// The end of an array, map or string of unknown length.
    Break,
}

impl Kind {
    /// Its name in messages.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Uint | Kind::Negative => "int",
            Kind::Bytes => "bytes",
            Kind::Text => "text",
            Kind::Array => "array",
            Kind::Map => "map",
            Kind::Tag => "tag",
            Kind::Bool => "bool",
            Kind::Null => "null",
            Kind::Undefined => "undefined",
            Kind::Float => "float",
            Kind::Simple => "simple value",
            Kind::Break => "break",
        }
    }
}

/// The first bytes of an item.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub kind: Kind,
    pub unknown: bool, // an array, map or string whose length is not told
    pub value: u64,    // number, length, count, tag, simple value; the bits of a float
    pub size: usize,
}

impl Head {
    pub fn float(self) -> f64 {
        float_value(self)
    }
}

fn float_value(head: Head) -> f64 {
    match head.size {
        3 => half(head.value),
        5 => f64::from(f32::from_bits(head.value as u32)),
        _ => f64::from_bits(head.value),
    }
}

/// The value of a float of 16 bits.
fn half(bits: u64) -> f64 {
    let sign = (bits & 0x8000) << 48;
    let (exponent, fraction) = (bits >> 10 & 31, bits & 0x3ff);
    if exponent == 0 {
        let value = fraction as f64 / 16_777_216.0;
        return f64::from_bits(value.to_bits() | sign);
    }
    let exponent = if exponent == 31 {
        2047
    } else {
        exponent + 1008
    };
    f64::from_bits(sign | exponent << 52 | fraction << 42)
}
