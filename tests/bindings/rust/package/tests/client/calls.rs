// SPDX-License-Identifier: Apache-2.0

use crate::host::*;
use backplane::{block_on, CallOptions, Context, Empty, Error, Raw, Status, Value};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

fn shout(context: &Context, text: &str) -> Result<Value, Error> {
    let request = Value::map([("text", text)]);
    context.call("echo.shout", &request, &CallOptions::default())
}

fn wait(ms: u64) -> Value {
    Value::map([("message", Value::from("m")), ("delay_ms", ms.into())])
}

#[test]
fn a_call_gives_the_answer_embedded_and_connected() {
    both(|context| {
        let answer = shout(context, "grüße 😀").unwrap();
        assert_eq!(answer.get("shouted").unwrap().as_str(), Some("GRüßE 😀"));
    });
}

#[test]
fn empty_and_large_raw_payloads_come_back() {
    both(|context| {
        for size in [0, 1, 1 << 20] {
            let sent = Raw(vec![7; size]);
            let back: Raw = context
                .call("echo.raw", &sent, &CallOptions::default())
                .unwrap();
            assert!(back == sent, "{} bytes", size);
        }
    });
}

#[test]
fn an_error_has_status_name_message_and_detail() {
    both(|context| {
        let error = context
            .call::<_, Value>("timer.echo", &wait(100_000_000), &CallOptions::default())
            .unwrap_err();
        assert_eq!(error.status(), Status::InvalidArgument);
        assert_eq!(error.name(), "timer.echo");
        assert!(error.message().contains("delay_ms"), "{}", error);

        let error = context
            .call::<_, Value>("no.such", &Empty, &CallOptions::default())
            .unwrap_err();
        assert_eq!(error.status(), Status::UnknownName);

        let far = Value::map([("required", Value::from("r")), ("count", 101.into())]);
        let error = context
            .call::<_, Value>("forms.defaults", &far, &CallOptions::default())
            .unwrap_err();
        assert_eq!(error.status(), Status::Module(1001));
        let detail: Value = error.detail().unwrap();
        assert_eq!(detail.get("y").and_then(Value::as_f64), Some(2.0));
    });
}

#[test]
fn an_answer_of_another_form_is_a_bad_payload() {
    let context = embedded();
    let request = Value::map([("text", "x")]);
    let error = context
        .call::<_, Vec<u64>>("echo.shout", &request, &CallOptions::default())
        .unwrap_err();
    assert_eq!(error.status(), Status::BadPayload);
    assert_eq!(
        error.message(),
        "the answer has another form than expected: expected array, got map"
    );
}

#[test]
fn a_deadline_ends_a_call() {
    both(|context| {
        let begin = Instant::now();
        let options = CallOptions::deadline(Duration::from_millis(30));
        let error = context
            .call::<_, Value>("timer.echo", &wait(20_000), &options)
            .unwrap_err();
        assert_eq!(error.status(), Status::Deadline);
        let error = context
            .call_async::<_, Value>("timer.echo", &wait(20_000), &options)
            .wait()
            .unwrap_err();
        assert_eq!(error.status(), Status::Deadline);
        assert!(begin.elapsed() < Duration::from_secs(10));
    });
}

#[test]
fn futures_run_at_the_same_time_and_are_canceled_by_a_drop() {
    both(|context| {
        let options = CallOptions::default();
        let begin = Instant::now();
        let calls: Vec<_> = (0..20)
            .map(|_| context.call_async::<_, Value>("timer.echo", &wait(200), &options))
            .collect();
        for call in calls {
            let answer = block_on(call).unwrap();
            assert_eq!(answer.get("echoed").and_then(Value::as_str), Some("m"));
        }
        assert!(
            begin.elapsed() < Duration::from_secs(3),
            "{:?}",
            begin.elapsed()
        );

        let call = context.call_async::<_, Value>("timer.echo", &wait(20_000), &options);
        let canceler = call.canceler();
        thread::spawn(move || canceler.cancel());
        assert_eq!(block_on(call).unwrap_err().status(), Status::Canceled);
        drop(context.call_async::<_, Value>("timer.echo", &wait(20_000), &options));
    });
}

#[test]
fn a_dropped_future_cancels_its_handler() {
    let context = embedded();
    let options = CallOptions::default();
    drop(context.call_async::<_, Value>("timer.echo", &wait(50_000), &options));
    let begin = Instant::now();
    context.stop(Duration::from_secs(30)).unwrap(); // waits for what runs
    assert!(begin.elapsed() < Duration::from_secs(10));
    let error = shout(&context, "x").unwrap_err();
    assert_eq!(error.status(), Status::Closed);
}

#[test]
fn a_wait_on_a_host_thread_is_refused_and_a_future_is_not() {
    let context = embedded();
    let (sender, receiver) = channel();
    let inner = context.clone();
    let provided = context
        .provide("profile.fetch", move |_: Value| {
            let refused = shout(&inner, "x").unwrap_err().status();
            let request = Value::map([("text", "x")]);
            let call =
                inner.call_async::<_, Value>("echo.shout", &request, &CallOptions::default());
            sender.send((refused, call)).unwrap();
            Ok(Value::Null)
        })
        .unwrap();
    let login = Value::map([("user_id", "u")]);
    context
        .call::<_, Value>("session.login", &login, &CallOptions::default())
        .unwrap();
    let (refused, call) = receiver.recv().unwrap();
    assert_eq!(refused, Status::Reentrant);
    assert!(call.wait().is_ok());
    drop(provided);
}

#[test]
fn many_threads_call_at_once() {
    both(|context| {
        let threads: Vec<_> = (0..8)
            .map(|n| {
                let context = context.clone();
                thread::spawn(move || {
                    for i in 0..200 {
                        let text = format!("t{}-{}", n, i);
                        let answer = shout(&context, &text).unwrap();
                        let shouted = answer.get("shouted").and_then(Value::as_str);
                        assert_eq!(shouted, Some(text.to_uppercase().as_str()));
                    }
                })
            })
            .collect();
        threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
    });
}
