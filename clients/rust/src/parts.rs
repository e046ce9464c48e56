// SPDX-License-Identifier: Apache-2.0

//! The partial replies of a call as an iterator or a stream, and its answer behind them.

use crate::call::Canceler;
use crate::cbor::{self, Decode, Encode};
use crate::core::Core;
use crate::options::CallOptions;
use crate::replies::{Coming, Reader};
use crate::{Error, Status};
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Values that come one after the other, for code that must not wait. The same as `Stream` of the crate futures, which
/// one line adapts: `futures::stream::poll_fn(|cx| Pin::new(&mut it).poll_next(cx))`.
pub trait Stream {
    /// What comes.
    type Item;
    /// The next value, or None at the end.
    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>>;
    /// A future of the next value.
    fn next_async(&mut self) -> Next<'_, Self>
    where
        Self: Unpin,
    {
        Next(self)
    }
}

/// The next value of a [`Stream`].
#[must_use = "a future does nothing unless it is awaited"]
pub struct Next<'a, S: ?Sized>(&'a mut S);

impl<S: Stream + Unpin + ?Sized> Future for Next<'_, S> {
    type Output = Option<S::Item>;
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<S::Item>> {
        Pin::new(&mut *self.0).poll_next(context)
    }
}

/// What both readers do.
pub(crate) struct Typed<P, R, E> {
    pub reader: Reader,
    bad: Option<Error>, // a part cannot be read
    told: bool,         // the error was given as an item
    count: u64,
    error: fn(Error) -> E,
    types: PhantomData<fn() -> (P, R)>,
}

impl<P: Decode, R: Decode, E> Typed<P, R, E> {
    pub fn new(reader: Reader, error: fn(Error) -> E) -> Typed<P, R, E> {
        Typed {
            reader,
            bad: None,
            told: false,
            count: 0,
            error,
            types: PhantomData,
        }
    }
    pub fn fail(&self, error: Error) -> E {
        (self.error)(error)
    }
    /// Without a context it waits, and is never pending.
    pub fn next(&mut self, context: Option<&Context<'_>>) -> Poll<Option<Result<P, E>>> {
        if self.bad.is_some() {
            return Poll::Ready(None);
        }
        let read = match self.reader.next(context) {
            Coming::Part(bytes) => cbor::from_slice::<P>(bytes),
            Coming::Nothing => return Poll::Pending,
            Coming::End => return Poll::Ready(self.end()),
        };
        self.count += 1;
        let e = match read {
            Ok(part) => return Poll::Ready(Some(Ok(part))),
            Err(e) => e,
        };
        let text = format!("part {} has another form than expected: {}", self.count, e);
        let error = Error::new(Status::BadPayload, text).with_name(self.reader.name());
        self.reader.canceler.cancel();
        self.bad = Some(error.clone());
        Poll::Ready(Some(Err((self.error)(error))))
    }
    fn end(&mut self) -> Option<Result<P, E>> {
        match self.reader.end() {
            Err(e) if !self.told => {
                self.told = true;
                Some(Err((self.error)(e.clone())))
            }
            _ => None,
        }
    }
    /// The answer, after the end of the parts.
    pub fn answer(&self) -> Result<R, E> {
        let answer = match (&self.bad, self.reader.end()) {
            (None, Ok(bytes)) => {
                cbor::from_slice(bytes).map_err(|e| Error::of_answer_form(self.reader.name(), e))
            }
            (None, Err(e)) => Err(e.clone()),
            (Some(e), _) => Err(e.clone()),
        };
        answer.map_err(self.error)
    }
}

/// The partial replies of a call, each a P, and then its answer, an R. A call that ends with an error gives that as the
/// last item.
///
/// A part makes room for others when the reader asks for the next one, so a slow reader holds up its own handler alone.
/// Dropping it cancels the call if it is open. On a thread of the host it fails with `reentrant`.
#[must_use = "dropping it cancels the call"]
pub struct Parts<P, R, E = Error>(Typed<P, R, E>);

/// The same as a [`Stream`].
#[must_use = "dropping it cancels the call"]
pub struct AsyncParts<P, R, E = Error>(Typed<P, R, E>);

macro_rules! starts {
    ($name:ident) => {
        impl<P: Decode, R: Decode, E> $name<P, R, E> {
            pub(crate) fn start<Q: Encode + ?Sized>(
                core: &Core,
                name: &str,
                request: &Q,
                options: &CallOptions,
                error: fn(Error) -> E,
            ) -> $name<P, R, E> {
                let reader = Reader::start(core, name, request, options, false);
                $name(Typed::new(reader, error))
            }
            pub(crate) fn failed(failure: Error, error: fn(Error) -> E) -> $name<P, R, E> {
                $name(Typed::new(Reader::failed(failure), error))
            }
            /// Cancels the call. Parts that have come may still be read; then the answer is `canceled`, unless another
            /// came first.
            pub fn cancel(&self) {
                self.0.reader.canceler.cancel();
            }
            /// For other threads.
            pub fn canceler(&self) -> Canceler {
                self.0.reader.canceler
            }
        }
    };
}
starts!(Parts);
starts!(AsyncParts);

impl<P: Decode, R: Decode, E> Parts<P, R, E> {
    /// Waits for the end, and returns the answer. Parts that were not read are dropped.
    pub fn reply(mut self) -> Result<R, E> {
        while self.next().is_some() {}
        self.0.answer()
    }
}

impl<P: Decode, R: Decode, E> Iterator for Parts<P, R, E> {
    type Item = Result<P, E>;
    fn next(&mut self) -> Option<Result<P, E>> {
        match self.0.next(None) {
            Poll::Ready(item) => item,
            Poll::Pending => None, // never
        }
    }
}

impl<P: Decode, R: Decode, E> AsyncParts<P, R, E> {
    /// The answer, after the end of the parts. Parts that were not read are dropped.
    pub async fn reply(mut self) -> Result<R, E> {
        while self.next_async().await.is_some() {}
        self.0.answer()
    }
}

impl<P: Decode, R: Decode, E> Stream for AsyncParts<P, R, E> {
    type Item = Result<P, E>;
    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<P, E>>> {
        self.0.next(Some(context))
    }
}
