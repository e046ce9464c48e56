// SPDX-License-Identifier: Apache-2.0

use crate::host::*;
use backplane::{ConnectOptions, ConnectionState, Context, Gap, Reconnect, Status};
use backplane_rust_tests::bindings::timer::{Message, Timer};
use std::sync::{Arc, Mutex};
use std::time::Duration;

fn message(delay_ms: u32) -> Message {
    Message {
        message: "m".into(),
        delay_ms,
    }
}

#[test]
fn a_killed_host_ends_open_calls_once_and_all_comes_back() {
    let mut daemon = Daemon::new();
    let states: Arc<Mutex<Vec<ConnectionState>>> = Arc::default();
    let told = states.clone();
    let context = Context::connect(ConnectOptions {
        on_state: Some(Arc::new(move |state| {
            told.lock().unwrap().push(state.clone())
        })),
        ..daemon.options()
    })
    .unwrap();
    let timer = Timer::new(&context).unwrap();
    let mut events = timer.echo_fired_events().unwrap();
    let open = timer.echo_async(&message(60_000));
    let parts = timer.ticks(&backplane_rust_tests::bindings::timer::Ticks {
        count: 1000,
        interval_ms: 1000,
    });
    daemon.kill();
    assert_eq!(
        open.wait().unwrap_err().error().status(),
        Status::Unreachable
    );
    assert_eq!(
        parts.reply().unwrap_err().error().status(),
        Status::Unreachable
    );
    let later = timer.echo(&message(1)).unwrap_err();
    assert_eq!(later.error().status(), Status::Unreachable);
    eventually("it has tried", || {
        let states = states.lock().unwrap();
        states
            .iter()
            .any(|state| matches!(state, ConnectionState::Waiting { .. }))
    });
    let later = timer.echo(&message(1)).unwrap_err();
    assert!(
        later.error().message().contains("call again later"),
        "{}",
        later
    );
    let mut late = timer.echo_fired_events().unwrap(); // there is no connection
    daemon.start();
    eventually("it is connected", || context.is_connected());
    let gap = Gap {
        lost: 0,
        since_ms: 0,
        reconnected: true,
    };
    assert_eq!(events.next_within(SOON).unwrap().unwrap_err(), gap);
    assert_eq!(late.next_within(SOON).unwrap().unwrap_err(), gap);
    timer.echo(&message(0)).unwrap();
    assert_eq!(events.next_within(SOON).unwrap().unwrap().message, "m");
    assert_eq!(late.next_within(SOON).unwrap().unwrap().message, "m");
    let states = states.lock().unwrap();
    assert!(
        matches!(states[0], ConnectionState::Lost { .. }),
        "{:?}",
        states
    );
    assert!(matches!(
        states.last(),
        Some(ConnectionState::Connected { .. })
    ));
}

#[test]
fn it_gives_up_after_so_many_attempts() {
    let mut daemon = Daemon::new();
    let mut options = daemon.options();
    options.reconnect.attempts = 2;
    let context = Context::connect(options).unwrap();
    let timer = Timer::new(&context).unwrap();
    let mut events = timer.echo_fired_events().unwrap();
    daemon.kill();
    eventually("it has given up", || {
        let error = timer.echo(&message(0)).unwrap_err();
        error.error().message().contains("has given up")
    });
    assert!(events.next().is_none());
}

#[test]
fn without_reconnect_nothing_comes_back_and_bounds_are_checked() {
    let mut daemon = Daemon::new();
    let mut options = daemon.options();
    options.reconnect.enabled = false;
    let context = Context::connect(options).unwrap();
    let timer = Timer::new(&context).unwrap();
    daemon.kill();
    eventually("the call fails", || timer.echo(&message(0)).is_err());
    assert_eq!(
        timer.echo(&message(0)).unwrap_err().error().status(),
        Status::Unreachable
    );

    let wrong = ConnectOptions {
        reconnect: Reconnect {
            initial: Duration::from_secs(20),
            ..Reconnect::default()
        },
        ..daemon.options()
    };
    let error = Context::connect(wrong).map(drop).unwrap_err();
    assert!(
        error.message().starts_with("reconnect: initial: found 20s"),
        "{}",
        error
    );
    let nobody = Context::connect(daemon.options()).map(drop).unwrap_err();
    assert_eq!(nobody.status(), Status::Unreachable);
}
