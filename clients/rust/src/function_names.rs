// SPDX-License-Identifier: Apache-2.0

//! Which host function has a name. The host knows only the last one of a name; an older one must not withdraw it.

use crate::core::lock;
use crate::ffi::*;
use crate::function::FunctionState;
use crate::native;
use std::cell::Cell;
use std::collections::HashMap;
use std::os::raw::c_void;
use std::ptr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

#[derive(Default)]
pub(crate) struct FunctionNames {
    slots: Mutex<HashMap<String, Slot>>,
    changed: Condvar,
}

#[derive(Default)]
struct Slot {
    wanted: Option<Arc<FunctionState>>,
    set: Option<Arc<FunctionState>>,
    wanted_at: bp_context,
    set_at: bp_context,
    busy: bool,
}

impl Slot {
    fn is_settled(&self) -> bool {
        same(&self.wanted, &self.set) && (self.set.is_none() || self.wanted_at == self.set_at)
    }
}

thread_local!(static RUNNING: Cell<u32> = Cell::new(0));

/// Stands in every host function while it runs.
pub(crate) struct Running;

impl Running {
    pub fn enter() -> Running {
        RUNNING.with(|depth| depth.set(depth.get() + 1));
        Running
    }
    pub fn here() -> bool {
        RUNNING.with(Cell::get) != 0
    }
}
impl Drop for Running {
    fn drop(&mut self) {
        RUNNING.with(|depth| depth.set(depth.get() - 1));
    }
}

fn same(one: &Option<Arc<FunctionState>>, other: &Option<Arc<FunctionState>>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => Arc::ptr_eq(one, other),
        (None, None) => true,
        _ => false,
    }
}

type Slots<'a> = MutexGuard<'a, HashMap<String, Slot>>;

impl FunctionNames {
    /// Gives the name to `owner`. An error leaves the name as it was. Another context than before: a reconnect has
    /// replaced that one.
    pub fn give(&self, at: bp_context, name: &str, owner: Arc<FunctionState>) -> bp_status {
        let mut slots = lock(&self.slots);
        let slot = slots.entry(name.to_string()).or_default();
        let old = slot.wanted.replace(owner);
        slot.wanted_at = at;
        let status = self.apply(slots, name);
        drop(old);
        status
    }
    /// Withdraws the name if it is still the owner's.
    pub fn withdraw(&self, name: &str, owner: &FunctionState) {
        let mut slots = lock(&self.slots);
        let slot = match slots.get_mut(name) {
            Some(slot) => slot,
            None => return,
        };
        let is = |wanted: &Arc<FunctionState>| ptr::eq(&**wanted, owner);
        let old = match slot.wanted.as_ref().map_or(false, is) {
            true => slot.wanted.take(),
            false => None,
        };
        self.apply(slots, name);
        drop(old);
    }

    // bp_function_set waits for a function that runs, so the mutex must be free then. One thread at a time sets a name,
    // and the last wish counts. A function that runs cannot wait for that thread, which may wait for the function: it
    // leaves its wish to that thread.
    fn apply<'a>(&'a self, mut slots: Slots<'a>, name: &str) -> bp_status {
        if slots[name].busy && Running::here() {
            return 0;
        }
        while slots[name].busy {
            let waited = self.changed.wait(slots);
            slots = waited.unwrap_or_else(PoisonError::into_inner);
        }
        let mut freed = Vec::new();
        let mut first = None;
        loop {
            let slot = slots.get_mut(name).expect("slots stay");
            slot.busy = !slot.is_settled();
            if !slot.busy {
                self.changed.notify_all();
                drop(slots);
                drop(freed); // destructors may set this name
                return first.unwrap_or(0);
            }
            let next = slot.wanted.clone();
            let at = match next {
                Some(_) => slot.wanted_at,
                None => slot.set_at,
            };
            drop(slots);
            let status = set(at, name, &next);
            first = first.or(Some(status));
            slots = lock(&self.slots);
            let slot = slots.get_mut(name).expect("slots stay");
            if next.is_none() || status == 0 {
                freed.extend(std::mem::replace(&mut slot.set, next));
                slot.set_at = at;
                continue;
            }
            if same(&slot.wanted, &next) && slot.wanted_at == at {
                let before = (slot.set_at == at).then(|| slot.set.clone()).flatten();
                if before.is_none() {
                    freed.extend(slot.set.take()); // of a context that is gone
                }
                freed.extend(std::mem::replace(&mut slot.wanted, before));
            }
            freed.extend(next);
        }
    }
}

fn set(at: bp_context, name: &str, next: &Option<Arc<FunctionState>>) -> bp_status {
    let user = next.as_ref().map_or(ptr::null(), Arc::as_ptr) as *mut c_void;
    let function = next.as_ref().map(|_| FunctionState::ON_CALL);
    unsafe { bp_function_set(at, native::str(name), function, user) }
}
