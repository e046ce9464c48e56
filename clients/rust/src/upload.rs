// SPDX-License-Identifier: Apache-2.0

//! Requests in parts.

use crate::call::{with_encoded, Canceler};
use crate::cbor::{Decode, Encode};
use crate::core::Core;
use crate::executor::PollFn;
use crate::ffi::BP_PART_END;
use crate::options::CallOptions;
use crate::parts::{Stream, Typed};
use crate::replies::{Reader, RETRY};
use crate::{Error, Status};
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

enum Sent {
    Yes,
    Ended,
    Full { seen: u64, soon: bool },
    Failed(Error),
}

struct Sender<P, A, R, E> {
    answers: Typed<A, R, E>,
    finished: bool,
    part: PhantomData<fn(P)>,
}

impl<P: Encode, A: Decode, R: Decode, E> Sender<P, A, R, E> {
    fn new(reader: Reader, error: fn(Error) -> E) -> Sender<P, A, R, E> {
        Sender {
            answers: Typed::new(reader, error),
            finished: false,
            part: PhantomData,
        }
    }
    fn reader(&self) -> &Reader {
        &self.answers.reader
    }
    fn send(&self, payload: &[u8], flags: u32) -> Sent {
        let seen = match self.reader().credits() {
            Some(seen) => seen,
            None => return Sent::Ended,
        };
        match self.reader().send(payload, flags) {
            Status::Ok => Sent::Yes,
            Status::InvalidHandle | Status::Unreachable => Sent::Ended,
            Status::WouldBlock => Sent::Full { seen, soon: false },
            Status::Overloaded => Sent::Full { seen, soon: true },
            Status::OutOfMemory if flags == BP_PART_END => Sent::Full { seen, soon: true },
            status => Sent::Failed(Error::of_status(self.reader().name(), status.code())),
        }
    }
    fn send_and_wait(&self, payload: &[u8], flags: u32) -> Result<bool, E> {
        loop {
            match self.send(payload, flags) {
                Sent::Yes => return Ok(true),
                Sent::Ended => return Ok(false),
                Sent::Failed(e) => return Err(self.answers.fail(e)),
                Sent::Full { .. } if crate::host_thread::here() => {
                    let status = Status::Reentrant.code();
                    let error = Error::of_status(self.reader().name(), status);
                    return Err(self.answers.fail(error));
                }
                Sent::Full { seen, soon } => {
                    self.reader().wait_for_room(seen, soon.then_some(RETRY));
                }
            }
        }
    }
    fn poll_send(
        &self,
        payload: &[u8],
        flags: u32,
        context: &Context<'_>,
    ) -> Poll<Result<bool, E>> {
        loop {
            match self.send(payload, flags) {
                Sent::Yes => return Poll::Ready(Ok(true)),
                Sent::Ended => return Poll::Ready(Ok(false)),
                Sent::Failed(e) => return Poll::Ready(Err(self.answers.fail(e))),
                Sent::Full { seen, soon } => {
                    if self.reader().wake_for_room(seen, context, soon) {
                        return Poll::Pending;
                    }
                }
            }
        }
    }
}

/// A call whose request goes in parts. Its answer is an R; the parts of the answer, if it has any, are an A each.
///
/// Dropping it cancels its call if it is open. On a thread of the host, what would wait fails with `reentrant`.
#[must_use = "dropping it cancels the call"]
pub struct Upload<P, A, R, E = Error>(Sender<P, A, R, E>);

/// The same for code that must not wait.
#[must_use = "dropping it cancels the call"]
pub struct AsyncUpload<P, A, R, E = Error>(Sender<P, A, R, E>);

macro_rules! starts {
    ($name:ident) => {
        impl<P: Encode, A: Decode, R: Decode, E> $name<P, A, R, E> {
            pub(crate) fn start<Q: Encode + ?Sized>(
                core: &Core,
                name: &str,
                first: &Q,
                options: &CallOptions,
                error: fn(Error) -> E,
            ) -> $name<P, A, R, E> {
                let reader = Reader::start(core, name, first, options, true);
                $name(Sender::new(reader, error))
            }
            pub(crate) fn failed(failure: Error, error: fn(Error) -> E) -> $name<P, A, R, E> {
                $name(Sender::new(Reader::failed(failure), error))
            }
            /// Cancels the call.
            pub fn cancel(&self) {
                self.0.reader().canceler.cancel();
            }
            /// For other threads.
            pub fn canceler(&self) -> Canceler {
                self.0.reader().canceler
            }
        }
    };
}
starts!(Upload);
starts!(AsyncUpload);

impl<P: Encode, A: Decode, R: Decode, E> Upload<P, A, R, E> {
    /// Sends the next part; waits until there is room for it. Returns false if the call has ended: `reply` tells how.
    pub fn part(&mut self, part: &P) -> Result<bool, E> {
        with_encoded(part, |payload| self.0.send_and_wait(payload, 0))
    }
    /// Sends parts until they end, or the call does.
    pub fn parts(&mut self, parts: impl IntoIterator<Item = P>) -> Result<(), E> {
        for part in parts {
            if !self.part(&part)? {
                break;
            }
        }
        Ok(())
    }
    /// No part follows. `reply` does this, too.
    pub fn finish(&mut self) -> Result<(), E> {
        if !std::mem::replace(&mut self.0.finished, true) {
            self.0.send_and_wait(&[], BP_PART_END)?;
        }
        Ok(())
    }
    /// Says that no part follows, waits for the end, and returns the answer. Parts of it that were not read are
    /// dropped.
    pub fn reply(mut self) -> Result<R, E> {
        self.finish()?;
        while self.next().is_some() {}
        self.0.answers.answer()
    }
}

/// The parts of the answer.
impl<P: Encode, A: Decode, R: Decode, E> Iterator for Upload<P, A, R, E> {
    type Item = Result<A, E>;
    fn next(&mut self) -> Option<Result<A, E>> {
        match self.0.answers.next(None) {
            Poll::Ready(item) => item,
            Poll::Pending => None, // never
        }
    }
}

impl<P: Encode, A: Decode, R: Decode, E> AsyncUpload<P, A, R, E> {
    async fn send(&mut self, payload: Vec<u8>, flags: u32) -> Result<bool, E> {
        let sender = &self.0;
        PollFn(move |context: &mut Context<'_>| sender.poll_send(&payload, flags, context)).await
    }
    /// Sends the next part, when there is room for it. False: the call has ended, and `reply` tells how.
    pub async fn part(&mut self, part: &P) -> Result<bool, E> {
        let payload = crate::cbor::to_vec(part);
        self.send(payload, 0).await
    }
    /// No part follows. `reply` does this, too.
    pub async fn finish(&mut self) -> Result<(), E> {
        if !std::mem::replace(&mut self.0.finished, true) {
            self.send(Vec::new(), BP_PART_END).await?;
        }
        Ok(())
    }
    /// Says that no part follows, and returns the answer. Parts of it that were not read are dropped.
    pub async fn reply(mut self) -> Result<R, E> {
        self.finish().await?;
        while self.next_async().await.is_some() {}
        self.0.answers.answer()
    }
}

/// The parts of the answer.
impl<P: Encode, A: Decode, R: Decode, E> Stream for AsyncUpload<P, A, R, E> {
    type Item = Result<A, E>;
    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<A, E>>> {
        self.0.answers.next(Some(context))
    }
}
