// SPDX-License-Identifier: Apache-2.0

use crate::host::*;
use backplane::{
    block_on, CallOptions, Completion, Context, ContextOptions, Error, Spawn, Status, Task, Value,
};
use backplane_rust_tests::bindings::session::{Session, User, UserUserId};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{channel, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

fn login(session: &Session) -> Result<Value, Error> {
    let user = User {
        user_id: UserUserId::Text("ann".into()),
    };
    session
        .login(&user)
        .map(|in_| in_.profile)
        .map_err(Error::from)
}

/// Both kinds of contexts.
fn providers(test: impl Fn(&Session)) {
    let context = embedded();
    test(&Session::new(&context).unwrap());
    let daemon = Daemon::new();
    let context = daemon.connect();
    test(&Session::new(&context).unwrap());
}

#[test]
fn a_function_answers_at_once_later_and_as_a_future() {
    providers(|session| {
        assert_eq!(login(session).unwrap_err().status(), Status::NoHostFunction);
        let mut count = 0;
        let provided = session
            .provide_profile_fetch(move |user| {
                count += 1;
                assert_eq!(user.user_id, UserUserId::Text("ann".into()));
                Ok(Value::from(count))
            })
            .unwrap();
        assert_eq!(login(session).unwrap(), Value::from(1));
        assert_eq!(login(session).unwrap(), Value::from(2));

        let replaced = session
            .provide_profile_fetch_later(|_, completion| {
                thread::spawn(move || {
                    thread::sleep(Duration::from_millis(5));
                    assert!(completion.answer(&Value::from("later")));
                });
            })
            .unwrap();
        assert_eq!(login(session).unwrap(), Value::from("later"));
        drop(provided); // the name is not its own any more
        assert_eq!(login(session).unwrap(), Value::from("later"));

        let inner = session.clone();
        let future = session
            .provide_profile_fetch_async(move |user| {
                let inner = inner.clone();
                async move {
                    let options = CallOptions::default();
                    let request = Value::map([("text", format!("{:?}", user.user_id))]);
                    let context = inner.client().context().clone();
                    let answer: Value =
                        context.call_async("echo.shout", &request, &options).await?;
                    Ok(answer.get("shouted").unwrap().clone())
                }
            })
            .unwrap();
        assert_eq!(login(session).unwrap(), Value::from("TEXT(\"ANN\")"));
        drop(future);
        drop(replaced);
        assert_eq!(login(session).unwrap_err().status(), Status::NoHostFunction);
    });
}

#[test]
fn failures_panics_and_dropped_completions_become_the_answer() {
    providers(|session| {
        let failing = session.provide_profile_fetch(|_| {
            Err(Error::new(1234, "no such user").with_detail(&Value::map([("user", "ann")])))
        });
        let error = login(session).unwrap_err();
        assert_eq!(error.status(), Status::Module(1234));
        assert_eq!(error.message(), "no such user");
        assert_eq!(
            error.detail::<Value>().unwrap(),
            Value::map([("user", "ann")])
        );
        drop(failing);

        let panicking = session.provide_profile_fetch(|_| panic!("in {}", "function"));
        let error = login(session).unwrap_err();
        assert_eq!(
            (error.status(), error.message()),
            (Status::Exception, "in function")
        );
        drop(panicking);

        let panicking = session.provide_profile_fetch_async(|_| async { panic!("in future") });
        assert_eq!(login(session).unwrap_err().status(), Status::Exception);
        drop(panicking);

        let dropped = session.provide_profile_fetch_later(|_, completion| drop(completion));
        assert_eq!(login(session).unwrap_err().status(), Status::NoReply);
        drop(dropped);

        let panicking = session.provide_profile_fetch_later(|_, _completion| panic!("later"));
        assert_eq!(login(session).unwrap_err().status(), Status::Exception);
        drop(panicking);

        let partial = session.provide_profile_fetch(|_| Err(Error::new(Status::Partial, "p")));
        assert_eq!(login(session).unwrap_err().status(), Status::Exception);
        drop(partial);

        let good = session.provide_profile_fetch(|_| Ok(Value::Null));
        assert!(login(session).is_ok(), "the host goes on");
        drop(good);
    });
}

#[test]
fn a_request_of_another_form_is_refused_strictly() {
    let context = embedded();
    let session = Session::new(&context).unwrap();
    let provided = context
        .provide("profile.fetch", |text: String| Ok(text))
        .unwrap();
    let error = login(&session).unwrap_err();
    assert_eq!(
        (error.status(), error.message()),
        (Status::BadPayload, "expected text, got map")
    );
    drop(provided);
}

#[test]
fn an_executor_of_the_application_runs_the_futures() {
    struct Mine(Mutex<Sender<Task>>, AtomicU32);
    impl Spawn for Mine {
        fn spawn(&self, task: Task) {
            self.1.fetch_add(1, Ordering::Relaxed);
            self.0.lock().unwrap().send(task).unwrap();
        }
    }
    let (sender, receiver) = channel();
    thread::spawn(move || receiver.iter().for_each(|task: Task| block_on(task)));
    let mine = Arc::new(Mine(Mutex::new(sender), AtomicU32::new(0)));
    drop(embedded());
    let context = Context::embedded(ContextOptions {
        executor: Some(mine.clone()),
        ..ContextOptions::default()
    })
    .unwrap();
    let session = Session::new(&context).unwrap();
    let provided = session.provide_profile_fetch_async(|_| async { Ok(Value::from("mine")) });
    assert_eq!(login(&session).unwrap(), Value::from("mine"));
    assert_eq!(mine.1.load(Ordering::Relaxed), 1);
    drop(provided);
}

#[test]
fn the_last_reference_in_a_callback_is_dropped_elsewhere() {
    struct Slow(Sender<bool>, thread::ThreadId);
    impl Drop for Slow {
        fn drop(&mut self) {
            self.0.send(thread::current().id() == self.1).unwrap();
        }
    }
    let context = embedded();
    let session = Session::new(&context).unwrap();
    let (sender, receiver) = channel();
    let sender = Mutex::new(sender);
    let own: Arc<Mutex<Option<backplane::Provided>>> = Arc::default();
    let inner = own.clone();
    let mut slow = None;
    let provided = session.provide_profile_fetch(move |_| {
        let here = thread::current().id();
        slow.get_or_insert_with(|| Slow(sender.lock().unwrap().clone(), here));
        drop(inner.lock().unwrap().take()); // this function
        Ok(Value::Null)
    });
    *own.lock().unwrap() = Some(provided.unwrap());
    login(&session).unwrap();
    assert!(
        !receiver.recv_timeout(SOON).unwrap(),
        "dropped on the request thread"
    );
    assert_eq!(
        login(&session).unwrap_err().status(),
        Status::NoHostFunction
    );
}

#[test]
fn a_completion_may_come_too_late() {
    let context = embedded();
    let session = Session::new(&context)
        .unwrap()
        .within(Duration::from_millis(20));
    let (sender, receiver) = channel::<Completion<Value>>();
    let provided = session.provide_profile_fetch_later(move |_, completion| {
        sender.send(completion).unwrap();
    });
    assert_eq!(login(&session).unwrap_err().status(), Status::Deadline);
    // The caller hears of the deadline a moment before the host ends the question. When a second call has run, the
    // first one's question has ended for certain.
    assert_eq!(login(&session).unwrap_err().status(), Status::Deadline);
    assert!(!receiver.recv().unwrap().answer(&Value::Null));
    drop(provided);
}
