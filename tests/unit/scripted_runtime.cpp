// A CUDA runtime of a few lines on plain memory, that misbehaves when it is told to: for the driver's own logic.
#include <cuda_runtime_api.h>

#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <stdexcept>

#include "device.h"

extern "C" {
int scripted_free_mib = 1000;     // what cudaMemGetInfo tells next
int scripted_late_writer = 0;     // whether device memory changes after it was copied to the host
int scripted_refused_malloc = 0;  // whether there is no memory
int scripted_threads = 1;         // how many threads the process has

static unsigned char* latest;  // what cudaMalloc gave last

cudaError_t cudaMalloc(void** memory, size_t bytes) {
  if (scripted_refused_malloc) return cudaErrorMemoryAllocation;
  *memory = std::aligned_alloc(256, (bytes + 255) / 256 * 256);
  latest = static_cast<unsigned char*>(*memory);
  return cudaSuccess;
}
cudaError_t cudaFree(void* memory) {
  std::free(memory);
  return cudaSuccess;
}
cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  std::memmove(to, from, bytes);
  if (scripted_late_writer && kind == cudaMemcpyDeviceToHost) {
    *static_cast<unsigned char*>(const_cast<void*>(from)) ^= scripted_late_writer++ > 2;
  }
  return cudaSuccess;
}
cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  *free = static_cast<size_t>(scripted_free_mib) << 20;
  *total = static_cast<size_t>(1) << 40;
  return cudaSuccess;
}
cudaError_t cudaStreamCreate(cudaStream_t*) { return cudaSuccess; }
cudaError_t cudaGetLastError() { return cudaSuccess; }
cudaError_t cudaDeviceSynchronize() { return cudaSuccess; }
const char* cudaGetErrorString(cudaError_t error) { return error == cudaErrorMemoryAllocation ? "out of memory" : "?"; }

void upskill_watch(const void*, size_t, const char*, int, int) {}
void upskill_launcher_runs(const void*) {}
void upskill_unwatch_all(void) {}
size_t upskill_report_count(void) { return 0; }
const char* upskill_report(size_t) { return ""; }
void upskill_clear_reports(void) {}
size_t upskill_launches(void) { return 2; }
size_t upskill_copied_back(void) { return 5; }
void upskill_configure(int, uint64_t, int) {}
int upskill_host_threads(void) { return scripted_threads; }

void upskill_kept_on_device(KeptOnDevice*) {}
uintptr_t upskill_kept_on_host(void) { return 0; }
const char* upskill_coverage(void) { return ""; }

// What a thread does that was left behind: between two calls it writes to the output of the first (behind its guard).
void scripted_write_between_calls(void) { latest[4096 + 16] ^= 1; }

void writes_nothing(int, void* const*, cudaStream_t) {}
void takes_memory(int, void* const*, cudaStream_t) { scripted_free_mib -= 300; }

// The scalar holds the address of the page that it lies in, for the driver: a launcher finds neither.
void looks_for_inputs(int, void* const* arguments, cudaStream_t) {
  const auto page = *static_cast<const uintptr_t*>(arguments[0]);
  int ends[2];
  if (pipe(ends) != 0) throw std::runtime_error("no pipe");
  const bool readable = write(ends[1], reinterpret_cast<void*>(page), 1) == 1;
  close(ends[0]);
  close(ends[1]);
  if (readable) throw std::runtime_error("the shared memory can be read");
  if (reinterpret_cast<uintptr_t>(arguments[0]) - page < 4096) throw std::runtime_error("the scalar lies in it");
}
}
