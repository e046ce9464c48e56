// SPDX-License-Identifier: Apache-2.0

//! Events as an iterator and a stream.

use crate::cbor::Decode;
use crate::core::{self, lock, Core};
use crate::executor::WakerSlot;
use crate::ffi::*;
use crate::listener::{listen as attach, read_event, Counts, Gap, Hear, Listener};
use crate::options::ListenOptions;
use crate::parts::Stream;
use crate::{native, Error};
use std::collections::VecDeque;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

struct Kept {
    name: String,
    payload: Vec<u8>,
    flags: u32,
    emitted_ms: u64,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Result<Kept, Gap>>,
    bytes: usize,
    ended: bool,
    waker: WakerSlot,
}

struct Queue {
    most_events: usize,
    most_bytes: usize,
    state: Mutex<State>,
    changed: Condvar,
}

fn waker(state: &mut State) -> &mut WakerSlot {
    &mut state.waker
}

impl Queue {
    fn tell(&self) {
        self.changed.notify_all();
        WakerSlot::wake(&self.state, waker);
    }
}

/// The event thread's end of a queue.
struct Feed(Arc<Queue>);

impl Hear for Feed {
    unsafe fn event(&self, event: &bp_event, counts: &Counts) {
        let payload = native::slice(event.payload);
        let mut state = lock(&self.0.state);
        let full = state.waiting.len() >= self.0.most_events;
        if full || (state.bytes != 0 && state.bytes + payload.len() > self.0.most_bytes) {
            counts.lose(1);
            match state.waiting.back_mut() {
                Some(Err(gap)) => gap.lost += 1,
                _ => state.waiting.push_back(Err(Gap {
                    lost: 1,
                    since_ms: event.emitted_ms,
                    reconnected: false,
                })),
            }
            drop(state);
            bp_event_drop(event);
            return;
        }
        state.bytes += payload.len();
        state.waiting.push_back(Ok(Kept {
            name: native::text(event.name).into_owned(),
            payload: payload.to_vec(),
            flags: event.flags,
            emitted_ms: event.emitted_ms,
        }));
        drop(state);
        self.0.tell();
    }
    fn gap(&self, gap: Gap) {
        lock(&self.0.state).waiting.push_back(Err(gap));
        self.0.tell();
    }
    fn end(&self) {
        lock(&self.0.state).ended = true;
        self.0.tell();
    }
}

/// The events of a listener: Ok(the payload), or Err(a gap) where events are lost and after a reconnect. So `flatten()`
/// gives the payloads alone. It ends when the context does.
///
/// A reader that is slow loses the events that come while the queue is full, and gets a gap in their place. Nobody
/// waits for it. Events whose payload has another form are logged and counted in `listener().unread()`.
#[must_use = "dropping it ends the subscription"]
pub struct Events<T> {
    listener: Listener,
    counts: Counts,
    queue: Arc<Queue>,
    last: Option<(String, u64)>,
    payload: PhantomData<fn() -> T>,
}

pub(crate) fn listen<T: Decode + 'static>(
    core: &Arc<Core>,
    pattern: &str,
    options: &ListenOptions,
) -> Result<Events<T>, Error> {
    let or = |value, default| if value == 0 { default } else { value };
    let queue = Arc::new(Queue {
        most_events: or(options.queue_events, 65_536),
        most_bytes: or(options.queue_bytes, 8 << 20),
        state: Mutex::default(),
        changed: Condvar::new(),
    });
    Ok(Events {
        listener: attach(core, pattern, options, Box::new(Feed(queue.clone())))?,
        counts: Counts::default(),
        queue,
        last: None,
        payload: PhantomData,
    })
}

impl<T: Decode + 'static> Events<T> {
    /// Its subscription.
    pub fn listener(&self) -> &Listener {
        &self.listener
    }
    /// Events whose payload had another form. Each was logged.
    pub fn unread(&self) -> u64 {
        self.counts.count_unread()
    }
    /// The name of the last event, and when it was emitted: Unix time, or 0 on a connection.
    pub fn last_event(&self) -> Option<(&str, u64)> {
        self.last.as_ref().map(|(name, ms)| (name.as_str(), *ms))
    }
    /// What has come, without a wait.
    pub fn try_next(&mut self) -> Option<Result<T, Gap>> {
        loop {
            let item = {
                let mut state = lock(&self.queue.state);
                let item = state.waiting.pop_front()?;
                if let Ok(kept) = &item {
                    state.bytes -= kept.payload.len();
                }
                item
            };
            let kept = match item {
                Ok(kept) => kept,
                Err(gap) => return Some(Err(gap)),
            };
            let read = read_event(&kept.payload, kept.flags);
            match read {
                Ok(payload) => {
                    self.last = Some((kept.name, kept.emitted_ms));
                    return Some(Ok(payload));
                }
                Err(e) => self.counts.unread(&kept.name, &e),
            }
        }
    }
    /// Waits for the next one for this long at most.
    pub fn next_within(&mut self, longest: Duration) -> Option<Result<T, Gap>> {
        self.wait(Instant::now().checked_add(longest))
    }
    fn wait(&mut self, until: Option<Instant>) -> Option<Result<T, Gap>> {
        loop {
            if let Some(item) = self.try_next() {
                return Some(item);
            }
            // On a thread of the host it does not wait.
            let may_not_wait = crate::host_thread::here();
            let over = |state: &State| !state.waiting.is_empty() || state.ended || may_not_wait;
            let (state, _) = core::wait(&self.queue.state, &self.queue.changed, until, over);
            if state.waiting.is_empty() {
                return None;
            }
        }
    }
}

/// Waits for the next one. On a thread of the host it does not wait.
impl<T: Decode + 'static> Iterator for Events<T> {
    type Item = Result<T, Gap>;
    fn next(&mut self) -> Option<Result<T, Gap>> {
        self.wait(None)
    }
}

impl<T: Decode + 'static> Stream for Events<T> {
    type Item = Result<T, Gap>;
    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<T, Gap>>> {
        loop {
            if let Some(item) = self.try_next() {
                return Poll::Ready(Some(item));
            }
            let mut state = lock(&self.queue.state);
            if !state.waiting.is_empty() {
                continue;
            }
            if state.ended {
                return Poll::Ready(None);
            }
            let old = state.waker.set(context);
            drop(state);
            drop(old);
            return Poll::Pending;
        }
    }
}

impl<T> Drop for Events<T> {
    fn drop(&mut self) {
        let waker = lock(&self.queue.state).waker.leave();
        drop(waker);
    }
}
