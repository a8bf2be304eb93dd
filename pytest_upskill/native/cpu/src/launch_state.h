// The running launch: its kernel, and how it ends.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "host_threads.h"
#include "report.h"
#include "upskill_cpu/launch.h"
#include "vector_types.h"

namespace upskill::cpu {

struct Launch {
  const char* kernel = "";
  void (*thread)(void*) = nullptr;
  void* arguments = nullptr;
  size_t dynamic_shared = 0;
  bool aborted = false;
  bool cooperative = false;  // all blocks are alive at once
  uint64_t serial = 0;       // of this launch
  const upskill_cpu_argument* argument_places = nullptr;
  size_t argument_count = 0;
  uintptr_t pc = 0;  // of the launch, in the host's code
  dim3 grid, block;
  // The thread that began first, once it has its own copies of the arguments.
  bool entered = false;
  int first_thread = 0;
  uint3 first_block = {};
};

extern Launch launch;

// The places of the arguments that this host thread has announced for its next launch; announced once.
struct Announced {
  const upskill_cpu_argument* places = nullptr;
  size_t count = 0;
};
Announced take_announced();

// Whether these bytes of host memory are an argument of this launch, which its threads copy before they begin.
bool is_argument(uintptr_t address, size_t size);

enum class Order { forward, reverse, random };

struct Configuration {
  Order order = Order::forward;
  uint64_t seed = 1;
  bool check_memory = true;
  bool poison_shared = true;
  bool check_races = true;
};

extern Configuration configuration;

// " in kernel k, block (0,0,0), thread (3,0,0)", for the current thread.
std::string where();

// How many such blocks a multiprocessor holds at once, for a positive number of threads.
int resident_blocks(int threads, size_t shared);

constexpr size_t default_dynamic_shared = 48 << 10;
constexpr size_t max_dynamic_shared = 227 << 10;
constexpr int max_threads = 1024;
constexpr int warp_size = 32;

}  // namespace upskill::cpu
