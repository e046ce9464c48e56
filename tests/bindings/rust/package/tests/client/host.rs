// SPDX-License-Identifier: Apache-2.0

//! Hosts for the tests.

use backplane::{ConnectOptions, Context, ContextOptions, Reconnect};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::Once;
use std::time::{Duration, Instant};

pub const SOON: Duration = Duration::from_secs(20);

pub fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("found no {}; run this through ctest", name))
}

pub fn plugin(name: &str) -> PathBuf {
    match name {
        "forms" => PathBuf::from(variable("BACKPLANE_FORMS")),
        "streams" => PathBuf::from(variable("BACKPLANE_STREAMS_MODULE")),
        name => Path::new(&variable("BACKPLANE_PLUGINS")).join(format!("{}.so", name)),
    }
}

pub const MODULES: &[&str] = &[
    "echo",
    "timer",
    "kv",
    "session",
    "generator",
    "forms",
    "streams",
];

/// A context of this process, where all modules are.
pub fn embedded() -> Context {
    static LOADED: Once = Once::new();
    LOADED.call_once(|| {
        let context = Context::embedded(ContextOptions::default()).unwrap();
        for module in MODULES {
            context.load(plugin(module)).unwrap();
        }
    });
    Context::embedded(ContextOptions::default()).unwrap()
}

/// A folder of its own, removed at the end.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new() -> Folder {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("backplane-rust-{}-{}", std::process::id(), number);
        let folder = env::temp_dir().join(name);
        fs::create_dir(&folder).unwrap();
        Folder(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A host in a process of its own.
pub struct Daemon {
    child: Option<Child>,
    folder: Folder,
}

impl Daemon {
    pub fn new() -> Daemon {
        let mut daemon = Daemon {
            child: None,
            folder: Folder::new(),
        };
        daemon.start();
        daemon
    }
    pub fn socket(&self) -> PathBuf {
        self.folder.0.join("s")
    }
    pub fn start(&mut self) {
        let mut command = Command::new(variable("BACKPLANE_BIN"));
        command.arg("run").arg("--socket").arg(self.socket());
        for module in MODULES {
            command.arg("--module").arg(plugin(module));
        }
        command.arg("--data-dir").arg(self.folder.0.join("data"));
        command.args(["--no-trial", "--log-level", "error"]);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        self.child = Some(command.spawn().unwrap());
        eventually("the host answers", || {
            let options = ConnectOptions::to(self.socket());
            Context::connect(options).map_or(false, |c| c.modules().unwrap().len() == MODULES.len())
        });
    }
    pub fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }
    pub fn options(&self) -> ConnectOptions {
        ConnectOptions {
            reconnect: Reconnect {
                initial: Duration::from_millis(20),
                max: Duration::from_millis(100),
                ..Reconnect::default()
            },
            ..ConnectOptions::to(self.socket())
        }
    }
    pub fn connect(&self) -> Context {
        Context::connect(self.options()).unwrap()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if self.child.is_some() {
            self.kill();
        }
    }
}

/// Both kinds of contexts, for tests of what they share.
pub fn both(test: impl Fn(&Context)) {
    test(&embedded());
    let daemon = Daemon::new();
    test(&daemon.connect());
}

pub fn eventually(what: &str, is: impl Fn() -> bool) {
    let until = Instant::now() + SOON;
    while !is() {
        assert!(Instant::now() < until, "not in time: {}", what);
        std::thread::sleep(Duration::from_millis(5));
    }
}
