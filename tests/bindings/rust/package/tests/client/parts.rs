// SPDX-License-Identifier: Apache-2.0

use crate::host::*;
use backplane::{block_on, CallOptions, Status, Stream};
use backplane_rust_tests::bindings::{generator, timer};

fn ticks(count: u32) -> timer::Ticks {
    timer::Ticks {
        count,
        interval_ms: 0,
    }
}

#[test]
fn parts_come_in_order_and_then_the_answer() {
    both(|context| {
        let timer = timer::Timer::new(context).unwrap();
        let mut parts = timer.ticks(&ticks(5000));
        let seen: Vec<u32> = parts.by_ref().map(|part| part.unwrap().tick).collect();
        assert_eq!(seen, (1..=5000).collect::<Vec<_>>());
        assert_eq!(parts.reply().unwrap().ticks, 5000);

        block_on(async {
            let mut parts = timer.ticks_async(&ticks(3000));
            let mut count = 0;
            while let Some(part) = parts.next_async().await {
                count += 1;
                assert_eq!(part.unwrap().tick, count);
            }
            assert_eq!(count, 3000);
            assert_eq!(parts.reply().await.unwrap().ticks, 3000);
        });
    });
}

#[test]
fn a_small_window_and_a_slow_reader_lose_nothing() {
    both(|context| {
        let options = CallOptions {
            window_parts: 2,
            window_bytes: 4096,
            ..CallOptions::default()
        };
        let timer = timer::Timer::new(context).unwrap().with(options);
        let mut parts = timer.ticks(&ticks(300));
        let mut count = 0;
        while let Some(part) = parts.next() {
            count += 1;
            assert_eq!(part.unwrap().tick, count);
            if count % 100 == 0 {
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
        }
        assert_eq!(count, 300);
    });
}

#[test]
fn an_error_is_the_last_item_and_the_answer() {
    both(|context| {
        let timer = timer::Timer::new(context).unwrap();
        let mut parts = timer.ticks(&ticks(10_001));
        let first = parts.next().unwrap().unwrap_err();
        assert!(
            matches!(first, timer::Error::InvalidArgument(_)),
            "{}",
            first
        );
        assert!(parts.next().is_none());
        assert_eq!(parts.reply().unwrap_err(), first);
    });
}

#[test]
fn a_stream_that_is_left_ends_its_call() {
    both(|context| {
        let timer = timer::Timer::new(context).unwrap();
        let slow = timer::Ticks {
            count: 10_000,
            interval_ms: 1,
        };
        let mut parts = timer.ticks(&slow);
        assert_eq!(parts.next().unwrap().unwrap().tick, 1);
        drop(parts);
        let mut parts = timer.ticks(&slow);
        parts.cancel();
        let last = parts.by_ref().last().unwrap().unwrap_err();
        assert_eq!(last.error().status(), Status::Canceled);
        let generator = generator::Generator::new(context).unwrap();
        let primes = generator.primes(&generator::Primes { count: 4 });
        assert_eq!(
            primes.map(|p| p.unwrap().prime).collect::<Vec<_>>(),
            [2, 3, 5, 7]
        );
    });
}
