// SPDX-License-Identifier: Apache-2.0

use crate::host::*;
use backplane::{
    block_on, AsyncUpload, CallOptions, Context, Empty, Status, Stream, Upload, Value,
};
use backplane_rust_tests::bindings::forms;
use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

fn point(x: f64) -> forms::Point {
    forms::Point { x, y: 0.5 }
}

fn composed() -> forms::Composed {
    forms::Composed {
        list: vec!["größe".into(), String::new()],
        set: vec![-1, 2],
        deque: vec![point(1.0)],
        three: [1.0, 2.0, f64::INFINITY],
        words: BTreeMap::from([("c".into(), forms::Colour::Class)]),
        lists: BTreeMap::from([("p".into(), vec![point(2.0)])]),
        numbers: BTreeMap::from([(-7, "seven".into())]),
        points: BTreeMap::from([(u64::MAX, point(3.0))]),
        pair: ("a".into(), i64::MIN),
        tuple: (1, "t".into(), point(4.0)),
        matrix: vec![vec![], vec![1.5]],
        holes: vec![None, Some("h".into())],
        maps: vec![BTreeMap::from([("b".into(), true)])],
        user: forms::ComposedUser::Int(u64::MAX),
        users: vec![forms::ComposedUser::Text("u".into())],
        maybe: Some(vec!["m".into()]),
        choice: None,
        shape: forms::CircleOrSquare::Square(point(5.0)),
    }
}

fn tree(name: &str, next: Option<forms::Tree>) -> forms::Tree {
    forms::Tree {
        name: name.into(),
        children: Vec::new(),
        next: next.map(Box::new),
        named: BTreeMap::new(),
    }
}

// forms.composed calls a name that no module has, before it reads the parts.
#[test]
fn an_upload_that_fails_says_why() {
    both(|context| {
        let forms = forms::Forms::new(context).unwrap();
        let mut upload = forms.composed(&composed());
        upload
            .parts((0..2000).map(|i| tree(&i.to_string(), Some(tree("next", None)))))
            .unwrap();
        let error = upload.next().unwrap().unwrap_err();
        assert!(upload.next().is_none());
        assert!(!upload.part(&tree("late", None)).unwrap());
        assert_eq!(upload.reply().unwrap_err(), error);
        let error = error.error();
        assert_eq!(error.status(), Status::UnknownName);
        assert_eq!(error.name(), "forms.composed");
        assert!(error.message().contains("other.lookup"), "{}", error);

        let failed = block_on(async {
            let mut upload = forms.composed_async(&composed());
            while upload.part(&tree("part", None)).await.unwrap() {}
            upload.reply().await.unwrap_err()
        });
        assert_eq!(failed.error(), error);
    });
}

fn order(wait_ms: u64) -> Value {
    Value::map([("parts", 0), ("size", 7), ("wait_ms", wait_ms)])
}

fn piece(number: usize, size: usize) -> Value {
    Value::map([
        ("number", Value::from(number as u64)),
        ("data", Value::from("x".repeat(size))),
    ])
}

fn sum(parts: u64, bytes: u64) -> Value {
    Value::map([("parts", parts), ("bytes", bytes)])
}

fn start<A: backplane::cbor::Decode>(
    context: &Context,
    name: &str,
    wait_ms: u64,
) -> Upload<Value, A, Value> {
    context.upload(name, &order(wait_ms), &CallOptions::default())
}

fn start_async<A: backplane::cbor::Decode>(
    context: &Context,
    name: &str,
    wait_ms: u64,
) -> AsyncUpload<Value, A, Value> {
    context.upload_async(name, &order(wait_ms), &CallOptions::default())
}

#[test]
fn a_request_goes_in_parts_and_in_order() {
    both(|context| {
        let mut upload = start::<Empty>(context, "streams.sum", 0);
        upload.parts((1..20_000).map(|i| piece(i, 30))).unwrap();
        assert_eq!(upload.reply().unwrap(), sum(20_000, 7 + 19_999 * 30));

        let upload = start::<Empty>(context, "streams.sum", 0);
        assert_eq!(upload.reply().unwrap(), sum(1, 7));

        let mut upload = start::<Empty>(context, "streams.sum", 0);
        assert!(upload.part(&piece(5, 0)).unwrap());
        let error = upload.reply().unwrap_err();
        assert_eq!(error.status(), Status::Module(1000));
        assert_eq!(error.message(), "a part out of order");
    });
}

#[test]
fn a_future_waits_for_room() {
    both(|context| {
        let answer = block_on(async {
            let mut upload = start_async::<Empty>(context, "streams.slow_sum", 1);
            for i in 0..200 {
                assert!(upload.part(&piece(i, 20_000)).await.unwrap());
            }
            upload.reply().await
        });
        assert_eq!(answer.unwrap(), sum(201, 7 + 200 * 20_000));
    });
}

#[test]
fn parts_go_both_ways() {
    both(|context| {
        let mut upload = start::<Value>(context, "streams.echo", 0);
        for i in 0..300 {
            assert!(upload.part(&piece(i, 1000)).unwrap());
            assert_eq!(upload.next().unwrap().unwrap(), piece(i, 1000));
        }
        upload.finish().unwrap();
        assert!(upload.next().is_none());
        assert_eq!(upload.reply().unwrap(), sum(300, 300_000));

        block_on(async {
            let mut upload = start_async::<Value>(context, "streams.echo", 0);
            for i in 0..300 {
                assert!(upload.part(&piece(i, 10)).await.unwrap());
                let part = upload.next_async().await.unwrap();
                assert_eq!(part.unwrap(), piece(i, 10));
            }
            assert_eq!(upload.reply().await.unwrap(), sum(300, 3000));
        });
    });
}

#[test]
fn a_cancel_ends_an_upload_that_waits_for_room() {
    both(|context| {
        let mut upload = start::<Empty>(context, "streams.slow_sum", 60_000);
        let canceler = upload.canceler();
        let other = thread::spawn(move || {
            thread::sleep(Duration::from_millis(50));
            canceler.cancel();
        });
        while upload.part(&piece(0, 20_000)).unwrap() {}
        assert_eq!(upload.reply().unwrap_err().status(), Status::Canceled);
        other.join().unwrap();

        drop(start::<Empty>(context, "streams.slow_sum", 60_000));
        let upload = start::<Empty>(context, "streams.sum", 0);
        assert_eq!(upload.reply().unwrap(), sum(1, 7));
    });
}
