// SPDX-License-Identifier: Apache-2.0

//! Code of the application that threads of the host run, and what must not happen there.

use crate::ffi::BP_LOG_ERROR;
use crate::native;
use std::any::Any;
use std::cell::Cell;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::mpsc::{channel, Sender};
use std::sync::Mutex;
use std::thread;

thread_local! {
    static HOST: Cell<u32> = Cell::new(0);
    static CALLBACK: Cell<u32> = Cell::new(0);
}

/// Whether this is a thread of the host, inside of a callback.
pub(crate) fn here() -> bool {
    HOST.with(Cell::get) != 0
}
/// Whether this thread is in a callback of a listener or a host function, of the host or of the client.
pub(crate) fn in_callback() -> bool {
    CALLBACK.with(Cell::get) != 0
}

struct Count(&'static thread::LocalKey<Cell<u32>>);

impl Count {
    fn one(key: &'static thread::LocalKey<Cell<u32>>) -> Count {
        key.with(|count| count.set(count.get() + 1));
        Count(key)
    }
}
impl Drop for Count {
    fn drop(&mut self) {
        self.0.with(|count| count.set(count.get() - 1));
    }
}

/// Runs what a callback of the library does. A panic ends here.
pub(crate) fn enter<R>(run: impl FnOnce() -> R) -> Option<R> {
    let _count = Count::one(&HOST);
    catch_unwind(AssertUnwindSafe(run)).map_err(forget).ok()
}

/// Runs code of the application. A panic is returned as its message.
pub(crate) fn guarded<R>(run: impl FnOnce() -> R) -> Result<R, String> {
    let _count = Count::one(&CALLBACK);
    catch_unwind(AssertUnwindSafe(run)).map_err(message_of)
}

/// The same; the message is logged.
pub(crate) fn guarded_and_logged(name: &str, run: impl FnOnce()) {
    if let Err(message) = guarded(run) {
        native::log(
            BP_LOG_ERROR,
            &format!("{}: a callback panicked: {}", name, message),
        );
    }
}

pub(crate) fn message_of(panic: Box<dyn Any + Send>) -> String {
    let text = match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => text.to_string(),
        (_, Some(text)) => text.clone(),
        _ => "it has no message".to_string(),
    };
    forget(panic);
    text
}

/// The destructor of what a panic carries is code of the application, and may panic again.
fn forget(panic: Box<dyn Any + Send>) {
    drop_later(panic);
}

/// Drops it on a thread of the client. Its destructor may wait, which a thread of the host must not.
pub(crate) fn drop_later(what: Box<dyn Any + Send>) {
    static DROPPER: Mutex<Option<Sender<Box<dyn Any + Send>>>> = Mutex::new(None);
    let mut dropper = crate::core::lock(&DROPPER);
    let what = match &*dropper {
        Some(sender) => match sender.send(what) {
            Ok(()) => return,
            Err(unsent) => unsent.0,
        },
        None => what,
    };
    let (sender, receiver) = channel::<Box<dyn Any + Send>>();
    let run = move || {
        for each in receiver {
            let dropped = catch_unwind(AssertUnwindSafe(move || drop(each)));
            std::mem::forget(dropped);
        }
    };
    let builder = thread::Builder::new().name("backplane-drop".into());
    if builder.spawn(run).is_err() {
        return std::mem::forget(what); // a leak is better than a request thread that waits
    }
    let _ = sender.send(what);
    *dropper = Some(sender);
}
