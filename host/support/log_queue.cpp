// SPDX-License-Identifier: Apache-2.0
//
// A line lies in one piece: its head, then its texts. A line that does not fit before the end of the ring lies at its
// beginning. Then a head of size 0 marks the rest.
#include "support/log_queue.hpp"

#include <algorithm>
#include <cstring>
#include <new>

namespace backplane::host {

struct LogQueue::Head {
  std::uint32_t size;  // of the record, with its head; a multiple of 8
  std::int32_t level;
  std::uint32_t where;  // bytes, as the next two
  std::uint32_t text;
  std::uint32_t members;
  std::uint32_t reserved;
  std::int64_t time_ns;
  std::uint64_t generation;
  std::uint64_t repeats;
  std::uint64_t left_out;
  std::uint64_t sequence;
};

namespace {

constexpr std::size_t alignment = 8;

constexpr std::size_t aligned(std::size_t size) { return (size + alignment - 1) / alignment * alignment; }

}  // namespace

bool LogQueue::provide() noexcept {
  static_assert(sizeof(Head) % alignment == 0 &&
                sizeof(Buffer) >= sizeof(Head) + most_text + most_where + most_members);
  static_assert(sizeof(Buffer) * 2 <= least_bytes, "any line must find room beside the mark of the end");
  if (ring_ == nullptr) ring_.reset(new (std::nothrow) char[most_bytes_]);
  return ring_ != nullptr;
}

bool LogQueue::resize(std::size_t lines, std::size_t bytes) noexcept {
  LogQueue next;
  next.most_lines_ = std::max<std::size_t>(lines, 1);
  next.most_bytes_ = aligned(std::max(bytes, least_bytes));
  if (ring_ != nullptr) {
    const std::unique_ptr<Buffer> buffer(new (std::nothrow) Buffer);
    if (buffer == nullptr || !next.provide()) return false;
    LogLine line;
    while (pop(*buffer, line)) next.push(line);
  }
  next.dropped_ += dropped_;
  *this = std::move(next);
  return true;
}

LogQueue::Head LogQueue::read_head(std::size_t at) const noexcept {
  Head head;
  std::memcpy(&head, ring_.get() + at, sizeof head);
  return head;
}

LogLine LogQueue::line_at(const char* record) const noexcept {
  Head head;
  std::memcpy(&head, record, sizeof head);
  const char* const texts = record + sizeof head;
  LogLine line;
  line.level = head.level;
  line.time_ns = head.time_ns;
  line.where = {texts, head.where};
  line.generation = head.generation;
  line.text = {texts + head.where, head.text};
  line.members = {texts + head.where + head.text, head.members};
  line.repeats = head.repeats;
  line.left_out = head.left_out;
  line.sequence = head.sequence;
  return line;
}

// Moves the head to a line, if it stands at the unused end of the ring.
void LogQueue::skip_end() noexcept {
  std::uint32_t size = 0;
  if (most_bytes_ - head_ >= alignment) std::memcpy(&size, ring_.get() + head_, sizeof size);
  if (size == 0) head_ = 0;
}

void LogQueue::drop_oldest() noexcept {
  skip_end();
  const Head head = read_head(head_);
  dropped_ += std::max<std::uint64_t>(head.repeats, 1);
  head_ += head.size;
  --size_;
}

// Where a record of this size goes. Drops as many lines as it takes.
std::size_t LogQueue::place_for(std::size_t size) noexcept {
  while (size_ >= most_lines_) drop_oldest();
  for (;;) {
    if (size_ == 0) head_ = tail_ = 0;
    if (size_ == 0 || tail_ > head_) {
      if (size <= most_bytes_ - tail_) return tail_;
      if (size <= head_) {
        constexpr std::uint32_t end = 0;
        if (most_bytes_ - tail_ >= alignment) std::memcpy(ring_.get() + tail_, &end, sizeof end);
        return 0;
      }
    } else if (size <= head_ - tail_) {
      return tail_;
    }
    drop_oldest();
  }
}

bool LogQueue::push(const LogLine& line) noexcept {
  if (!provide()) {
    dropped_ += std::max<std::uint64_t>(line.repeats, 1);
    return false;
  }
  const std::string_view where = line.where.substr(0, most_where);
  const std::string_view text = line.text.substr(0, most_text);
  const std::string_view members = line.members.size() <= most_members ? line.members : std::string_view();
  const std::size_t size = aligned(sizeof(Head) + where.size() + text.size() + members.size());
  const std::size_t at = place_for(size);
  const Head head = {static_cast<std::uint32_t>(size),
                     line.level,
                     static_cast<std::uint32_t>(where.size()),
                     static_cast<std::uint32_t>(text.size()),
                     static_cast<std::uint32_t>(members.size()),
                     0,
                     line.time_ns,
                     line.generation,
                     line.repeats,
                     line.left_out + (line.text.size() - text.size()),
                     line.sequence};
  char* out = ring_.get() + at;
  std::memcpy(out, &head, sizeof head);
  out += sizeof head;
  for (const std::string_view part : {where, text, members}) {
    if (!part.empty()) std::memcpy(out, part.data(), part.size());
    out += part.size();
  }
  last_ = at;
  tail_ = at + size;
  ++size_;
  return true;
}

bool LogQueue::is_last(const LogLine& line) const noexcept {
  if (last_ == no_line || ring_ == nullptr) return false;
  const LogLine last = line_at(ring_.get() + last_);
  return last.repeats == 0 && last.level == line.level && last.generation == line.generation &&
         last.where == line.where.substr(0, most_where) && last.text == line.text.substr(0, most_text) &&
         last.text.size() + last.left_out == line.text.size() && last.members == line.members;
}

bool LogQueue::pop(Buffer& buffer, LogLine& line) noexcept {
  if (size_ == 0) return false;
  skip_end();
  const std::size_t size = read_head(head_).size;
  std::memcpy(buffer.bytes, ring_.get() + head_, size);
  head_ += size;
  --size_;
  line = line_at(buffer.bytes);
  return true;
}

void LogQueue::clear() noexcept {
  head_ = tail_ = size_ = 0;
  last_ = no_line;
  dropped_ = 0;
}

}  // namespace backplane::host
