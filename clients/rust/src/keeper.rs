// SPDX-License-Identifier: Apache-2.0

//! The thread of a context: it connects again, and compares interfaces again. An embedded context has it only if a
//! client was made for an interface.

use crate::backoff;
use crate::cbor::{self, Raw, Value};
use crate::core::{self, keep_until_gone, lock, Core};
use crate::ffi::*;
use crate::listener::{listen, Callbacks, EventInfo, Listener};
use crate::native::{self, NativeResult};
use crate::options::*;
use crate::{host_thread, Error, Status};
use std::cell::Cell;
use std::marker::PhantomData;
use std::os::raw::c_void;
use std::sync::{Arc, Condvar, Mutex, Weak};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

thread_local!(static KEEPER: Cell<bool> = Cell::new(false));

/// What the end of one connection is told to. The end of an older one says nothing.
struct Watch {
    keeper: Weak<Keeper>,
}

#[derive(Default)]
struct State {
    current: usize, // the address of the Watch of the connection that is there; 0: none
    thread: Option<JoinHandle<()>>,
    modules: Option<Listener>,
    watches: bool,
    reason: String,
    stopped: bool,
    broken: bool,
    suspected: bool,
    recheck: bool,
}

pub(crate) struct Keeper {
    core: Arc<Core>,
    options: ConnectOptions,
    state: Mutex<State>,
    changed: Condvar,
    watch: Mutex<Option<Box<Watch>>>, // of the connection that is there
}

impl Keeper {
    pub fn new(core: Arc<Core>, options: ConnectOptions) -> Arc<Keeper> {
        Arc::new(Keeper {
            core,
            options,
            state: Mutex::default(),
            changed: Condvar::new(),
            watch: Mutex::new(None),
        })
    }
    /// Connects for the first time.
    pub fn connect(self: &Arc<Self>) -> Result<(), Error> {
        let opened = self.open()?;
        self.core.publish(opened);
        if !self.options.reconnect.enabled && self.options.on_state.is_none() {
            return Ok(());
        }
        let weak = Arc::downgrade(self);
        self.core.set_watcher(Some(Arc::new(move || {
            if let Some(keeper) = weak.upgrade() {
                keeper.wake(|state| state.suspected = true);
            }
        })));
        self.start();
        Ok(())
    }
    /// Compares the interfaces whenever a module changes.
    pub fn watch_modules(self: &Arc<Self>) {
        if std::mem::replace(&mut lock(&self.state).watches, true) {
            return;
        }
        let weak = Arc::downgrade(self);
        let hear = Callbacks {
            pattern: "backplane.module_*".into(),
            on_event: move |_: Raw, _: &EventInfo<'_>| {
                if let Some(keeper) = weak.upgrade() {
                    keeper.core.interfaces.forget();
                    keeper.wake(|state| state.recheck = true);
                }
            },
            on_gap: |_| {},
            payload: PhantomData,
        };
        let options = ListenOptions::default();
        if let Ok(listener) = listen(&self.core, "backplane.module_*", &options, Box::new(hear)) {
            lock(&self.state).modules = Some(listener);
        }
        self.start();
    }
    /// Ends the thread. From then on nothing is done any more.
    pub fn stop(&self) {
        self.core.set_watcher(None);
        self.wake(|state| state.stopped = true);
        let modules = lock(&self.state).modules.take();
        drop(modules);
        let thread = lock(&self.state).thread.take();
        match thread {
            Some(thread) if !Keeper::here() => drop(thread.join()),
            _ => {}
        }
    }
    /// Whether this is the thread of a keeper, which cannot wait for its own end.
    pub fn here() -> bool {
        KEEPER.with(Cell::get)
    }

    fn start(self: &Arc<Self>) {
        let mut state = lock(&self.state);
        if state.thread.is_some() || state.stopped {
            return;
        }
        let keeper = self.clone(); // until stop()
        let run = move || {
            KEEPER.with(|is| is.set(true));
            keeper.run();
        };
        let builder = thread::Builder::new().name("backplane-keep".into());
        match builder.spawn(run) {
            Ok(thread) => state.thread = Some(thread),
            Err(e) => {
                let text = format!("no thread for keeping a connection: {}", e);
                native::log(BP_LOG_ERROR, &text);
            }
        }
    }
    fn wake(&self, change: impl FnOnce(&mut State)) {
        change(&mut lock(&self.state));
        self.changed.notify_all();
    }
    /// Waits until `done`, for this long at most; returns whether it is.
    fn wait(&self, longest: Option<Duration>, done: impl Fn(&State) -> bool) -> bool {
        let until = longest.map(|longest| Instant::now() + longest);
        core::wait(&self.state, &self.changed, until, done).1
    }

    fn run(self: &Arc<Self>) {
        loop {
            self.wait(None, |s| s.stopped || s.broken || s.suspected || s.recheck);
            let suspected = {
                let mut state = lock(&self.state);
                std::mem::take(&mut state.suspected) && !state.broken && !state.stopped
            };
            if suspected {
                // The last event has the reason, so it may come first. But it may also wait behind many others.
                let heard = self.wait(Some(Duration::from_millis(50)), |s| s.stopped || s.broken);
                if !heard && backoff::refuses_calls(self.core.native()) {
                    lock(&self.state).broken = true;
                }
            }
            let (broken, recheck) = {
                let mut state = lock(&self.state);
                if state.stopped {
                    return;
                }
                let recheck = std::mem::take(&mut state.recheck);
                (std::mem::take(&mut state.broken), recheck)
            };
            if broken {
                self.restore();
            } else if recheck {
                self.compare_interfaces(self.core.native());
            }
        }
    }

    /// Makes a context and hears of its end.
    fn open(self: &Arc<Self>) -> Result<bp_context, Error> {
        let path = match &self.options.socket_path {
            Some(path) => Some(native::c_path(path)?),
            None => None,
        };
        let name = self.options.socket_path.clone().unwrap_or_default();
        let name = name.to_string_lossy();
        let options = bp_connect_options {
            struct_size: native::size::<bp_connect_options>(),
            timeout_ms: self.options.timeout.map_or(0, native::ms32),
            socket_path: path.as_ref().map_or(std::ptr::null(), |path| path.as_ptr()),
            event_bytes: self.options.event_bytes,
            reconnect: 0, // the Keeper does it
            reconnect_attempts: 0,
            reconnect_min_ms: 0,
            reconnect_max_ms: 0,
            on_state: std::ptr::null(),
            user: std::ptr::null_mut(),
        };
        let mut why = NativeResult::new();
        let mut made = bp_context::default();
        let status = unsafe { bp_context_connect(&options, &mut made, &mut why.0) };
        if status != 0 {
            return Err(why.error(&name, status));
        }
        let watch = Box::new(Watch {
            keeper: Arc::downgrade(self),
        });
        let user = &*watch as *const Watch as *mut c_void;
        self.watched(user as usize);
        let mut ignored = bp_listener::default();
        let event = native::str("backplane.disconnected");
        let mut status = unsafe { bp_listen(made, event, Some(on_broken), user, &mut ignored) };
        if status == 0 {
            // If the connection broke before that, nothing tells. So ask for something: what the answer is does not
            // matter.
            let mut none = bp_method::default();
            status = unsafe { bp_method_find(made, native::str("client.probe"), &mut none) };
        }
        if status == Status::Unreachable.code() || status == Status::OutOfMemory.code() {
            self.watched(0);
            if unsafe { bp_context_destroy(made) } == Status::Timeout.code() {
                keep_until_gone(made, Box::new(watch));
            }
            let text = "the connection broke at once";
            return Err(Error::new(status, text).with_name(&name));
        }
        *lock(&self.watch) = Some(watch);
        Ok(made)
    }
    fn watched(&self, now: usize) {
        let mut state = lock(&self.state);
        state.current = now;
        state.broken = false;
    }

    /// Connects again, unless it is stopped.
    fn restore(self: &Arc<Self>) {
        self.watched(0); // its end is known
        let ending = self.core.withdraw();
        let reason = std::mem::take(&mut lock(&self.state).reason);
        let colon = if reason.is_empty() { "" } else { ": " };
        let mut reason = format!("the connection to the host is lost{}{}", colon, reason);
        self.core.set_reason(format!("{}{}", reason, self.again()));
        for each in self.core.attachments() {
            each.detached();
        }
        if ending.id != 0 && self.core.destroy(ending) == Status::Timeout.code() {
            keep_until_gone(ending, Box::new(lock(&self.watch).take()));
        }
        *lock(&self.watch) = None;
        for each in self.core.attachments() {
            each.gone();
        }
        self.tell(ConnectionState::Lost {
            reason: reason.clone(),
        });
        let how = &self.options.reconnect;
        if !how.enabled {
            return self.give_up(reason);
        }
        for attempt in 1.. {
            if self.wait(
                Some(backoff::wait_before(how, attempt, backoff::random())),
                |s| s.stopped,
            ) {
                return;
            }
            let failure = match self.open() {
                Ok(opened) => return self.restored(opened, attempt),
                Err(failure) => failure,
            };
            let attempts = if attempt == 1 { "attempt" } else { "attempts" };
            let message = failure.message();
            reason = format!(
                "no connection to the host after {} {}: {}",
                attempt, attempts, message
            );
            self.core.set_reason(format!("{}{}", reason, self.again()));
            if attempt == how.attempts {
                return self.give_up(reason);
            }
            self.tell(ConnectionState::Waiting {
                attempt,
                wait: backoff::wait_before(how, attempt + 1, 0.0),
                reason,
            });
        }
    }
    fn again(&self) -> &'static str {
        match self.options.reconnect.enabled {
            true => "; the client goes on trying, so call again later",
            false => "",
        }
    }
    fn give_up(&self, reason: String) {
        let text = format!("{}; the client has given up: make a new context", reason);
        self.core.set_reason(text);
        self.core.attachments().iter().for_each(|each| each.ended());
        self.tell(ConnectionState::GivenUp { reason });
    }
    /// Listeners hold their events until they got their gap.
    fn restored(&self, native: bp_context, attempt: u32) {
        let mut refused = String::new();
        self.attach_all(native, &mut refused);
        // Before any call of the new connection.
        self.compare_interfaces(native);
        self.core.publish(native);
        self.core.set_reason(String::new());
        self.attach_all(native, &mut refused); // those that came when there was no connection yet
        for each in self.core.attachments() {
            each.restored();
        }
        self.tell(ConnectionState::Connected { attempt, refused });
    }
    fn attach_all(&self, native: bp_context, refused: &mut String) {
        for each in self.core.attachments() {
            if !self.core.claim(&*each, native) {
                continue;
            }
            let status = Status::from(each.clone().attach(&self.core, native));
            if status == Status::Ok || status == Status::Unreachable {
                continue;
            }
            let name = &each.attached().name;
            let text = format!(
                "{}: the host refuses it after a reconnect: {}",
                name,
                status.text()
            );
            native::log(BP_LOG_ERROR, &text);
            if !refused.is_empty() {
                refused.push_str("; ");
            }
            refused.push_str(&text);
        }
    }

    fn compare_interfaces(&self, native: bp_context) {
        if self.core.interfaces.is_empty() || native.id == 0 {
            return;
        }
        for change in self.core.interfaces.compare(&self.core, native) {
            match &self.options.on_interface_change {
                Some(told) => {
                    host_thread::guarded_and_logged("on_interface_change", || told(&change))
                }
                None if change.breaks => {
                    let text = format!(
                        "{}: its interface has changed: {}",
                        change.module, change.message
                    );
                    native::log(BP_LOG_WARN, &text);
                }
                None => {}
            }
        }
    }
    fn tell(&self, state: ConnectionState) {
        if let Some(told) = &self.options.on_state {
            host_thread::guarded_and_logged("on_state", || told(&state));
        }
    }
}

unsafe extern "C" fn on_broken(user: *mut c_void, event: *const bp_event) {
    host_thread::enter(|| {
        let watch = &*(user as *const Watch);
        let keeper = match watch.keeper.upgrade() {
            Some(keeper) => keeper,
            None => return,
        };
        let read = cbor::from_slice::<Value>(native::slice((*event).payload));
        let inner = read.ok().and_then(|value| value.get("payload").cloned());
        let reason = inner.as_ref().and_then(|value| value.get("reason"));
        let reason = reason.and_then(Value::as_str).unwrap_or("").to_string();
        keeper.wake(|state| {
            if state.current == user as usize {
                state.reason = reason;
                state.broken = true;
            }
        });
    });
}
