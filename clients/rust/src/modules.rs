// SPDX-License-Identifier: Apache-2.0

//! Loads, unloads and reloads modules. docs/protocol.md has the reports.

use crate::cbor::{self, Decode, DecodeError, Decoder, Encode};
use crate::ffi::*;
use crate::native::{self, NativeResult};
use crate::options::LoadOptions;
use crate::Error;
use std::ffi::CString;
use std::path::Path;
use std::ptr;

macro_rules! report {
    ($(#[$doc:meta])* $name:ident { $($(#[$member_doc:meta])* $member:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct $name {
            $($(#[$member_doc])* pub $member: $type,)*
        }
        impl Decode for $name {
            fn decode(input: &mut Decoder<'_>) -> Result<Self, DecodeError> {
                let mut all = $name::default();
                let mut map = input.map()?;
                while let Some(key) = input.key(&mut map)? {
                    $(if key == stringify!($member).trim_end_matches('_') {
                        let read = Decode::decode(input);
                        all.$member = read.map_err(|e: DecodeError| e.in_member(&key))?;
                        continue;
                    })*
                    input.unknown().map_err(|e| e.in_member(&key))?;
                }
                Ok(all)
            }
        }
    };
}

report! {
    /// A module of the host.
    ModuleInfo {
        /// Its name.
        name: String,
        /// Its version.
        version: String,
        /// Counts the loads of this process.
        generation: u64,
        /// "running", "draining", …
        state: String,
        /// Host functions that it offers.
        functions: Vec<String>,
        /// Events that it emits.
        events: Vec<String>,
        /// What may prevent its unloading.
        warnings: Vec<String>,
        /// Its interface.
        cddl: String,
        /// None: the host is older than these hashes.
        interface_hash: Option<String>,
    }
}
report! {
    /// What was loaded.
    LoadReport {
        /// The module.
        module: String,
        /// Its version.
        version: String,
        /// Counts the loads of this process.
        generation: u64,
        /// Of the file.
        sha256: String,
        /// Its wire names.
        names: Vec<String>,
        /// What may prevent its unloading.
        warnings: Vec<String>,
        /// Of its interface.
        interface_hash: Option<String>,
    }
}
report! {
    /// Why an object cannot be unmapped yet.
    PinReason {
        /// What kind of reason it is.
        kind: String,
        /// How many there are.
        count: u64,
        /// For people.
        what: String,
    }
}
report! {
    /// What became of an unload. If the object is pinned, the unload fails, and this is the detail.
    UnloadReport {
        /// The module.
        module: String,
        /// Which one.
        generation: u64,
        /// "gone" or "pinned".
        outcome: String,
        /// Why it is pinned.
        reasons: Vec<PinReason>,
    }
}
report! {
    /// One side of a comparison.
    Compared {
        /// Of the module.
        version: String,
        /// Of its interface.
        interface_hash: String,
        /// None: a file that does not run.
        generation: Option<u64>,
    }
}
report! {
    /// One change of an interface. docs/interfaces.md says what the fields may be.
    CompareChange {
        /// The kind of change.
        what: String,
        /// A wire name, or a type or member.
        where_: String,
        /// "sends", "receives" or "".
        direction: String,
        /// "compatible", "breaks source", "cannot tell" or "breaks callers".
        verdict: String,
        /// For people.
        text: String,
        /// The names that it reaches.
        names: Vec<String>,
        /// And how many more.
        more_names: u64,
    }
}
report! {
    /// What a reload changes in an interface.
    CompareReport {
        /// The module.
        module: String,
        /// What runs.
        from: Compared,
        /// What would run.
        to: Compared,
        /// The worst of the changes.
        verdict: String,
        /// The worst first.
        changes: Vec<CompareChange>,
        /// How many more.
        left_out: u64,
    }
}
report! {
    /// What runs after a reload.
    ReloadReport {
        /// The module.
        module: String,
        /// Its version.
        version: String,
        /// Counts the loads of this process.
        generation: u64,
        /// Its wire names.
        names: Vec<String>,
        /// What may prevent its unloading.
        warnings: Vec<String>,
        /// What became of the old generation.
        old: UnloadReport,
        /// Of its interface.
        interface_hash: Option<String>,
        /// What has changed in it.
        compare: Option<CompareReport>,
    }
}
report! {
    ModuleList {
        modules: Vec<ModuleInfo>,
    }
}

fn reported<R: Decode>(name: &str, status: bp_status, result: &NativeResult) -> Result<R, Error> {
    if status != 0 {
        return Err(result.error(name, status));
    }
    cbor::from_slice(result.payload()).map_err(|e| Error::of_answer_form(name, e))
}

pub(crate) fn list(native: bp_context) -> Result<Vec<ModuleInfo>, Error> {
    let mut result = NativeResult::new();
    let status = unsafe { bp_module_list(native, &mut result.0) };
    reported::<ModuleList>("the list of modules", status, &result).map(|list| list.modules)
}

/// The options as C takes them, as long as their parts are there.
struct Load {
    path: Option<CString>,
    config: Vec<u8>,
    options: LoadOptions,
}

impl Load {
    fn native(&self) -> bp_load_options {
        bp_load_options {
            struct_size: native::size::<bp_load_options>(),
            flags: self.options.flags,
            path: self.path.as_ref().map_or(ptr::null(), |path| path.as_ptr()),
            config: native::bytes(&self.config),
            stack_size: self.options.stack_size,
            workers: self.options.workers,
            drain_ms: match self.options.flags & BP_LOAD_OLD_FIRST {
                0 => 0,
                _ => drain_ms(&self.options),
            },
        }
    }
}

fn drain_ms(options: &LoadOptions) -> u32 {
    options.drain.map_or(0, native::ms32)
}

pub(crate) fn load<C: Encode + ?Sized>(
    native: bp_context,
    path: &Path,
    config: Option<&C>,
    options: &LoadOptions,
) -> Result<LoadReport, Error> {
    let load = Load {
        path: Some(native::c_path(path)?),
        config: config.map(cbor::to_vec).unwrap_or_default(),
        options: options.clone(),
    };
    let mut result = NativeResult::new();
    let status = unsafe { bp_module_load(native, &load.native(), &mut result.0) };
    reported(&path.to_string_lossy(), status, &result)
}

pub(crate) fn unload(
    native: bp_context,
    module: &str,
    options: &LoadOptions,
) -> Result<UnloadReport, Error> {
    let mut result = NativeResult::new();
    let drain = drain_ms(options);
    let status = unsafe { bp_module_unload(native, native::str(module), drain, &mut result.0) };
    reported(module, status, &result)
}

pub(crate) fn reload<R: Decode, C: Encode + ?Sized>(
    native: bp_context,
    module: &str,
    path: Option<&Path>,
    config: Option<&C>,
    options: &LoadOptions,
) -> Result<R, Error> {
    let load = Load {
        path: path.map(native::c_path).transpose()?,
        config: config.map(cbor::to_vec).unwrap_or_default(),
        options: options.clone(),
    };
    let mut result = NativeResult::new();
    let name = native::str(module);
    let drain = drain_ms(options);
    let options = load.native();
    let status = unsafe { bp_module_reload(native, name, &options, drain, &mut result.0) };
    reported(module, status, &result)
}
