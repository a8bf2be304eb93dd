// What threads know of each other through objects in memory (locks, counters, flags) and the phases of split barriers.
//
// An object's identity is its lifetime: a split barrier is a new object each time that it is initialised, and a word of
// shared memory belongs to one block. A thread that synchronises with an object gets what other threads have left
// there before, and nothing of what they leave there later.
#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "launch_state.h"

namespace upskill::cpu {

// A thread's last fence. Fences of a block (__threadfence_block) order its own threads only.
struct Fence {
  uint32_t clock = 0, floor = 0, warp_floor = 0;

  bool operator==(const Fence&) const = default;
};
enum Scope { within_block, between_blocks, scopes };

// What a release by one thread covers.
struct Release {
  uint32_t index;  // how many releases of the object there were before
  Fence fence[scopes];
  uint32_t floor, warp_floor;
};

struct Object;

// What the threads of one block did before they arrived.
struct Arrivals {
  uint32_t turn, floor;
  std::vector<uint32_t> clocks;  // by thread
};

struct Known;
// Immutable once shared; threads that know the same share one. Empty: nothing.
using Knowledge = std::shared_ptr<Known>;

// The arrivals up to a phase of a split barrier.
struct Phase {
  uint32_t number = 0;
  uint32_t launch_start = 0;
  std::vector<Arrivals> arrivals;  // by turn, in this launch
};

struct Known {
  struct Acquired {
    Object* object;
    uint32_t releases;  // those with an index below this one
  };
  struct Passed {
    uint32_t barrier;  // its life
    std::shared_ptr<const Phase> phase;
  };
  std::vector<Acquired> objects;  // sorted
  std::vector<Passed> phases;     // sorted
};

struct Object {
  struct Log {
    int thread;
    std::vector<Release> releases;  // sorted by index
  };
  std::unordered_map<uint32_t, std::vector<Log>> logs;  // by turn
  Knowledge known;                                      // what the releasing threads had learned
  uint32_t count = 0;

  void note(uint32_t turn, int thread, Release release);
};

void learn(Knowledge& target, const Knowledge& other);
void learn(Knowledge& target, Object& object);
void learn(Knowledge& target, uint32_t barrier, const std::shared_ptr<const Phase>& phase);

// Removes what a thread knows from phases that only threads of this turn took part in.
void forget_phases_of(Knowledge& target, uint32_t turn);

}  // namespace upskill::cpu
