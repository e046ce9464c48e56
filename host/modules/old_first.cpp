// SPDX-License-Identifier: Apache-2.0
//
// The steps of a reload in which the old generation ends before the new one starts.
#include "modules/old_first.hpp"

#include <chrono>
#include <new>
#include <thread>
#include <utility>

#include "modules/file.hpp"
#include "support/result.hpp"

namespace backplane::host {

using Hang = Module::Hang;

void release_held(Module& module, const std::vector<InstanceHost*>& hosts) noexcept {
  Registry::release(module);
  for (InstanceHost* const host : hosts) host->release_held();
}

void Loader::OldFirst::check_none_is_loading(const Loader& loader, const Module& module) {
  for (const auto& other : loader.generations_) {
    if (other->module != &module || other->state != Generation::State::loading) continue;
    throw Failure{BP_NAME_TAKEN,
                  other->label() +
                      " is being loaded: by another of the same changes, or by an earlier load whose code has "
                      "not returned. Such a thread is left to it until the host ends: give the module another name, or "
                      "restart the host"};
  }
}

Loader::OldFirst::OldFirst(Loader& loader, Reload wanted)
    : loader_(loader), module_(*wanted.old.module), old_(&wanted.old), wanted_(wanted.file.request) {
  before_.path = old_->path;
  before_.config = old_->config;
  before_.settings = old_->settings;
  if (!old_->functions.empty()) {
    throw Failure{
        BP_NOT_SUPPORTED,
        old_->label() + " offers the host function \"" + old_->functions.front()->name +
            "\", and calls of host functions cannot wait; reload it without old_first, or unload and load it"};
  }
  std::string ignored;
  old_bytes_ = read_any_file(old_->copy_path, ignored);  // throws if a cleaner of temporary files has removed it
  draft_.generation = wanted.file.generation();
  Generation& next = *draft_.generation;
  try {
    check_offers(loader.registry_, next.manifest, module_);
    if (std::string why = missing_library(next.manifest, next.path); !why.empty()) {
      throw Failure{BP_LOAD_REFUSED, std::move(why)};
    }
    {
      const MutexLock lock(loader.catalog_);
      check_none_is_loading(loader, module_);
      next.number = module_.last_generation + 1;  // no other of the module is loaded before start()
    }
    draft_.mapped = loader.mapped_;
    draft_.libraries = loader.try_out(next, wanted.file, old_);
  } catch (Failure& failure) {
    name_file(failure, next.path);
    throw;
  }
  ending_ = loader.new_ending(*old_);
  hosts_ = loader.instance_hosts_();  // after the trial, during which contexts may come and go
}

void Loader::OldFirst::hold() noexcept {
  {
    const MutexLock lock(loader_.catalog_);
    module_.held_since = std::chrono::steady_clock::now();
    Registry::hold(module_);
    hold_ = ++module_.holds;
  }
  loader_.retire(*std::exchange(old_, nullptr), ending_, hosts_);
}

std::vector<std::uint8_t> Loader::OldFirst::start() {
  phase_ = Hang::starting;
  return publish(wanted_, map_new());
}

Loader::Ready Loader::OldFirst::map_new() try {
  Ready ready = loader_.enter(std::move(draft_.generation), Purpose::next_of_held);
  Generation& generation = *ready.generation;
  try {
    ready.libraries = std::move(draft_.libraries);
    if (loader_.mapped_ != draft_.mapped) {  // in another company, it may find other libraries
      Manifest scratch = generation.manifest;
      ready.libraries = loader_.dependencies_.prepare(scratch, generation.path, loader_.allowed_);
    }
    // The trial so far took the old generation for gone. Perhaps something keeps it mapped.
    loader_.trial_.run_once(loader_.calls_, generation, ready.libraries, wanted_.canceled, nullptr);
  } catch (...) {
    loader_.trial_.drop_copy(generation);
    loader_.remove(generation);
    throw;
  }
  try {
    loader_.open_object(ready, wanted_, nullptr);
  } catch (...) {
    loader_.remove(generation);
    throw;
  }
  return ready;
} catch (Failure& failure) {
  name_file(failure, wanted_.path);
  throw;
}

std::vector<std::uint8_t> Loader::OldFirst::publish(const LoadRequest& request, Ready opened) {
  Ready ready = loader_.start(request, std::move(opened));
  loader_.publish(*ready.generation);
  release_held(module_, ready.hosts);
  return std::move(ready.report);
}

// While the new code hung, an unload or a stop of the host may have given the module up, and it may have been loaded.
// If it is wanted then, it is the old file's code that may hang from here on.
bool Loader::OldFirst::is_wanted() noexcept {
  if (module_.holds != hold_) return false;
  if (module_.held.load() != 0) return true;
  Hang hang = Hang::starting;
  return module_.hang.compare_exchange_strong(hang, Hang::restoring) || hang == Hang::restoring;
}

// Without memory, it tries again for a while: without the old file, the module is lost.
Loader::OldFirst::Restored Loader::OldFirst::restore() noexcept {
  constexpr int most_tries = 100;
  phase_ = Hang::restoring;
  Restored done;
  for (int tries = 1;; ++tries) try {
      restore_once(done);
      return done;
    } catch (const std::bad_alloc&) {
      if (module_.current.load() != nullptr) return done;  // only the words are missing
      if (tries == most_tries) break;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
  release(Hang::none);
  return done;
}

void Loader::OldFirst::restore_once(Restored& done) {
  done.path = before_.path;
  done.wanted = is_wanted();
  if (!done.wanted) {
    done.words = "; the module was unloaded meanwhile, or the host stops, so the old file is not loaded again";
    return;
  }
  try {
    ModuleFile file = ModuleFile::of(before_, {module_.name, true}, old_bytes_, loader_.api_.extension);
    file.bytes.swap(old_bytes_);
    try {
      done.report = publish(file.request, loader_.open(file, Purpose::next_of_held));
    } catch (...) {
      file.bytes.swap(old_bytes_);
      throw;
    }
  } catch (const Failure& failure) {
    release(Hang::none);
    done.words = "; and the old file cannot be loaded again, so the module is not loaded: " + failure.message;
    return;
  }
  done.words = "; the old file runs again, as generation " + std::to_string(module_.last_running);
}

void Loader::OldFirst::end() noexcept {
  if (module_.held.load() != 0) release(phase_);
  if (phase_ != Hang::ending) return;
  draft_.drop();  // the operation, which has this object, is kept for those who ask for its outcome
  old_bytes_ = {};
}

// The names are gone, and the calls that wait learn that.
void Loader::OldFirst::release(Hang hang) noexcept {
  if (module_.holds != hold_ || module_.current.load() != nullptr) return;
  const bool holds = module_.held.load() != 0;
  if (holds || hang == Hang::none) module_.hang = hang;
  if (!holds) return;
  {
    const MutexLock lock(loader_.catalog_);
    loader_.registry_.publish(module_, nullptr);
  }
  for (;;) try {
      return release_held(module_, loader_.instance_hosts_());
    } catch (const std::bad_alloc&) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
}

void Loader::OldFirst::give_up_hanging(Loader& loader) noexcept {
  const MutexLock lock(loader.catalog_);
  for (const auto& module : loader.registry_.modules()) {
    for (Hang hang : {Hang::starting, Hang::restoring}) module->hang.compare_exchange_strong(hang, Hang::none);
  }
}

}  // namespace backplane::host
