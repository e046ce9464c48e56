// SPDX-License-Identifier: Apache-2.0
//
// A host for the SDK's tests that runs in the test process, and records what a module asks of it.
#include "fake_host.hpp"

#include <dlfcn.h>

#include <chrono>
#include <cstdlib>
#include <stdexcept>
#include <thread>

namespace fake {
namespace {

Host* current = nullptr;  // the tables have no room for a pointer of ours, so there is one host at a time

std::string text(bp_str s) { return s.size == 0 ? std::string() : std::string(s.data, s.size); }
Bytes copy(bp_bytes b) { return b.size == 0 ? Bytes() : Bytes(b.data, b.data + b.size); }

}  // namespace

struct Table {
  static const void* extension(const char* id) {
    static const bp_await_api await = {
        sizeof(bp_await_api), 0, sleep, call, host_call, fd, check, nullptr, part, next_part};
    static const bp_event_api event = {sizeof(bp_event_api), 0, emit};
    static const bp_log_api log = {sizeof(bp_log_api), 0, log_enabled, log_write};
    static const bp_config_api config = {sizeof(bp_config_api), 0, config_get, data_dir};
    static const bp_handle_api handle = {sizeof(bp_handle_api), 0, handle_put, handle_get, handle_release};
    const std::string_view name = id;
    if (name == BP_EXT_AWAIT) return &await;
    if (name == BP_EXT_EVENT) return &event;
    if (name == BP_EXT_LOG) return &log;
    if (name == BP_EXT_CONFIG) return &config;
    return name == BP_EXT_HANDLE ? &handle : nullptr;
  }

  static bp_status register_handler(bp_module*, const bp_handler_desc* desc) {
    const bool fresh = current->handlers_.emplace(text(desc->name), *desc).second;
    return fresh ? BP_OK : BP_NAME_TAKEN;
  }
  static bp_status register_function(bp_module*, const bp_function_desc* desc) {
    return current->functions_.emplace(text(desc->name), *desc).second ? BP_OK : BP_NAME_TAKEN;
  }

  static bp_status reply(bp_token token, const bp_answer* answer) {
    if (answer->struct_size != sizeof(bp_answer)) return BP_INVALID_ARGUMENT;
    const std::lock_guard lock(current->mutex_);
    const auto found = current->requests_.find(token);
    if (current->refuse_answers || found == current->requests_.end() || !found->second.terminal.empty())
      return BP_STALE_TOKEN;
    const bp_bytes payload =
        answer->buffer != nullptr ? bp_bytes{answer->buffer->data, answer->buffer->size} : answer->payload;
    Answer kept{answer->status, copy(payload), text(answer->message), copy(answer->detail), answer->buffer != nullptr};
    auto& list = answer->status == BP_PARTIAL ? found->second.partial : found->second.terminal;
    list.push_back(std::move(kept));
    if (answer->buffer != nullptr) buffer_free(answer->buffer);
    return BP_OK;
  }

  static bp_buffer* buffer_new(std::size_t capacity) {
    auto* buffer = new bp_buffer{static_cast<std::uint8_t*>(std::malloc(capacity)), 0, capacity};
    ++current->buffers_;
    return buffer;
  }
  static void buffer_free(bp_buffer* buffer) {
    if (buffer == nullptr) return;
    std::free(buffer->data);
    delete buffer;
    --current->buffers_;
  }
  static void result_free(bp_result* result) {
    if (result->owner != nullptr) {
      delete static_cast<Answer*>(result->owner);
      --current->results_;
    }
    *result = bp_result{result->struct_size, BP_OK, {}, {}, {}, nullptr};
  }
  static void fail(bp_module*, bp_str message) { current->failure_ = text(message); }

  static bp_status sleep(bp_token, std::uint64_t ms) {
    if (current->state == BP_OK) current->slept.push_back(ms);
    return current->state;
  }
  static bp_status outward(const decltype(Host::on_call)& function, bp_str name, bp_bytes payload, std::uint64_t ms,
                           bp_result* out) {
    auto* answer = new Answer(function ? function(text(name), copy(payload), ms)
                                       : Answer{BP_NO_HOST_FUNCTION, {}, "nobody offers " + text(name), {}, false});
    ++current->results_;
    out->status = answer->status;
    out->payload = {answer->payload.data(), answer->payload.size()};
    out->message = {answer->message.data(), answer->message.size()};
    out->detail = {answer->detail.data(), answer->detail.size()};
    out->owner = answer;
    return out->status;
  }
  static bp_status call(bp_token, bp_str name, bp_bytes payload, std::uint64_t ms, bp_result* out) {
    return outward(current->on_call, name, payload, ms, out);
  }
  static bp_status host_call(bp_token, bp_str name, bp_bytes payload, std::uint64_t ms, bp_result* out) {
    return outward(current->on_host_call, name, payload, ms, out);
  }
  static bp_status part(bp_token token, const bp_answer* answer, std::uint64_t ms) {
    if (current->state != BP_OK) return current->state;
    current->part_waits.push_back(ms);
    return current->part_status != BP_OK ? current->part_status : reply(token, answer);
  }
  static bp_status next_part(bp_token, std::uint64_t, bp_result* out) {
    Answer given{current->state, {}, {}, {}, false};
    if (given.status == BP_OK && !current->input_parts.empty()) {
      given = {BP_PARTIAL, current->input_parts.front(), {}, {}, false};
      current->input_parts.pop_front();
    }
    return outward([&](std::string_view, const Bytes&, std::uint64_t) { return given; }, BP_STR(""), {}, 0, out);
  }
  static bp_status fd(bp_token, int, std::uint32_t, std::uint64_t) {
    return current->state != BP_OK ? current->state : current->fd_status;
  }
  static bp_status check(bp_token, std::uint64_t* remaining) {
    if (remaining != nullptr) *remaining = current->remaining_ms;
    return current->state;
  }

  static bp_status emit(bp_instance*, bp_str name, bp_bytes payload, std::uint32_t flags) {
    if (current->emit_status == BP_OK) current->emitted.push_back({text(name), copy(payload), flags});
    return current->emit_status;
  }
  static std::int32_t log_enabled(std::int32_t level) { return level >= BP_LOG_INFO; }
  static void log_write(bp_module*, std::int32_t level, bp_str line) {
    current->logged.emplace_back(level, text(line));
  }
  static bp_bytes config_get(bp_module*) { return {current->config_.data(), current->config_.size()}; }
  static bp_status data_dir(bp_module*, bp_str* path, bp_str* message) {
    static constexpr std::string_view refusal = "cannot write /data: read-only file system";
    *path = {current->data_dir.data(), current->data_dir.size()};
    if (!current->data_dir.empty()) return BP_OK;
    if (message != nullptr) *message = {refusal.data(), refusal.size()};
    return BP_IO;
  }

  static bp_status handle_put(bp_instance*, const void* type, void* object, bp_release_fn release, std::uint64_t* id) {
    if (object == nullptr) return BP_INVALID_ARGUMENT;
    *id = current->next_++;
    current->handles_[*id] = {type, object, release};
    return BP_OK;
  }
  static void* handle_get(bp_instance*, const void* type, std::uint64_t id) {
    const auto found = current->handles_.find(id);
    if (found == current->handles_.end() || std::get<0>(found->second) != type) return nullptr;
    return std::get<1>(found->second);
  }
  static bp_status handle_release(bp_instance* instance, const void* type, std::uint64_t id) {
    void* object = handle_get(instance, type, id);
    if (object == nullptr) return BP_INVALID_HANDLE;
    std::get<2>(current->handles_[id])(object);
    current->handles_.erase(id);
    return BP_OK;
  }

  static constexpr bp_host_api api = {
      sizeof(bp_host_api), BP_ABI_MAJOR, BP_ABI_MINOR, 0,           BP_VERSION_STRING, extension, register_handler,
      register_function,   reply,        buffer_new,   buffer_free, result_free,       fail};
};

Host::Host(const std::string& path, Bytes config) : config_(std::move(config)) {
  current = this;
  object_ = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (object_ == nullptr) throw std::runtime_error(dlerror());
  entry_ = static_cast<const bp_module_entry*>(dlsym(object_, BP_MODULE_SYMBOL));
  if (entry_ == nullptr) throw std::runtime_error(dlerror());
  if (entry_->init(&Table::api, reinterpret_cast<bp_module*>(this), &module_data_) != BP_OK) {
    throw std::runtime_error(failure_);
  }
}

Host::~Host() {
  stop();
  if (entry_ != nullptr && entry_->deinit != nullptr) entry_->deinit(module_data_);
  requests_.clear();  // from here on, all tokens are stale
  if (object_ != nullptr) dlclose(object_);
  current = nullptr;
}

std::string Host::start() {
  failure_.clear();
  const bp_status status = entry_->instance_create(module_data_, reinterpret_cast<bp_instance*>(this), &state_);
  started_ = status == BP_OK;
  if (started_) return "";
  return failure_.empty() ? "failed without a word" : failure_;
}

void Host::stop() {
  if (started_) entry_->instance_destroy(state_);
  started_ = false;
}

Request Host::call(const std::string& name, const Bytes& payload) {
  const bp_handler_desc& desc = handlers_.at(name);
  const bp_token token = [&] {
    const std::lock_guard lock(mutex_);
    const bp_token fresh = next_++;
    requests_[fresh].token = fresh;
    return fresh;
  }();
  const bp_call call = {sizeof(bp_call), 0,
                        token,           {payload.data(), payload.size()},
                        desc.name,       reinterpret_cast<bp_instance*>(this),
                        state_,          desc.data};
  const bp_handled handled = desc.handler(&call);
  const std::lock_guard lock(mutex_);
  requests_[token].handled = handled;
  return requests_[token];
}

Answer Host::ask(const std::string& name, const Bytes& payload) {
  const Request request = call(name, payload);
  if (request.handled == BP_LATER) return wait_terminal(request.token);
  if (request.terminal.size() != 1) throw std::runtime_error("no terminal answer");
  return request.terminal[0];
}

Answer Host::ask_function(const std::string& name, const Bytes& payload) {
  const bp_function_desc& desc = functions_.at(name);
  const bp_token token = next_++;
  requests_[token].token = token;
  const bp_call call = {sizeof(bp_call), 0,
                        token,           {payload.data(), payload.size()},
                        desc.name,       reinterpret_cast<bp_instance*>(this),
                        state_,          desc.data};
  desc.function(&call);
  return wait_terminal(token);
}

Answer Host::wait_terminal(bp_token token) {
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  for (;;) {
    {
      const std::lock_guard lock(mutex_);
      if (!requests_[token].terminal.empty()) return requests_[token].terminal[0];
    }
    if (std::chrono::steady_clock::now() > give_up) throw std::runtime_error("no answer came");
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

std::set<std::string> Host::names() const {
  std::set<std::string> out;
  for (const auto& [name, desc] : handlers_) out.insert(name);
  return out;
}

}  // namespace fake
