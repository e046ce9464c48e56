// SPDX-License-Identifier: Apache-2.0
//
// What generated Rust costs, against the functions of backplane.h. tests/bindings/bench/run.py runs it.
// Usage: bench PLUGINS --seconds S

use backplane::cbor::to_vec;
use backplane::ffi::*;
use backplane::{block_on, Context, ContextOptions};
use backplane_rust_tests::bindings::{echo, timer};
use std::env;
use std::mem;
use std::time::{Duration, Instant};

const CALLS: u32 = 200;
const PARTS: u32 = 1000;
const BARE_CALL: &str = "bp_call_sync with encoded bytes, in C";
const BARE_PARTS: &str = "bp_call_next of the same parts, in C";

#[repr(C)]
#[derive(Clone, Copy)]
struct Pending {
    id: u64,
}

// The crate takes parts by callback, and does not declare these.
extern "C" {
    fn bp_call_start(at: bp_context, from: *const bp_submission, out: *mut Pending) -> bp_status;
    fn bp_call_next(call: Pending, timeout_ms: u64, out: *mut bp_result) -> bp_status;
    fn bp_call_free(call: Pending);
}

fn result() -> bp_result {
    let mut result: bp_result = unsafe { mem::zeroed() };
    result.struct_size = mem::size_of::<bp_result>() as u32;
    result
}

fn bytes(of: &[u8]) -> bp_bytes {
    bp_bytes {
        data: of.as_ptr(),
        size: of.len(),
    }
}

fn name(of: &str) -> bp_str {
    bp_str {
        data: of.as_ptr().cast(),
        size: of.len(),
    }
}

fn bare_call(context: bp_context, payload: &[u8]) {
    let mut result = result();
    let status =
        unsafe { bp_call_sync(context, name("echo.shout"), bytes(payload), 0, &mut result) };
    assert_eq!(status, 0);
    unsafe { bp_result_free(&mut result) };
}

fn bare_parts(context: bp_context, payload: &[u8], count: u32) {
    let mut submission: bp_submission = unsafe { mem::zeroed() };
    submission.struct_size = mem::size_of::<bp_submission>() as u32;
    submission.name = name("timer.ticks");
    submission.payload = bytes(payload);
    let mut call = Pending { id: 0 };
    assert_eq!(unsafe { bp_call_start(context, &submission, &mut call) }, 0);
    let mut result = result();
    let mut parts = 0;
    while unsafe { bp_call_next(call, u64::MAX, &mut result) } == 4 {
        parts += 1;
        unsafe { bp_result_free(&mut result) };
    }
    assert_eq!((result.status, parts), (0, count));
    unsafe { bp_result_free(&mut result) };
    unsafe { bp_call_free(call) };
}

fn each_ns(count: u32, run: &mut dyn FnMut(u32)) -> f64 {
    let begin = Instant::now();
    run(count);
    begin.elapsed().as_nanos() as f64 / f64::from(count)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

struct Row {
    name: &'static str,
    unit: &'static str,
    against: &'static str,
    reach: Option<&'static str>,
    count: u32,
}

impl Row {
    /// The row and its floor take turns for so long. Prints the row as a line of JSON.
    fn measure(&self, time: Duration, ours: &mut dyn FnMut(u32), floor: &mut dyn FnMut(u32)) {
        let (mut values, mut floors) = (Vec::new(), Vec::new());
        let smoke = time < Duration::from_millis(100) && self.unit == "ns"; // to see that it runs
        let count = if smoke { self.count / 20 } else { self.count };
        let warm = Instant::now() + time / 10;
        while Instant::now() < warm {
            floor(count);
            ours(count);
        }
        let end = Instant::now() + time;
        while values.len() < 3 || Instant::now() < end {
            floors.push(each_ns(count, floor));
            values.push(each_ns(count, ours));
        }
        let (mut value, mut least) = (median(values), median(floors));
        if self.unit != "ns" {
            value = 1e9 / value;
            least = 1e9 / least;
        }
        let reach = self.reach.map_or("null".into(), |r| format!("{:?}", r));
        println!(
            "{{\"row\": \"bindings.rust.{}\", \"value\": {:.1}, \"unit\": {:?}, \"against\": {:?}, \"floor\": {:.1}, \
             \"reach\": {}}}",
            self.name, value, self.unit, self.against, least, reach
        );
    }
}

fn main() {
    let arguments: Vec<String> = env::args().collect();
    assert_eq!(arguments[2], "--seconds");
    let time = Duration::from_secs_f64(arguments[3].parse().unwrap());
    let context = Context::embedded(ContextOptions::default()).unwrap();
    for module in ["echo", "timer"] {
        context
            .load(format!("{}/{}.so", arguments[1], module))
            .unwrap();
    }
    let native = context.native();
    let echo = echo::Echo::new(&context).unwrap();
    let timer = timer::Timer::new(&context).unwrap();
    let request = echo::Shout {
        text: "hello world".into(),
    };
    let payload = to_vec(&request);
    let mut floor = |count| (0..count).for_each(|_| bare_call(native, &payload));

    let call = Row {
        name: "call",
        unit: "ns",
        against: BARE_CALL,
        reach: Some("above <= 100 ns"),
        count: CALLS,
    };
    let mut shout = |count| {
        for _ in 0..count {
            assert_eq!(echo.shout(&request).unwrap().shouted.len(), 11);
        }
    };
    call.measure(time, &mut shout, &mut floor);

    let future = Row {
        name: "async",
        reach: None,
        ..call
    };
    let mut shout = |count| {
        for _ in 0..count {
            assert_eq!(
                block_on(echo.shout_async(&request)).unwrap().shouted.len(),
                11
            );
        }
    };
    future.measure(time, &mut shout, &mut floor);

    let parts = Row {
        name: "parts",
        unit: "parts/s",
        against: BARE_PARTS,
        reach: None,
        count: PARTS,
    };
    let ticks = timer::Ticks {
        count: PARTS,
        interval_ms: 0,
    };
    let payload = to_vec(&ticks);
    let mut take = |count: u32| {
        let mut last = 0;
        for part in timer.ticks(&ticks) {
            last = part.unwrap().tick;
        }
        assert_eq!(last, count);
    };
    parts.measure(time, &mut take, &mut |count| {
        bare_parts(native, &payload, count)
    });
}
