// SPDX-License-Identifier: Apache-2.0

use crate::backoff;
use crate::call::{self, Call};
use crate::cbor::{Decode, Encode};
use crate::core::{keep_until_gone, Core};
use crate::events::{self, Events};
use crate::ffi::*;
use crate::function::{self, Completion, Provided};
use crate::keeper::Keeper;
use crate::listener::{listen, Callbacks, EventInfo, Gap, Listener};
use crate::modules::{self, CompareReport, LoadReport, ModuleInfo, ReloadReport, UnloadReport};
use crate::native::{self, NativeResult};
use crate::options::*;
use crate::parts::{AsyncParts, Parts};
use crate::upload::{AsyncUpload, Upload};
use crate::{host_thread, Error, Status};
use std::future::Future;
use std::marker::PhantomData;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Fails with `not_supported` if the library has another major version than this crate expects.
pub fn check_library() -> Result<(), Error> {
    let mut why = NativeResult::new();
    let version = native::str(env!("CARGO_PKG_VERSION"));
    let abi = BP_ABI_MAJOR << 16 | BP_ABI_MINOR;
    match unsafe { bp_abi_check(abi, version, &mut why.0) } {
        0 => Ok(()),
        status => Err(why.error("libbackplane", status)),
    }
}

/// A context in this process ([`Context::embedded`]), or one that a running host serves ([`Context::connect`]). All
/// functions work on both alike, unless they say otherwise. Any thread may call any of them.
///
/// Clones are the same context. Dropping the last one stops it: accepted calls have the time of the context's option to
/// finish, the rest is canceled, and each gets its one answer. The drop waits for that, except on a thread of the host,
/// where another thread does it. Listeners and host functions may live longer: they do nothing then.
///
/// Functions that wait fail with `reentrant` on threads of the host. Those that end in `_async` are for there.
#[derive(Clone)]
pub struct Context(Arc<Owner>);

struct Owner {
    core: Arc<Core>,
    keeper: Arc<Keeper>,
}

impl Context {
    /// Makes a context in this process, with an instance of every loaded module.
    pub fn embedded(options: ContextOptions) -> Result<Context, Error> {
        check_library()?;
        let mut native = options.native;
        native.struct_size = native::size::<bp_context_options>();
        let mut why = NativeResult::new();
        let mut made = bp_context::default();
        let status = unsafe { bp_context_create(&native, &mut made, &mut why.0) };
        if status != 0 {
            return Err(why.error("a new context", status));
        }
        let core = Arc::new(Core::new(false, false, options.executor));
        core.publish(made);
        let common = ConnectOptions {
            on_interface_change: options.on_interface_change,
            ..ConnectOptions::default()
        };
        let keeper = Keeper::new(core.clone(), common);
        Ok(Context(Arc::new(Owner { core, keeper })))
    }
    /// Connects to a running host. Fails if the first attempt fails.
    pub fn connect(options: ConnectOptions) -> Result<Context, Error> {
        check_library()?;
        backoff::check(&options.reconnect)?;
        let executor = options.executor.clone();
        let core = Arc::new(Core::new(true, options.reconnect.enabled, executor));
        let keeper = Keeper::new(core.clone(), options);
        let made = Context(Arc::new(Owner { core, keeper }));
        made.0.keeper.connect()?;
        Ok(made)
    }
    #[inline]
    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.0.core
    }

    // ---- Calls. `name`: a wire name ----

    /// Calls and waits for the answer. Partial replies are dropped.
    pub fn call<Q, R>(&self, name: &str, request: &Q, options: &CallOptions) -> Result<R, Error>
    where
        Q: Encode + ?Sized,
        R: Decode,
    {
        call::call(self.core(), name, request, options)
    }
    /// Calls; the answer is a future.
    pub fn call_async<Q, R>(&self, name: &str, request: &Q, options: &CallOptions) -> Call<R>
    where
        Q: Encode + ?Sized,
        R: Decode,
    {
        Call::start(self.core(), name, request, options, |e| e)
    }
    /// Calls, and reads the partial replies as an iterator.
    pub fn parts<Q, P, R>(&self, name: &str, request: &Q, options: &CallOptions) -> Parts<P, R>
    where
        Q: Encode + ?Sized,
        P: Decode,
        R: Decode,
    {
        Parts::start(self.core(), name, request, options, |e| e)
    }
    /// Calls, and reads the partial replies as a [`Stream`](crate::Stream).
    pub fn parts_async<Q, P, R>(
        &self,
        name: &str,
        request: &Q,
        options: &CallOptions,
    ) -> AsyncParts<P, R>
    where
        Q: Encode + ?Sized,
        P: Decode,
        R: Decode,
    {
        AsyncParts::start(self.core(), name, request, options, |e| e)
    }
    /// Calls with a request in parts, of which `first` is the first. `A`: the parts of the answer, if it has any.
    pub fn upload<Q, P, A, R>(
        &self,
        name: &str,
        first: &Q,
        options: &CallOptions,
    ) -> Upload<P, A, R>
    where
        Q: Encode + ?Sized,
        P: Encode,
        A: Decode,
        R: Decode,
    {
        Upload::start(self.core(), name, first, options, |e| e)
    }
    /// The same for code that must not wait.
    pub fn upload_async<Q, P, A, R>(
        &self,
        name: &str,
        first: &Q,
        options: &CallOptions,
    ) -> AsyncUpload<P, A, R>
    where
        Q: Encode + ?Sized,
        P: Encode,
        A: Decode,
        R: Decode,
    {
        AsyncUpload::start(self.core(), name, first, options, |e| e)
    }

    // ---- Events and host functions ----

    /// Listens to an event whose payload is a T. `pattern`: its name, or a prefix and "*". `on_gap` is called where
    /// events are lost, and after a reconnect. Both run on the event thread of the context; the gap of a reconnect on a
    /// thread of the client. Never two at once. A panic in them is logged.
    pub fn listen<T, E, G>(
        &self,
        pattern: &str,
        on_event: E,
        on_gap: G,
        options: &ListenOptions,
    ) -> Result<Listener, Error>
    where
        T: Decode + 'static,
        E: Fn(T, &EventInfo<'_>) + Send + Sync + 'static,
        G: Fn(Gap) + Send + Sync + 'static,
    {
        let hear = Callbacks {
            pattern: pattern.to_string(),
            on_event,
            on_gap,
            payload: PhantomData,
        };
        listen(self.core(), pattern, options, Box::new(hear))
    }
    /// The events as an iterator, which is a [`Stream`](crate::Stream), too.
    pub fn events<T: Decode + 'static>(
        &self,
        pattern: &str,
        options: &ListenOptions,
    ) -> Result<Events<T>, Error> {
        events::listen(self.core(), pattern, options)
    }

    /// Answers a host function. The closure runs on the context's request thread and must not wait there. A panic of it
    /// is answered with the status `exception` and its message. Replaces an earlier function of this name.
    pub fn provide<Q, R, F>(&self, name: &str, function: F) -> Result<Provided, Error>
    where
        Q: Decode,
        R: Encode,
        F: FnMut(Q) -> Result<R, Error> + Send + 'static,
    {
        function::provide_now(self.core(), name, function)
    }
    /// The same, and the closure answers later, from any thread.
    pub fn provide_later<Q, R, F>(&self, name: &str, function: F) -> Result<Provided, Error>
    where
        Q: Decode,
        R: 'static,
        F: FnMut(Q, Completion<R>) + Send + 'static,
    {
        function::provide_later(self.core(), name, function)
    }
    /// The same with a future. The context's executor runs it; without one, a thread of the client.
    pub fn provide_async<Q, R, F, A>(&self, name: &str, function: F) -> Result<Provided, Error>
    where
        Q: Decode + Send + 'static,
        R: Encode + 'static,
        F: FnMut(Q) -> A + Send + 'static,
        A: Future<Output = Result<R, Error>> + Send + 'static,
    {
        function::provide_async(self.core(), name, function)
    }

    // ---- Modules. These wait. Over a connection, the host there opens the path ----

    /// Loads a module with its default configuration.
    pub fn load(&self, path: impl AsRef<Path>) -> Result<LoadReport, Error> {
        self.load_with::<()>(path, None, &LoadOptions::default())
    }
    /// Loads a module with a configuration, which is a map.
    pub fn load_with<C: Encode + ?Sized>(
        &self,
        path: impl AsRef<Path>,
        config: Option<&C>,
        options: &LoadOptions,
    ) -> Result<LoadReport, Error> {
        modules::load(self.there()?, path.as_ref(), config, options)
    }
    /// Unloads a module. With `pinned` the detail of the error is an UnloadReport.
    pub fn unload(&self, module: &str, options: &LoadOptions) -> Result<UnloadReport, Error> {
        modules::unload(self.there()?, module, options)
    }
    /// Replaces a running module by the file at `path`; None: by its old file.
    pub fn reload(&self, module: &str, path: Option<&Path>) -> Result<ReloadReport, Error> {
        self.reload_with::<()>(module, path, None, &LoadOptions::default())
    }
    /// The same with a configuration; None: the old one. Flags with BP_LOAD_COMPARE are refused: see `compare`.
    pub fn reload_with<C: Encode + ?Sized>(
        &self,
        module: &str,
        path: Option<&Path>,
        config: Option<&C>,
        options: &LoadOptions,
    ) -> Result<ReloadReport, Error> {
        if options.flags & BP_LOAD_COMPARE != 0 {
            let text = "found BP_LOAD_COMPARE, with which nothing is reloaded; call compare()";
            return Err(Error::new(Status::InvalidArgument, text).with_name(module));
        }
        modules::reload(self.there()?, module, path, config, options)
    }
    /// What a reload from `path` would change in the interface. Nothing is loaded.
    pub fn compare(&self, module: &str, path: impl AsRef<Path>) -> Result<CompareReport, Error> {
        let options = LoadOptions {
            flags: BP_LOAD_COMPARE,
            ..LoadOptions::default()
        };
        modules::reload::<_, ()>(self.there()?, module, Some(path.as_ref()), None, &options)
    }
    /// The modules of the host.
    pub fn modules(&self) -> Result<Vec<ModuleInfo>, Error> {
        modules::list(self.there()?)
    }

    fn there(&self) -> Result<bp_context, Error> {
        match self.native() {
            native if native.id != 0 => Ok(native),
            _ => Err(self.core().refusal("", self.core().absent())),
        }
    }

    // ---- The end ----

    /// No new calls from now on: they end with `closed`. Accepted calls go on.
    pub fn close(&self) {
        unsafe { bp_context_close(self.native()) };
    }
    /// Ends all work: see bp_context_stop. Zero: the context's option. `timeout`: a handler or callback does not
    /// return; it may be called again. The drop frees the rest.
    pub fn stop(&self, timeout: Duration) -> Result<(), Error> {
        self.core().end();
        self.0.keeper.stop();
        let native = self.native();
        if native.id == 0 {
            return Ok(());
        }
        match unsafe { bp_context_stop(native, native::ms32(timeout)) } {
            0 => {
                let attachments = self.core().attachments();
                attachments.iter().for_each(|each| each.ended());
                Ok(())
            }
            status => Err(Error::of_status("stop", status)),
        }
    }
    /// False while a connection is lost.
    pub fn is_connected(&self) -> bool {
        self.native().id != 0
    }
    /// The native context; a reconnect replaces it. Zero while there is no connection.
    pub fn native(&self) -> bp_context {
        self.core().native()
    }
    pub(crate) fn keeper(&self) -> &Arc<Keeper> {
        &self.0.keeper
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.core.end();
        let (core, keeper) = (self.core.clone(), self.keeper.clone());
        if !host_thread::here() && !Keeper::here() {
            return finish(&core, &keeper);
        }
        // These threads cannot wait for themselves.
        let builder = std::thread::Builder::new().name("backplane-stop".into());
        if builder.spawn(move || finish(&core, &keeper)).is_err() {
            native::log(BP_LOG_ERROR, "no thread to stop a context; it stays");
        }
    }
}

fn finish(core: &Core, keeper: &Arc<Keeper>) {
    keeper.stop();
    let native = core.withdraw();
    if native.id != 0 && core.destroy(native) == Status::Timeout.code() {
        keep_until_gone(native, Box::new(keeper.clone()));
    }
    core.attachments().iter().for_each(|each| each.ended());
}
