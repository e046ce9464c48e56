// SPDX-License-Identifier: Apache-2.0

//! Calls with one answer: blocking, and as futures.

use crate::cbor::{self, Decode, Encode, Encoder};
use crate::core::{lock, Core};
use crate::executor::WakerSlot;
use crate::ffi::*;
use crate::native::{self, NativeResult};
use crate::options::CallOptions;
use crate::{host_thread, Error, Status};
use std::cell::Cell;
use std::future::Future;
use std::marker::PhantomData;
use std::os::raw::c_void;
use std::pin::Pin;
use std::ptr;
use std::sync::{Arc, Condvar, Mutex};
use std::task::{Context, Poll};

/// Encodes a request into memory that the thread keeps.
#[inline]
pub(crate) fn with_encoded<T: Encode + ?Sized, R>(value: &T, run: impl FnOnce(&[u8]) -> R) -> R {
    thread_local!(static MEMORY: Cell<Vec<u8>> = Cell::new(Vec::new()));
    const KEPT: usize = 64 << 10;
    let mut memory = MEMORY.try_with(Cell::take).unwrap_or_default();
    memory.clear();
    let mut out = Encoder::with(memory);
    value.encode(&mut out);
    let result = run(out.as_slice());
    let memory = out.into_vec();
    if memory.capacity() <= KEPT {
        let _ = MEMORY.try_with(|kept| kept.set(memory));
    }
    result
}

pub(crate) fn call<T, R>(
    core: &Core,
    name: &str,
    request: &T,
    options: &CallOptions,
) -> Result<R, Error>
where
    T: Encode + ?Sized,
    R: Decode,
{
    if options.source.id != 0 {
        return Call::<R>::start(core, name, request, options, |e| e).wait();
    }
    let at = core.native();
    if at.id == 0 {
        return Err(core.refusal(name, core.absent()));
    }
    let mut result = NativeResult::new();
    let timeout = native::timeout_ms(options.deadline);
    let status = with_encoded(request, |payload| unsafe {
        let payload = native::bytes(payload);
        bp_call_sync(at, native::str(name), payload, timeout, &mut result.0)
    });
    if status == 0 {
        return cbor::from_slice(result.payload()).map_err(|e| Error::of_answer_form(name, e));
    }
    Err(error_of(core, at, name, status, &result))
}

#[cold]
fn error_of(
    core: &Core,
    at: bp_context,
    name: &str,
    status: bp_status,
    result: &NativeResult,
) -> Error {
    let meant = core.meant(at, status);
    let ours = [Status::InvalidArgument.code(), Status::Reentrant.code()];
    let said = result.error(name, status);
    let plain = said.message() == said.status().text();
    if meant != status || (ours.contains(&status) && plain) {
        return core.refusal(name, meant);
    }
    said
}

/// A call that was accepted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Canceler {
    pub(crate) context: bp_context,
    pub(crate) request: bp_request,
}

impl Canceler {
    /// Cancels the call. It ends with `canceled`, unless an answer came first. Any thread may call it, at any time.
    pub fn cancel(&self) {
        if self.request.id != 0 {
            unsafe { bp_cancel(self.context, self.request) };
        }
    }
}

pub(crate) struct Submission<'a> {
    pub name: &'a str,
    pub options: &'a CallOptions,
    pub flags: u32,
    pub on_reply: bp_reply_fn,
    pub on_credit: Option<bp_credit_fn>,
    pub user: *mut c_void,
}

impl Submission<'_> {
    /// Submits a call. After an error no callback comes.
    pub fn submit<T>(self, core: &Core, request: &T) -> Result<Canceler, Error>
    where
        T: Encode + ?Sized,
    {
        let at = core.native();
        if at.id == 0 {
            return Err(core.refusal(self.name, core.absent()));
        }
        let mut accepted = bp_request::default();
        let status = with_encoded(request, |payload| {
            let submission = bp_submission {
                struct_size: native::size::<bp_submission>(),
                flags: BP_SUBMIT_NO_STALE | self.flags,
                method: bp_method::default(),
                name: native::str(self.name),
                payload: native::bytes(payload),
                buffer: ptr::null_mut(),
                timeout_ms: native::timeout_ms(self.options.deadline),
                on_reply: Some(self.on_reply),
                user: self.user,
                source: self.options.source,
                window_bytes: self.options.window_bytes,
                window_parts: self.options.window_parts,
                reserved: 0,
                on_credit: self.on_credit,
            };
            unsafe { bp_submit(at, &submission, &mut accepted) }
        });
        match core.meant(at, status) {
            0 => Ok(Canceler {
                context: at,
                request: accepted,
            }),
            status => Err(core.refusal(self.name, status)),
        }
    }
}

/// The bytes of an answer, or its error.
pub(crate) type Answered = Result<Vec<u8>, Error>;

/// # Safety
/// `answer` must be valid.
pub(crate) unsafe fn answered(name: &str, answer: &bp_answer) -> Answered {
    match answer.status {
        0 => Ok(native::slice(answer.payload).to_vec()),
        status => Err(Error::of_answer(
            name,
            status,
            answer.message,
            answer.detail,
        )),
    }
}

pub(crate) fn is_terminal(answer: &bp_answer) -> bool {
    answer.status != Status::Partial.code() && answer.status != Status::Stale.code()
}

struct Shared {
    name: String,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    answer: Option<Answered>,
    waker: WakerSlot,
}

unsafe extern "C" fn on_reply(user: *mut c_void, answer: *const bp_answer) {
    let answer = &*answer;
    if !is_terminal(answer) {
        return;
    }
    host_thread::enter(|| {
        let shared = Arc::from_raw(user as *const Shared);
        lock(&shared.state).answer = Some(answered(&shared.name, answer));
        shared.changed.notify_all();
        WakerSlot::wake(&shared.state, |state| &mut state.waker);
    });
}

/// A call under way. It has begun when it is made, so several can be under way at once.
///
/// It is a `Future`; `wait` is for a thread. Dropping it cancels the call.
#[must_use = "dropping it cancels the call"]
pub struct Call<R, E = Error> {
    shared: Arc<Shared>,
    canceler: Canceler,
    is_open: bool, // the answer was not taken
    error: fn(Error) -> E,
    reply: PhantomData<fn() -> R>,
}

impl<R: Decode, E> Call<R, E> {
    pub(crate) fn start<T>(
        core: &Core,
        name: &str,
        request: &T,
        options: &CallOptions,
        error: fn(Error) -> E,
    ) -> Call<R, E>
    where
        T: Encode + ?Sized,
    {
        let mut call = Call::made(name, error);
        let user = Arc::into_raw(call.shared.clone()) as *mut c_void;
        let submission = Submission {
            name,
            options,
            flags: 0,
            on_reply,
            on_credit: None,
            user,
        };
        match submission.submit(core, request) {
            Ok(canceler) => call.canceler = canceler,
            Err(e) => {
                drop(unsafe { Arc::from_raw(user as *const Shared) });
                lock(&call.shared.state).answer = Some(Err(e));
            }
        }
        call
    }
    /// One that has failed before it began.
    pub(crate) fn failed(failure: Error, error: fn(Error) -> E) -> Call<R, E> {
        let call = Call::made("", error);
        lock(&call.shared.state).answer = Some(Err(failure));
        call
    }
    fn made(name: &str, error: fn(Error) -> E) -> Call<R, E> {
        let shared = Shared {
            name: name.to_string(),
            state: Mutex::default(),
            changed: Condvar::new(),
        };
        Call {
            shared: Arc::new(shared),
            canceler: Canceler::default(),
            is_open: true,
            error,
            reply: PhantomData,
        }
    }
    fn read(&self, answer: Answered) -> Result<R, E> {
        let form = |e| Error::of_answer_form(&self.shared.name, e);
        answer
            .and_then(|bytes| cbor::from_slice(&bytes).map_err(form))
            .map_err(self.error)
    }
    /// Waits for the answer. On a thread of the host it fails with `reentrant`, and the call is canceled.
    pub fn wait(mut self) -> Result<R, E> {
        let shared = self.shared.clone();
        let mut state = lock(&shared.state);
        if state.answer.is_none() && host_thread::here() {
            drop(state);
            let text = "this waits, so it is refused on a thread of the host; await the call there";
            let failure = Error::new(Status::Reentrant, text).with_name(&self.shared.name);
            return Err((self.error)(failure));
        }
        loop {
            if let Some(answer) = state.answer.take() {
                drop(state);
                self.is_open = false;
                return self.read(answer);
            }
            let waited = shared.changed.wait(state);
            state = waited.unwrap_or_else(std::sync::PoisonError::into_inner);
        }
    }
    /// Cancels the call. The answer still comes: `canceled`, unless another came first.
    pub fn cancel(&self) {
        self.canceler.cancel();
    }
    /// For other threads.
    pub fn canceler(&self) -> Canceler {
        self.canceler
    }
}

impl<R: Decode, E> Future for Call<R, E> {
    type Output = Result<R, E>;
    /// Polled again after it was ready, it stays pending.
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<R, E>> {
        let shared = self.shared.clone();
        let mut state = lock(&shared.state);
        match state.answer.take() {
            Some(answer) => {
                drop(state);
                self.is_open = false;
                Poll::Ready(self.read(answer))
            }
            None => {
                let old = state.waker.set(context);
                drop(state);
                drop(old);
                Poll::Pending
            }
        }
    }
}

impl<R, E> Drop for Call<R, E> {
    fn drop(&mut self) {
        let mut state = lock(&self.shared.state);
        let waker = state.waker.leave();
        drop(state);
        drop(waker);
        if self.is_open {
            self.canceler.cancel();
        }
    }
}
