// SPDX-License-Identifier: Apache-2.0

use crate::ffi;
use std::ffi::CStr;
use std::fmt;

macro_rules! statuses {
    ($($name:ident $code:literal $text:literal;)*) => {
        /// How a call ended. The numbers are those of `backplane/base.h`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Status {
            $(#[doc = $text] $name,)*
            /// A status of the module's own: 1000 or more.
            Module(i32),
            /// A status of the host that this crate does not know.
            Other(i32),
        }

        impl From<i32> for Status {
            fn from(code: i32) -> Status {
                match code {
                    $($code => Status::$name,)*
                    ffi::BP_STATUS_MODULE_FIRST..=i32::MAX => Status::Module(code),
                    _ => Status::Other(code),
                }
            }
        }

        impl Status {
            /// Its number.
            pub fn code(self) -> i32 {
                match self {
                    $(Status::$name => $code,)*
                    Status::Module(code) | Status::Other(code) => code,
                }
            }
            /// All that this crate knows.
            pub const ALL: &'static [Status] = &[$(Status::$name),*];
        }
    };
}

statuses! {
    Ok 0 "ok";
    Error 1 "the handler replied with an error";
    MissingCallback 2 "no reply callback was given";
    Stale 3 "not a terminal reply: the handler still runs; payload: elapsed milliseconds as text";
    Partial 4 "not a terminal reply: one part of a reply that comes in parts";
    InvalidArgument 16 "an argument is null, too long or out of range";
    InvalidHandle 17 "the handle is zero, stale, forged, or of another type or context";
    UnknownName 18 "no loaded module has this wire name";
    NoHostFunction 19 "no host function of this name is registered";
    BadPayload 20 "the payload does not fit the interface of the wire name";
    Overloaded 21 "the request queue of the context or connection is full; try again when calls have ended";
    EventQueueStuck 22 "the context's event log is full; new requests are refused until half of it is read";
    Reentrant 23 "the call would wait for its own caller, or is nested where that is not allowed";
    Deadline 24 "the call's deadline has passed";
    Canceled 25 "the call was canceled";
    Closed 26 "the context is closed";
    ModuleGone 27 "the module that had this wire name has been unloaded";
    InstanceFailed 28 "the module could not start in this context";
    StaleToken 29 "the token is unknown, already answered, canceled, or of another context";
    Overflow 30 "the event is too large, or the context's event log is full; it was refused";
    NoReply 31 "the handler ended without a terminal reply";
    Exception 32 "the handler failed with an exception it did not expect";
    NotSupported 33 "the operation is not supported here, or not by this host";
    Timeout 34 "the operation did not finish in time";
    LoadRefused 35 "the host refused the module";
    NameTaken 36 "the name is already registered by a module";
    NotLoaded 37 "no module of this name is loaded";
    Pinned 38 "the module's names are withdrawn, but its object cannot be unmapped yet";
    Io 39 "an operating system call failed";
    OutOfMemory 40 "not enough memory, or a limit was reached";
    Unreachable 41 "no host answers at the address, or the connection to it broke";
    Protocol 42 "the peer sent something that the protocol does not allow";
    NotFound 43 "the object does not exist";
    Config 44 "the configuration is wrong";
    WouldBlock 45 "the receiver is not ready for more parts yet; try again when it has taken some";
    NotPermitted 46 "the role that this needs is missing on this socket of the host";
    InterfaceChanged 47 "the module's interface has changed in a way that breaks its callers";
    ProviderLost 48 "who answered has gone; the call may have run";
    EntryReturned 129 "a fiber's entry returned, which is not allowed";
}

impl Status {
    /// Its name: "unknown_name". Each status of a module has the name "module".
    pub fn name(self) -> &'static str {
        // The texts are static.
        unsafe { static_text(ffi::bp_status_name(self.code())) }
    }
    /// One sentence about it.
    pub fn text(self) -> &'static str {
        unsafe { static_text(ffi::bp_status_text(self.code())) }
    }
}

unsafe fn static_text(text: *const std::os::raw::c_char) -> &'static str {
    CStr::from_ptr(text).to_str().unwrap_or("")
}

impl fmt::Display for Status {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Status::Module(code) | Status::Other(code) => write!(out, "status {}", code),
            _ => out.write_str(self.name()),
        }
    }
}
