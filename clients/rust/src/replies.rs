// SPDX-License-Identifier: Apache-2.0

//! The partial replies of a call on their way from the host's thread to the reader's.

use crate::call::{answered, is_terminal, Answered, Canceler, Submission};
use crate::cbor::Encode;
use crate::core::{lock, Core};
use crate::executor::WakerSlot;
use crate::ffi::*;
use crate::options::CallOptions;
use crate::{host_thread, native, Error, Status};
use std::os::raw::c_void;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::Context;
use std::time::Duration;

// A connected host may give a call so much at most (backplane.h). Twice that is too much for certain.
const MOST_WINDOW: u64 = 16 << 20;
const MOST_PARTS: usize = 2 * 65_536;

/// Parts one behind the other.
#[derive(Default)]
struct Batch {
    data: Vec<u8>,
    sizes: Vec<usize>,
    at: usize,
    begin: usize, // of the part that is read next
}

impl Batch {
    fn clear(&mut self) {
        self.data.clear();
        self.sizes.clear();
        self.at = 0;
        self.begin = 0;
    }
}

/// What the reader and the library share. Either of them may be the last to use it.
struct Replies {
    name: String,
    most_bytes: u64, // that wait for the reader; 0: any number
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    incoming: Batch,
    left: bool,
    overrun: bool, // the host sent more than the window
    answer: Option<Answered>,
    credits: u64, // how often the handler has made room for parts of the request
    waker: WakerSlot,
}

fn waker(state: &mut State) -> &mut WakerSlot {
    &mut state.waker
}

impl Replies {
    fn tell(&self) {
        self.changed.notify_all();
        WakerSlot::wake(&self.state, waker);
    }
    fn add(&self, payload: &[u8]) {
        let mut state = lock(&self.state);
        if state.left || state.overrun {
            return;
        }
        let most = self.most_bytes;
        let incoming = &mut state.incoming;
        let size = (incoming.data.len() + payload.len()) as u64;
        let over = size > most || incoming.sizes.len() >= MOST_PARTS;
        let was_empty = incoming.sizes.is_empty();
        if most != 0 && !was_empty && over {
            state.overrun = true;
        } else {
            incoming.data.extend_from_slice(payload);
            incoming.sizes.push(payload.len());
        }
        drop(state);
        if was_empty {
            self.tell(); // otherwise the reader has been told
        }
    }
}

unsafe extern "C" fn on_reply(user: *mut c_void, answer: *const bp_answer) {
    let answer = &*answer;
    if answer.status == Status::Stale.code() {
        return;
    }
    host_thread::enter(|| {
        if !is_terminal(answer) {
            let replies = &*(user as *const Replies);
            return replies.add(native::slice(answer.payload));
        }
        let replies = Arc::from_raw(user as *const Replies);
        lock(&replies.state).answer = Some(answered(&replies.name, answer));
        replies.tell();
    });
}

unsafe extern "C" fn on_credit(user: *mut c_void, _bytes: u64) {
    host_thread::enter(|| {
        let replies = &*(user as *const Replies);
        lock(&replies.state).credits += 1;
        replies.tell();
    });
}

/// What comes next for a reader.
pub(crate) enum Coming<'a> {
    Part(&'a [u8]),
    Nothing, // yet
    End,
}

pub(crate) struct Reader {
    replies: Arc<Replies>,
    pub canceler: Canceler,
    reading: Batch,
    taken: u64, // bytes of the part that is being looked at
    due: u64,
    due_parts: u32,
    end: Option<Answered>,
}

impl Reader {
    pub fn start<T: Encode + ?Sized>(
        core: &Core,
        name: &str,
        request: &T,
        options: &CallOptions,
        in_parts: bool,
    ) -> Reader {
        let window = match options.window_bytes {
            0 => MOST_WINDOW,
            own => own.min(MOST_WINDOW),
        };
        let replies = Arc::new(Replies {
            name: name.to_string(),
            most_bytes: if core.connected { 2 * window } else { 0 },
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let mut reader = Reader::made(replies);
        let user = Arc::into_raw(reader.replies.clone()) as *mut c_void;
        let submission = Submission {
            name,
            options,
            flags: BP_SUBMIT_CREDIT | if in_parts { BP_SUBMIT_PARTS } else { 0 },
            on_reply,
            on_credit: in_parts.then_some(on_credit as bp_credit_fn),
            user,
        };
        match submission.submit(core, request) {
            Ok(canceler) => reader.canceler = canceler,
            Err(e) => {
                drop(unsafe { Arc::from_raw(user as *const Replies) });
                reader.end = Some(Err(e));
            }
        }
        reader
    }
    /// One whose call has failed before it began.
    pub fn failed(error: Error) -> Reader {
        let mut reader = Reader::made(Arc::new(Replies {
            name: error.name().to_string(),
            most_bytes: 0,
            state: Mutex::default(),
            changed: Condvar::new(),
        }));
        reader.end = Some(Err(error));
        reader
    }
    fn made(replies: Arc<Replies>) -> Reader {
        Reader {
            replies,
            canceler: Canceler::default(),
            reading: Batch::default(),
            taken: 0,
            due: 0,
            due_parts: 0,
            end: None,
        }
    }
    pub fn name(&self) -> &str {
        &self.replies.name
    }

    /// Waits for the next part, or returns Nothing if `context` will be woken.
    pub fn next(&mut self, context: Option<&Context<'_>>) -> Coming<'_> {
        self.done_with_taken();
        if self.reading.at == self.reading.sizes.len() {
            match self.refill(context) {
                Some(true) => {}
                Some(false) => return Coming::End,
                None => return Coming::Nothing,
            }
        }
        let reading = &mut self.reading;
        let size = reading.sizes[reading.at];
        let begin = reading.begin;
        reading.at += 1;
        reading.begin += size;
        self.taken = size.max(1) as u64;
        Coming::Part(&reading.data[begin..begin + size])
    }
    /// What ended the call, after next() has returned End.
    pub fn end(&self) -> &Answered {
        self.end.as_ref().expect("next() has returned End")
    }

    /// Fetches parts. Returns false at the end of the call, and None if there is nothing yet.
    fn refill(&mut self, context: Option<&Context<'_>>) -> Option<bool> {
        if self.end.is_some() {
            return Some(false);
        }
        self.give_credit();
        let replies = self.replies.clone();
        let mut state = lock(&replies.state);
        loop {
            if !state.incoming.sizes.is_empty() {
                self.reading.clear();
                std::mem::swap(&mut self.reading, &mut state.incoming);
                return Some(true);
            }
            if state.answer.is_some() {
                let overrun = state.overrun;
                let answer = state.answer.take();
                drop(state);
                self.end = match overrun {
                    false => answer,
                    true => {
                        let text = "the host sent more parts than the window of this call allows; the call was canceled";
                        Some(Err(
                            Error::new(Status::Protocol, text).with_name(self.name())
                        ))
                    }
                };
                return Some(false);
            }
            if state.overrun {
                self.canceler.cancel();
            }
            if let Some(context) = context {
                let old = state.waker.set(context);
                drop(state);
                drop(old);
                if self.due != 0 {
                    wake_soon(context); // the credit was refused: too much waits to be sent
                }
                return None;
            }
            if host_thread::here() {
                drop(state);
                self.canceler.cancel();
                let text =
                    "this waits, so it is refused on a thread of the host; use a Stream there";
                let error = Error::new(Status::Reentrant, text).with_name(self.name());
                self.end = Some(Err(error));
                return Some(false);
            }
            state = match self.due {
                0 => replies
                    .changed
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner),
                _ => {
                    let waited = replies.changed.wait_timeout(state, RETRY);
                    drop(waited.unwrap_or_else(PoisonError::into_inner).0);
                    self.give_credit();
                    lock(&replies.state)
                }
            };
        }
    }

    // Credit goes in portions, because each is a message to the host. Before a wait, all of it goes.
    fn done_with_taken(&mut self) {
        if self.taken == 0 {
            return;
        }
        self.due += std::mem::take(&mut self.taken);
        self.due_parts += 1;
        if self.due_parts >= 16 || self.due >= 16_384 {
            self.give_credit();
        }
    }
    fn give_credit(&mut self) {
        if self.due == 0 {
            return;
        }
        let (at, request) = (self.canceler.context, self.canceler.request);
        let status = Status::from(unsafe { bp_request_credit(at, request, self.due) });
        if status != Status::Overloaded && status != Status::OutOfMemory {
            self.due = 0;
            self.due_parts = 0;
        }
    }

    // ---- For a request in parts ----

    /// How often the handler has made room; None: the call has ended.
    pub fn credits(&self) -> Option<u64> {
        let state = lock(&self.replies.state);
        let open = self.end.is_none() && state.answer.is_none();
        open.then_some(state.credits)
    }
    pub fn send(&self, payload: &[u8], flags: u32) -> Status {
        let (at, request) = (self.canceler.context, self.canceler.request);
        unsafe { bp_request_part(at, request, native::bytes(payload), flags) }.into()
    }
    /// Waits until there is room again since `seen`, or the call has ended, or for `longest`.
    pub fn wait_for_room(&self, seen: u64, longest: Option<Duration>) {
        let mut state = lock(&self.replies.state);
        while state.credits == seen && state.answer.is_none() {
            let changed = &self.replies.changed;
            match longest {
                None => state = changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(longest) => return drop(changed.wait_timeout(state, longest)),
            }
        }
    }
    /// Has `context` woken then. Returns false if it need not wait.
    pub fn wake_for_room(&self, seen: u64, context: &Context<'_>, soon: bool) -> bool {
        let mut state = lock(&self.replies.state);
        if state.credits != seen || state.answer.is_some() {
            return false;
        }
        let old = state.waker.set(context);
        drop(state);
        drop(old);
        if soon {
            wake_soon(context);
        }
        true
    }
}

/// Nothing tells when a connection takes more.
pub(crate) const RETRY: Duration = Duration::from_millis(5);

fn wake_soon(context: &Context<'_>) {
    let waker = context.waker().clone();
    let run = move || {
        std::thread::sleep(RETRY);
        waker.wake();
    };
    drop(std::thread::Builder::new().spawn(run));
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut state = lock(&self.replies.state);
        state.left = true;
        let waker = state.waker.leave();
        let open = state.answer.is_none() && self.end.is_none();
        drop(state);
        drop(waker);
        if open {
            self.canceler.cancel();
        }
    }
}
