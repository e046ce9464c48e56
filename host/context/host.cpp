// SPDX-License-Identifier: Apache-2.0
//
// The host of the process: options, temporary directories, resting contexts, module operations, data directories,
// status.
#include "context/host.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <backplane/cbor/reader.hpp>
#include <cerrno>
#include <cstdlib>
#include <iterator>
#include <system_error>

#include "context/context.hpp"
#include "context/data_dir_lock.hpp"
#include "context/liveness_news.hpp"
#include "context/operation_news.hpp"
#include "context/status_report.hpp"
#include "extensions/module_api.hpp"
#include "memory/budget.hpp"
#include "memory/machine.hpp"
#include "memory/trimmer.hpp"
#include "modules/copy_store.hpp"
#include "modules/manifest.hpp"
#include "modules/reports.hpp"
#include "request/record.hpp"
#include "support/crash_line.hpp"
#include "support/library_file.hpp"
#include "support/log.hpp"
#include "support/names.hpp"
#include "support/result.hpp"
#include "support/views.hpp"
#include "sync/mutex.hpp"

namespace backplane::host {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t max_workers = 256;

// A blocking handler may take long. So those of a module may make no progress for so many thresholds of the watchdog.
constexpr unsigned worker_patience = 10;
constexpr std::uint64_t least_memory = std::uint64_t{64} << 20;

// How many destroyed contexts keep their threads and buffers for reuse.
constexpr std::size_t most_resting = 32;

Mutex the_mutex;
Host* the_host BP_GUARDED_BY(the_mutex) = nullptr;  // never deleted, because its threads may outlive main()
HostOptions the_options BP_GUARDED_BY(the_mutex);   // used when the host is created

// Directories that this process removes at its exit. A forked child must not remove them.
struct TemporaryDirs {
  ~TemporaryDirs() {
    if (::getpid() != owner) return;
    std::error_code ignored;
    for (const fs::path& path : paths) fs::remove_all(path, ignored);
  }
  void add(const fs::path& path) {
    const MutexLock lock(the_mutex);
    owner = ::getpid();  // may be a child that was forked before the host existed
    paths.push_back(path);
  }
  pid_t owner BP_GUARDED_BY(the_mutex) = 0;
  std::vector<fs::path> paths BP_GUARDED_BY(the_mutex);
};
TemporaryDirs temporary_dirs;

// Watchdog thread. Memory of a burst goes back to the system when the host is idle again, or now and then.
void return_memory(bool idle) noexcept {
  static constinit MemoryTrimmer trimmer(memory_budget, [](bool all) noexcept {
    if (all) {
      Request::slab().trim();
      Pending::slab().trim();
    }
    trim_heap();
  });
  trimmer.look(now(), idle);
}

void set_memory_limit(std::uint64_t limit) {
  memory_budget.set_limit(limit != 0 ? limit : std::max(usable_memory() / 2, least_memory));
}

}  // namespace

Host& Host::get() {
  const MutexLock lock(the_mutex);
  if (the_host == nullptr) {
    set_memory_limit(the_options.memory_limit);
    library_file();  // no code of a module keeps the lock of the dynamic loader yet
    HostOptions options = the_options;
    options.watchdog.after_look = return_memory;
    if (options.crash_line) install_crash_line();
    the_host = new Host(std::move(options));
  }
  return *the_host;
}

namespace {

/// The name of an option that is an empty path; null if none is.
const char* empty_path(const bp_host_options& options) {
  const auto empty = [](const char* path) { return path != nullptr && *path == '\0'; };
  for (const char* const* each = options.module_dirs; each != nullptr && *each != nullptr; ++each) {
    if (empty(*each)) return "a directory of module_dirs";
  }
  if (empty(options.data_dir)) return "data_dir";
  return empty(options.module_cache) ? "module_cache" : nullptr;
}

}  // namespace

bp_status Host::configure(const bp_host_options& options, std::string& why) {
  const MutexLock lock(the_mutex);
  if (the_host != nullptr) {
    why = "the host of this process already runs; configure it before the first context is created";
    return BP_NOT_SUPPORTED;
  }
  if (options.worker_threads > max_workers) {
    why = "worker_threads is " + std::to_string(options.worker_threads) + ", expected 1 to " +
          std::to_string(max_workers);
    return BP_INVALID_ARGUMENT;
  }
  if (options.memory_limit != 0 && options.memory_limit < least_memory) {
    why = "memory_limit is " + std::to_string(options.memory_limit) + " bytes, expected at least " +
          std::to_string(least_memory);
    return BP_INVALID_ARGUMENT;
  }
  if (const char* const option = empty_path(options)) {
    why = std::string(option) + " is empty, expected a path; NULL stands for the default";
    return BP_INVALID_ARGUMENT;
  }
  HostOptions chosen;
  chosen.memory_limit = options.memory_limit;
  if (options.worker_threads != 0) chosen.worker_threads = options.worker_threads;
  if (options.crash_line > 1) {
    why = "crash_line is " + std::to_string(options.crash_line) + ", expected 0 or 1";
    return BP_INVALID_ARGUMENT;
  }
  chosen.crash_line = options.crash_line == 1;
  if (options.load_timeout_ms != 0) chosen.load_timeout = std::chrono::milliseconds(options.load_timeout_ms);
  if (options.watchdog_period_ms != 0) chosen.watchdog.period = options.watchdog_period_ms * nanos_per_ms;
  if (options.watchdog_threshold_ms != 0) chosen.watchdog.threshold = options.watchdog_threshold_ms * nanos_per_ms;
  if (options.watchdog_start_grace_ms != 0) {
    chosen.watchdog.start_grace = options.watchdog_start_grace_ms * nanos_per_ms;
  }
  for (const char* const* each = options.module_dirs; each != nullptr && *each != nullptr; ++each) {
    chosen.module_dirs.emplace_back(fs::absolute(*each));
  }
  if (options.data_dir != nullptr) {
    chosen.data_dir = fs::absolute(options.data_dir);
    std::error_code error;
    fs::create_directories(chosen.data_dir, error);
    if (error || !fs::is_directory(chosen.data_dir)) {
      why = "the data directory " + chosen.data_dir.string() +
            " cannot be created: " + (error ? error.message() : std::string("it is not a directory")) +
            "; set data_dir to a directory that this host may write to";
      return BP_IO;
    }
  }
  try {
    if (options.module_cache != nullptr) {
      chosen.module_cache = fs::absolute(options.module_cache);
      CopyStore::prepare(chosen.module_cache);
    }
    if (options.trial_program != nullptr) chosen.trial_program = Trial::open(options.trial_program);
    lock_data_dir(chosen.data_dir);
  } catch (Failure& failure) {
    why = std::move(failure.message);
    return failure.status;
  }
  the_options = std::move(chosen);
  return BP_OK;
}

Host::Host(HostOptions options)
    : options_(std::move(options)),
      data_dir_(options_.data_dir),
      workers_(options_.worker_threads),
      watchdog_(options_.watchdog),
      control_(options_.load_timeout),
      loader_(
          registry_, catalog_, control_, module_api(), [this] { return instance_hosts(); },
          [this](std::function<void()> job) { return control_.prepare(std::move(job)); },
          [](const fs::path& made) { temporary_dirs.add(made); },
          [this](const std::string& module) { return module_data_dir(module); }, kept_by_threads_),
      operations_(control_, loader_,
                  [this](const char* event, const std::vector<std::uint8_t>& payload) { emit(event, payload); }),
      pin_retries_(control_, kept_by_threads_, loader_),
      trial_rest_(control_, loader_) {
  loader_.set({options_.module_dirs, options_.worker_threads, options_.trial_program, [this] { trial_rest_.begin(); },
               options_.module_cache});
  kept_by_threads_.set_end([this](bool again) noexcept {
    bool any = false;
    try {
      any = forget_resting();
    } catch (const std::bad_alloc&) {
      // Then they rest on.
    }
    return (again ? workers_.join_left() : workers_.end_idle()) || any;
  });
  kept_by_threads_.set_news([this] { pin_retries_.begin(); },
                            [this](const std::string& module, std::uint64_t number) { tell_gone(module, number); });
  workers_.set_on_left([this] { retry_pinned(); });
  resting_.reserve(most_resting);
  workers_.set_watchdog(
      watchdog_, [this](const Module& module, const Liveness& liveness) { tell_workers(module, liveness); },
      worker_patience);
}

// Watchdog thread.
void Host::tell_workers(const Module& module, Liveness liveness) {
  liveness.waiting = workers_.queued_of(module);
  silent_workers_.tell(liveness);
  log_liveness("the worker threads of " + module.name, true, liveness);
  const MutexLock lock(catalog_);
  for (Context* const context : contexts_) context->tell(event_of(liveness), event_payload(liveness), true);
}

std::string Host::problem_of(const Manifest& manifest) {
  try {
    check_needs(manifest, module_api().extension);
    return {};
  } catch (Failure& failure) {
    return std::move(failure.message);
  }
}

bool Host::on_own_thread() const noexcept {
  return RequestThread::runs_handlers() || EventBus::on_any_thread() || watchdog_.on_thread() || control_.on_thread();
}

std::vector<InstanceHost*> Host::instance_hosts() const { return {contexts_.begin(), contexts_.end()}; }

void Host::attach(Context& context) {
  const auto add = [&] {
    {
      const MutexLock lock(catalog_);
      contexts_.push_back(&context);  // do this first: the end of a generation must ask every context with instances
    }
    loader_.populate(context);
    return true;
  };
  if (!control_.try_here(add)) control_.run_now(add);
}

void Host::emit(const char* event, const std::vector<std::uint8_t>& payload) {
  const MutexLock lock(catalog_);
  for (Context* const context : contexts_) context->tell(event, payload);
}

void Host::detach(Context& context) noexcept {
  const MutexLock lock(catalog_);
  std::erase(contexts_, &context);
}

std::unique_ptr<Context> Host::resting(const ContextConfig& config) {
  const MutexLock lock(resting_mutex_);
  const auto found = std::find_if(resting_.rbegin(), resting_.rend(),
                                  [&](const auto& context) { return context->config() == config; });
  if (found == resting_.rend()) return nullptr;
  std::unique_ptr<Context> context = std::move(*found);
  resting_.erase(std::next(found).base());
  return context;
}

void Host::keep(std::unique_ptr<Context> context) noexcept {
  const bool retries = kept_by_threads_.may_keep(context->rest());
  keep_resting(std::move(context));
  if (retries) retry_pinned();  // its threads end then
}

void Host::keep_resting(std::unique_ptr<Context> context) noexcept {
  const MutexLock lock(resting_mutex_);
  // Replace the oldest, so that contexts with unused options do not fill the list forever.
  if (resting_.size() == most_resting) {
    context.swap(resting_.front());
    std::rotate(resting_.begin(), resting_.begin() + 1, resting_.end());
  } else {
    resting_.push_back(std::move(context));
  }
}

// A thread has ended, or is about to, that may have kept an object mapped. Without memory, nothing is tried.
void Host::retry_pinned() noexcept try {
  control_.prepare([this] {
    try {
      loader_.retry_pinned([](const Generation& generation) { return generation.pinned_by_thread; });
    } catch (const std::bad_alloc&) {
    }
  })();
} catch (const std::bad_alloc&) {
}

// Control thread. An unload has told that the object stays mapped. Without memory, only the log says the rest.
void Host::tell_gone(const std::string& module, std::uint64_t generation) noexcept try {
  const OperationNews news{0, BP_OPERATION_UNLOAD, module, {}, {}, BP_OK, {}, unload_report(module, generation, {})};
  emit(news.event(), news.payload());
} catch (const std::bad_alloc&) {
}

std::size_t Host::resting_count() {
  const MutexLock lock(resting_mutex_);
  return resting_.size();
}

bool Host::forget_resting() {
  std::vector<std::unique_ptr<Context>> forgotten;
  forgotten.reserve(most_resting);
  const MutexLock lock(resting_mutex_);
  resting_.swap(forgotten);
  return !forgotten.empty();
}

std::string Host::module_data_dir(const std::string& module) {
  const MutexLock lock(data_dir_mutex_);
  const auto refuse = [](const fs::path& path, const std::string& why) {
    throw Failure{BP_IO, "the data directory " + path.string() + " cannot be used: " + why +
                             "; give the host a directory that it may write to (data_dir, --data-dir)"};
  };
  if (data_dir_.empty()) {
    std::error_code error;
    fs::path temporary = fs::temp_directory_path(error);
    if (error) temporary = "/tmp";
    std::string pattern = (temporary / "backplane-data-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) refuse(pattern, std::generic_category().message(errno));
    data_dir_ = pattern;
    temporary_dirs.add(data_dir_);
  }
  const fs::path path = data_dir_ / module;
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) refuse(path, std::generic_category().message(errno));
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) refuse(path, std::generic_category().message(errno));
  if (!S_ISDIR(status.st_mode)) refuse(path, "it is not a directory");
  if (::access(path.c_str(), R_OK | W_OK | X_OK) != 0) refuse(path, std::generic_category().message(errno));
  return path.string();
}

}  // namespace backplane::host
