// Warp operations: lanes wait until all lanes in the mask have made the same call; the last one performs it.
#include "block.h"
#include "ordering.h"
#include "shadow.h"
#include "upskill_cpu/builtins.h"
#include "upskill_cpu/warp_operations.h"

namespace upskill::cpu {

namespace {

// What a shuffle returns when it reads a lane that does not take part: a NaN in every floating type, and -1.
constexpr uint64_t unset = ~uint64_t{0};

template <class Action>
void for_each_lane(uint32_t lanes, Action action) {
  for (; lanes != 0; lanes &= lanes - 1) action(__builtin_ctz(lanes));
}

bool same_call(const Thread* threads, uint32_t lanes, const WarpCall& call) {
  bool same = true;
  for_each_lane(lanes, [&](int lane) {
    const WarpCall& other = threads[lane].call;
    same &= other.operation == call.operation && other.mask == call.mask && other.line == call.line;
  });
  return same;
}

uint32_t lanes_with(const Thread* threads, uint32_t lanes, uint64_t value) {
  uint32_t result = 0;
  for_each_lane(lanes, [&](int lane) {
    if (threads[lane].call.value == value) result |= 1u << lane;
  });
  return result;
}

uint32_t combine(int operation, uint32_t a, uint32_t b) {
  const auto signed_less = static_cast<int32_t>(a) < static_cast<int32_t>(b);
  switch (operation) {
    case warp_add:
      return a + b;
    case warp_min:
      return a < b ? a : b;
    case warp_max:
      return a < b ? b : a;
    case warp_min_signed:
      return signed_less ? a : b;
    case warp_max_signed:
      return signed_less ? b : a;
    case warp_and:
      return a & b;
    case warp_or:
      return a | b;
    default:
      return a ^ b;
  }
}

uint32_t reduce(const Thread* threads, uint32_t lanes, int operation) {
  const int first = __builtin_ctz(lanes);
  auto result = static_cast<uint32_t>(threads[first].call.value);
  for_each_lane(lanes & (lanes - 1), [&](int lane) {
    result = combine(operation, result, static_cast<uint32_t>(threads[lane].call.value));
  });
  return result;
}

// The result is the same for all lanes, but for shuffles and match_any.
uint64_t common_result(const Thread* threads, uint32_t lanes, int operation) {
  const int first = __builtin_ctz(lanes);
  switch (operation) {
    case warp_sync:
    case warp_shuffle:
    case warp_shift:
    case warp_match_any:
      return 0;
    case warp_ballot:
      return lanes_with(threads, lanes, 1);
    case warp_match_all:
      return lanes_with(threads, lanes, threads[first].call.value) == lanes ? lanes : 0;
    default:
      return reduce(threads, lanes, operation);
  }
}

// A lane in the mask must take part, and so must the source lane of an indexed shuffle. At the edge of a shift, reading
// a lane outside the mask is allowed; only the value shows it.
void report_inactive_source(const Thread& thread, int lane) {
  const bool named = thread.call.mask >> thread.call.source & 1;
  if ((!named && thread.call.operation == warp_shift) || !is_new_report("inactive-lane", thread.pc)) return;
  report(Assertion::memory, "inactive-lane", thread.pc,
         format("lane %d shuffles from lane %d, which %s: the value is undefined, in kernel %s, block (%u,%u,%u)", lane,
                thread.call.source, named ? "the mask names but which has returned, or never was" : "takes no part",
                launch.kernel, blockIdx.x, blockIdx.y, blockIdx.z));
}

void perform(int warp, uint32_t lanes) {
  Thread* threads = block.threads + warp * warp_size;
  const int operation = threads[__builtin_ctz(lanes)].call.operation;
  const uint64_t common = common_result(threads, lanes, operation);
  pass_warp_call(warp, lanes, lanes == block.warps[warp].alive);
  for_each_lane(lanes, [&](int lane) {
    Thread& thread = threads[lane];
    const int source = thread.call.source;
    if (operation == warp_shuffle || operation == warp_shift) {
      const bool active = lanes >> source & 1;
      thread.result = active ? threads[source].call.value : unset;
      if (!active) report_inactive_source(thread, lane);
    } else if (operation == warp_match_any) {
      thread.result = lanes_with(threads, lanes, thread.call.value);
    } else {
      thread.result = common;
    }
    if (thread.state == State::in_warp_call) make_runnable(warp * warp_size + lane);
  });
  block.warps[warp].waiting &= ~lanes;
}

bool try_perform(int warp, const WarpCall& call) {
  const uint32_t needed = call.mask & block.warps[warp].alive;
  if ((needed & ~block.warps[warp].waiting) != 0) return false;
  if (!same_call(block.threads + warp * warp_size, needed, call)) return false;
  perform(warp, needed);
  return true;
}

}  // namespace

void settle_warp_calls(int warp) {
  for_each_lane(block.warps[warp].waiting, [&](int lane) {
    if (block.warps[warp].waiting >> lane & 1) try_perform(warp, block.threads[warp * warp_size + lane].call);
  });
}

// Lanes of one warp that call from the same line are the active ones.
bool converge() {
  for (int i = 0; i < block.size; ++i) {
    if (block.threads[i].state != State::converging) continue;
    Thread* threads = block.threads + warp_of(i) * warp_size;
    uint32_t lanes = 0;
    for_each_lane(block.warps[warp_of(i)].alive, [&](int lane) {
      if (threads[lane].state == State::converging && threads[lane].line == block.threads[i].line) lanes |= 1u << lane;
    });
    for_each_lane(lanes, [&](int lane) {
      threads[lane].result = lanes;
      make_runnable(warp_of(i) * warp_size + lane);
    });
    return true;
  }
  return false;
}

}  // namespace upskill::cpu

using namespace upskill::cpu;

extern "C" int upskill_cpu_lane() { return lane_of(block.current); }

extern "C" uint64_t upskill_cpu_warp(int operation, uint32_t mask, uint64_t value, int source, int line) {
  need_fibers();
  if (store_pending) settle_store();
  Thread& self = block.threads[block.current];
  const int warp = warp_of(block.current), lane = lane_of(block.current);
  self.call = {operation, mask, value, source, line};
  self.line = line;
  self.pc = reinterpret_cast<uintptr_t>(__builtin_return_address(0));
  if (operation == warp_converge) {
    suspend(State::converging);
    return self.result;
  }
  if ((mask >> lane & 1) == 0)
    abort_launch(cudaErrorLaunchFailure, Assertion::runs, "invalid-mask", self.pc,
                 format("a warp operation with mask 0x%08x is called by lane %d, which the mask leaves out,%s", mask,
                        lane, where().c_str()));
  block.warps[warp].waiting |= 1u << lane;
  if (!try_perform(warp, self.call)) suspend(State::in_warp_call);
  select_thread(block.current, true);
  return self.result;
}
