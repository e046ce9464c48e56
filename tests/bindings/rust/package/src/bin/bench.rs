// SPDX-License-Identifier: Apache-2.0
//
// What a call through generated code costs, against the same C function with the bytes made before; and how many partial
// replies come in a second. Usage: bench PLUGINS. Both are measured in turns.

use backplane::cbor::to_vec;
use backplane::ffi::*;
use backplane::{Context, ContextOptions};
use backplane_rust_tests::bindings::{echo, timer};
use std::env;
use std::mem;
use std::ptr;
use std::time::Instant;

const CALLS: u32 = 2_000;
const ROUNDS: usize = 60;

/// What the compiler cannot look through.
fn black_box<T>(value: T) -> T {
    let seen = unsafe { ptr::read_volatile(&value) };
    mem::forget(value);
    seen
}

fn c_call(context: bp_context, name: bp_str, payload: bp_bytes) {
    let mut result: bp_result = unsafe { mem::zeroed() };
    result.struct_size = mem::size_of::<bp_result>() as u32;
    let status = unsafe { bp_call_sync(context, name, payload, 0, &mut result) };
    assert_eq!(status, 0);
    black_box(result.payload.size);
    unsafe { bp_result_free(&mut result) };
}

fn measure(mut call: impl FnMut()) -> f64 {
    let begin = Instant::now();
    for _ in 0..CALLS {
        call();
    }
    begin.elapsed().as_nanos() as f64 / f64::from(CALLS)
}

fn middle(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let plugins = env::args().nth(1).expect("the folder of the modules");
    let context = Context::embedded(ContextOptions::default()).unwrap();
    for module in ["echo", "timer"] {
        context.load(format!("{}/{}.so", plugins, module)).unwrap();
    }
    let echo = echo::Echo::new(&context).unwrap();
    let request = echo::Shout {
        text: "hello world".into(),
    };
    let (name, bytes) = ("echo.shout", to_vec(&request));
    let name = bp_str {
        data: name.as_ptr().cast(),
        size: name.len(),
    };
    let payload = bp_bytes {
        data: bytes.as_ptr(),
        size: bytes.len(),
    };
    let native = context.native();
    let (mut c, mut rust, mut above) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS + 5 {
        let floor = measure(|| c_call(native, name, payload));
        let typed = measure(|| drop(black_box(echo.shout(black_box(&request)).unwrap())));
        if round >= 5 {
            c.push(floor);
            rust.push(typed);
            above.push(typed - floor);
        }
    }
    println!("call C {:.0} ns", middle(&mut c));
    println!("call Rust {:.0} ns", middle(&mut rust));
    println!("call above {:.0} ns", middle(&mut above));

    // Both ends without a call between them: what the codec costs alone.
    let codec = measure(|| {
        let bytes = to_vec(black_box(&request));
        black_box(backplane::cbor::from_slice::<echo::Shout>(&bytes).unwrap());
    });
    println!("codec {:.0} ns", codec);

    let timer = timer::Timer::new(&context).unwrap();
    let ticks = timer::Ticks {
        count: 10_000,
        interval_ms: 0,
    };
    let mut rates = Vec::new();
    for _ in 0..20 {
        let begin = Instant::now();
        let parts = timer.ticks(&ticks).map(|part| part.unwrap().tick);
        assert_eq!(parts.count(), 10_000);
        rates.push(10_000.0 / begin.elapsed().as_secs_f64());
    }
    println!("parts {:.0} 1/s", middle(&mut rates));
}
