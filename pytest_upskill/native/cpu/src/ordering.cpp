#include "ordering.h"

#include <algorithm>
#include <unordered_map>
#include <vector>

#include "launch_state.h"
#include "upskill_cpu/ordering.h"

namespace upskill::cpu {

Self self;
uint32_t clocks[max_threads];

namespace {

constexpr int max_warps = max_threads / warp_size;
constexpr uint32_t last_clock = 0x80000000u;  // begin_launch restarts from here, long before the clock overflows

int warp_number(int thread) { return thread / warp_size; }
bool same_warp(int a, int b) { return warp_number(a) == warp_number(b); }

uint32_t now = 1;
uint32_t warp_floors[max_warps];              // of the last operation of a whole warp
uint32_t lanes_seen[max_threads][warp_size];  // what a lane knows of the others through partial-warp operations
std::vector<uint32_t> block_starts;           // by turn

// A thread's last fence. Fences of a block (__threadfence_block) order its own threads only.
struct Fence {
  uint32_t clock = 0, floor = 0, warp_floor = 0;
};
enum Scope { within_block, between_blocks, scopes };
Fence fences[scopes][max_threads];
bool block_has_fence = false, block_has_release = false;
int threads_of_block = 0;

// The fences of a block that has ended: which threads fenced, and the time of the last fence.
struct PastFences {
  uint32_t clock = 0;
  uint32_t threads[max_warps] = {};
};
std::unordered_map<uint32_t, PastFences> past_fences;  // by turn

// One thread's release of an object.
struct Release {
  int thread;
  uint32_t index;  // how many there were before the thread's first one
  Fence fence[scopes];
  uint32_t floor, warp_floor;
};

struct Object;
struct Acquired {
  Object* object;
  uint32_t releases;  // those with an index below this one
};

struct Object {
  std::unordered_map<uint32_t, std::vector<Release>> releases;  // by turn
  std::vector<Acquired> passed_on;                              // what releasing threads had acquired themselves
  uint32_t count = 0;
  uint32_t visited = 0;
};

std::unordered_map<uintptr_t, Object> objects;
std::vector<Acquired> acquired_by_block;
std::vector<Acquired> acquired_by[max_threads];
std::vector<int> acquirers;  // threads whose list is not empty
uint32_t visit = 0;

void add(std::vector<Acquired>& list, Acquired entry) {
  for (Acquired& known : list)
    if (known.object == entry.object) {
      known.releases = std::max(known.releases, entry.releases);
      return;
    }
  list.push_back(entry);
}

void add_to_thread(int thread, Acquired entry) {
  if (acquired_by[thread].empty()) acquirers.push_back(thread);
  add(acquired_by[thread], entry);
}

uint32_t current_turn() { return static_cast<uint32_t>(block_starts.size()) - 1; }

// The thread's last fence, or a later time at which some thread of its block fenced.
uint32_t fence_clock(uint32_t turn, int thread) {
  if (turn == current_turn()) return fences[within_block][thread].clock;
  const auto found = past_fences.find(turn);
  if (found == past_fences.end()) return 0;
  return found->second.threads[warp_number(thread)] >> thread % warp_size & 1 ? found->second.clock : 0;
}

// Whether the release covers what `thread` did at `clock`: the releasing thread must have fenced after it, or after a
// barrier that came after it; or the other thread itself has fenced before such a barrier.
bool covers(const Release& release, uint32_t turn, uint32_t clock, int thread) {
  const Fence& fence = release.fence[turn == current_turn() ? within_block : between_blocks];
  const bool together = same_warp(thread, release.thread);
  if (thread == release.thread && clock < fence.clock) return true;
  if (clock < fence.floor || (together && clock < fence.warp_floor)) return true;
  const bool met = clock < release.floor || (together && clock < release.warp_floor);
  return met && clock < fence_clock(turn, thread);
}

bool hands_on(const std::vector<Acquired>& list, uint32_t turn, uint32_t clock, int thread) {
  for (const auto& [object, releases] : list) {
    if (object->visited == visit) continue;
    object->visited = visit;
    if (const auto found = object->releases.find(turn); found != object->releases.end())
      for (const Release& release : found->second)
        if (release.index < releases && covers(release, turn, clock, thread)) return true;
    if (hands_on(object->passed_on, turn, clock, thread)) return true;
  }
  return false;
}

bool was_acquired(uint32_t turn, uint32_t clock, int thread) {
  if (objects.empty()) return false;
  ++visit;
  return hands_on(acquired_by[self.thread], turn, clock, thread) || hands_on(acquired_by_block, turn, clock, thread);
}

void keep_fences() {
  PastFences& past = past_fences[current_turn()];
  for (int i = 0; i < threads_of_block; ++i) {
    const uint32_t clock = fences[between_blocks][i].clock;
    if (clock < self.block_start) continue;
    past.clock = std::max(past.clock, clock);
    past.threads[warp_number(i)] |= 1u << i % warp_size;
  }
}

void forget_acquired() {
  for (int thread : acquirers) acquired_by[thread].clear();
  acquirers.clear();
}

// Each participating lane learns what any of them knew of the others.
void join_lanes(int warp, uint32_t lanes) {
  uint32_t joint[warp_size] = {};
  for (uint32_t rest = lanes; rest != 0; rest &= rest - 1) {
    const uint32_t* seen = lanes_seen[warp * warp_size + __builtin_ctz(rest)];
    for (int i = 0; i < warp_size; ++i) joint[i] = std::max(joint[i], seen[i]);
  }
  for (int i = 0; i < warp_size; ++i)
    if (lanes >> i & 1) joint[i] = now;
  for (uint32_t rest = lanes; rest != 0; rest &= rest - 1)
    std::copy_n(joint, warp_size, lanes_seen[warp * warp_size + __builtin_ctz(rest)]);
}

void share_acquired(int warp, uint32_t lanes) {
  std::vector<Acquired> all;
  for (uint32_t rest = lanes; rest != 0; rest &= rest - 1)
    for (const Acquired& entry : acquired_by[warp * warp_size + __builtin_ctz(rest)]) add(all, entry);
  for (uint32_t rest = lanes; rest != 0; rest &= rest - 1)
    for (const Acquired& entry : all) add_to_thread(warp * warp_size + __builtin_ctz(rest), entry);
}

}  // namespace

uint32_t advance_clock() { return ++now; }

bool begin_launch() {
  const bool reset = now >= last_clock;
  if (reset) {
    now = 1;
    std::fill_n(warp_floors, max_warps, 0);
    std::fill_n(&lanes_seen[0][0], max_threads * warp_size, 0);
    std::fill_n(&fences[0][0], scopes * max_threads, Fence{});
  }
  block_starts.clear();
  past_fences.clear();
  forget_acquired();
  acquired_by_block.clear();
  objects.clear();
  block_has_fence = block_has_release = false;
  self = {};
  self.launch_start = ++now;
  return !reset;
}

void begin_block(int threads) {
  if (block_has_release) keep_fences();
  block_has_fence = block_has_release = false;
  threads_of_block = threads;
  forget_acquired();
  acquired_by_block.clear();
  self.block_start = self.floor = self.clock = ++now;
  self.clocks_before_barrier = 0;
  block_starts.push_back(now);
}

void begin_fibers(int current) {
  for (int i = 0; i < threads_of_block; ++i) clocks[i] = self.block_start;
  clocks[current] = self.clock;
}

void pass_barrier() {
  self.floor = ++now;
  self.clocks_before_barrier = self.floor - self.block_start;
  for (int thread : acquirers)
    for (const Acquired& entry : acquired_by[thread]) add(acquired_by_block, entry);
  forget_acquired();
}

void pass_warp_call(int warp, uint32_t lanes, bool all_alive) {
  ++now;
  for (uint32_t rest = lanes; rest != 0; rest &= rest - 1) clocks[warp * warp_size + __builtin_ctz(rest)] = now;
  if (all_alive)
    warp_floors[warp] = now;
  else
    join_lanes(warp, lanes);
  if (!acquirers.empty()) share_acquired(warp, lanes);
}

void fence(bool device_wide) {
  const int thread = static_cast<int>(self.thread);
  self.clock = clocks[thread] = ++now;
  const Fence note{now, self.floor, warp_floors[warp_number(thread)]};
  fences[within_block][thread] = note;
  if (device_wide) fences[between_blocks][thread] = note;
  block_has_fence = true;
  self.fresh_fence = true;
}

void acquire(uintptr_t object) {
  if (objects.empty()) return;
  const auto found = objects.find(object);
  if (found != objects.end()) add_to_thread(static_cast<int>(self.thread), {&found->second, found->second.count});
}

void release(uintptr_t object) {
  if (!block_has_fence) return;
  const int thread = static_cast<int>(self.thread);
  Object& target = objects[object];
  std::vector<Release>& releases = target.releases[current_turn()];
  auto known = std::find_if(releases.begin(), releases.end(), [&](const Release& r) { return r.thread == thread; });
  if (known == releases.end()) known = releases.insert(known, Release{thread, target.count, {}, 0, 0});
  for (int scope = 0; scope < scopes; ++scope)
    known->fence[scope] = fences[scope][thread].clock >= self.block_start ? fences[scope][thread] : Fence{};
  known->floor = self.floor;
  known->warp_floor = warp_floors[warp_number(thread)];
  ++target.count;
  for (const auto* list : {&acquired_by[thread], &acquired_by_block})
    for (const Acquired& entry : *list)
      if (entry.object != &target) add(target.passed_on, entry);
  block_has_release = true;
}

bool is_ordered(uint32_t clock, int thread) {
  if (clock < self.launch_start) return true;
  if (clock < self.block_start) return was_acquired(turn_of(clock), clock, thread);
  if (clock < self.floor || thread == static_cast<int>(self.thread)) return true;
  if (same_warp(thread, static_cast<int>(self.thread))) {
    if (clock < warp_floors[warp_number(thread)]) return true;
    if (clock < lanes_seen[self.thread][thread % warp_size]) return true;
  }
  return was_acquired(current_turn(), clock, thread);
}

uint32_t turn_of(uint32_t clock) {
  const auto after = std::upper_bound(block_starts.begin(), block_starts.end(), clock);
  return static_cast<uint32_t>(after - block_starts.begin()) - 1;
}

}  // namespace upskill::cpu

using namespace upskill::cpu;

extern "C" void upskill_cpu_fence(int scope) {
  if (in_kernel) fence(scope != 0);
}

extern "C" void upskill_cpu_release(const void* object) {
  if (!in_kernel) return;
  fence(true);
  release(reinterpret_cast<uintptr_t>(object));
}

extern "C" void upskill_cpu_acquire(const void* object) {
  if (in_kernel) acquire(reinterpret_cast<uintptr_t>(object));
}
