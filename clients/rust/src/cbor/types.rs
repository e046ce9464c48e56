// SPDX-License-Identifier: Apache-2.0

//! The wire forms of types of the standard library, and of types that it lacks.

use super::{Decode, DecodeError, Decoder, Encode, Encoder};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::ops::{Deref, DerefMut};

/// Bytes. A `Vec<u8>` is a list of numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes(pub Vec<u8>);

/// Bytes of a fixed number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteArray<const N: usize>(pub [u8; N]);

/// A whole payload that is not CBOR.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Raw(pub Vec<u8>);

/// One item as it was encoded.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cbor(pub Vec<u8>);

/// A request without parameters: an empty map.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Empty;

impl<const N: usize> Default for ByteArray<N> {
    fn default() -> Self {
        ByteArray([0; N])
    }
}

macro_rules! derefs {
    ($($name:ident => $inner:ty),*) => {$(
        impl Deref for $name {
            type Target = $inner;
            fn deref(&self) -> &$inner {
                &self.0
            }
        }
        impl DerefMut for $name {
            fn deref_mut(&mut self) -> &mut $inner {
                &mut self.0
            }
        }
        impl From<$inner> for $name {
            fn from(inner: $inner) -> $name {
                $name(inner)
            }
        }
        impl From<&[u8]> for $name {
            fn from(bytes: &[u8]) -> $name {
                $name(bytes.to_vec())
            }
        }
    )*};
}
derefs!(Bytes => Vec<u8>, Raw => Vec<u8>);

impl Encode for Bytes {
    fn encode(&self, out: &mut Encoder) {
        out.bytes(&self.0);
    }
}
impl Decode for Bytes {
    fn decode(input: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        Ok(Bytes(input.bytes()?.into_owned()))
    }
}
impl<const N: usize> Encode for ByteArray<N> {
    fn encode(&self, out: &mut Encoder) {
        out.bytes(&self.0);
    }
}
impl<const N: usize> Decode for ByteArray<N> {
    fn decode(input: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let bytes = input.bytes()?;
        match bytes.as_ref().try_into() {
            Ok(array) => Ok(ByteArray(array)),
            Err(_) => Err(DecodeError::new(format!(
                "expected {} bytes, got {}",
                N,
                bytes.len()
            ))),
        }
    }
}
impl Encode for Raw {
    fn encode(&self, out: &mut Encoder) {
        out.raw(&self.0);
    }
}
impl Decode for Raw {
    fn decode(input: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        Ok(Raw(input.take_rest().to_vec()))
    }
}
impl Encode for Cbor {
    fn encode(&self, out: &mut Encoder) {
        out.raw(&self.0);
    }
}
impl Decode for Cbor {
    fn decode(input: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        Ok(Cbor(input.item()?.to_vec()))
    }
}
impl Encode for Empty {
    fn encode(&self, out: &mut Encoder) {
        out.map(0);
    }
}
impl Decode for Empty {
    fn decode(input: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let mut map = input.map()?;
        while let Some(key) = input.key(&mut map)? {
            input.unknown().map_err(|e| e.in_member(&key))?;
        }
        Ok(Empty)
    }
}
macro_rules! integers {
    ($write:ident $wide:ident: $($name:ident)*) => {$(
        impl Encode for $name {
            #[inline]
            fn encode(&self, out: &mut Encoder) {
                out.$write($wide::from(*self));
            }
        }
        impl Decode for $name {
            #[inline]
            fn decode(input: &mut Decoder<'_>) -> Result<Self, DecodeError> {
                let value = input.int()?;
                $name::try_from(value).or_else(|_| out_of_range(value, $name::MIN, $name::MAX))
            }
        }
        impl MapKey for $name {}
    )*};
}
integers!(int i64: i8 i16 i32 i64);
integers!(uint u64: u8 u16 u32 u64);

#[cold]
fn out_of_range<T>(got: i128, least: T, most: T) -> Result<T, DecodeError>
where
    T: fmt::Display,
{
    let text = format!("expected {} to {}, got {}", least, most, got);
    Err(DecodeError::new(text))
}

impl Encode for bool {
    fn encode(&self, out: &mut Encoder) {
        out.bool(*self);
    }
}
impl Decode for bool {
    fn decode(input: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        input.bool()
    }
}
impl Encode for f32 {
    fn encode(&self, out: &mut Encoder) {
        out.f32(*self);
    }
}
impl Decode for f32 {
    fn decode(input: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        Ok(input.f64()? as f32)
    }
}
impl Encode for f64 {
    fn encode(&self, out: &mut Encoder) {
        out.f64(*self);
    }
}
impl Decode for f64 {
    fn decode(input: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        input.f64()
    }
}
impl Encode for () {
    fn encode(&self, out: &mut Encoder) {
        out.null();
    }
}
impl Decode for () {
    fn decode(input: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        if input.take_null()? {
            return Ok(());
        }
        match input.is_strict() {
            true => input.expected("null"),
            false => input.skip(), // there was nothing to say, now there is
        }
    }
}
impl Encode for str {
    #[inline]
    fn encode(&self, out: &mut Encoder) {
        out.text(self);
    }
}
impl Encode for String {
    #[inline]
    fn encode(&self, out: &mut Encoder) {
        out.text(self);
    }
}
impl Decode for String {
    #[inline]
    fn decode(input: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        Ok(input.text()?.into_owned())
    }
}

impl<T: Encode + ?Sized> Encode for &T {
    #[inline]
    fn encode(&self, out: &mut Encoder) {
        (**self).encode(out);
    }
}
impl<T: Encode + ?Sized> Encode for Box<T> {
    fn encode(&self, out: &mut Encoder) {
        (**self).encode(out);
    }
}
impl<T: Decode> Decode for Box<T> {
    fn decode(input: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        T::decode(input).map(Box::new)
    }
}
impl<T: Encode> Encode for Option<T> {
    fn encode(&self, out: &mut Encoder) {
        match self {
            Some(value) => value.encode(out),
            None => out.null(),
        }
    }
}
impl<T: Decode> Decode for Option<T> {
    fn decode(input: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        match input.take_null()? {
            true => Ok(None),
            false => T::decode(input).map(Some),
        }
    }
}

impl<T: Encode> Encode for [T] {
    fn encode(&self, out: &mut Encoder) {
        out.array(self.len());
        self.iter().for_each(|each| each.encode(out));
    }
}
impl<T: Encode> Encode for Vec<T> {
    fn encode(&self, out: &mut Encoder) {
        self.as_slice().encode(out);
    }
}
impl<T: Decode> Decode for Vec<T> {
    fn decode(input: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let mut level = input.array()?;
        let mut all = Vec::with_capacity(level.hint() / std::mem::size_of::<T>().max(1));
        while input.more(&mut level)? {
            match T::decode(input) {
                Ok(each) => all.push(each),
                Err(e) => return Err(e.in_element(level.count() - 1)),
            }
        }
        Ok(all)
    }
}
impl<T: Encode, const N: usize> Encode for [T; N] {
    fn encode(&self, out: &mut Encoder) {
        self.as_slice().encode(out);
    }
}
impl<T: Decode, const N: usize> Decode for [T; N] {
    fn decode(input: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let all = Vec::<T>::decode(input)?;
        let found = all.len();
        all.try_into().or_else(|_| wrong_count(N, found))
    }
}

#[cold]
fn wrong_count<T>(expected: usize, found: usize) -> Result<T, DecodeError> {
    let text = format!("expected {} elements, got {}", expected, found);
    Err(DecodeError::new(text))
}

/// The key of a map: text or an integer.
pub trait MapKey: Encode + Decode + fmt::Display {}
impl MapKey for String {}

fn pairs<K: MapKey, V: Decode>(
    input: &mut Decoder<'_>,
    mut add: impl FnMut(K, V) -> bool,
) -> Result<(), DecodeError> {
    let mut level = input.map()?;
    while input.more(&mut level)? {
        let key = K::decode(input)?;
        let name = key.to_string();
        let value = V::decode(input).map_err(|e| e.in_member(&name))?;
        if !add(key, value) {
            return Err(DecodeError::new("given twice").in_member(&name));
        }
    }
    Ok(())
}

impl<K: MapKey, V: Encode> Encode for BTreeMap<K, V> {
    fn encode(&self, out: &mut Encoder) {
        out.map(self.len());
        for (key, value) in self {
            key.encode(out);
            value.encode(out);
        }
    }
}
impl<K: MapKey + Ord, V: Decode> Decode for BTreeMap<K, V> {
    fn decode(input: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let mut all = BTreeMap::new();
        pairs(input, |key, value| all.insert(key, value).is_none())?;
        Ok(all)
    }
}
impl<K: MapKey, V: Encode, S> Encode for HashMap<K, V, S> {
    fn encode(&self, out: &mut Encoder) {
        out.map(self.len());
        for (key, value) in self {
            key.encode(out);
            value.encode(out);
        }
    }
}
impl<K: MapKey + Eq + Hash, V: Decode, S: BuildHasher + Default> Decode for HashMap<K, V, S> {
    fn decode(input: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let mut all = HashMap::default();
        pairs(input, |key, value| all.insert(key, value).is_none())?;
        Ok(all)
    }
}

macro_rules! tuples {
    ($($count:literal: $($name:ident $index:tt),*;)*) => {$(
        impl<$($name: Encode),*> Encode for ($($name,)*) {
            fn encode(&self, out: &mut Encoder) {
                out.array($count);
                $(self.$index.encode(out);)*
            }
        }
        impl<$($name: Decode),*> Decode for ($($name,)*) {
            fn decode(input: &mut Decoder<'_>) -> Result<Self, DecodeError> {
                let mut level = input.array()?;
                let tuple = ($({
                    if !input.more(&mut level)? {
                        return wrong_count($count, $index);
                    }
                    $name::decode(input).map_err(|e| e.in_element($index))?
                },)*);
                if input.more(&mut level)? {
                    return wrong_count($count, $count + 1);
                }
                Ok(tuple)
            }
        }
    )*};
}
tuples! {
    1: A 0;
    2: A 0, B 1;
    3: A 0, B 1, C 2;
    4: A 0, B 1, C 2, D 3;
    5: A 0, B 1, C 2, D 3, E 4;
    6: A 0, B 1, C 2, D 3, E 4, F 5;
    7: A 0, B 1, C 2, D 3, E 4, F 5, G 6;
    8: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7;
}
