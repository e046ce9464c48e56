// SPDX-License-Identifier: Apache-2.0

use crate::call::{self, Call};
use crate::cbor::{Decode, Encode};
use crate::interfaces::Expected;
use crate::options::{CallOptions, ListenOptions};
use crate::parts::{AsyncParts, Parts};
use crate::upload::{AsyncUpload, Upload};
use crate::{Context, Error, EventInfo, Events, Listener};
use std::sync::Arc;
use std::time::Duration;

/// What generated clients of modules stand on: a context, the interface that the module must have, and the options of
/// the calls.
#[derive(Clone)]
pub struct Client {
    context: Context,
    expected: Arc<Expected>,
    options: CallOptions,
}

impl Client {
    /// A client of `module`. Asks the host whether programs that were built for the interface with this hash and CDDL
    /// may use the module. If not, it fails with `interface_changed`, and the message says what has changed. After each
    /// reload and reconnect the host is asked again. If the interface breaks callers then, calls fail with the same
    /// error, until the module has a fitting one.
    pub fn new(context: &Context, module: &str, hash: &str, cddl: &str) -> Result<Client, Error> {
        context.keeper().watch_modules();
        let core = context.core();
        let expected = core.interfaces.expect(core, module, hash, cddl)?;
        Ok(Client {
            context: context.clone(),
            expected,
            options: CallOptions::default(),
        })
    }
    /// The same client with these options for its calls.
    pub fn with(&self, options: CallOptions) -> Client {
        Client {
            options,
            ..self.clone()
        }
    }
    /// The same client with a deadline for each call.
    pub fn within(&self, deadline: Duration) -> Client {
        let mut client = self.clone();
        client.options.deadline = Some(deadline);
        client
    }
    /// Its context.
    pub fn context(&self) -> &Context {
        &self.context
    }
    fn check(&self) -> Result<(), Error> {
        self.expected.check(self.context.core())
    }

    /// Calls and waits for the answer.
    #[inline]
    pub fn call<Q, R, E>(&self, name: &str, request: &Q, error: fn(Error) -> E) -> Result<R, E>
    where
        Q: Encode + ?Sized,
        R: Decode,
    {
        match self.check() {
            Ok(()) => call::call(self.context.core(), name, request, &self.options),
            Err(e) => Err(e),
        }
        .map_err(error)
    }
    /// Calls; the answer is a future.
    pub fn call_async<Q, R, E>(&self, name: &str, request: &Q, error: fn(Error) -> E) -> Call<R, E>
    where
        Q: Encode + ?Sized,
        R: Decode,
    {
        match self.check() {
            Ok(()) => Call::start(self.context.core(), name, request, &self.options, error),
            Err(e) => Call::failed(e, error),
        }
    }
    /// Calls, and reads the partial replies.
    pub fn parts<Q, P, R, E>(
        &self,
        name: &str,
        request: &Q,
        error: fn(Error) -> E,
    ) -> Parts<P, R, E>
    where
        Q: Encode + ?Sized,
        P: Decode,
        R: Decode,
    {
        match self.check() {
            Ok(()) => Parts::start(self.context.core(), name, request, &self.options, error),
            Err(e) => Parts::failed(e, error),
        }
    }
    /// The same for code that must not wait.
    pub fn parts_async<Q, P, R, E>(
        &self,
        name: &str,
        request: &Q,
        error: fn(Error) -> E,
    ) -> AsyncParts<P, R, E>
    where
        Q: Encode + ?Sized,
        P: Decode,
        R: Decode,
    {
        match self.check() {
            Ok(()) => AsyncParts::start(self.context.core(), name, request, &self.options, error),
            Err(e) => AsyncParts::failed(e, error),
        }
    }
    /// Calls with a request in parts.
    pub fn upload<Q, P, A, R, E>(
        &self,
        name: &str,
        first: &Q,
        error: fn(Error) -> E,
    ) -> Upload<P, A, R, E>
    where
        Q: Encode + ?Sized,
        P: Encode,
        A: Decode,
        R: Decode,
    {
        match self.check() {
            Ok(()) => Upload::start(self.context.core(), name, first, &self.options, error),
            Err(e) => Upload::failed(e, error),
        }
    }
    /// The same for code that must not wait.
    pub fn upload_async<Q, P, A, R, E>(
        &self,
        name: &str,
        first: &Q,
        error: fn(Error) -> E,
    ) -> AsyncUpload<P, A, R, E>
    where
        Q: Encode + ?Sized,
        P: Encode,
        A: Decode,
        R: Decode,
    {
        match self.check() {
            Ok(()) => AsyncUpload::start(self.context.core(), name, first, &self.options, error),
            Err(e) => AsyncUpload::failed(e, error),
        }
    }
    /// Listens to an event. Gaps are only counted.
    pub fn on<T: Decode + 'static>(
        &self,
        event: &str,
        heard: impl Fn(T) + Send + Sync + 'static,
    ) -> Result<Listener, Error> {
        let options = ListenOptions::default();
        let heard = move |payload, _: &EventInfo<'_>| heard(payload);
        self.context.listen(event, heard, |_| {}, &options)
    }
    /// The events as an iterator and a stream.
    pub fn events<T: Decode + 'static>(&self, event: &str) -> Result<Events<T>, Error> {
        self.context.events(event, &ListenOptions::default())
    }
}
