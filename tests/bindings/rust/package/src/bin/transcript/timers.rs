// SPDX-License-Identifier: Apache-2.0

//! The lines of the module timer.

use crate::lines::*;
use backplane::Value;
use backplane_rust_tests::bindings::timer;

pub fn message(words: &str, delay_ms: u32) -> timer::Message {
    timer::Message {
        message: words.into(),
        delay_ms,
    }
}

pub fn payload() -> Value {
    Value::map([
        ("big", Value::from(u64::MAX)),
        ("bytes", Value::Bytes(vec![0, 255])),
        ("list", Value::Array(vec![])),
        ("low", Value::Int(-(1 << 64))),
        ("map", Value::Map(vec![])),
        ("nan", Value::Float(f64::NAN)),
        (
            "nested",
            Value::Array(vec![
                Value::Array(vec![1.into(), Value::Array(vec![2.into()])]),
                Value::map([("x", Value::Null)]),
            ]),
        ),
        ("text", "ü".into()),
        ("true", true.into()),
    ])
}

pub fn schedule(payload: Value) -> timer::Schedule {
    timer::Schedule {
        job: timer::Job {
            name: "j".into(),
            payload,
            priority: timer::Priority::High,
        },
        retry: timer::Retry {
            max_attempts: 3,
            backoff_ms: 500,
            retry_on: vec!["io".into()],
        },
        schedule: timer::Timing {
            start_at_ms: 1000,
            interval_ms: 0,
            jitter: Some(18_446_744_073_709_550_615),
        },
    }
}

pub fn echoed(name: &str, event: &timer::EchoFired) {
    let message = text(&event.message);
    line(
        name,
        format!("message={} echo_count={}", message, event.echo_count),
    );
}

pub fn timers(timer: &timer::Timer) {
    let mut fired = good("timer.echo", timer.echo_fired_events());
    let answer = good("timer.echo", timer.echo(&message("hello", 1)));
    let (one, two) = (text(&answer.echoed), text(&answer.timer_name));
    line("timer.echo", format!("echoed={} timer_name={}", one, two));
    echoed("timer.echo_fired", &event("timer.echo_fired", &mut fired));
    drop(fired);
    failed(
        "timer.echo limit",
        timer.echo(&message("hello", 60_001)),
        true,
    );

    for (name, request) in [
        (
            "timer.complex",
            timer::Complex {
                messages: vec![message("a", 1), message("b", 2)],
                tags: vec!["x".into(), "y".into()],
                note: Some("n".into()),
                retries: Some(-3),
            },
        ),
        ("timer.complex absent", timer::Complex::default()),
    ] {
        let answer = good(name, timer.complex(&request));
        let (summary, count, note) = (text(&answer.summary), answer.item_count, answer.has_note);
        line(
            name,
            format!("summary={} item_count={} has_note={}", summary, count, note),
        );
    }

    let mut scheduled = good("timer.schedule", timer.job_scheduled_events());
    let plan = |name: &str, request: &timer::Schedule| {
        let it = good(name, timer.schedule(request));
        line(
            name,
            format!(
                "job_id={} will_run_count={} first_run_at_ms={} effective_backoff_ms={} priority={}",
                text(&it.job_id),
                it.will_run_count,
                it.first_run_at_ms,
                it.effective_backoff_ms,
                it.priority.as_str()
            ),
        );
    };
    plan("timer.schedule", &schedule(payload()));
    let it = event("timer.job_scheduled", &mut scheduled);
    let (id, name, priority) = (text(&it.job_id), text(&it.job.name), it.job.priority);
    let shown = format!(
        "job_id={} name={} payload={}",
        id,
        name,
        show(&it.job.payload)
    );
    line(
        "timer.job_scheduled",
        format!("{} priority={}", shown, priority.as_str()),
    );
    drop(scheduled);
    let mut absent = schedule(Value::Null);
    absent.job.priority = timer::Priority::Low;
    absent.retry.backoff_ms = 0;
    absent.retry.retry_on.clear();
    absent.schedule.start_at_ms = 1;
    absent.schedule.jitter = None;
    plan("timer.schedule absent", &absent);

    let ticks = |count| timer::Ticks {
        count,
        interval_ms: 1,
    };
    let mut parts = timer.ticks(&ticks(3));
    for part in parts.by_ref() {
        let part = good("timer.ticks part", part);
        line(
            "timer.ticks part",
            format!("tick={} of={}", part.tick, part.of),
        );
    }
    let answer = good("timer.ticks", parts.reply());
    line("timer.ticks", format!("ticks={}", answer.ticks));
    failed(
        "timer.ticks limit",
        timer.ticks(&ticks(10_001)).reply(),
        true,
    );
    let left = timer.ticks(&ticks(1000)).take(2).count();
    line("timer.ticks left", format!("parts={}", left));
}
