// SPDX-License-Identifier: Apache-2.0
//
// Calls the modules timer and session, in this process or in a running host.

mod bindings;

use backplane::{block_on, ConnectOptions, Context, ContextOptions};
use bindings::session::{Session, User, UserUserId};
use bindings::timer::{self, Message, Ticks, Timer};
use std::error::Error;
use std::time::Duration;

fn context(arguments: &[String]) -> Result<Context, backplane::Error> {
    if arguments[0] == "connected" {
        let path = arguments.get(1).map(Into::into);
        return Context::connect(ConnectOptions {
            socket_path: path,
            ..ConnectOptions::default()
        });
    }
    let context = Context::embedded(ContextOptions::default())?;
    for module in ["timer", "session"] {
        context.load(format!("{}/{}.so", arguments[1], module))?;
    }
    Ok(context)
}

fn message(text: &str, delay_ms: u32) -> Message {
    Message {
        message: text.into(),
        delay_ms,
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let context = context(&arguments)?;
    let timer = Timer::new(&context)?;
    let mut events = timer.echo_fired_events()?;

    // A call, and the event that it causes.
    println!("{}", timer.echo(&message("hello", 10))?.echoed);
    if let Some(Ok(event)) = events.next() {
        println!("event {} of {}", event.echo_count, event.message);
    }

    // Two calls at the same time.
    let (one, two) = (message("one", 20), message("two", 20));
    let (one, two) = (timer.echo_async(&one), timer.echo_async(&two));
    block_on(async {
        println!("{} and {}", one.await?.echoed, two.await?.echoed);
        Ok::<(), timer::Error>(())
    })?;

    // Partial replies, and the answer behind them.
    let mut ticks = timer.ticks(&Ticks {
        count: 3,
        interval_ms: 1,
    });
    for tick in ticks.by_ref() {
        let tick = tick?;
        println!("tick {} of {}", tick.tick, tick.of);
    }
    println!("{} ticks", ticks.reply()?.ticks);

    // Errors that the module declares are variants. A deadline is one of the others.
    match timer.echo(&message("late", 100_000_000)) {
        Err(timer::Error::InvalidArgument(declared)) => println!("{}", declared.error.message()),
        other => println!("{:?}", other),
    }
    let hasty = timer.within(Duration::from_millis(5));
    if let Err(error) = hasty.echo(&message("slow", 1000)) {
        println!("{}", error.error().status());
    }
    drop(timer.echo_async(&message("nobody waits", 1000))); // which cancels it

    // What the module asks of the application.
    let session = Session::new(&context)?;
    let _profiles = session.provide_profile_fetch_async(|user| async move {
        Ok(format!("the profile of {:?}", user.user_id).as_str().into())
    })?;
    let user = User {
        user_id: UserUserId::Text("ann".into()),
    };
    println!("{}", session.login(&user)?.profile.as_str().unwrap_or(""));
    Ok(())
}
