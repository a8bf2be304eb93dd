// cp.async and related instructions: each thread has a queue of copies, in groups.
#include "upskill_cpu/async_copy.h"

#include <cstring>
#include <deque>
#include <unordered_map>
#include <vector>

#include "block.h"
#include "launch_state.h"
#include "memory_checks.h"
#include "upskill_cpu/builtins.h"

namespace {

using namespace upskill::cpu;

struct Copy {
  void* target;
  const void* source;
  size_t whole, bytes;
  uintptr_t pc;
};

struct Queue {
  std::vector<Copy> open;
  std::deque<std::vector<Copy>> groups;
};

// By thread of the grid, without empty ones. Copies that were never waited for are dropped at the end of the launch.
std::unordered_map<uint64_t, Queue> queues;

uint64_t own_number() {
  const uint64_t index = blockIdx.x + uint64_t{gridDim.x} * (blockIdx.y + uint64_t{gridDim.y} * blockIdx.z);
  return index * max_threads + static_cast<uint64_t>(block.current);
}

Queue* own_queue() {
  if (queues.empty()) return nullptr;
  const auto found = queues.find(own_number());
  return found == queues.end() ? nullptr : &found->second;
}

void perform(const std::vector<Copy>& group) {
  for (const Copy& copy : group) {
    check_access(reinterpret_cast<uintptr_t>(copy.target), copy.whole, Access::write, copy.pc);
    std::memcpy(copy.target, copy.source, copy.bytes);
    std::memset(static_cast<char*>(copy.target) + copy.bytes, 0, copy.whole - copy.bytes);
  }
}

void check_alignment(const void* address, size_t bytes, uintptr_t pc) {
  const auto place = reinterpret_cast<uintptr_t>(address);
  if (bytes > 16 || (bytes & (bytes - 1)) != 0 || place % bytes == 0) return;
  abort_launch(cudaErrorMisalignedAddress, Assertion::runs, "misaligned-address", pc,
               format("an asynchronous copy of %zu bytes needs addresses that are multiples of %zu,%s", bytes, bytes,
                      where().c_str()));
}

}  // namespace

void upskill::cpu::drop_async_copies() { std::unordered_map<uint64_t, Queue>().swap(queues); }

extern "C" void upskill_cpu_async_copy(void* target, const void* source, size_t whole, size_t bytes) {
  const auto pc = reinterpret_cast<uintptr_t>(__builtin_return_address(0));
  check_alignment(target, whole, pc);
  if (bytes != 0) {
    check_alignment(source, whole, pc);
    check_access(reinterpret_cast<uintptr_t>(source), bytes, Access::read, pc);
  }
  queues[own_number()].open.push_back({target, source, whole, bytes < whole ? bytes : whole, pc});
}

extern "C" void upskill_cpu_async_commit() {
  Queue* queue = own_queue();
  if (queue == nullptr) return;  // waiting ends the oldest groups, so that an empty one before all others says nothing
  queue->groups.push_back(std::move(queue->open));
  queue->open.clear();
}

extern "C" void upskill_cpu_async_wait(int pending) {
  Queue* queue = own_queue();
  if (queue == nullptr) return;
  for (; queue->groups.size() > static_cast<size_t>(pending < 0 ? 0 : pending); queue->groups.pop_front())
    perform(queue->groups.front());
  if (queue->groups.empty() && queue->open.empty()) queues.erase(own_number());
}

extern "C" void upskill_cpu_async_wait_all() {
  upskill_cpu_async_commit();
  upskill_cpu_async_wait(0);
}
