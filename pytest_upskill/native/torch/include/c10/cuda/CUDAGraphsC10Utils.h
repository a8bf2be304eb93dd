// Instead of PyTorch's header: no stream is ever captured into a graph.
#pragma once

#include <c10/core/Allocator.h>
#include <c10/cuda/CUDAStream.h>

namespace c10::cuda {

enum class CaptureStatus : int { None = 0, Active = 1, Invalidated = 2 };

inline CaptureStatus currentStreamCaptureStatusMayInitCtx() { return CaptureStatus::None; }
inline CaptureStatus captureStatusMayInitCtx(cudaStream_t) { return CaptureStatus::None; }
inline bool isStreamCapturingMayInitCtx(cudaStream_t) { return false; }

}  // namespace c10::cuda
