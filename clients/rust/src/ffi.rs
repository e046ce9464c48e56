// SPDX-License-Identifier: Apache-2.0

//! The C functions of libbackplane.so, as `backplane/backplane.h` declares them. The comments are there.
//!
//! The rest of the crate is safe and calls these. `tests/bindings/rust` compares sizes and offsets with the headers.

#![allow(non_camel_case_types, missing_docs)]

use std::os::raw::{c_char, c_void};

pub type bp_status = i32;
pub type bp_token = u64;

macro_rules! handles {
    ($($name:ident)*) => {$(
        #[repr(C)]
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
        pub struct $name {
            pub id: u64,
        }
    )*};
}
handles!(bp_context bp_method bp_request bp_source bp_listener bp_serving);

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct bp_bytes {
    pub data: *const u8,
    pub size: usize,
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct bp_str {
    pub data: *const c_char,
    pub size: usize,
}

#[repr(C)]
pub struct bp_buffer {
    pub data: *mut u8,
    pub size: usize,
    pub capacity: usize,
}

#[repr(C)]
pub struct bp_answer {
    pub struct_size: u32,
    pub status: bp_status,
    pub payload: bp_bytes,
    pub message: bp_str,
    pub detail: bp_bytes,
    pub buffer: *mut bp_buffer,
}

#[repr(C)]
pub struct bp_result {
    pub struct_size: u32,
    pub status: bp_status,
    pub payload: bp_bytes,
    pub message: bp_str,
    pub detail: bp_bytes,
    pub owner: *mut c_void,
}

pub type bp_reply_fn = unsafe extern "C" fn(user: *mut c_void, answer: *const bp_answer);
pub type bp_credit_fn = unsafe extern "C" fn(user: *mut c_void, bytes: u64);
pub type bp_host_function_fn = unsafe extern "C" fn(
    user: *mut c_void,
    ctx: bp_context,
    token: bp_token,
    name: bp_str,
    payload: bp_bytes,
);
pub type bp_event_fn = unsafe extern "C" fn(user: *mut c_void, event: *const bp_event);
pub type bp_context_fn = unsafe extern "C" fn(user: *mut c_void);
pub type bp_stop_fn = unsafe extern "C" fn(user: *mut c_void);

#[repr(C)]
pub struct bp_submission {
    pub struct_size: u32,
    pub flags: u32,
    pub method: bp_method,
    pub name: bp_str,
    pub payload: bp_bytes,
    pub buffer: *mut bp_buffer,
    pub timeout_ms: u64,
    pub on_reply: Option<bp_reply_fn>,
    pub user: *mut c_void,
    pub source: bp_source,
    pub window_bytes: u64,
    pub window_parts: u32,
    pub reserved: u32,
    pub on_credit: Option<bp_credit_fn>,
}

#[repr(C)]
pub struct bp_event {
    pub struct_size: u32,
    pub flags: u32,
    pub name: bp_str,
    pub payload: bp_bytes,
    pub listener: bp_listener,
    pub lost: u64,
    pub emitted_ms: u64,
}

#[repr(C)]
pub struct bp_subscription {
    pub struct_size: u32,
    pub flags: u32,
    pub pattern: bp_str,
    pub on_event: Option<bp_event_fn>,
    pub user: *mut c_void,
    pub label: bp_str,
    pub window_bytes: u64,
}

#[repr(C)]
pub struct bp_load_options {
    pub struct_size: u32,
    pub flags: u32,
    pub path: *const c_char,
    pub config: bp_bytes,
    pub stack_size: u64,
    pub workers: u32,
    pub drain_ms: u32,
}

#[repr(C)]
pub struct bp_host_options {
    pub struct_size: u32,
    pub worker_threads: u32,
    pub data_dir: *const c_char,
    pub module_dirs: *const *const c_char,
    pub watchdog_period_ms: u32,
    pub watchdog_threshold_ms: u32,
    pub watchdog_start_grace_ms: u32,
    pub memory_limit: u64,
    pub load_timeout_ms: u32,
    pub crash_line: u32,
    pub trial_program: *const c_char,
    pub module_cache: *const c_char,
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct bp_context_options {
    pub struct_size: u32,
    pub queue_depth: u32,
    pub event_queue_depth: u32,
    pub stale_interval_ms: u32,
    pub stop_timeout_ms: u32,
    pub fiber_stack_size: u32,
    pub spin_us: i32,
    pub fiber_limit: i32,
    pub on_event_overflow: u32,
    pub event_log_events: u32,
    pub event_log_bytes: u64,
    pub window_bytes: u64,
    pub window_parts: u32,
    pub cpu_warning_ms: i32,
    pub call_depth: u32,
    pub suspended_limit: u32,
    pub suspended_per_name: u32,
    pub calls_per_name: u32,
    pub request_window_bytes: u64,
    pub request_window_parts: u32,
    pub listener_patterns: u32,
    pub stalled_listener_ms: u32,
    pub reserved: u32,
    pub context_memory: u64,
}

#[repr(C)]
pub struct bp_connect_options {
    pub struct_size: u32,
    pub timeout_ms: u32,
    pub socket_path: *const c_char,
    pub event_bytes: u64,
    pub reconnect: u32,
    pub reconnect_attempts: u32,
    pub reconnect_min_ms: u32,
    pub reconnect_max_ms: u32,
    pub on_state: *const c_void,
    pub user: *mut c_void,
}

#[repr(C)]
pub struct bp_serve_options {
    pub struct_size: u32,
    pub may: u32,
    pub on_stop: Option<bp_stop_fn>,
    pub user: *mut c_void,
    pub max_peers: u32,
    pub reserved: u32,
}

pub const BP_ABI_MAJOR: u32 = 1;
pub const BP_ABI_MINOR: u32 = 0;
pub const BP_STATUS_MODULE_FIRST: bp_status = 1000;
pub const BP_WIRE_NAME_MAX: usize = 128;
pub const BP_SUBMIT_NO_STALE: u32 = 1;
pub const BP_SUBMIT_CREDIT: u32 = 2;
pub const BP_SUBMIT_PARTS: u32 = 4;
pub const BP_PART_END: u32 = 2;
pub const BP_EVENT_TYPED: u32 = 1;
pub const BP_EVENT_GAP: u32 = 2;
pub const BP_LISTEN_OWN_THREAD: u32 = 1;
pub const BP_LISTEN_LOSSLESS: u32 = 2;
pub const BP_LOAD_SETTINGS: u32 = 1;
pub const BP_LOAD_UNLOAD_NEVER: u32 = 2;
pub const BP_LOAD_OLD_FIRST: u32 = 4;
pub const BP_LOAD_STRICT: u32 = 8;
pub const BP_LOAD_COMPARE: u32 = 16;
pub const BP_CONTEXT_GONE: u32 = 2;
pub const BP_LOG_DEBUG: i32 = 1;
pub const BP_LOG_WARN: i32 = 3;
pub const BP_LOG_ERROR: i32 = 4;
pub const BP_SERVE_CALL: u32 = 1;
pub const BP_SERVE_OBSERVE: u32 = 2;
pub const BP_SERVE_MANAGE: u32 = 4;

extern "C" {
    pub fn bp_version() -> *const c_char;
    pub fn bp_abi_check(abi_version: u32, version: bp_str, why: *mut bp_result) -> bp_status;
    pub fn bp_status_name(status: bp_status) -> *const c_char;
    pub fn bp_status_text(status: bp_status) -> *const c_char;
    pub fn bp_host_configure(options: *const bp_host_options, why: *mut bp_result) -> bp_status;
    pub fn bp_host_context() -> bp_context;
    pub fn bp_context_create(
        options: *const bp_context_options,
        out: *mut bp_context,
        why: *mut bp_result,
    ) -> bp_status;
    pub fn bp_context_connect(
        options: *const bp_connect_options,
        out: *mut bp_context,
        why: *mut bp_result,
    ) -> bp_status;
    pub fn bp_context_close(ctx: bp_context) -> bp_status;
    pub fn bp_context_stop(ctx: bp_context, timeout_ms: u32) -> bp_status;
    pub fn bp_context_destroy(ctx: bp_context) -> bp_status;
    pub fn bp_context_then(
        ctx: bp_context,
        state: u32,
        reached: Option<bp_context_fn>,
        user: *mut c_void,
    ) -> bp_status;
    pub fn bp_context_serve(
        ctx: bp_context,
        path: *const c_char,
        options: *const bp_serve_options,
        out: *mut bp_serving,
        why: *mut bp_result,
    ) -> bp_status;
    pub fn bp_serving_end(serving: bp_serving, drain_ms: u32) -> bp_status;
    pub fn bp_submit(
        ctx: bp_context,
        submission: *const bp_submission,
        request: *mut bp_request,
    ) -> bp_status;
    pub fn bp_call_sync(
        ctx: bp_context,
        name: bp_str,
        payload: bp_bytes,
        timeout_ms: u64,
        out: *mut bp_result,
    ) -> bp_status;
    pub fn bp_cancel(ctx: bp_context, request: bp_request) -> bp_status;
    pub fn bp_method_find(ctx: bp_context, name: bp_str, out: *mut bp_method) -> bp_status;
    pub fn bp_request_credit(ctx: bp_context, request: bp_request, bytes: u64) -> bp_status;
    pub fn bp_request_part(
        ctx: bp_context,
        request: bp_request,
        payload: bp_bytes,
        flags: u32,
    ) -> bp_status;
    pub fn bp_result_free(result: *mut bp_result);
    pub fn bp_function_set(
        ctx: bp_context,
        name: bp_str,
        function: Option<bp_host_function_fn>,
        user: *mut c_void,
    ) -> bp_status;
    pub fn bp_complete(ctx: bp_context, token: bp_token, answer: *const bp_answer) -> bp_status;
    pub fn bp_subscribe(
        ctx: bp_context,
        subscription: *const bp_subscription,
        out: *mut bp_listener,
    ) -> bp_status;
    pub fn bp_listen(
        ctx: bp_context,
        pattern: bp_str,
        on_event: Option<bp_event_fn>,
        user: *mut c_void,
        out: *mut bp_listener,
    ) -> bp_status;
    pub fn bp_unlisten(ctx: bp_context, listener: bp_listener) -> bp_status;
    pub fn bp_event_drop(event: *const bp_event) -> bp_status;
    pub fn bp_module_load(
        ctx: bp_context,
        options: *const bp_load_options,
        result: *mut bp_result,
    ) -> bp_status;
    pub fn bp_module_unload(
        ctx: bp_context,
        name: bp_str,
        timeout_ms: u32,
        result: *mut bp_result,
    ) -> bp_status;
    pub fn bp_module_reload(
        ctx: bp_context,
        name: bp_str,
        options: *const bp_load_options,
        timeout_ms: u32,
        result: *mut bp_result,
    ) -> bp_status;
    pub fn bp_module_list(ctx: bp_context, result: *mut bp_result) -> bp_status;
    pub fn bp_host_status(ctx: bp_context, result: *mut bp_result) -> bp_status;
    pub fn bp_host_stop(ctx: bp_context) -> bp_status;
    pub fn bp_log_write(level: i32, flags: u32, part: bp_str, text: bp_str);
    pub fn bp_log_level(level: i32);
}
