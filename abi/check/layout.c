/* SPDX-License-Identifier: Apache-2.0
 *
 * Checks the memory layout of every public struct, and the value of every public constant, as released.
 * It is compiled as C11 and as C++20, so that both languages agree. Offsets are checked on LP64 x86-64 only, because
 * other data models have other offsets. Values are checked everywhere.
 *
 * A released struct may grow only at its tail. Then change its SIZE line and add OFFSET lines.
 * If an OFFSET or VALUE line fails, the ABI is broken: undo the change that made it fail, and keep the line.
 */
#include "backplane/backplane.h"
#include "backplane/cbor.h"
#include "backplane/ext/await.h"
#include "backplane/ext/config.h"
#include "backplane/ext/event.h"
#include "backplane/ext/fiber.h"
#include "backplane/ext/handle.h"
#include "backplane/ext/log.h"
#include "backplane/interfaces.h"
#include "backplane/plugin.h"
#include "backplane/providing.h"

#ifdef __cplusplus
#define CHECK(condition, text) static_assert(condition, text)
#define ALIGNOF(type) alignof(type)
#else
#define CHECK(condition, text) _Static_assert(condition, text)
#define ALIGNOF(type) _Alignof(type)
#endif

#define VALUE(constant, value) CHECK((constant) == (value), #constant " is " #value " and may not change")

#if defined(__x86_64__) && defined(__LP64__)
#define SIZE(type, bytes, alignment) \
  CHECK(sizeof(type) == (bytes) && ALIGNOF(type) == (alignment), #type " must have " #bytes " bytes in this version")
#define OFFSET(type, member, bytes) \
  CHECK(offsetof(type, member) == (bytes), #type "." #member " is at byte " #bytes " and may not move")
#else
#define SIZE(type, bytes, alignment) CHECK(sizeof(type) > 0, #type)
#define OFFSET(type, member, bytes) CHECK(sizeof(type) > 0, #type)
#endif

/* ---- base.h ---- */

SIZE(bp_bytes, 16, 8);
OFFSET(bp_bytes, data, 0);
OFFSET(bp_bytes, size, 8);

SIZE(bp_str, 16, 8);
OFFSET(bp_str, data, 0);
OFFSET(bp_str, size, 8);

SIZE(bp_buffer, 24, 8);
OFFSET(bp_buffer, data, 0);
OFFSET(bp_buffer, size, 8);
OFFSET(bp_buffer, capacity, 16);

SIZE(bp_answer, 64, 8);
OFFSET(bp_answer, struct_size, 0);
OFFSET(bp_answer, status, 4);
OFFSET(bp_answer, payload, 8);
OFFSET(bp_answer, message, 24);
OFFSET(bp_answer, detail, 40);
OFFSET(bp_answer, buffer, 56);

SIZE(bp_result, 64, 8);
OFFSET(bp_result, struct_size, 0);
OFFSET(bp_result, status, 4);
OFFSET(bp_result, payload, 8);
OFFSET(bp_result, message, 24);
OFFSET(bp_result, detail, 40);
OFFSET(bp_result, owner, 56);

/* ---- plugin.h ---- */

SIZE(bp_call, 72, 8);
OFFSET(bp_call, struct_size, 0);
OFFSET(bp_call, flags, 4);
OFFSET(bp_call, token, 8);
OFFSET(bp_call, payload, 16);
OFFSET(bp_call, name, 32);
OFFSET(bp_call, instance, 48);
OFFSET(bp_call, state, 56);
OFFSET(bp_call, data, 64);

SIZE(bp_handler_desc, 48, 8);
OFFSET(bp_handler_desc, struct_size, 0);
OFFSET(bp_handler_desc, flags, 4);
OFFSET(bp_handler_desc, name, 8);
OFFSET(bp_handler_desc, handler, 24);
OFFSET(bp_handler_desc, data, 32);
OFFSET(bp_handler_desc, stack_size, 40);

SIZE(bp_function_desc, 40, 8);
OFFSET(bp_function_desc, struct_size, 0);
OFFSET(bp_function_desc, flags, 4);
OFFSET(bp_function_desc, name, 8);
OFFSET(bp_function_desc, function, 24);
OFFSET(bp_function_desc, data, 32);

SIZE(bp_host_api, 88, 8);
OFFSET(bp_host_api, struct_size, 0);
OFFSET(bp_host_api, abi_major, 4);
OFFSET(bp_host_api, abi_minor, 8);
OFFSET(bp_host_api, reserved, 12);
OFFSET(bp_host_api, version, 16);
OFFSET(bp_host_api, extension, 24);
OFFSET(bp_host_api, register_handler, 32);
OFFSET(bp_host_api, register_function, 40);
OFFSET(bp_host_api, reply, 48);
OFFSET(bp_host_api, buffer_new, 56);
OFFSET(bp_host_api, buffer_free, 64);
OFFSET(bp_host_api, result_free, 72);
OFFSET(bp_host_api, fail, 80);

SIZE(bp_module_entry, 56, 8);
OFFSET(bp_module_entry, struct_size, 0);
OFFSET(bp_module_entry, abi_major, 4);
OFFSET(bp_module_entry, abi_minor, 8);
OFFSET(bp_module_entry, flags, 12);
OFFSET(bp_module_entry, init, 16);
OFFSET(bp_module_entry, deinit, 24);
OFFSET(bp_module_entry, instance_create, 32);
OFFSET(bp_module_entry, instance_destroy, 40);
OFFSET(bp_module_entry, extension, 48);

/* ---- options.h ---- */

SIZE(bp_host_options, 72, 8);
OFFSET(bp_host_options, struct_size, 0);
OFFSET(bp_host_options, worker_threads, 4);
OFFSET(bp_host_options, data_dir, 8);
OFFSET(bp_host_options, module_dirs, 16);
OFFSET(bp_host_options, watchdog_period_ms, 24);
OFFSET(bp_host_options, watchdog_threshold_ms, 28);
OFFSET(bp_host_options, watchdog_start_grace_ms, 32);
OFFSET(bp_host_options, memory_limit, 40);
OFFSET(bp_host_options, load_timeout_ms, 48);
OFFSET(bp_host_options, crash_line, 52);
OFFSET(bp_host_options, trial_program, 56);
OFFSET(bp_host_options, module_cache, 64);

SIZE(bp_log_options, 16, 4);
OFFSET(bp_log_options, struct_size, 0);
OFFSET(bp_log_options, format, 4);
OFFSET(bp_log_options, queue_lines, 8);
OFFSET(bp_log_options, queue_bytes, 12);

SIZE(bp_context_options, 112, 8);
OFFSET(bp_context_options, struct_size, 0);
OFFSET(bp_context_options, queue_depth, 4);
OFFSET(bp_context_options, event_queue_depth, 8);
OFFSET(bp_context_options, stale_interval_ms, 12);
OFFSET(bp_context_options, stop_timeout_ms, 16);
OFFSET(bp_context_options, fiber_stack_size, 20);
OFFSET(bp_context_options, spin_us, 24);
OFFSET(bp_context_options, fiber_limit, 28);
OFFSET(bp_context_options, on_event_overflow, 32);
OFFSET(bp_context_options, event_log_events, 36);
OFFSET(bp_context_options, event_log_bytes, 40);
OFFSET(bp_context_options, window_bytes, 48);
OFFSET(bp_context_options, window_parts, 56);
OFFSET(bp_context_options, cpu_warning_ms, 60);
OFFSET(bp_context_options, call_depth, 64);
OFFSET(bp_context_options, suspended_limit, 68);
OFFSET(bp_context_options, suspended_per_name, 72);
OFFSET(bp_context_options, calls_per_name, 76);
OFFSET(bp_context_options, request_window_bytes, 80);
OFFSET(bp_context_options, request_window_parts, 88);
OFFSET(bp_context_options, listener_patterns, 92);
OFFSET(bp_context_options, stalled_listener_ms, 96);
OFFSET(bp_context_options, reserved, 100);
OFFSET(bp_context_options, context_memory, 104);

SIZE(bp_connect_options, 56, 8);
OFFSET(bp_connect_options, struct_size, 0);
OFFSET(bp_connect_options, timeout_ms, 4);
OFFSET(bp_connect_options, socket_path, 8);
OFFSET(bp_connect_options, event_bytes, 16);
OFFSET(bp_connect_options, reconnect, 24);
OFFSET(bp_connect_options, reconnect_attempts, 28);
OFFSET(bp_connect_options, reconnect_min_ms, 32);
OFFSET(bp_connect_options, reconnect_max_ms, 36);
OFFSET(bp_connect_options, on_state, 40);
OFFSET(bp_connect_options, user, 48);

SIZE(bp_connection_state, 56, 8);
OFFSET(bp_connection_state, struct_size, 0);
OFFSET(bp_connection_state, kind, 4);
OFFSET(bp_connection_state, status, 8);
OFFSET(bp_connection_state, attempt, 12);
OFFSET(bp_connection_state, wait_ms, 16);
OFFSET(bp_connection_state, message, 24);
OFFSET(bp_connection_state, module, 40);

/* ---- backplane.h ---- */

SIZE(bp_context, 8, 8);
OFFSET(bp_context, id, 0);

SIZE(bp_method, 8, 8);
OFFSET(bp_method, id, 0);

SIZE(bp_request, 8, 8);
OFFSET(bp_request, id, 0);

SIZE(bp_source, 8, 8);
OFFSET(bp_source, id, 0);

SIZE(bp_listener, 8, 8);
OFFSET(bp_listener, id, 0);

SIZE(bp_submission, 112, 8);
OFFSET(bp_submission, struct_size, 0);
OFFSET(bp_submission, flags, 4);
OFFSET(bp_submission, method, 8);
OFFSET(bp_submission, name, 16);
OFFSET(bp_submission, payload, 32);
OFFSET(bp_submission, buffer, 48);
OFFSET(bp_submission, timeout_ms, 56);
OFFSET(bp_submission, on_reply, 64);
OFFSET(bp_submission, user, 72);
OFFSET(bp_submission, source, 80);
OFFSET(bp_submission, window_bytes, 88);
OFFSET(bp_submission, window_parts, 96);
OFFSET(bp_submission, reserved, 100);
OFFSET(bp_submission, on_credit, 104);

SIZE(bp_event, 64, 8);
OFFSET(bp_event, struct_size, 0);
OFFSET(bp_event, flags, 4);
OFFSET(bp_event, name, 8);
OFFSET(bp_event, payload, 24);
OFFSET(bp_event, listener, 40);
OFFSET(bp_event, lost, 48);
OFFSET(bp_event, emitted_ms, 56);

SIZE(bp_subscription, 64, 8);
OFFSET(bp_subscription, struct_size, 0);
OFFSET(bp_subscription, flags, 4);
OFFSET(bp_subscription, pattern, 8);
OFFSET(bp_subscription, on_event, 24);
OFFSET(bp_subscription, user, 32);
OFFSET(bp_subscription, label, 40);
OFFSET(bp_subscription, window_bytes, 56);

SIZE(bp_poller, 24, 8);
OFFSET(bp_poller, struct_size, 0);
OFFSET(bp_poller, fd, 4);
OFFSET(bp_poller, poll, 8);
OFFSET(bp_poller, user, 16);

SIZE(bp_operation, 8, 8);
OFFSET(bp_operation, id, 0);
SIZE(bp_operation_request, 64, 8);
OFFSET(bp_operation_request, struct_size, 0);
OFFSET(bp_operation_request, kind, 4);
OFFSET(bp_operation_request, module, 8);
OFFSET(bp_operation_request, load, 24);
OFFSET(bp_operation_request, requester, 32);
OFFSET(bp_operation_request, changes, 48);
OFFSET(bp_operation_request, change_count, 56);
SIZE(bp_load_options, 48, 8);
OFFSET(bp_load_options, struct_size, 0);
OFFSET(bp_load_options, flags, 4);
OFFSET(bp_load_options, path, 8);
OFFSET(bp_load_options, config, 16);
OFFSET(bp_load_options, stack_size, 32);
OFFSET(bp_load_options, workers, 40);
OFFSET(bp_load_options, drain_ms, 44);

SIZE(bp_ask, 56, 8);
OFFSET(bp_ask, struct_size, 0);
OFFSET(bp_ask, flags, 4);
OFFSET(bp_ask, token, 8);
OFFSET(bp_ask, name, 16);
OFFSET(bp_ask, payload, 32);
OFFSET(bp_ask, timeout_ms, 48);
SIZE(bp_provided, 48, 8);
OFFSET(bp_provided, struct_size, 0);
OFFSET(bp_provided, flags, 4);
OFFSET(bp_provided, name, 8);
OFFSET(bp_provided, on_ask, 24);
OFFSET(bp_provided, on_unask, 32);
OFFSET(bp_provided, user, 40);

/* ---- wait.h, embedding.h and log.h ---- */

SIZE(bp_pending, 8, 8);
OFFSET(bp_pending, id, 0);

SIZE(bp_serving, 8, 8);
OFFSET(bp_serving, id, 0);

SIZE(bp_serve_options, 32, 8);
OFFSET(bp_serve_options, struct_size, 0);
OFFSET(bp_serve_options, may, 4);
OFFSET(bp_serve_options, on_stop, 8);
OFFSET(bp_serve_options, user, 16);
OFFSET(bp_serve_options, max_peers, 24);
OFFSET(bp_serve_options, reserved, 28);

SIZE(bp_log_line, 72, 8);
OFFSET(bp_log_line, struct_size, 0);
OFFSET(bp_log_line, level, 4);
OFFSET(bp_log_line, repeats, 8);
OFFSET(bp_log_line, time_ns, 16);
OFFSET(bp_log_line, generation, 24);
OFFSET(bp_log_line, dropped, 32);
OFFSET(bp_log_line, where, 40);
OFFSET(bp_log_line, text, 56);

/* ---- ext/await.h ---- */

SIZE(bp_await_api, 80, 8);
OFFSET(bp_await_api, struct_size, 0);
OFFSET(bp_await_api, reserved, 4);
OFFSET(bp_await_api, sleep, 8);
OFFSET(bp_await_api, call, 16);
OFFSET(bp_await_api, host_call, 24);
OFFSET(bp_await_api, fd, 32);
OFFSET(bp_await_api, check, 40);
OFFSET(bp_await_api, start_host_call, 48);
OFFSET(bp_await_api, part, 56);
OFFSET(bp_await_api, next_part, 64);
OFFSET(bp_await_api, stack, 72);

SIZE(bp_stack, 24, 8);
OFFSET(bp_stack, struct_size, 0);
OFFSET(bp_stack, reserved, 4);
OFFSET(bp_stack, low, 8);
OFFSET(bp_stack, high, 16);

/* ---- ext/config.h ---- */

SIZE(bp_config_api, 24, 8);
OFFSET(bp_config_api, struct_size, 0);
OFFSET(bp_config_api, reserved, 4);
OFFSET(bp_config_api, get, 8);
OFFSET(bp_config_api, data_dir, 16);

/* ---- ext/event.h ---- */

SIZE(bp_event_api, 24, 8);
OFFSET(bp_event_api, struct_size, 0);
OFFSET(bp_event_api, reserved, 4);
OFFSET(bp_event_api, emit, 8);
OFFSET(bp_event_api, emit_wait, 16);

/* ---- ext/fiber.h ---- */

SIZE(bp_fiber_desc, 40, 8);
OFFSET(bp_fiber_desc, struct_size, 0);
OFFSET(bp_fiber_desc, reserved, 4);
OFFSET(bp_fiber_desc, entry, 8);
OFFSET(bp_fiber_desc, arg, 16);
OFFSET(bp_fiber_desc, release, 24);
OFFSET(bp_fiber_desc, stack_size, 32);

SIZE(bp_fiber_api, 64, 8);
OFFSET(bp_fiber_api, struct_size, 0);
OFFSET(bp_fiber_api, reserved, 4);
OFFSET(bp_fiber_api, open, 8);
OFFSET(bp_fiber_api, close, 16);
OFFSET(bp_fiber_api, create, 24);
OFFSET(bp_fiber_api, switch_to, 32);
OFFSET(bp_fiber_api, destroy, 40);
OFFSET(bp_fiber_api, active, 48);
OFFSET(bp_fiber_api, ended, 56);

/* ---- ext/handle.h ---- */

SIZE(bp_handle_api, 32, 8);
OFFSET(bp_handle_api, struct_size, 0);
OFFSET(bp_handle_api, reserved, 4);
OFFSET(bp_handle_api, put, 8);
OFFSET(bp_handle_api, get, 16);
OFFSET(bp_handle_api, release, 24);

/* ---- ext/log.h ---- */

SIZE(bp_log_api, 24, 8);
OFFSET(bp_log_api, struct_size, 0);
OFFSET(bp_log_api, reserved, 4);
OFFSET(bp_log_api, enabled, 8);
OFFSET(bp_log_api, write, 16);

/* ---- Constants ---- */

VALUE(BP_ABI_MAJOR, 1);
VALUE(BP_ABI_MINOR, 0);

VALUE(BP_OK, 0);
VALUE(BP_ERROR, 1);
VALUE(BP_MISSING_CALLBACK, 2);
VALUE(BP_STALE, 3);
VALUE(BP_PARTIAL, 4);
VALUE(BP_INVALID_ARGUMENT, 16);
VALUE(BP_INVALID_HANDLE, 17);
VALUE(BP_UNKNOWN_NAME, 18);
VALUE(BP_NO_HOST_FUNCTION, 19);
VALUE(BP_BAD_PAYLOAD, 20);
VALUE(BP_OVERLOADED, 21);
VALUE(BP_EVENT_QUEUE_STUCK, 22);
VALUE(BP_REENTRANT, 23);
VALUE(BP_DEADLINE, 24);
VALUE(BP_CANCELED, 25);
VALUE(BP_CLOSED, 26);
VALUE(BP_MODULE_GONE, 27);
VALUE(BP_INSTANCE_FAILED, 28);
VALUE(BP_STALE_TOKEN, 29);
VALUE(BP_OVERFLOW, 30);
VALUE(BP_NO_REPLY, 31);
VALUE(BP_EXCEPTION, 32);
VALUE(BP_NOT_SUPPORTED, 33);
VALUE(BP_TIMEOUT, 34);
VALUE(BP_LOAD_REFUSED, 35);
VALUE(BP_NAME_TAKEN, 36);
VALUE(BP_NOT_LOADED, 37);
VALUE(BP_PINNED, 38);
VALUE(BP_IO, 39);
VALUE(BP_OUT_OF_MEMORY, 40);
VALUE(BP_UNREACHABLE, 41);
VALUE(BP_PROTOCOL, 42);
VALUE(BP_NOT_FOUND, 43);
VALUE(BP_CONFIG, 44);
VALUE(BP_WOULD_BLOCK, 45);
VALUE(BP_NOT_PERMITTED, 46);
VALUE(BP_ENTRY_RETURNED, 129);
VALUE(BP_STATUS_MODULE_FIRST, 1000);

VALUE(BP_WIRE_NAME_MAX, 128);
VALUE(BP_MODULE_NAME_MAX, 64);

VALUE(BP_LOG_TRACE, 0);
VALUE(BP_LOG_DEBUG, 1);
VALUE(BP_LOG_INFO, 2);
VALUE(BP_LOG_WARN, 3);
VALUE(BP_LOG_ERROR, 4);
VALUE(BP_LOG_OFF, 5);
VALUE(BP_LOG_KEEP, -1);
VALUE(BP_LOG_ALWAYS, 1);
VALUE(BP_LOG_FORMAT_HUMAN, 0);
VALUE(BP_LOG_FORMAT_JSON, 1);

VALUE(BP_EVENT_TYPED, 1);
VALUE(BP_DONE, 0);
VALUE(BP_LATER, 1);
VALUE(BP_HANDLER_BLOCKING, 1);
VALUE(BP_HANDLER_CONCURRENT, 2);
VALUE(BP_HANDLER_STATIC, 4);
VALUE(BP_HANDLER_PARTS, 8);
VALUE(BP_MODULE_CREATES_BLOCKING, 1);
VALUE(BP_MODULE_ENDS_BLOCKING, 2);
VALUE(BP_LOAD_SETTINGS, 1);
VALUE(BP_LOAD_UNLOAD_NEVER, 2);
VALUE(BP_LOAD_OLD_FIRST, 4);
VALUE(BP_LOAD_STRICT, 8);
VALUE(BP_LOAD_COMPARE, 16);
VALUE(BP_CALL_PARTS, 1);
VALUE(BP_SUBMIT_NO_STALE, 1);
VALUE(BP_SUBMIT_CREDIT, 2);
VALUE(BP_SUBMIT_PARTS, 4);
VALUE(BP_PART_LAST, 1);
VALUE(BP_PART_END, 2);
VALUE(BP_PROVIDE_NEW, 1);
VALUE(BP_POLL_BUSY, 1);
VALUE(BP_POLL_SLEEPS, 2);
VALUE(BP_FD_READABLE, 1);
VALUE(BP_FD_WRITABLE, 2);
VALUE(BP_FIBER_MAIN, 0);

VALUE(BP_FOREVER, UINT64_MAX);
VALUE(BP_CONTEXT_STOPPING, 1);
VALUE(BP_CONTEXT_GONE, 2);
VALUE(BP_SERVE_CALL, 1);
VALUE(BP_SERVE_OBSERVE, 2);
VALUE(BP_SERVE_MANAGE, 4);

/* ---- Texts that modules carry in their files ---- */

/* sizeof counts the NUL. tests/abi checks the characters on a built module. */
VALUE(sizeof(BP_MANIFEST_SECTION), 13);
VALUE(sizeof(BP_CDDL_SECTION), 9);
VALUE(sizeof(BP_MODULE_SYMBOL), 17);
VALUE(sizeof(BP_EXT_AWAIT), 11);
VALUE(sizeof(BP_EXT_CONFIG), 12);
VALUE(sizeof(BP_EXT_EVENT), 11);
VALUE(sizeof(BP_EXT_FIBER), 11);
VALUE(sizeof(BP_EXT_HANDLE), 12);
VALUE(sizeof(BP_EXT_LOG), 9);
