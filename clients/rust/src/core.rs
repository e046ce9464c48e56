// SPDX-License-Identifier: Apache-2.0

//! What all parts of a context share: the native handle, which a reconnect replaces, and what is attached to it.

use crate::executor::Spawn;
use crate::ffi::*;
use crate::function_names::FunctionNames;
use crate::interfaces::Interfaces;
use crate::native::{self, NativeResult};
use crate::{Error, Status};
use std::cell::Cell;
use std::os::raw::c_void;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::*};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// A panic under a lock leaves no state of ours half done.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits until `done`, or until the time. Returns the state, and whether it is done.
pub(crate) fn wait<'a, S>(
    mutex: &'a Mutex<S>,
    changed: &Condvar,
    until: Option<Instant>,
    done: impl Fn(&S) -> bool,
) -> (MutexGuard<'a, S>, bool) {
    let mut state = lock(mutex);
    while !done(&state) {
        state = match until {
            None => changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            Some(until) => {
                let left = until.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return (state, false);
                }
                let waited = changed.wait_timeout(state, left);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        };
    }
    (state, true)
}

/// What an attachment has for the core.
pub(crate) struct Attached {
    pub name: String,
    late: AtomicBool,
    claimed: AtomicU64, // the native context that it is, or will be, attached to
}

impl Attached {
    pub fn new(name: &str) -> Attached {
        Attached {
            name: name.to_string(),
            late: AtomicBool::new(false),
            claimed: AtomicU64::new(0),
        }
    }
    /// It was added while there was no connection.
    pub fn late(&self) -> bool {
        self.late.load(Acquire)
    }
    /// False if it was claimed for another context since: then what attach() got belongs to an older one.
    pub fn is_claimed_by(&self, native: bp_context) -> bool {
        self.claimed.load(Acquire) == native.id
    }
}

/// What a connection must be told again after a reconnect: a listener, a host function.
pub(crate) trait Attachment: Send + Sync {
    fn attached(&self) -> &Attached;
    /// Tells the host. Never called twice at once for one context.
    fn attach(self: Arc<Self>, core: &Core, native: bp_context) -> bp_status;
    /// The context can no longer be used, and is being destroyed.
    fn detached(&self) {}
    /// That is done. All that comes now is of another context.
    fn gone(&self) {}
    /// It is attached to another connection, and calls work again.
    fn restored(&self) {}
    /// No other context comes.
    fn ended(&self) {}
}

type Watcher = Arc<dyn Fn() + Send + Sync>;

pub(crate) struct Core {
    pub connected: bool,
    pub reconnects: bool,
    pub executor: Option<Arc<dyn Spawn>>,
    pub functions: FunctionNames,
    pub interfaces: Interfaces,
    native: AtomicU64,
    over: AtomicBool,
    watcher: Mutex<Option<Watcher>>,
    attachments: Mutex<Vec<Arc<dyn Attachment>>>,
    reason: Mutex<String>,
}

enum Claim {
    Made,
    Taken,
    Late,
}

impl Core {
    pub fn new(connected: bool, reconnects: bool, executor: Option<Arc<dyn Spawn>>) -> Core {
        Core {
            connected,
            reconnects,
            executor,
            functions: FunctionNames::default(),
            interfaces: Interfaces::default(),
            native: AtomicU64::new(0),
            over: AtomicBool::new(false),
            watcher: Mutex::new(None),
            attachments: Mutex::new(Vec::new()),
            reason: Mutex::new(String::new()),
        }
    }
    /// Zero while there is no connection, and after the end.
    #[inline]
    pub fn native(&self) -> bp_context {
        bp_context {
            id: self.native.load(Acquire),
        }
    }
    pub fn publish(&self, native: bp_context) {
        self.native.store(native.id, Release);
    }
    /// Takes the handle away; what is called from now on finds no connection.
    pub fn withdraw(&self) -> bp_context {
        bp_context {
            id: self.native.swap(0, AcqRel),
        }
    }
    pub fn end(&self) {
        self.over.store(true, Release);
    }
    pub fn is_over(&self) -> bool {
        self.over.load(Acquire)
    }

    /// What a status of a function that was called with `native` means: a handle that is stale since then is a
    /// connection that has broken.
    pub fn meant(&self, native: bp_context, status: bp_status) -> bp_status {
        let same = self.native() == native;
        if status == Status::Unreachable.code() && same {
            self.suspect();
        }
        let stale = status == Status::InvalidHandle.code() || status == Status::Closed.code();
        match stale && !same {
            true => self.absent(),
            false => status,
        }
    }
    /// Why there is no native context.
    pub fn absent(&self) -> bp_status {
        match self.connected && !self.is_over() {
            true => Status::Unreachable.code(),
            false => Status::Closed.code(),
        }
    }
    /// `watcher` is called when a call is told that the connection is broken. It must not wait.
    pub fn set_watcher(&self, watcher: Option<Watcher>) {
        let old = std::mem::replace(&mut *lock(&self.watcher), watcher);
        drop(old); // not under the lock
    }
    fn suspect(&self) {
        let watcher = lock(&self.watcher).clone();
        if let Some(watcher) = watcher {
            watcher();
        }
    }
    /// Why there is no connection, in words.
    pub fn set_reason(&self, text: String) {
        *lock(&self.reason) = text;
    }

    /// The error of something that was refused at once.
    #[cold]
    pub fn refusal(&self, name: &str, status: bp_status) -> Error {
        let status = Status::from(status);
        let text = match status {
            Status::Unreachable => lock(&self.reason).clone(),
            Status::Reentrant => {
                "this waits, so it is refused on a thread of the host; use the functions that end in _async there".into()
            }
            Status::InvalidArgument => format!(
                "found a name of {} bytes, or options that are out of bounds; expected module.verb of at most {} \
                 bytes, and bounds as in backplane.h",
                name.len(),
                BP_WIRE_NAME_MAX
            ),
            _ => String::new(),
        };
        let text = if text.is_empty() {
            status.text().into()
        } else {
            text
        };
        Error::new(status, text).with_name(name)
    }

    /// Whether this thread may wait for an answer. Asks the library once for each thread and context.
    pub fn may_wait(&self, native: bp_context) -> bool {
        thread_local!(static CALM: Cell<u64> = Cell::new(0));
        if CALM.with(Cell::get) == native.id {
            return true;
        }
        let mut result = NativeResult::new();
        // An empty name is refused, but on a thread of the host for another reason.
        let status =
            unsafe { bp_call_sync(native, native::str(""), native::NOTHING, 1, &mut result.0) };
        let may = status != Status::Reentrant.code();
        if may {
            CALM.with(|calm| calm.set(native.id));
        }
        may
    }

    // ---- What is attached ----

    /// Adds it, and attaches it if there is a connection; otherwise the next one gets it. After an error it is not
    /// added.
    pub fn add(&self, added: Arc<dyn Attachment>) -> bp_status {
        lock(&self.attachments).push(added.clone());
        let now = self.native();
        let mut status = 0;
        if now.id == 0 {
            status = self.absent();
        } else {
            match self.claim_current(&*added, now) {
                Claim::Made => status = self.meant(now, added.clone().attach(self, now)),
                Claim::Taken => {}
                Claim::Late => status = self.absent(),
            }
        }
        if status == Status::Unreachable.code() && self.reconnects {
            added.attached().late.store(true, Release);
            status = 0;
        }
        if status != 0 {
            self.remove(added.attached());
        }
        status
    }
    /// The caller has a reference, so nothing is freed here.
    pub fn remove(&self, removed: &Attached) {
        let mut all = lock(&self.attachments);
        let at = all
            .iter()
            .position(|each| std::ptr::eq(each.attached(), removed));
        let found = at.map(|at| all.remove(at));
        drop(all);
        drop(found);
    }
    pub fn attachments(&self) -> Vec<Arc<dyn Attachment>> {
        lock(&self.attachments).clone()
    }
    /// Whether the caller is the one to attach it to this context.
    pub fn claim(&self, attachment: &dyn Attachment, native: bp_context) -> bool {
        let _all = lock(&self.attachments);
        attachment.attached().claimed.swap(native.id, AcqRel) != native.id
    }
    /// The same for a thread that did not make the context. It may be late: then the keeper has it attached to the next
    /// one already, or will.
    fn claim_current(&self, attachment: &dyn Attachment, native: bp_context) -> Claim {
        let _all = lock(&self.attachments);
        if self.native() != native {
            return Claim::Late;
        }
        match attachment.attached().claimed.swap(native.id, AcqRel) == native.id {
            true => Claim::Taken,
            false => Claim::Made,
        }
    }

    /// Destroys a native context. If callbacks may still come, what they use is kept until they cannot.
    pub fn destroy(&self, native: bp_context) -> bp_status {
        let status = unsafe { bp_context_destroy(native) };
        if status == Status::Timeout.code() {
            keep_until_gone(native, Box::new(self.attachments()));
        }
        status
    }
}

/// Keeps what callbacks of a context use until none of them can come any more.
pub(crate) fn keep_until_gone(native: bp_context, kept: Box<dyn std::any::Any + Send>) {
    unsafe extern "C" fn let_go(user: *mut c_void) {
        let kept = Box::from_raw(user as *mut Box<dyn std::any::Any + Send>);
        crate::host_thread::drop_later(kept);
    }
    let user = Box::into_raw(Box::new(kept)) as *mut c_void;
    let status = unsafe { bp_context_then(native, BP_CONTEXT_GONE, Some(let_go), user) };
    // After an error it is not known whether callbacks come: then it is kept for ever.
    let _ = status;
}
