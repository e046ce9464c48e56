// SPDX-License-Identifier: Apache-2.0

use super::Encode;

/// Writes CBOR into memory that grows.
#[derive(Debug, Default)]
pub struct Encoder {
    out: Vec<u8>,
}

impl Encoder {
    /// An empty one.
    #[inline]
    pub fn new() -> Encoder {
        Encoder::default()
    }
    /// One that appends to `out`.
    #[inline]
    pub fn with(out: Vec<u8>) -> Encoder {
        Encoder { out }
    }
    /// What was written.
    #[inline]
    pub fn into_vec(self) -> Vec<u8> {
        self.out
    }
    /// What was written.
    #[inline]
    pub fn as_slice(&self) -> &[u8] {
        &self.out
    }

    #[inline]
    fn head(&mut self, kind: u8, value: u64) {
        let kind = kind << 5;
        if value < 24 {
            self.out.push(kind | value as u8);
        } else {
            self.long_head(kind, value);
        }
    }
    fn long_head(&mut self, kind: u8, value: u64) {
        if value <= 0xff {
            self.out.extend_from_slice(&[kind | 24, value as u8]);
        } else if value <= 0xffff {
            self.out.push(kind | 25);
            self.out.extend_from_slice(&(value as u16).to_be_bytes());
        } else if value <= 0xffff_ffff {
            self.out.push(kind | 26);
            self.out.extend_from_slice(&(value as u32).to_be_bytes());
        } else {
            self.out.push(kind | 27);
            self.out.extend_from_slice(&value.to_be_bytes());
        }
    }

    /// An unsigned integer.
    #[inline]
    pub fn uint(&mut self, value: u64) {
        self.head(0, value);
    }
    /// An integer.
    #[inline]
    pub fn int(&mut self, value: i64) {
        if value < 0 {
            self.head(1, !value as u64);
        } else {
            self.head(0, value as u64);
        }
    }
    /// The integer `-1 - value`, which may be less than an i64 can be.
    pub fn negative(&mut self, value: u64) {
        self.head(1, value);
    }
    /// Bytes.
    pub fn bytes(&mut self, value: &[u8]) {
        self.head(2, value.len() as u64);
        self.out.extend_from_slice(value);
    }
    /// Text.
    #[inline]
    pub fn text(&mut self, value: &str) {
        self.head(3, value.len() as u64);
        self.out.extend_from_slice(value.as_bytes());
    }
    /// An array; its items follow.
    pub fn array(&mut self, items: usize) {
        self.head(4, items as u64);
    }
    /// A map; its pairs follow.
    #[inline]
    pub fn map(&mut self, pairs: usize) {
        self.head(5, pairs as u64);
    }
    /// A tag; the item that it belongs to follows.
    pub fn tag(&mut self, number: u64) {
        self.head(6, number);
    }
    /// true or false.
    pub fn bool(&mut self, value: bool) {
        self.out.push(0xf4 + value as u8);
    }
    /// null.
    pub fn null(&mut self) {
        self.out.push(0xf6);
    }
    /// undefined.
    pub fn undefined(&mut self) {
        self.out.push(0xf7);
    }
    /// A simple value, which is not 20 to 31.
    pub fn simple(&mut self, value: u8) {
        self.head(7, value.into());
    }
    /// A float of 32 bits.
    pub fn f32(&mut self, value: f32) {
        self.out.push(0xfa);
        self.out.extend_from_slice(&value.to_bits().to_be_bytes());
    }
    /// A float of 64 bits.
    pub fn f64(&mut self, value: f64) {
        self.out.push(0xfb);
        self.out.extend_from_slice(&value.to_bits().to_be_bytes());
    }
    /// Bytes as they are: items that are encoded already, or a payload that is not CBOR.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    /// A pair of a map.
    #[inline]
    pub fn member<T: Encode + ?Sized>(&mut self, name: &str, value: &T) {
        self.text(name);
        value.encode(self);
    }
    /// A pair of a map, or nothing.
    #[inline]
    pub fn optional<T: Encode>(&mut self, name: &str, value: &Option<T>) {
        if let Some(value) = value {
            self.member(name, value);
        }
    }
}
