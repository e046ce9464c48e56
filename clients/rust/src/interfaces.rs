// SPDX-License-Identifier: Apache-2.0

//! Which interfaces of modules the application was built for, and whether the host's fit.

use crate::core::{lock, Core};
use crate::ffi::*;
use crate::modules;
use crate::native::{self, NativeResult};
use crate::options::InterfaceChange;
use crate::{Error, Status};
use std::os::raw::{c_char, c_void};
use std::sync::atomic::{AtomicU8, Ordering::*};
use std::sync::{Arc, Mutex};

const FITS: u8 = 0;
const UNKNOWN: u8 = 1; // the module was reloaded, and nobody has compared yet
const BREAKS: u8 = 2;

/// The interface of one module that a client was generated from.
pub(crate) struct Expected {
    module: String,
    hash: String,
    cddl: String,
    state: AtomicU8,
    known: Mutex<Known>, // also while the state changes
}

#[derive(Default)]
struct Known {
    changes: u64, // of modules, so far
    error: Option<Error>,
}

#[derive(Default)]
pub(crate) struct Interfaces {
    all: Mutex<Vec<Arc<Expected>>>,
}

impl Interfaces {
    /// The expectation of a client. Asks the host if it is new.
    pub fn expect(
        &self,
        core: &Core,
        module: &str,
        hash: &str,
        cddl: &str,
    ) -> Result<Arc<Expected>, Error> {
        let same = |each: &&Arc<Expected>| each.module == module && each.hash == hash;
        let known = lock(&self.all).iter().find(same).cloned();
        if let Some(known) = known {
            known.check(core)?;
            return Ok(known);
        }
        let expected = Arc::new(Expected {
            module: module.to_string(),
            hash: hash.to_string(),
            cddl: cddl.to_string(),
            state: AtomicU8::new(UNKNOWN),
            known: Mutex::default(),
        });
        lock(&self.all).push(expected.clone());
        if let Err(e) = expected.compare(core, core.native()) {
            lock(&self.all).retain(|each| !Arc::ptr_eq(each, &expected));
            return Err(e);
        }
        Ok(expected)
    }
    pub fn is_empty(&self) -> bool {
        lock(&self.all).is_empty()
    }
    /// A module has changed: each call that may wait compares first, until the keeper has.
    pub fn forget(&self) {
        for each in lock(&self.all).iter() {
            let mut known = lock(&each.known);
            known.changes += 1;
            each.state.store(UNKNOWN, Release);
        }
    }
    /// Compares all, and returns what is not as expected and has changed since.
    pub fn compare(&self, core: &Core, native: bp_context) -> Vec<InterfaceChange> {
        let all = lock(&self.all).clone();
        let mut changes = Vec::new();
        for each in all {
            let before = lock(&each.known).error.clone();
            let now = each.compare(core, native);
            let message = match &now {
                Ok(None) => continue,
                Ok(Some(text)) => text.clone(),
                Err(e) if e.status() != Status::InterfaceChanged => continue,
                Err(e) if before.as_ref() == Some(e) => continue,
                Err(e) => e.message().to_string(),
            };
            changes.push(InterfaceChange {
                module: each.module.clone(),
                expected: each.hash.clone(),
                breaks: now.is_err(),
                message,
            });
        }
        changes
    }
}

impl Expected {
    /// Whether calls may be made.
    #[inline]
    pub fn check(&self, core: &Core) -> Result<(), Error> {
        match self.state.load(Acquire) {
            FITS => Ok(()),
            _ => self.check_slowly(core),
        }
    }
    #[cold]
    fn check_slowly(&self, core: &Core) -> Result<(), Error> {
        if self.state.load(Acquire) == UNKNOWN {
            let native = core.native();
            if native.id == 0 || crate::host_thread::here() || !core.may_wait(native) {
                return Ok(()); // the call itself tells, or the keeper compares
            }
            let _ = self.compare(core, native);
        }
        let known = lock(&self.known);
        match (self.state.load(Acquire), &known.error) {
            (BREAKS, Some(error)) => Err(error.clone()),
            _ => Ok(()),
        }
    }
    /// Asks the host. Ok: what has changed and breaks nothing.
    fn compare(&self, core: &Core, native: bp_context) -> Result<Option<String>, Error> {
        if native.id == 0 {
            return Err(core.refusal(&self.module, core.absent()));
        }
        let changes = lock(&self.known).changes;
        let answer = self.ask(native);
        let mut known = lock(&self.known);
        let status = answer.as_ref().err().map(Error::status);
        let state = match status {
            Some(Status::InterfaceChanged) => BREAKS,
            None | Some(Status::NotFound) => FITS, // calls of a module that is gone tell so
            Some(_) => UNKNOWN,
        };
        if known.changes == changes {
            known.error = answer.as_ref().err().filter(|_| state == BREAKS).cloned();
            self.state.store(state, Release);
        }
        answer
    }
    fn ask(&self, native: bp_context) -> Result<Option<String>, Error> {
        let expect = match expect_function() {
            Some(expect) => expect,
            None => return self.compare_hashes(native),
        };
        let mut result = NativeResult::new();
        let (module, hash) = (native::str(&self.module), native::str(&self.hash));
        let cddl = native::str(&self.cddl);
        let status = unsafe { expect(native, module, hash, cddl, &mut result.0) };
        if status == Status::NotSupported.code() {
            return self.compare_hashes(native);
        }
        if status != 0 {
            return Err(result.error(&self.module, status));
        }
        let message = unsafe { native::text(result.0.message) };
        if message.is_empty() {
            return Ok(None);
        }
        native::log(BP_LOG_DEBUG, &message);
        Ok(Some(message.into_owned()))
    }
    /// For a host that does not compare.
    fn compare_hashes(&self, native: bp_context) -> Result<Option<String>, Error> {
        let all = modules::list(native)?;
        let running =
            |each: &&modules::ModuleInfo| each.name == self.module && each.state == "running";
        let found = match all.iter().find(running) {
            Some(found) => found,
            None => {
                let text = "found no such module, expected one that runs; load it";
                return Err(Error::new(Status::NotFound, text).with_name(&self.module));
            }
        };
        match &found.interface_hash {
            Some(hash) if *hash != self.hash => Err(Error::new(
                Status::InterfaceChanged,
                format!(
                    "found the interface {} of version {}, expected {}; this host does not say what has changed, so \
                     run `backplane inspect --against`, and generate the bindings again",
                    hash, found.version, self.hash
                ),
            )
            .with_name(&self.module)),
            _ => Ok(None),
        }
    }
}

type ExpectFn =
    unsafe extern "C" fn(bp_context, bp_str, bp_str, bp_str, *mut bp_result) -> bp_status;

/// bp_context_expect, which libraries before interfaces.h lack.
fn expect_function() -> Option<ExpectFn> {
    extern "C" {
        fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void;
    }
    let name = b"bp_context_expect\0".as_ptr() as *const c_char;
    unsafe {
        let found = dlsym(std::ptr::null_mut(), name);
        (!found.is_null()).then(|| std::mem::transmute::<*mut c_void, ExpectFn>(found))
    }
}
