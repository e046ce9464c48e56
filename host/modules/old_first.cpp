// SPDX-License-Identifier: Apache-2.0
#include "modules/old_first.hpp"

#include <chrono>
#include <new>
#include <thread>
#include <utility>

#include "modules/file.hpp"
#include "modules/interface.hpp"
#include "support/result.hpp"

namespace backplane::host {

void release_held(Module& module, const std::vector<InstanceHost*>& hosts) noexcept {
  Registry::release(module);
  for (InstanceHost* const host : hosts) host->release_held();
}

Loader::OldFirst::OldFirst(Loader& loader, std::string_view name, const LoadRequest& wanted)
    : loader_(loader), module_(*loader.running(name).module), old_(&loader.running(name)) {
  before_.path = old_->path;
  before_.config = old_->config;
  before_.settings = old_->settings;
  before_.of_held = true;
  wanted_ = wanted.after(*old_);
  wanted_.of_held = true;
  if (!old_->functions.empty()) {
    throw Failure{
        BP_NOT_SUPPORTED,
        old_->label() + " offers the host function \"" + old_->functions.front()->name +
            "\", and calls of host functions cannot wait; reload it without old_first, or unload and load it"};
  }
  try {
    Manifest manifest = read_manifest(read_module_file(wanted_.path, loader.allowed_));
    check_needs(manifest, loader.api_.extension);
    if (manifest.name != name) {
      throw Failure{BP_LOAD_REFUSED, "it is the module \"" + manifest.name + "\", expected the next generation of \"" +
                                         std::string(name) + "\"; load it as a module of its own"};
    }
    check_interface(manifest, wanted_.config);
  } catch (Failure& failure) {
    name_file(failure, wanted_.path);
    throw;
  }
  std::string ignored;
  old_bytes_ = read_any_file(old_->copy_path, ignored);  // throws if a cleaner of temporary files has removed it
  ending_ = loader.new_ending(*old_);
  hosts_ = loader.instance_hosts_();
}

void Loader::OldFirst::hold() noexcept {
  {
    const MutexLock lock(loader_.catalog_);
    Registry::hold(module_);
    hold_ = ++module_.holds;
  }
  loader_.retire(*std::exchange(old_, nullptr), ending_, hosts_);
}

std::vector<std::uint8_t> Loader::OldFirst::start() {
  return publish(wanted_, loader_.open(wanted_, module_.name, wanted_.read(loader_.allowed_)));
}

std::vector<std::uint8_t> Loader::OldFirst::publish(const LoadRequest& request, Ready opened) {
  Ready ready = loader_.start(request, std::move(opened));
  loader_.publish(*ready.generation);
  release_held(module_, ready.hosts);
  return std::move(ready.report);
}

std::string Loader::OldFirst::restore() noexcept try {
  try {
    publish(before_, loader_.open(before_, module_.name, old_bytes_));
    return "; the old file runs again, as generation " + std::to_string(module_.last_running);
  } catch (const Failure& failure) {
    release();
    return "; and the old file cannot be loaded again, so the module is not loaded: " + failure.message;
  }
} catch (const std::bad_alloc&) {
  release();
  return {};
}

// The names are gone, and the calls that wait learn that.
void Loader::OldFirst::release() noexcept {
  if (module_.held.load() == 0 || module_.holds != hold_) return;
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

}  // namespace backplane::host
