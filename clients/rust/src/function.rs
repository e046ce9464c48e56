// SPDX-License-Identifier: Apache-2.0

//! Host functions: what modules ask of the application.

use crate::cbor::{self, Decode, Encode};
use crate::core::{lock, Attached, Attachment, Core};
use crate::executor::{Spawn, TASKS};
use crate::ffi::*;
use crate::function_names::Running;
use crate::{host_thread, native, Error, Status};
use std::future::Future;
use std::marker::PhantomData;
use std::os::raw::c_void;
use std::pin::Pin;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

/// The duty to answer one call of a host function. Move it to where the answer will be known; any thread may answer.
/// One that is dropped without an answer answers `no_reply`.
pub struct Completion<R> {
    context: bp_context,
    token: bp_token,
    reply: PhantomData<fn(R)>,
}

impl<R> Completion<R> {
    fn new(context: bp_context, token: bp_token) -> Completion<R> {
        Completion {
            context,
            token,
            reply: PhantomData,
        }
    }
    /// Answers. Returns false if nobody waits any more: the call was canceled, or its deadline has passed.
    pub fn complete(self, answer: Result<R, Error>) -> bool
    where
        R: Encode,
    {
        match answer {
            Ok(reply) => self.answer(&reply),
            Err(e) => self.fail(&e),
        }
    }
    /// Answers with a value.
    pub fn answer(mut self, reply: &R) -> bool
    where
        R: Encode,
    {
        crate::call::with_encoded(reply, |payload| {
            self.send(0, native::bytes(payload), "", &[])
        })
    }
    /// Answers with an error.
    pub fn fail(mut self, error: &Error) -> bool {
        let (message, detail) = (error.message(), error.detail_bytes());
        self.send(error.code(), native::NOTHING, message, detail)
    }
    fn send(&mut self, status: i32, payload: bp_bytes, message: &str, detail: &[u8]) -> bool {
        let token = std::mem::take(&mut self.token);
        let mut answer = bp_answer {
            struct_size: native::size::<bp_answer>(),
            status,
            payload,
            message: native::str(message),
            detail: native::bytes(detail),
            buffer: ptr::null_mut(),
        };
        let taken = unsafe { bp_complete(self.context, token, &answer) };
        if taken == 0 || taken == Status::StaleToken.code() {
            return taken == 0;
        }
        // The call must have some answer.
        let text = match taken == Status::InvalidArgument.code() {
            true => "the application answered with a status that is not terminal, expected ok or an error",
            false => "the answer cannot be sent",
        };
        answer.status = match taken == Status::InvalidArgument.code() {
            true => Status::Exception.code(),
            false => taken,
        };
        answer.payload = native::NOTHING;
        answer.message = native::str(text);
        answer.detail = native::NOTHING;
        unsafe { bp_complete(self.context, token, &answer) };
        false
    }
}

impl<R> Drop for Completion<R> {
    fn drop(&mut self) {
        if self.token == 0 {
            return;
        }
        let (status, text) = match std::thread::panicking() {
            true => (Status::Exception, "the host function panicked"),
            false => {
                let text = "the application dropped the call without an answer";
                (Status::NoReply, text)
            }
        };
        self.send(status.code(), native::NOTHING, text, &[]);
    }
}

/// One call of a host function.
pub(crate) struct Question<'a> {
    context: bp_context,
    token: bp_token,
    payload: &'a [u8],
}

type Answer = Box<dyn Fn(Question<'_>) + Send + Sync>;

pub(crate) struct FunctionState {
    attached: Attached,
    answer: Option<Answer>,
    given: AtomicBool, // to some context
    removed: AtomicBool,
    running: Mutex<u32>,
    changed: Condvar,
}

impl FunctionState {
    pub const ON_CALL: bp_host_function_fn = on_call;

    fn new(name: &str, answer: Answer) -> FunctionState {
        FunctionState {
            attached: Attached::new(name),
            answer: Some(answer),
            given: AtomicBool::new(false),
            removed: AtomicBool::new(false),
            running: Mutex::new(0),
            changed: Condvar::new(),
        }
    }
    fn remove(&self, core: &Core) {
        self.removed.store(true, SeqCst);
        core.functions.withdraw(&self.attached.name, self);
        if Running::here() {
            return;
        }
        // One that has replaced itself may still run: for the host, it is gone.
        let mut running = lock(&self.running);
        while *running != 0 {
            let waited = self.changed.wait(running);
            running = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Attachment for FunctionState {
    fn attached(&self) -> &Attached {
        &self.attached
    }
    fn attach(self: Arc<Self>, core: &Core, at: bp_context) -> bp_status {
        let again = self.given.load(SeqCst);
        let give = || core.functions.give(at, &self.attached.name, self.clone());
        let mut status = give();
        // After a reconnect, the host may not have noticed yet that the old connection has gone.
        let mut wait = Duration::from_millis(5);
        while again && status == Status::NameTaken.code() && wait < Duration::from_secs(1) {
            if self.removed.load(SeqCst) {
                break;
            }
            std::thread::sleep(wait);
            wait *= 2;
            status = give();
        }
        self.given.fetch_or(status == 0, SeqCst);
        if self.removed.load(SeqCst) {
            core.functions.withdraw(&self.attached.name, &self);
        }
        status
    }
}

impl Drop for FunctionState {
    fn drop(&mut self) {
        let answer = self.answer.take();
        if host_thread::here() {
            host_thread::drop_later(Box::new(answer));
        }
    }
}

unsafe extern "C" fn on_call(
    user: *mut c_void,
    context: bp_context,
    token: bp_token,
    _name: bp_str,
    payload: bp_bytes,
) {
    host_thread::enter(|| {
        let _running = Running::enter();
        let state = user as *const FunctionState;
        Arc::increment_strong_count(state);
        let state = Arc::from_raw(state);
        *lock(&state.running) += 1;
        match &state.answer {
            Some(answer) if !state.removed.load(SeqCst) => answer(Question {
                context,
                token,
                payload: native::slice(payload),
            }),
            _ => {
                let text = "the application has just withdrawn this function";
                let error = Error::new(Status::NoHostFunction, text);
                Completion::<()>::new(context, token).fail(&error);
            }
        }
        *lock(&state.running) -= 1;
        state.changed.notify_all();
    });
}

/// Reads what the application is asked for, strictly. An empty payload counts as an empty map.
fn read<Q: Decode>(payload: &[u8]) -> Result<Q, Error> {
    let payload = match payload {
        [] => &[0xa0],
        payload => payload,
    };
    cbor::from_slice_strict(payload).map_err(|e| Error::new(Status::BadPayload, e.to_string()))
}

fn panicked(message: String) -> Error {
    Error::new(Status::Exception, message)
}

/// A host function, until it is dropped: then modules get `no_host_function`. When the drop returns, the function does
/// not run any more. Dropped in the function itself, the running call is the last. Futures of it that wait go on.
#[must_use = "dropping it withdraws the function"]
pub struct Provided {
    core: Arc<Core>,
    state: Arc<FunctionState>,
}

impl Drop for Provided {
    fn drop(&mut self) {
        self.state.remove(&self.core);
        self.core.remove(&self.state.attached);
    }
}

fn provide(core: &Arc<Core>, name: &str, answer: Answer) -> Result<Provided, Error> {
    let state = Arc::new(FunctionState::new(name, answer));
    match core.add(state.clone()) {
        0 => Ok(Provided {
            core: core.clone(),
            state,
        }),
        status if status == Status::NotSupported.code() => {
            let text = "found a host that is too old for host functions of a connection; expected a newer one: update it, \
                        embed the host, or load a module there that offers this function";
            Err(Error::new(Status::NotSupported, text).with_name(name))
        }
        status if status == Status::NameTaken.code() => {
            let text = "the host itself or another connection provides this host function; withdraw it there first";
            Err(Error::new(Status::NameTaken, text).with_name(name))
        }
        status => Err(core.refusal(name, status)),
    }
}

pub(crate) fn provide_now<Q, R, F>(
    core: &Arc<Core>,
    name: &str,
    function: F,
) -> Result<Provided, Error>
where
    Q: Decode,
    R: Encode,
    F: FnMut(Q) -> Result<R, Error> + Send + 'static,
{
    // One call at a time comes, except from a context that was set aside.
    let function = Mutex::new(function);
    let answer = move |question: Question<'_>| {
        let completion = Completion::<R>::new(question.context, question.token);
        let run = || {
            let request = read(question.payload)?;
            let mut function = lock(&function);
            (*function)(request)
        };
        match host_thread::guarded(run) {
            Ok(answer) => completion.complete(answer),
            Err(panic) => completion.fail(&panicked(panic)),
        };
    };
    provide(core, name, Box::new(answer))
}

pub(crate) fn provide_later<Q, R, F>(
    core: &Arc<Core>,
    name: &str,
    function: F,
) -> Result<Provided, Error>
where
    Q: Decode,
    R: 'static,
    F: FnMut(Q, Completion<R>) + Send + 'static,
{
    let label = name.to_string();
    let function = Mutex::new(function);
    let answer = move |question: Question<'_>| {
        let completion = Completion::<R>::new(question.context, question.token);
        host_thread::guarded_and_logged(&label, || match read(question.payload) {
            Ok(request) => (*lock(&function))(request, completion),
            Err(e) => drop(completion.fail(&e)),
        });
    };
    provide(core, name, Box::new(answer))
}

pub(crate) fn provide_async<Q, R, F, A>(
    core: &Arc<Core>,
    name: &str,
    function: F,
) -> Result<Provided, Error>
where
    Q: Decode + Send + 'static,
    R: Encode + 'static,
    F: FnMut(Q) -> A + Send + 'static,
    A: Future<Output = Result<R, Error>> + Send + 'static,
{
    let executor = core.executor.clone();
    let function = Arc::new(Mutex::new(function));
    let answer = move |question: Question<'_>| {
        let completion = Completion::<R>::new(question.context, question.token);
        let request = match host_thread::guarded(|| read(question.payload)) {
            Ok(Ok(request)) => request,
            Ok(Err(e)) => return drop(completion.fail(&e)),
            Err(panic) => return drop(completion.fail(&panicked(panic))),
        };
        let function = function.clone();
        let answering = async move {
            let answering = (*lock(&function))(request);
            drop(function);
            answering.await
        };
        let task = async move {
            match Guarded(Box::pin(answering)).await {
                Ok(answer) => completion.complete(answer),
                Err(panic) => completion.fail(&panicked(panic)),
            };
        };
        match &executor {
            Some(executor) => executor.spawn(Box::pin(task)),
            None => TASKS.spawn(Box::pin(task)),
        }
    };
    provide(core, name, Box::new(answer))
}

/// A future whose panic is its value.
struct Guarded<F>(Pin<Box<F>>);

impl<F: Future> Future for Guarded<F> {
    type Output = Result<F::Output, String>;
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match host_thread::guarded(|| self.0.as_mut().poll(context)) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(value)) => Poll::Ready(Ok(value)),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    }
}
