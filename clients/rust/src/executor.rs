// SPDX-License-Identifier: Apache-2.0

//! What runs futures: of the application's host functions, and on a thread that waits.

use crate::core::lock;
use std::future::Future;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::pin::Pin;
use std::sync::mpsc::{channel, Sender};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

/// A future that somebody must run to its end.
pub type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Runs futures. An application with a runtime of its own implements it with one line, such as
/// `tokio::runtime::Handle::spawn(self, task);`.
pub trait Spawn: Send + Sync {
    /// Runs it, on any thread but the one that calls. It must not wait.
    fn spawn(&self, task: Task);
}

/// Runs a future on this thread until it is ready.
pub fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    // It never moves again.
    let mut future = future;
    let mut future = unsafe { Pin::new_unchecked(&mut future) };
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(value) => return value,
            Poll::Pending => thread::park(),
        }
    }
}

/// A thread that runs tasks one at a time. It ends with the process.
pub(crate) struct TaskThread {
    queue: Mutex<Option<Sender<Arc<Running>>>>,
}

struct Running {
    task: Mutex<Option<Task>>,
    queue: Mutex<Sender<Arc<Running>>>,
}

impl Wake for Running {
    fn wake(self: Arc<Self>) {
        let queue = lock(&self.queue).clone();
        let _ = queue.send(self);
    }
}

impl TaskThread {
    pub const fn new() -> TaskThread {
        TaskThread {
            queue: Mutex::new(None),
        }
    }
    fn queue(&self) -> Option<Sender<Arc<Running>>> {
        let mut queue = lock(&self.queue);
        if queue.is_none() {
            let (sender, receiver) = channel::<Arc<Running>>();
            let run = move || receiver.iter().for_each(run_once);
            let builder = thread::Builder::new().name("backplane-tasks".into());
            builder.spawn(run).ok()?;
            *queue = Some(sender);
        }
        queue.clone()
    }
}

impl Spawn for TaskThread {
    /// Without a thread the task is dropped, and a host function answers `no_reply`.
    fn spawn(&self, task: Task) {
        if let Some(queue) = self.queue() {
            let running = Running {
                task: Mutex::new(Some(task)),
                queue: Mutex::new(queue.clone()),
            };
            let _ = queue.send(Arc::new(running));
        }
    }
}

fn run_once(running: Arc<Running>) {
    let taken = lock(&running.task).take();
    let mut task = match taken {
        Some(task) => task,
        None => return, // it has ended
    };
    let waker = Waker::from(running.clone());
    let poll = AssertUnwindSafe(|| task.as_mut().poll(&mut Context::from_waker(&waker)));
    match catch_unwind(poll) {
        Ok(Poll::Pending) => *lock(&running.task) = Some(task),
        Ok(Poll::Ready(())) => std::mem::forget(catch_unwind(AssertUnwindSafe(|| drop(task)))),
        Err(panic) => {
            std::mem::forget(catch_unwind(AssertUnwindSafe(|| drop(task))));
            crate::host_thread::message_of(panic);
        }
    }
}

/// The task thread of contexts without an executor.
pub(crate) static TASKS: TaskThread = TaskThread::new();

/// The waker of a future that a thread of the host wakes. The future's own thread drops it, because the destructor of a
/// waker may run code that waits.
#[derive(Default)]
pub(crate) struct WakerSlot {
    waker: Option<Waker>,
    waking: bool,
    left: bool,
}

impl WakerSlot {
    /// Remembers the waker. Returns what must be dropped outside of the lock.
    #[must_use]
    pub fn set(&mut self, context: &Context<'_>) -> Option<Waker> {
        match &self.waker {
            Some(waker) if waker.will_wake(context.waker()) => None,
            _ => self.waker.replace(context.waker().clone()),
        }
    }
    /// The future is dropped.
    #[must_use]
    pub fn leave(&mut self) -> Option<Waker> {
        self.left = true;
        self.waker.take()
    }
    /// Wakes, without the lock.
    pub fn wake<S>(mutex: &Mutex<S>, slot: fn(&mut S) -> &mut WakerSlot) {
        let taken = {
            let mut state = lock(mutex);
            let slot = slot(&mut state);
            slot.waking = slot.waker.is_some();
            slot.waker.take()
        };
        let waker = match taken {
            Some(waker) => waker,
            None => return,
        };
        let woken = catch_unwind(AssertUnwindSafe(|| waker.wake_by_ref()));
        let mut state = lock(mutex);
        let slot = slot(&mut state);
        slot.waking = false;
        if slot.left || slot.waker.is_some() {
            drop(state);
            crate::host_thread::drop_later(Box::new(waker));
        } else {
            slot.waker = Some(waker); // until the future's next poll or its end
            drop(state);
        }
        if let Err(panic) = woken {
            crate::host_thread::message_of(panic);
        }
    }
}

/// A future made of its poll function.
pub(crate) struct PollFn<F>(pub F);

impl<F: Unpin> Unpin for PollFn<F> {}

impl<T, F> Future for PollFn<F>
where
    F: FnMut(&mut Context<'_>) -> Poll<T> + Unpin,
{
    type Output = T;
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        (self.0)(context)
    }
}
