// SPDX-License-Identifier: Apache-2.0

use super::kind::{Head, Kind};
use super::{Decode, DecodeError, MAX_DEPTH};
use std::borrow::Cow;

/// An array or map that is being read.
#[derive(Debug)]
pub struct Level {
    left: Option<u64>, // None: up to a break
    at: usize,
}

impl Level {
    /// How many elements to reserve memory for. Each takes at least a byte, so it is no more than the input has.
    pub(super) fn hint(&self) -> usize {
        self.left.unwrap_or(0).min(4096) as usize
    }
    /// How many elements were begun.
    pub fn count(&self) -> usize {
        self.at
    }
}

/// Reads CBOR from untrusted bytes. Tags in front of an item are skipped. A [`Value`](crate::Value) keeps them.
#[derive(Clone, Debug)]
pub struct Decoder<'a> {
    input: &'a [u8],
    at: usize,
    depth: u32,
    strict: bool,
}

#[cold]
fn error<T>(what: impl Into<String>) -> Result<T, DecodeError> {
    Err(DecodeError::new(what))
}

impl<'a> Decoder<'a> {
    /// Reads `input`; unknown members are ignored.
    #[inline]
    pub fn new(input: &'a [u8]) -> Decoder<'a> {
        Decoder {
            input,
            at: 0,
            depth: 0,
            strict: false,
        }
    }
    /// Unknown members are errors.
    pub fn strict(mut self) -> Decoder<'a> {
        self.strict = true;
        self
    }
    /// Fails unless the input ends here.
    #[inline]
    pub fn finish(&self) -> Result<(), DecodeError> {
        if self.at == self.input.len() {
            return Ok(());
        }
        let text = "found more bytes after the end of the item, at byte ";
        error(format!("{}{}", text, self.at))
    }
    /// Takes all bytes that are left, whatever they are.
    pub fn take_rest(&mut self) -> &'a [u8] {
        let rest = &self.input[self.at..];
        self.at = self.input.len();
        rest
    }

    #[inline]
    pub(super) fn peek(&self) -> Result<Head, DecodeError> {
        let rest = &self.input[self.at..];
        let first = match rest.first() {
            Some(first) => *first,
            None => return error("the CBOR ends too early"),
        };
        let low = first & 31;
        let (mut value, mut size) = (u64::from(low), 1);
        if (24..28).contains(&low) {
            size += 1 << (low - 24);
            let more = match rest.get(1..size) {
                Some(more) => more,
                None => return error("the CBOR ends too early"),
            };
            value = more.iter().fold(0, |sum, b| sum << 8 | u64::from(*b));
        }
        let left = (rest.len() - size) as u64;
        let unknown = low == 31;
        let kind = match first >> 5 {
            0 => Kind::Uint,
            1 => Kind::Negative,
            2 => Kind::Bytes,
            3 => Kind::Text,
            4 => Kind::Array,
            5 => Kind::Map,
            6 => Kind::Tag,
            _ => return self.peek_simple(low, value, size),
        };
        if low > 27 && !(unknown && matches!(first >> 5, 2..=5)) {
            return error("no CBOR item begins with this byte");
        }
        let longest = match kind {
            Kind::Bytes | Kind::Text | Kind::Array => left,
            Kind::Map => left / 2,
            _ => u64::MAX,
        };
        if !unknown && value > longest {
            return error("the CBOR ends too early");
        }
        Ok(Head {
            kind,
            unknown,
            value,
            size,
        })
    }

    fn peek_simple(&self, low: u8, value: u64, size: usize) -> Result<Head, DecodeError> {
        let kind = match low {
            20 | 21 => Kind::Bool,
            22 => Kind::Null,
            23 => Kind::Undefined,
            24 if value < 32 => return error("no CBOR item begins with these bytes"),
            0..=19 | 24 => Kind::Simple,
            25..=27 => Kind::Float,
            31 => Kind::Break,
            _ => return error("no CBOR item begins with this byte"),
        };
        Ok(Head {
            kind,
            unknown: false,
            value,
            size,
        })
    }

    /// Takes the next head if it is one byte with this major type, as most are. The value is less than 24.
    #[inline]
    fn take_short(&mut self, major: u8) -> Option<usize> {
        let value = self.input.get(self.at)?.wrapping_sub(major << 5);
        if value >= 24 {
            return None;
        }
        self.at += 1;
        Some(value.into())
    }
    /// The next head that is no tag; the position is at it.
    #[inline]
    fn ahead(&mut self) -> Result<Head, DecodeError> {
        let mut head = self.peek()?;
        let mut tags = 0;
        while head.kind == Kind::Tag {
            tags += 1;
            if tags + self.depth > MAX_DEPTH {
                return error(format!("nested deeper than {} levels", MAX_DEPTH));
            }
            self.at += head.size;
            head = self.peek()?;
        }
        Ok(head)
    }
    #[inline]
    fn next(&mut self, kind: Kind, expected: &str) -> Result<Head, DecodeError> {
        let head = self.ahead()?;
        if head.kind != kind {
            return mismatch(expected, head.kind);
        }
        self.at += head.size;
        Ok(head)
    }
    /// The kind of the next item, after its tags.
    pub fn kind(&mut self) -> Result<Kind, DecodeError> {
        Ok(self.ahead()?.kind)
    }
    /// Takes the next item if it is null or undefined.
    #[inline]
    pub fn take_null(&mut self) -> Result<bool, DecodeError> {
        let head = self.ahead()?;
        let is = matches!(head.kind, Kind::Null | Kind::Undefined);
        self.at += if is { head.size } else { 0 };
        Ok(is)
    }
    /// true or false.
    pub fn bool(&mut self) -> Result<bool, DecodeError> {
        Ok(self.next(Kind::Bool, "bool")?.value == 21)
    }
    /// An integer of any size that CBOR has.
    #[inline]
    pub fn int(&mut self) -> Result<i128, DecodeError> {
        match self.take_short(0) {
            Some(value) => Ok(value as i128),
            None => self.long_int(),
        }
    }
    fn long_int(&mut self) -> Result<i128, DecodeError> {
        let head = self.ahead()?;
        let value = match head.kind {
            Kind::Uint => i128::from(head.value),
            Kind::Negative => -1 - i128::from(head.value),
            other => return mismatch("int", other),
        };
        self.at += head.size;
        Ok(value)
    }
    /// A float of any width, or an integer.
    pub fn f64(&mut self) -> Result<f64, DecodeError> {
        let head = self.ahead()?;
        let value = match head.kind {
            Kind::Float => head.float(),
            Kind::Uint => head.value as f64,
            Kind::Negative => -1.0 - head.value as f64,
            other => return mismatch("float", other),
        };
        self.at += head.size;
        Ok(value)
    }
    pub(super) fn tag(&mut self) -> Result<Option<u64>, DecodeError> {
        let head = self.peek()?;
        if head.kind != Kind::Tag {
            return Ok(None);
        }
        self.at += head.size;
        Ok(Some(head.value))
    }
    pub(super) fn simple(&mut self) -> Result<u8, DecodeError> {
        Ok(self.next(Kind::Simple, "simple value")?.value as u8)
    }

    fn string(&mut self, kind: Kind) -> Result<Cow<'a, [u8]>, DecodeError> {
        let head = self.next(kind, kind.name())?;
        if !head.unknown {
            return Ok(Cow::Borrowed(self.take(head.value)));
        }
        let mut all = Vec::new();
        loop {
            let chunk = self.peek()?;
            self.at += chunk.size;
            if chunk.kind == Kind::Break {
                return Ok(Cow::Owned(all));
            }
            if chunk.kind != kind || chunk.unknown {
                return error("found a chunk of another type in a string");
            }
            let bytes = self.take(chunk.value);
            if kind == Kind::Text {
                utf8(bytes)?; // each chunk must be whole
            }
            all.extend_from_slice(bytes);
        }
    }
    /// peek() has compared the length with what is left.
    fn take(&mut self, size: u64) -> &'a [u8] {
        let taken = &self.input[self.at..self.at + size as usize];
        self.at += taken.len();
        taken
    }
    /// Bytes.
    pub fn bytes(&mut self) -> Result<Cow<'a, [u8]>, DecodeError> {
        self.string(Kind::Bytes)
    }
    /// Text.
    #[inline]
    pub fn text(&mut self) -> Result<Cow<'a, str>, DecodeError> {
        let before = self.at;
        if let Some(size) = self.take_short(3) {
            if let Some(bytes) = self.input.get(self.at..self.at + size) {
                self.at += size;
                return utf8(bytes).map(Cow::Borrowed);
            }
            self.at = before;
        }
        self.long_text()
    }
    fn long_text(&mut self) -> Result<Cow<'a, str>, DecodeError> {
        Ok(match self.string(Kind::Text)? {
            Cow::Borrowed(bytes) => Cow::Borrowed(utf8(bytes)?),
            Cow::Owned(bytes) => Cow::Owned(utf8(&bytes)?.to_string()),
        })
    }

    fn enter(&mut self, head: Head) -> Result<Level, DecodeError> {
        self.level((!head.unknown).then_some(head.value))
    }
    #[inline]
    fn level(&mut self, left: Option<u64>) -> Result<Level, DecodeError> {
        self.deeper()?;
        Ok(Level { left, at: 0 })
    }
    #[inline]
    pub(super) fn deeper(&mut self) -> Result<(), DecodeError> {
        if self.depth == MAX_DEPTH {
            return error(format!("nested deeper than {} levels", MAX_DEPTH));
        }
        self.depth += 1;
        Ok(())
    }
    pub(super) fn shallower(&mut self) {
        self.depth -= 1;
    }
    /// Begins an array.
    pub fn array(&mut self) -> Result<Level, DecodeError> {
        let head = self.next(Kind::Array, "array")?;
        self.enter(head)
    }
    /// Begins a map.
    #[inline]
    pub fn map(&mut self) -> Result<Level, DecodeError> {
        let before = self.at;
        if let Some(pairs) = self.take_short(5) {
            if pairs <= (self.input.len() - self.at) / 2 {
                return self.level(Some(pairs as u64));
            }
            self.at = before;
        }
        self.long_map()
    }
    fn long_map(&mut self) -> Result<Level, DecodeError> {
        let head = self.next(Kind::Map, "map")?;
        self.enter(head)
    }
    /// Whether another element or pair follows. At the end it leaves the array or map.
    #[inline]
    pub fn more(&mut self, level: &mut Level) -> Result<bool, DecodeError> {
        let more = match &mut level.left {
            Some(0) => false,
            Some(left) => {
                *left -= 1;
                true
            }
            None => {
                let head = self.peek()?;
                let is = head.kind == Kind::Break;
                self.at += if is { head.size } else { 0 };
                !is
            }
        };
        level.at += usize::from(more);
        self.depth -= u32::from(!more);
        Ok(more)
    }
    /// The key of the next pair of a map with text keys, or None at its end.
    #[inline]
    pub fn key(&mut self, level: &mut Level) -> Result<Option<Cow<'a, str>>, DecodeError> {
        if !self.more(level)? {
            return Ok(None);
        }
        self.text().map(Some)
    }
    /// Reads the value of a member, which may come once.
    #[inline]
    pub fn read<T: Decode>(&mut self, slot: &mut Option<T>) -> Result<(), DecodeError> {
        if slot.is_some() {
            return error("given twice");
        }
        *slot = Some(T::decode(self)?);
        Ok(())
    }
    /// Reads the value of a member that excludes others.
    pub fn case<T: Decode, C>(
        &mut self,
        slot: &mut Option<C>,
        made: fn(T) -> C,
    ) -> Result<(), DecodeError> {
        if slot.is_some() {
            return error("found a second member, expected one");
        }
        *slot = Some(made(T::decode(self)?));
        Ok(())
    }
    /// Reads a T, or moves nowhere.
    pub fn attempt<T: Decode>(&mut self) -> Option<T> {
        let before = self.clone();
        let read = T::decode(self);
        if read.is_err() {
            *self = before;
        }
        read.ok()
    }
    /// Skips the value of a member that the struct does not have, or fails.
    #[cold]
    pub fn unknown(&mut self) -> Result<(), DecodeError> {
        match self.strict {
            true => error("unknown member"),
            false => self.skip(),
        }
    }
    /// Whether unknown members are errors.
    pub fn is_strict(&self) -> bool {
        self.strict
    }
    /// An error if the item of this kind has no value that fits.
    #[cold]
    pub fn expected<T>(&mut self, expected: &str) -> Result<T, DecodeError> {
        let kind = self.kind()?;
        mismatch(expected, kind)
    }

    /// Skips one item with its tags, and returns its bytes.
    pub fn item(&mut self) -> Result<&'a [u8], DecodeError> {
        let begin = self.at;
        self.skip()?;
        Ok(&self.input[begin..self.at])
    }
    /// Skips one item with its tags.
    pub fn skip(&mut self) -> Result<(), DecodeError> {
        let head = self.peek()?;
        match head.kind {
            Kind::Bytes => drop(self.bytes()?),
            Kind::Text => drop(self.text()?),
            Kind::Array => {
                let mut level = self.array()?;
                while self.more(&mut level)? {
                    self.skip()?;
                }
            }
            Kind::Map => {
                let mut level = self.map()?;
                while self.more(&mut level)? {
                    self.skip()?;
                    self.skip()?;
                }
            }
            Kind::Tag => {
                self.at += head.size;
                self.deeper()?;
                self.skip()?;
                self.shallower();
            }
            Kind::Break => return error("found a break outside of an item of unknown length"),
            _ => self.at += head.size,
        }
        Ok(())
    }
}

#[cold]
fn mismatch<T>(expected: &str, got: Kind) -> Result<T, DecodeError> {
    error(format!("expected {}, got {}", expected, got.name()))
}

#[inline]
fn utf8(bytes: &[u8]) -> Result<&str, DecodeError> {
    if bytes.is_ascii() {
        return Ok(unsafe { std::str::from_utf8_unchecked(bytes) }); // ASCII is UTF-8
    }
    std::str::from_utf8(bytes).or_else(|_| error("found text that is not UTF-8"))
}
