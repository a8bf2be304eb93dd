#include "ordering.h"

#include <algorithm>
#include <memory>
#include <unordered_map>
#include <vector>

#include "launch_state.h"

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

std::vector<uint32_t> next_turns;  // by turn: a suspended block's next one, or 0

Fence fences[scopes][max_threads];
bool block_has_fence = false, block_has_release = false;
int threads_of_block = 0;

// The fences of a block that has ended: which threads fenced, and the time of the last fence.
struct PastFences {
  uint32_t clock = 0;
  uint32_t threads[max_warps] = {};
};
std::unordered_map<uint32_t, PastFences> past_fences;  // by turn

std::vector<std::unique_ptr<Object>> objects;                           // of the launch
std::unordered_map<uintptr_t, Object*> global_objects, shared_objects;  // by address; shared: of the running block
size_t objects_before_block = 0;
Knowledge known_to_block, known_to[max_threads];
std::vector<int> knowing;  // threads that know more than their block

Knowledge& knowledge_of(int thread) {
  if (known_to[thread] == nullptr) knowing.push_back(thread);
  return known_to[thread];
}

// When the thread last met lanes of its warp; taken for all of them.
uint32_t met_in_warp(int thread) {
  return std::max(warp_floors[warp_number(thread)], lanes_seen[thread][thread % warp_size]);
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
bool covers(const Release& release, int releasing, uint32_t turn, uint32_t clock, int thread) {
  const Fence& fence = release.fence[turn == current_turn() ? within_block : between_blocks];
  const bool together = same_warp(thread, releasing);
  if (thread == releasing && clock < fence.clock) return true;
  if (clock < fence.floor || (together && clock < fence.warp_floor)) return true;
  const bool met = clock < release.floor || (together && clock < release.warp_floor);
  return met && clock < fence_clock(turn, thread);
}

bool covers(const Known::Acquired& acquired, uint32_t turn, uint32_t clock, int thread) {
  const auto logs = acquired.object->logs.find(turn);
  if (logs == acquired.object->logs.end()) return false;
  for (const Object::Log& log : logs->second) {
    const auto after = std::partition_point(log.releases.begin(), log.releases.end(),
                                            [&](const Release& release) { return release.index < acquired.releases; });
    if (after != log.releases.begin() && covers(*std::prev(after), log.thread, turn, clock, thread)) return true;
  }
  return false;
}

bool covers(const Phase& phase, uint32_t turn, uint32_t clock, int thread) {
  for (const Arrivals& arrivals : phase.arrivals)
    if (arrivals.turn == turn) return clock < arrivals.floor || clock < arrivals.clocks[static_cast<size_t>(thread)];
  return false;
}

bool tells(const Knowledge& knowledge, uint32_t turn, uint32_t clock, int thread) {
  if (knowledge == nullptr) return false;
  for (const auto& [barrier, phase] : knowledge->phases)
    if (covers(*phase, turn, clock, thread)) return true;
  for (const Known::Acquired& acquired : knowledge->objects)
    if (covers(acquired, turn, clock, thread)) return true;
  return false;
}

// What a thread did before its block was suspended, it did before each of its later turns.
bool is_known(uint32_t turn, uint32_t clock, int thread) {
  for (;;) {
    if (tells(known_to[self.thread], turn, clock, thread) || tells(known_to_block, turn, clock, thread)) return true;
    if (turn >= next_turns.size() || next_turns[turn] == 0) return false;
    turn = next_turns[turn];
    if (turn == current_turn()) return true;
    clock = block_starts[turn];
  }
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

void forget_knowledge() {
  for (int thread : knowing) known_to[thread] = nullptr;
  knowing.clear();
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

void share_knowledge(int warp, uint32_t lanes) {
  Knowledge joint;
  for (uint32_t rest = lanes; rest != 0; rest &= rest - 1)
    learn(joint, known_to[warp * warp_size + __builtin_ctz(rest)]);
  if (joint == nullptr) return;
  for (uint32_t rest = lanes; rest != 0; rest &= rest - 1) knowledge_of(warp * warp_size + __builtin_ctz(rest)) = joint;
}

void tell_block() {
  for (int thread : knowing) learn(known_to_block, known_to[thread]);
  forget_knowledge();
}

// Objects in shared memory end with their block. What others may have learned from them must stay.
void end_shared_objects() {
  shared_objects.clear();
  if (!block_has_release && !launch.cooperative) objects.resize(objects_before_block);
  objects_before_block = objects.size();
}

Object& object_at(uintptr_t address, bool shared) {
  Object*& object = (shared ? shared_objects : global_objects)[address];
  if (object == nullptr) object = objects.emplace_back(std::make_unique<Object>()).get();
  return *object;
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
  next_turns.clear();
  past_fences.clear();
  forget_knowledge();
  known_to_block = nullptr;
  shared_objects.clear();
  global_objects.clear();
  objects.clear();
  objects_before_block = 0;
  block_has_fence = block_has_release = false;
  self = {};
  self.launch_start = ++now;
  return !reset;
}

void end_launch() {
  const auto free_all = [](auto& container) { std::decay_t<decltype(container)>().swap(container); };
  forget_knowledge();
  known_to_block = nullptr;
  free_all(shared_objects);
  free_all(global_objects);
  free_all(past_fences);
  free_all(objects);
  objects_before_block = 0;
}

void begin_block(int threads) {
  if (block_has_release) keep_fences();
  forget_knowledge();
  known_to_block = nullptr;
  end_shared_objects();
  block_has_fence = block_has_release = false;
  threads_of_block = threads;
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
  if (knowing.empty()) return;
  tell_block();
  forget_phases_of(known_to_block, current_turn());
}

void pass_warp_call(int warp, uint32_t lanes, bool all_alive) {
  ++now;
  for (uint32_t rest = lanes; rest != 0; rest &= rest - 1) clocks[warp * warp_size + __builtin_ctz(rest)] = now;
  if (all_alive)
    warp_floors[warp] = now;
  else
    join_lanes(warp, lanes);
  if (!knowing.empty()) share_knowledge(warp, lanes);
}

void fence(bool device_wide) {
  const int thread = static_cast<int>(self.thread);
  self.clock = clocks[thread] = ++now;
  const Fence note{now, self.floor, met_in_warp(thread)};
  fences[within_block][thread] = note;
  if (device_wide) fences[between_blocks][thread] = note;
  block_has_fence = true;
  self.fresh_fence = true;
}

void acquire(uintptr_t object, bool shared) {
  if (objects.empty()) return;
  const auto& known = shared ? shared_objects : global_objects;
  const auto found = known.find(object);
  if (found != known.end()) learn(knowledge_of(static_cast<int>(self.thread)), *found->second);
}

void release(uintptr_t object, bool shared) {
  if (!block_has_fence) return;
  const int thread = static_cast<int>(self.thread);
  Release release{0, {}, self.floor, met_in_warp(thread)};
  for (int scope = 0; scope < scopes; ++scope)
    if (fences[scope][thread].clock >= self.block_start) release.fence[scope] = fences[scope][thread];
  Object& target = object_at(object, shared);
  target.note(current_turn(), thread, release);
  learn(target.known, known_to[thread]);
  learn(target.known, known_to_block);
  block_has_release |= !shared;
}

void join_phase(Phase& phase, Knowledge& known, bool shared) {
  const int thread = static_cast<int>(self.thread), first = thread / warp_size * warp_size;
  const uint32_t turn = current_turn();
  self.clock = clocks[thread] = ++now;
  block_has_release |= !shared;
  if (phase.launch_start != self.launch_start) {
    phase = {phase.number, self.launch_start, {}};
    known = nullptr;
  }
  if (phase.arrivals.empty() || phase.arrivals.back().turn != turn)
    phase.arrivals.push_back({turn, 0, std::vector<uint32_t>(static_cast<size_t>(threads_of_block + warp_size - 1))});
  Arrivals& arrivals = phase.arrivals.back();
  arrivals.floor = self.floor;
  for (int lane = 0; lane < warp_size; ++lane) {
    uint32_t& clock = arrivals.clocks[static_cast<size_t>(first + lane)];
    clock = std::max({clock, warp_floors[warp_number(thread)], lanes_seen[thread][lane]});
  }
  arrivals.clocks[static_cast<size_t>(thread)] = now;
  learn(known, known_to[thread]);
  learn(known, known_to_block);
}

void pass_phase(uint32_t barrier, const std::shared_ptr<const Phase>& phase, const Knowledge& known) {
  if (phase->launch_start != self.launch_start) return;
  Knowledge& own = knowledge_of(static_cast<int>(self.thread));
  learn(own, known);
  learn(own, barrier, phase);
}

BlockKnowledge suspend_knowledge() {
  tell_block();
  return {self.launch_start, current_turn(), std::move(known_to_block), std::move(shared_objects)};
}

void resume_knowledge(BlockKnowledge knowledge) {
  if (knowledge.launch_start != self.launch_start) return;  // all blocks have met since
  known_to_block = std::move(knowledge.known);
  shared_objects = std::move(knowledge.objects);
  next_turns.resize(current_turn());
  next_turns[knowledge.turn] = current_turn();
}

bool is_ordered(uint32_t clock, int thread) {
  if (clock < self.launch_start) return true;
  if (clock < self.block_start) return is_known(turn_of(clock), clock, thread);
  if (clock < self.floor || thread == static_cast<int>(self.thread)) return true;
  if (same_warp(thread, static_cast<int>(self.thread))) {
    if (clock < warp_floors[warp_number(thread)]) return true;
    if (clock < lanes_seen[self.thread][thread % warp_size]) return true;
  }
  return is_known(current_turn(), clock, thread);
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
