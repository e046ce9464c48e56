// SPDX-License-Identifier: Apache-2.0

//! Reloads, other interfaces, and the end of a context.

use crate::host::*;
use backplane::{Client, Context, ContextOptions, InterfaceChange, ServeOptions, Status};
use backplane_rust_tests::bindings::{echo, kv, timer};
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;

fn shout(echo: &echo::Echo) -> Result<echo::Shouted, echo::Error> {
    echo.shout(&echo::Shout { text: "x".into() })
}

#[test]
fn calls_go_on_while_their_module_is_reloaded() {
    both(|context| {
        let echo = echo::Echo::new(context).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let (inner, stopped) = (echo.clone(), stop.clone());
        let caller = thread::spawn(move || {
            let mut count = 0;
            while !stopped.load(Ordering::Relaxed) {
                shout(&inner).unwrap();
                count += 1;
            }
            count
        });
        for _ in 0..5 {
            let report = context.reload("echo", None).unwrap();
            assert_eq!(report.module, "echo");
        }
        stop.store(true, Ordering::Relaxed);
        assert!(caller.join().unwrap() > 0);
        let compared = context.compare("echo", plugin("echo")).unwrap();
        assert_eq!(
            (compared.verdict.as_str(), compared.changes.len()),
            ("compatible", 0)
        );
    });
}

#[test]
fn an_interface_that_breaks_callers_is_an_error_before_the_first_call() {
    both(|context| {
        let error = Client::new(
            context,
            "kv",
            "0123456789abcdef",
            "kv.put.request = { other: int }",
        );
        let error = error.map(drop).unwrap_err();
        assert_eq!(error.status(), Status::InterfaceChanged);
        assert!(error.message().contains("found"), "{}", error);
        let missing = Client::new(context, "nothing", "0123456789abcdef", "").map(drop);
        assert_eq!(missing.unwrap_err().status(), Status::NotFound);
        assert!(kv::Kv::new(context).is_ok());
    });
}

#[test]
fn a_module_that_is_replaced_by_another_interface_fails_calls_until_it_fits_again() {
    let folder = Folder::new();
    let daemon = Daemon::new();
    let (sender, receiver) = channel::<InterfaceChange>();
    let sender = Mutex::new(sender);
    let context = Context::connect(backplane::ConnectOptions {
        on_interface_change: Some(Arc::new(move |change| {
            sender.lock().unwrap().send(change.clone()).unwrap();
        })),
        ..daemon.options()
    })
    .unwrap();
    let timer = timer::Timer::new(&context).unwrap();
    let request = timer::Message {
        message: "m".into(),
        delay_ms: 0,
    };
    // Another file of the module of the same name, whose interface has another text.
    let other = folder.0.join("timer.so");
    let bytes = fs::read(plugin("timer")).unwrap();
    let bytes = replace(
        bytes,
        b"echoed: tstr, timer_name",
        b"echoes: tstr, timer_name",
    );
    fs::write(&other, bytes).unwrap();
    context.reload("timer", Some(&other)).unwrap();
    let change = receiver.recv_timeout(SOON).unwrap();
    assert_eq!((change.module.as_str(), change.breaks), ("timer", true));
    let error = timer.echo(&request).unwrap_err();
    assert_eq!(error.error().status(), Status::InterfaceChanged);
    context.reload("timer", Some(&plugin("timer"))).unwrap();
    eventually("it fits again", || timer.echo(&request).is_ok());
}

fn replace(mut bytes: Vec<u8>, from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut found = false;
    for at in 0..bytes.len() - from.len() {
        if &bytes[at..at + from.len()] == from {
            bytes[at..at + from.len()].copy_from_slice(to);
            found = true;
        }
    }
    assert!(found, "the interface text is not in the file");
    bytes
}

#[test]
fn an_embedded_context_is_served_to_another_one() {
    let folder = Folder::new();
    let context = embedded();
    let (sender, receiver) = channel();
    let sender = Mutex::new(sender);
    let options = ServeOptions {
        on_stop: Some(Arc::new(move || sender.lock().unwrap().send(()).unwrap())),
        ..ServeOptions::default()
    };
    let path = folder.0.join("s");
    let serving = context.serve(&path, &options).unwrap();
    let peer = Context::connect(backplane::ConnectOptions::to(&path)).unwrap();
    assert!(shout(&echo::Echo::new(&peer).unwrap()).is_ok());
    let stopped = unsafe { backplane::ffi::bp_host_stop(peer.native()) };
    assert_eq!(stopped, 0);
    receiver.recv_timeout(SOON).unwrap();
    drop(peer);
    serving.end(100);
    assert!(!path.exists());
}

#[test]
fn the_last_clone_may_be_dropped_in_a_callback() {
    drop(embedded());
    let context = Context::embedded(ContextOptions::default()).unwrap();
    let timer = timer::Timer::new(&context).unwrap();
    let own = Arc::new(Mutex::new(Some((timer.clone(), context.clone()))));
    let (inner, (sender, receiver)) = (own.clone(), channel());
    let sender = Mutex::new(sender);
    let listener = timer.on_echo_fired(move |_| {
        drop(inner.lock().unwrap().take());
        sender.lock().unwrap().send(()).unwrap();
    });
    let call = timer.echo_async(&timer::Message {
        message: "m".into(),
        delay_ms: 0,
    });
    drop((timer, context));
    receiver.recv_timeout(SOON).unwrap();
    drop(call.wait());
    drop(listener);
}
