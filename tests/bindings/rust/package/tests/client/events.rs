// SPDX-License-Identifier: Apache-2.0

use crate::host::*;
use backplane::{block_on, Context, ListenOptions, Stream, Value};
use backplane_rust_tests::bindings::timer::{EchoFired, Message, Timer};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex};

fn echo(timer: &Timer, text: &str) {
    let message = Message {
        message: text.into(),
        delay_ms: 0,
    };
    timer.echo(&message).unwrap();
}

#[test]
fn events_come_to_callbacks_iterators_and_streams() {
    both(|context| {
        let timer = Timer::new(context).unwrap();
        let (sender, receiver) = sync_channel(100);
        let listener = timer
            .on_echo_fired(move |event| sender.send(event.message).unwrap())
            .unwrap();
        let mut events = timer.echo_fired_events().unwrap();
        let mut stream = timer.echo_fired_events().unwrap();
        let texts: Vec<String> = (0..50).map(|i| format!("e{}", i)).collect();
        texts.iter().for_each(|text| echo(&timer, text));
        for text in &texts {
            assert_eq!(receiver.recv_timeout(SOON).as_ref(), Ok(text));
            assert_eq!(&events.next_within(SOON).unwrap().unwrap().message, text);
            let event = block_on(stream.next_async()).unwrap().unwrap();
            assert_eq!(&event.message, text);
        }
        assert_eq!(events.last_event().unwrap().0, "timer.echo_fired");
        assert!(events.try_next().is_none());
        drop(listener);
        echo(&timer, "after");
        assert_eq!(events.next_within(SOON).unwrap().unwrap().message, "after");
        assert!(receiver.try_recv().is_err());
    });
}

#[test]
fn a_full_queue_loses_the_newest_with_a_gap_in_their_place() {
    let context = embedded();
    let timer = Timer::new(&context).unwrap();
    let options = ListenOptions {
        queue_events: 3,
        ..ListenOptions::default()
    };
    let mut events = context
        .events::<EchoFired>("timer.echo_fired", &options)
        .unwrap();
    let mut all = timer.echo_fired_events().unwrap();
    (0..10).for_each(|i| echo(&timer, &i.to_string()));
    (0..10).for_each(|_| drop(all.next_within(SOON).unwrap()));
    let heard: Vec<_> = std::iter::from_fn(|| events.try_next()).collect();
    let texts: Vec<_> = heard[..3]
        .iter()
        .map(|e| e.as_ref().unwrap().message.clone())
        .collect();
    assert_eq!(texts, ["0", "1", "2"]);
    assert_eq!(heard[3].as_ref().unwrap_err().lost, 7);
    assert_eq!(events.listener().lost(), 7);
    echo(&timer, "next");
    assert_eq!(events.next_within(SOON).unwrap().unwrap().message, "next");
}

#[test]
fn a_panic_or_another_form_stops_nothing() {
    let context = embedded();
    let timer = Timer::new(&context).unwrap();
    let count = Arc::new(AtomicU32::new(0));
    let counted = count.clone();
    let listener = timer.on_echo_fired(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        panic!("in a listener");
    });
    let mut wrong = context
        .events::<u64>("timer.echo_fired", &ListenOptions::default())
        .unwrap();
    let mut any = context
        .events::<Value>("timer.*", &ListenOptions::default())
        .unwrap();
    echo(&timer, "one");
    echo(&timer, "two");
    eventually("both were heard", || count.load(Ordering::SeqCst) == 2);
    drop(listener);
    assert!(any
        .next_within(SOON)
        .unwrap()
        .unwrap()
        .get("message")
        .is_some());
    assert!(any.next_within(SOON).is_some());
    assert!(wrong.try_next().is_none());
    assert_eq!(wrong.unread(), 2);
}

#[test]
fn a_listener_may_end_itself_and_an_iterator_ends_with_its_context() {
    let context = embedded();
    let timer = Timer::new(&context).unwrap();
    let own: Arc<Mutex<Option<backplane::Listener>>> = Arc::default();
    let (inner, count) = (own.clone(), Arc::new(AtomicU32::new(0)));
    let counted = count.clone();
    let listener = timer.on_echo_fired(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        drop(inner.lock().unwrap().take());
    });
    *own.lock().unwrap() = Some(listener.unwrap());
    let mut events = timer.echo_fired_events().unwrap();
    echo(&timer, "one");
    eventually("it was heard", || own.lock().unwrap().is_none());
    echo(&timer, "two");
    assert!(events.next_within(SOON).is_some() && events.next_within(SOON).is_some());
    assert_eq!(count.load(Ordering::SeqCst), 1);
    let ended = std::thread::spawn(move || events.next().is_none());
    drop((timer, context)); // the last of it
    assert!(ended.join().unwrap());
}

#[test]
fn a_bad_pattern_is_refused() {
    let context: Context = embedded();
    let refused = context.events::<Value>("a.*.b", &ListenOptions::default());
    let error = refused.map(drop).unwrap_err();
    assert!(
        error.message().contains("found the pattern \"a.*.b\""),
        "{}",
        error
    );
}
