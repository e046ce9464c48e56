// SPDX-License-Identifier: Apache-2.0

//! The declarations of the crate are those of the headers: layout.c prints the same lines from them.

use backplane::ffi::*;
use backplane::Status;
use std::mem::{size_of, MaybeUninit};

macro_rules! layout {
    ($($type:ident { $($member:ident)* })*) => {{
        let mut lines = Vec::new();
        $(
            lines.push(format!("{} {}", stringify!($type), size_of::<$type>()));
            let value = MaybeUninit::<$type>::uninit();
            let begin = value.as_ptr();
            $(unsafe {
                let member = std::ptr::addr_of!((*begin).$member);
                let offset = (member as usize) - (begin as usize);
                let size = size_of_target(member);
                lines.push(format!("{}.{} {} {}", stringify!($type), stringify!($member), offset, size));
            })*
        )*
        lines
    }};
}

fn size_of_target<T>(_: *const T) -> usize {
    size_of::<T>()
}

macro_rules! constants {
    ($($name:ident)*) => {
        vec![$(format!("{} {}", stringify!($name), $name as i64)),*]
    };
}

#[test]
fn structs_constants_and_statuses_are_those_of_the_headers() {
    let mut lines = layout! {
        bp_context { id } bp_method { id } bp_request { id } bp_source { id } bp_listener { id } bp_serving { id }
        bp_bytes { data size }
        bp_str { data size }
        bp_answer { struct_size status payload message detail buffer }
        bp_result { struct_size status payload message detail owner }
        bp_submission {
            struct_size flags method name payload buffer timeout_ms on_reply user source window_bytes window_parts
            reserved on_credit
        }
        bp_event { struct_size flags name payload listener lost emitted_ms }
        bp_subscription { struct_size flags pattern on_event user label window_bytes }
        bp_load_options { struct_size flags path config stack_size workers drain_ms }
        bp_host_options {
            struct_size worker_threads data_dir module_dirs watchdog_period_ms watchdog_threshold_ms
            watchdog_start_grace_ms memory_limit load_timeout_ms crash_line trial_program module_cache
        }
        bp_context_options {
            struct_size queue_depth event_queue_depth stale_interval_ms stop_timeout_ms fiber_stack_size spin_us
            fiber_limit on_event_overflow event_log_events event_log_bytes window_bytes window_parts cpu_warning_ms
            call_depth suspended_limit suspended_per_name calls_per_name request_window_bytes request_window_parts
            listener_patterns stalled_listener_ms reserved context_memory
        }
        bp_connect_options {
            struct_size timeout_ms socket_path event_bytes reconnect reconnect_attempts reconnect_min_ms
            reconnect_max_ms on_state user
        }
        bp_serve_options { struct_size may on_stop user max_peers reserved }
    };
    lines.extend(constants! {
        BP_ABI_MAJOR BP_ABI_MINOR BP_STATUS_MODULE_FIRST BP_WIRE_NAME_MAX BP_SUBMIT_NO_STALE BP_SUBMIT_CREDIT
        BP_SUBMIT_PARTS BP_PART_END BP_EVENT_TYPED BP_EVENT_GAP BP_LISTEN_OWN_THREAD BP_LISTEN_LOSSLESS
        BP_LOAD_SETTINGS BP_LOAD_UNLOAD_NEVER BP_LOAD_OLD_FIRST BP_LOAD_STRICT BP_LOAD_COMPARE BP_CONTEXT_GONE
        BP_LOG_WARN BP_LOG_ERROR BP_SERVE_CALL BP_SERVE_OBSERVE BP_SERVE_MANAGE
    });
    for status in Status::ALL {
        assert_eq!(Status::from(status.code()), *status);
        lines.push(format!(
            "status {} {} {}",
            status.code(),
            status.name(),
            status.text()
        ));
    }
    let path = crate::host::variable("BACKPLANE_RUST_LAYOUT");
    let expected = std::fs::read_to_string(path).unwrap();
    let expected: Vec<_> = expected.lines().collect();
    assert_eq!(lines, expected);
}

#[test]
fn what_threads_share_is_send_and_sync() {
    fn both<T: Send + Sync>() {}
    fn send<T: Send>() {}
    type NotSync = std::cell::Cell<u8>;
    type NotSend = std::rc::Rc<u8>;
    both::<backplane::Context>();
    both::<backplane::Client>();
    both::<backplane::Listener>();
    both::<backplane::Provided>();
    both::<backplane::Error>();
    both::<backplane::Canceler>();
    send::<backplane::Call<NotSend>>();
    send::<backplane::Parts<NotSync, NotSend>>();
    send::<backplane::AsyncUpload<NotSync, NotSync, NotSync>>();
    send::<backplane::Events<NotSend>>();
    send::<backplane::Completion<NotSend>>();
}
