// SPDX-License-Identifier: Apache-2.0

//! Listeners of events.

use crate::cbor::{self, Decode, Decoder, Raw};
use crate::core::{lock, Attached, Attachment, Core};
use crate::ffi::*;
use crate::options::ListenOptions;
use crate::{host_thread, native, Error, Status};
use std::any::TypeId;
use std::os::raw::c_void;
use std::sync::atomic::{AtomicU64, Ordering::*};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// What a callback may know of an event besides its payload.
#[derive(Clone, Copy, Debug)]
pub struct EventInfo<'a> {
    /// Its name.
    pub name: &'a str,
    /// Unix time; 0: unknown, as on a connection.
    pub emitted_ms: u64,
}

/// Some events are lost, in whose place this comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// How many; 0: unknown, because the connection was lost.
    pub lost: u64,
    /// When the first of them was emitted, Unix time; 0: unknown.
    pub since_ms: u64,
    /// The connection was lost, and the listener is registered again.
    pub reconnected: bool,
}

/// What a listener does with what it hears.
pub(crate) trait Hear: Send + Sync {
    /// # Safety
    /// The event must be valid.
    unsafe fn event(&self, event: &bp_event, counts: &Counts);
    fn gap(&self, gap: Gap);
    fn end(&self) {}
}

#[derive(Default)]
pub(crate) struct Counts {
    lost: AtomicU64,
    gaps: AtomicU64,
    unread: AtomicU64,
}

impl Counts {
    /// An event whose payload has another form.
    pub fn unread(&self, event: &str, error: &cbor::DecodeError) {
        self.unread.fetch_add(1, Relaxed);
        let text = "an event has another form than the listener expects";
        native::log(BP_LOG_WARN, &format!("{}: {}: {}", event, text, error));
    }
    pub fn count_unread(&self) -> u64 {
        self.unread.load(Relaxed)
    }
    pub fn lose(&self, events: u64) {
        self.lost.fetch_add(events, Relaxed);
    }
}

pub(crate) struct ListenerState {
    attached: Attached,
    options: ListenOptions,
    may_reconnect: bool,
    hear: Option<Box<dyn Hear>>,
    counts: Counts,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    native: bp_context,
    id: bp_listener,
    removed: bool,
    running: bool,
    ending: bool, // its connection is being destroyed
    gap_due: bool,
}

impl ListenerState {
    fn hear(&self) -> &dyn Hear {
        &**self.hear.as_ref().expect("it stays until the drop")
    }
    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        let waited = self.changed.wait(state);
        waited.unwrap_or_else(PoisonError::into_inner)
    }
    /// Ends the subscription. The callback runs no more when this returns, except this thread is in it.
    fn remove(&self) {
        let mut state = lock(&self.state);
        if state.removed {
            return;
        }
        state.removed = true;
        let (at, id) = (state.native, state.id);
        self.changed.notify_all();
        drop(state);
        if id.id != 0 {
            unsafe { bp_unlisten(at, id) };
        }
        if self.may_reconnect && !host_thread::in_callback() {
            let mut state = lock(&self.state);
            while state.running {
                state = self.wait(state);
            }
        }
    }
    // With reconnects, the gap of one comes on another thread than the events. One callback runs at a time, and the gap
    // first. Returns false if the listener was removed meanwhile, or its connection ends.
    fn enter(&self, with_gap: bool) -> bool {
        let mut state = lock(&self.state);
        while !(state.removed || state.ending) && (state.running || (!with_gap && state.gap_due)) {
            state = self.wait(state);
        }
        if state.removed || state.ending {
            return false;
        }
        state.running = true;
        state.gap_due &= !with_gap;
        true
    }
    fn leave(&self) {
        lock(&self.state).running = false;
        self.changed.notify_all();
    }
    /// # Safety
    /// The event must be valid.
    unsafe fn deliver(&self, event: &bp_event) {
        if event.flags & BP_EVENT_GAP == 0 {
            return self.hear().event(event, &self.counts);
        }
        self.counts.lose(event.lost);
        self.counts.gaps.fetch_add(1, Relaxed);
        self.hear().gap(Gap {
            lost: event.lost,
            since_ms: event.emitted_ms,
            reconnected: false,
        });
    }
}

unsafe extern "C" fn on_event(user: *mut c_void, event: *const bp_event) {
    host_thread::enter(|| {
        let state = user as *const ListenerState;
        // An unlisten in a cycle of listeners does not wait for this callback.
        Arc::increment_strong_count(state);
        let state = Arc::from_raw(state);
        if !state.may_reconnect {
            return state.deliver(&*event);
        }
        if state.enter(false) {
            state.deliver(&*event);
            state.leave();
        }
    });
}

impl Attachment for ListenerState {
    fn attached(&self) -> &Attached {
        &self.attached
    }
    fn attach(self: Arc<Self>, _core: &Core, at: bp_context) -> bp_status {
        let own_thread = if self.options.own_thread {
            BP_LISTEN_OWN_THREAD
        } else {
            0
        };
        let lossless = if self.options.lossless {
            BP_LISTEN_LOSSLESS
        } else {
            0
        };
        let subscription = bp_subscription {
            struct_size: native::size::<bp_subscription>(),
            flags: own_thread | lossless,
            pattern: native::str(&self.attached.name),
            on_event: Some(on_event),
            user: Arc::as_ptr(&self) as *mut c_void,
            label: native::str(&self.options.label),
            window_bytes: self.options.window_bytes,
        };
        let mut id = bp_listener::default();
        let status = unsafe { bp_subscribe(at, &subscription, &mut id) };
        let mut state = lock(&self.state);
        if status != 0 {
            return status;
        }
        // Meanwhile it may be removed, or the connection lost and the listener attached to the next one.
        if state.removed || !self.attached.is_claimed_by(at) {
            drop(state);
            unsafe { bp_unlisten(at, id) };
            return 0;
        }
        state.native = at;
        state.id = id;
        0
    }
    /// From now on events of the old connection are dropped: its end waits for them, and the gap stands for them.
    fn detached(&self) {
        let mut state = lock(&self.state);
        state.native = bp_context::default();
        state.id = bp_listener::default();
        state.ending = true;
        self.changed.notify_all();
    }
    fn gone(&self) {
        let mut state = lock(&self.state);
        state.ending = false;
        state.gap_due = true;
    }
    /// Gives the gap, before any event of the new connection.
    fn restored(&self) {
        let mut state = lock(&self.state);
        if state.native.id == 0 {
            state.gap_due = false; // refused, so it hears nothing that a gap could come before
            self.changed.notify_all();
            return;
        }
        if !state.gap_due && !self.attached.late() {
            return; // it came when the connection was there
        }
        drop(state);
        if self.enter(true) {
            self.counts.gaps.fetch_add(1, Relaxed);
            self.hear().gap(Gap {
                lost: 0,
                since_ms: 0,
                reconnected: true,
            });
            self.leave();
        }
    }
    fn ended(&self) {
        self.hear().end();
    }
}

impl Drop for ListenerState {
    fn drop(&mut self) {
        let hear = self.hear.take();
        if host_thread::here() {
            struct Sent(Option<Box<dyn Hear>>);
            host_thread::drop_later(Box::new(Sent(hear)));
        }
    }
}

/// A subscription, until it is dropped. When the drop returns, its callbacks do not run any more. Dropped in its own
/// callback, the running one is the last.
#[must_use = "dropping it ends the subscription"]
pub struct Listener {
    core: Arc<Core>,
    state: Arc<ListenerState>,
}

impl Listener {
    /// How many events were lost, as gaps told.
    pub fn lost(&self) -> u64 {
        self.state.counts.lost.load(Relaxed)
    }
    /// How many gaps there were, also of reconnects.
    pub fn gaps(&self) -> u64 {
        self.state.counts.gaps.load(Relaxed)
    }
    /// Events whose payload had another form. Each was logged.
    pub fn unread(&self) -> u64 {
        self.state.counts.unread.load(Relaxed)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.state.remove();
        self.core.remove(&self.state.attached);
    }
}

pub(crate) fn listen(
    core: &Arc<Core>,
    pattern: &str,
    options: &ListenOptions,
    hear: Box<dyn Hear>,
) -> Result<Listener, Error> {
    let state = Arc::new(ListenerState {
        attached: Attached::new(pattern),
        options: options.clone(),
        may_reconnect: core.reconnects,
        hear: Some(hear),
        counts: Counts::default(),
        state: Mutex::default(),
        changed: Condvar::new(),
    });
    let status = core.add(state.clone());
    let text = match Status::from(status) {
        Status::Ok => {
            return Ok(Listener {
                core: core.clone(),
                state,
            })
        }
        Status::InvalidArgument => format!(
            "found the pattern {:?}; expected the name of an event, or a prefix and \"*\"; or an option is out of \
             bounds",
            pattern
        ),
        Status::NotSupported => {
            "found own_thread or lossless; a connection has no listeners with own_thread, and the host there may know \
             none with lossless; listen without"
                .to_string()
        }
        _ => return Err(core.refusal(pattern, status)),
    };
    Err(Error::new(status, text).with_name(pattern))
}

/// Reads the payload of an event: of a typed one the member "payload", of another one all of it.
pub(crate) fn read_event<T: Decode + 'static>(
    payload: &[u8],
    flags: u32,
) -> Result<T, cbor::DecodeError> {
    if flags & BP_EVENT_TYPED == 0 || TypeId::of::<T>() == TypeId::of::<Raw>() {
        return cbor::from_slice(payload);
    }
    let mut input = Decoder::new(payload);
    let mut inner: &[u8] = &[];
    let mut map = input.map()?;
    while let Some(key) = input.key(&mut map)? {
        let item = input.item()?;
        if key == "payload" {
            inner = item;
        }
    }
    input.finish()?;
    cbor::from_slice(inner)
}

/// Calls functions of the application.
pub(crate) struct Callbacks<T, E, G> {
    pub pattern: String,
    pub on_event: E,
    pub on_gap: G,
    pub payload: std::marker::PhantomData<fn(T)>,
}

impl<T, E, G> Hear for Callbacks<T, E, G>
where
    T: Decode + 'static,
    E: Fn(T, &EventInfo<'_>) + Send + Sync,
    G: Fn(Gap) + Send + Sync,
{
    unsafe fn event(&self, event: &bp_event, counts: &Counts) {
        let name = native::text(event.name);
        host_thread::guarded_and_logged(&name, || {
            match read_event::<T>(native::slice(event.payload), event.flags) {
                Ok(payload) => {
                    let info = EventInfo {
                        name: &name,
                        emitted_ms: event.emitted_ms,
                    };
                    (self.on_event)(payload, &info)
                }
                Err(e) => counts.unread(&name, &e),
            }
        });
    }
    fn gap(&self, gap: Gap) {
        host_thread::guarded_and_logged(&self.pattern, || (self.on_gap)(gap));
    }
}
