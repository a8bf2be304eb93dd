// The runtime API's streams and events. All work is done in the calling host thread, before the call returns.
#include <algorithm>
#include <map>
#include <set>

#include "clocks.h"
#include "host_threads.h"
#include "report.h"
#include "upskill_cpu/runtime_api.h"
#include "upskill_cpu/stream_attributes.h"

using namespace upskill::cpu;

struct CUstream_st {
  unsigned int flags = 0;
  int priority = 0;
  unsigned long long id = 0;
  std::map<int, cudaStreamAttrValue> attributes;
};
struct CUevent_st {
  uint64_t recorded_ns = 0;
  bool recorded = false;
};

namespace {

constexpr int greatest_priority = -5;

CUstream_st legacy_stream{0, 0, 1, {}}, stream_per_thread{0, 0, 2, {}};
std::map<cudaStream_t, CUstream_st*> streams = {
    {nullptr, &legacy_stream}, {cudaStreamLegacy, &legacy_stream}, {cudaStreamPerThread, &stream_per_thread}};
std::set<cudaEvent_t> events;

// The stream's state, or nullptr. The caller has the lock.
CUstream_st* find_stream(cudaStream_t stream) {
  const auto found = streams.find(stream);
  return found != streams.end() ? found->second : nullptr;
}

cudaError_t with_stream(cudaStream_t stream) {
  const DeviceLock lock;
  return find_stream(stream) != nullptr ? sticky_error() : fail(cudaErrorInvalidResourceHandle);
}
cudaError_t with_event(cudaEvent_t event) {
  const DeviceLock lock;
  return events.count(event) != 0 ? sticky_error() : fail(cudaErrorInvalidResourceHandle);
}

// Writes what `answer` makes of the stream.
template <class T, class Answer>
cudaError_t ask(cudaStream_t stream, T* target, Answer answer) {
  const DeviceLock lock;
  const CUstream_st* found = find_stream(stream);
  if (found == nullptr) return fail(cudaErrorInvalidResourceHandle);
  if (target == nullptr) return fail(cudaErrorInvalidValue);
  *target = answer(*found);
  return sticky_error();
}

}  // namespace

extern "C" {

cudaError_t cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned int flags, int priority) {
  static unsigned long long last_id = stream_per_thread.id;
  const DeviceLock lock;
  if (sticky_error() != cudaSuccess) return sticky_error();
  if (stream == nullptr) return fail(cudaErrorInvalidValue);
  *stream = new CUstream_st{flags, std::clamp(priority, greatest_priority, 0), ++last_id, {}};
  streams[*stream] = *stream;
  return cudaSuccess;
}
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned int flags) {
  return cudaStreamCreateWithPriority(stream, flags, 0);
}
cudaError_t cudaStreamCreate(cudaStream_t* stream) { return cudaStreamCreateWithPriority(stream, 0, 0); }
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  const DeviceLock lock;
  if (stream == nullptr || find_stream(stream) != stream) return fail(cudaErrorInvalidResourceHandle);
  streams.erase(stream);
  delete stream;
  return sticky_error();
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) { return with_stream(stream); }
cudaError_t cudaStreamQuery(cudaStream_t stream) { return with_stream(stream); }
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned int) {
  const cudaError_t error = with_event(event);
  return error != cudaSuccess ? error : with_stream(stream);
}

// The functions run without the lock: they may wait for other host threads.
cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t function, void* data) {
  const cudaError_t error = with_stream(stream);
  if (error == cudaSuccess) function(data);
  return error;
}
cudaError_t cudaStreamAddCallback(cudaStream_t stream, cudaStreamCallback_t callback, void* data, unsigned int) {
  const cudaError_t error = with_stream(stream);
  if (error != cudaErrorInvalidResourceHandle) callback(stream, error, data);
  return error;
}

cudaError_t cudaStreamSetAttribute(cudaStream_t stream, cudaStreamAttrID id, const cudaStreamAttrValue* value) {
  const DeviceLock lock;
  CUstream_st* found = find_stream(stream);
  if (found == nullptr) return fail(cudaErrorInvalidResourceHandle);
  if (value == nullptr) return fail(cudaErrorInvalidValue);
  found->attributes[id] = *value;
  if (id == cudaStreamAttributePriority) found->priority = value->priority;
  return sticky_error();
}
cudaError_t cudaStreamGetAttribute(cudaStream_t stream, cudaStreamAttrID id, cudaStreamAttrValue* value) {
  return ask(stream, value, [=](const CUstream_st& state) {
    const auto found = state.attributes.find(id);
    return found != state.attributes.end() ? found->second : cudaStreamAttrValue{};
  });
}
cudaError_t cudaStreamCopyAttributes(cudaStream_t target, cudaStream_t source) {
  const DeviceLock lock;
  CUstream_st *to = find_stream(target), *from = find_stream(source);
  if (to == nullptr || from == nullptr) return fail(cudaErrorInvalidResourceHandle);
  to->attributes = from->attributes;
  return sticky_error();
}
cudaError_t cudaStreamGetFlags(cudaStream_t stream, unsigned int* flags) {
  return ask(stream, flags, [](const CUstream_st& state) { return state.flags; });
}
cudaError_t cudaStreamGetPriority(cudaStream_t stream, int* priority) {
  return ask(stream, priority, [](const CUstream_st& state) { return state.priority; });
}
cudaError_t cudaStreamGetId(cudaStream_t stream, unsigned long long* id) {
  return ask(stream, id, [](const CUstream_st& state) { return state.id; });
}
cudaError_t cudaStreamGetDevice(cudaStream_t stream, int* device) {
  return ask(stream, device, [](const CUstream_st&) { return 0; });
}
cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* status) {
  return ask(stream, status, [](const CUstream_st&) { return cudaStreamCaptureStatusNone; });
}
cudaError_t cudaDeviceGetStreamPriorityRange(int* least, int* greatest) {
  if (least != nullptr) *least = 0;
  if (greatest != nullptr) *greatest = greatest_priority;
  return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned int) {
  const DeviceLock lock;
  if (sticky_error() != cudaSuccess) return sticky_error();
  if (event == nullptr) return fail(cudaErrorInvalidValue);
  *event = new CUevent_st;
  events.insert(*event);
  return cudaSuccess;
}
cudaError_t cudaEventCreate(cudaEvent_t* event) { return cudaEventCreateWithFlags(event, 0); }
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  const DeviceLock lock;
  if (events.erase(event) == 0) return fail(cudaErrorInvalidResourceHandle);
  delete event;
  return sticky_error();
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  const DeviceLock lock;
  const cudaError_t error = with_event(event);
  if (error != cudaSuccess || find_stream(stream) == nullptr) return error != cudaSuccess ? error : with_stream(stream);
  *event = {device_nanoseconds(), true};
  return cudaSuccess;
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) { return with_event(event); }
cudaError_t cudaEventQuery(cudaEvent_t event) { return with_event(event); }
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t end) {
  const DeviceLock lock;
  if (events.count(start) == 0 || events.count(end) == 0 || !start->recorded || !end->recorded)
    return fail(cudaErrorInvalidResourceHandle);
  *milliseconds =
      static_cast<float>(1e-6 * (static_cast<double>(end->recorded_ns) - static_cast<double>(start->recorded_ns)));
  return sticky_error();
}

}  // extern "C"
