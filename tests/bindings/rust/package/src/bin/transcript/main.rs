// SPDX-License-Identifier: Apache-2.0
//
// The transcript of tests/bindings/transcript/README.md.

mod lines;
mod timers;

use backplane::{
    ConnectOptions, Context, ContextOptions, Error, HostOptions, Provided, Raw, Value,
};
use backplane_rust_tests::bindings::{echo, generator, kv, session, timer};
use lines::*;
use std::env;
use std::thread;
use std::time::Duration;
use timers::{echoed, message, payload, timers};

struct Clients {
    context: Context,
    echo: echo::Echo,
    timer: timer::Timer,
    kv: kv::Kv,
    session: session::Session,
    generator: generator::Generator,
}

impl Clients {
    fn new(context: Context) -> Clients {
        let interface = |name: &str, hash: &str| line(name, format!("hash={}", text(hash)));
        let echo = good("interface echo", echo::Echo::new(&context));
        interface("interface echo", echo::INTERFACE_HASH);
        let timer = good("interface timer", timer::Timer::new(&context));
        interface("interface timer", timer::INTERFACE_HASH);
        let kv = good("interface kv", kv::Kv::new(&context));
        interface("interface kv", kv::INTERFACE_HASH);
        let session = good("interface session", session::Session::new(&context));
        interface("interface session", session::INTERFACE_HASH);
        let generator = good("interface generator", generator::Generator::new(&context));
        interface("interface generator", generator::INTERFACE_HASH);
        Clients {
            context,
            echo,
            timer,
            kv,
            session,
            generator,
        }
    }
}

fn echoes(echo: &echo::Echo) {
    let version = good("echo.version", echo.version());
    line(
        "echo.version",
        format!("version={}", text(&version.version)),
    );
    let shout = |name: &str, words: &str| {
        let request = echo::Shout { text: words.into() };
        good(name, echo.shout(&request))
    };
    let one = shout("echo.shout", "hello world");
    let (shouted, prefix) = (text(&one.shouted), text(&one.prefix));
    line(
        "echo.shout",
        format!("shouted={} prefix={}", shouted, prefix),
    );
    for (name, words) in [
        ("echo.shout unicode", "größe 日本語 😀"),
        ("echo.shout empty", ""),
        ("echo.shout nul", "a\0b"),
    ] {
        let shouted = shout(name, words).shouted;
        line(name, format!("shouted={}", text(&shouted)));
    }
    let large = shout("echo.shout large", &"a".repeat(LARGE)).shouted;
    let same = large.bytes().all(|b| b == b'A');
    line(
        "echo.shout large",
        format!("size={} same={}", large.len(), same),
    );

    let raw = |name: &str, bytes: &[u8]| good(name, echo.raw(&Raw(bytes.to_vec())));
    let back = raw("echo.raw", &[0, 1, 2, 253, 254, 255]);
    line("echo.raw", format!("bytes={}", hex(&back)));
    let back = raw("echo.raw empty", &[]);
    line("echo.raw empty", format!("size={}", back.len()));
    let sent: Vec<u8> = (0..LARGE).map(|i| (i % 251) as u8).collect();
    let back = raw("echo.raw large", &sent);
    let same = back.0 == sent;
    line(
        "echo.raw large",
        format!("size={} same={}", back.len(), same),
    );
}

fn values(kv: &kv::Kv) {
    let found = |name: &str, key: &str| good(name, kv.get(&kv::Key { key: key.into() }));
    let put = |name: &str, key: &str, value: Value| {
        let entry = kv::Entry {
            key: key.into(),
            value,
        };
        good(name, kv.put(&entry));
        line(name, "done");
    };
    let changed = |name: &str, event: &kv::Changed| {
        let (key, change) = (text(&event.key), event.change.as_str());
        line(name, format!("key={} change={}", key, change));
    };
    let it = found("kv.get missing", "none");
    line(
        "kv.get missing",
        format!("found={} value={}", it.found, show(&it.value)),
    );
    let mut changes = good("kv.put", kv.changed_events());
    put("kv.put", "a", 1.into());
    changed("kv.changed", &event("kv.changed", &mut changes));
    drop(changes);
    put("kv.put nested", "b", payload());
    let it = found("kv.get", "b");
    line(
        "kv.get",
        format!("found={} value={}", it.found, show(&it.value)),
    );
    let deep = (1..60).fold(Value::Array(vec![]), |inner, _| Value::Array(vec![inner]));
    put("kv.put deep", "c", deep);
    let (mut value, mut levels) = (Some(found("kv.get deep", "c").value), 0);
    while let Some(Value::Array(items)) = value {
        levels += 1;
        value = items.into_iter().next();
    }
    line("kv.get deep", format!("levels={}", levels));
    let empty = kv::Entry {
        key: String::new(),
        value: 1.into(),
    };
    failed("kv.put empty", kv.put(&empty), true);
    let count = good("kv.count", kv.count(&kv::Prefix::default()));
    line("kv.count", format!("count={}", count.count));
    let mut request = kv::Scan {
        limit: Some(2),
        ..kv::Scan::default()
    };
    loop {
        let page = good("kv.scan page", kv.scan(&request));
        let keys = list(&page.entries, |entry| text(&entry.key));
        line(
            "kv.scan page",
            format!("keys={} next={}", keys, maybe(&page.next)),
        );
        request.after = page.next;
        if request.after.is_none() {
            break;
        }
    }
    let mut changes = good("kv.delete", kv.changed_events());
    let delete = |name: &str| {
        let it = good(name, kv.delete(&kv::Key { key: "a".into() }));
        line(name, format!("deleted={}", it.deleted));
    };
    delete("kv.delete");
    changed("kv.deleted", &event("kv.deleted", &mut changes));
    drop(changes);
    delete("kv.delete missing");
}

fn user_id(id: &session::UserUserId) -> Value {
    match id {
        session::UserUserId::Text(name) => Value::from(name.as_str()),
        session::UserUserId::Int(number) => Value::from(*number),
    }
}

fn sessions(session: &session::Session) {
    let user = |name: &str| session::User {
        user_id: session::UserUserId::Text(name.into()),
    };
    let login = |name: &str, user: &session::User| {
        let it = good(name, session.login(user));
        let id = show(&user_id(&it.user_id));
        line(
            name,
            format!("user_id={} profile={}", id, show(&it.profile)),
        );
    };
    failed("session.login alone", session.login(&user("ann")), false);
    let mut logged_in = good("session.login inline", session.logged_in_events());
    let provided = session.provide_profile_fetch(|user| {
        Ok(Value::map([
            ("name", user_id(&user.user_id)),
            ("age", 42.into()),
        ]))
    });
    let mut provided: Provided = good("session.login inline", provided);
    login("session.login inline", &user("ann"));
    let it = event("session.logged_in", &mut logged_in);
    line(
        "session.logged_in",
        format!("user_id={}", show(&user_id(&it.user_id))),
    );
    let number = session::User {
        user_id: session::UserUserId::Int(u64::MAX),
    };
    login("session.login number", &number);
    drop(logged_in);

    let replaced = session.provide_profile_fetch_async(|_| async {
        thread::sleep(Duration::from_millis(5)); // on the thread of the client's tasks
        Ok(Value::from("later"))
    });
    provided = replace(provided, good("session.login later", replaced));
    login("session.login later", &user("bob"));
    let replaced = session.provide_profile_fetch_later(|_, completion| {
        thread::spawn(move || completion.answer(&Value::from("thread")));
    });
    provided = replace(provided, good("session.login thread", replaced));
    login("session.login thread", &user("cid"));
    let replaced = session.provide_profile_fetch(|_| {
        Err(Error::new(1234, "no such user").with_detail(&Value::map([("user", "dan")])))
    });
    provided = replace(provided, good("session.login failing", replaced));
    failed("session.login failing", session.login(&user("dan")), true);
    drop(provided);
    failed(
        "session.login withdrawn",
        session.login(&user("ann")),
        false,
    );
}

/// The later function has the name already.
fn replace(old: Provided, new: Provided) -> Provided {
    drop(old);
    new
}

fn generators(generator: &generator::Generator) {
    let mut parts = generator.primes(&generator::Primes { count: 5 });
    for part in parts.by_ref() {
        let prime = good("generator.primes part", part).prime;
        line("generator.primes part", format!("prime={}", prime));
    }
    let answer = good("generator.primes", parts.reply());
    line(
        "generator.primes",
        format!("count={} last={}", answer.count, answer.last),
    );
    let lists = generator::Lists {
        left: vec![1.into(), "two".into(), Value::Null],
        right: vec![
            Value::Bytes(vec![3]),
            Value::Array(vec![4.into()]),
            Value::Map(vec![]),
        ],
    };
    let items = good("generator.zip", generator.zip(&lists)).items;
    line("generator.zip", format!("items={}", list(&items, show)));
    let chain = generator::Chain {
        stages: 3,
        values: vec![i64::MIN, 9_007_199_254_740_993, 0],
    };
    let values = good("generator.chain", generator.chain(&chain)).values;
    line(
        "generator.chain",
        format!("values={}", list(&values, i64::to_string)),
    );
}

fn rest(clients: &Clients) {
    let timer = &clients.timer;
    let call = timer.echo_async(&message("hello", 60_000));
    let canceler = call.canceler();
    let canceling = thread::spawn(move || {
        thread::sleep(Duration::from_millis(5));
        canceler.cancel();
    });
    failed("cancel", call.wait(), false);
    canceling.join().unwrap();
    let bounded = timer.within(Duration::from_millis(20));
    failed("deadline", bounded.echo(&message("hello", 60_000)), false);

    let one = timer.echo_async(&message("both", 20));
    let two = clients.generator.primes(&generator::Primes { count: 3 });
    let (echoed_text, last) = (
        good("both", one.wait()).echoed,
        good("both", two.reply()).last,
    );
    line(
        "both",
        format!("echoed={} last={}", text(&echoed_text), last),
    );

    let mut fired = good("reload", timer.echo_fired_events());
    good("reload", clients.context.reload("timer", None));
    let answer = good("reload", timer.echo(&message("again", 1)));
    line("reload", format!("echoed={}", text(&answer.echoed)));
    echoed("reload event", &event("reload event", &mut fired));
}

fn killed(context: Context, pid: &str) {
    let timer = good("timer.echo", timer::Timer::new(&context));
    let answer = good("timer.echo", timer.echo(&message("before", 1)));
    line("timer.echo", format!("echoed={}", text(&answer.echoed)));
    let open = timer.echo_async(&message("open", 60_000));
    thread::sleep(Duration::from_millis(50));
    let done = std::process::Command::new("kill")
        .args(["-9", pid])
        .status();
    assert!(done.unwrap().success());
    failed("open call", open.wait(), false);
    failed("later call", timer.echo(&message("later", 1)), false);
}

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let connect = || {
        good(
            "connect",
            Context::connect(ConnectOptions::to(&arguments[1])),
        )
    };
    let context = match arguments[0].as_str() {
        "embedded" => {
            let options = HostOptions {
                data_dir: env::var_os("BACKPLANE_DATA_DIR").map(Into::into),
                ..HostOptions::default()
            };
            good("configure", backplane::configure(&options));
            let context = good("context", Context::embedded(ContextOptions::default()));
            for module in ["echo", "timer", "kv", "session", "generator"] {
                good(
                    "load",
                    context.load(format!("{}/{}.so", arguments[1], module)),
                );
            }
            context
        }
        "killed" => return killed(connect(), &arguments[2]),
        _ => connect(),
    };
    let clients = Clients::new(context);
    echoes(&clients.echo);
    timers(&clients.timer);
    values(&clients.kv);
    sessions(&clients.session);
    generators(&clients.generator);
    rest(&clients);
}
