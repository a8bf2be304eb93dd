// Instead of PyTorch's header: each tensor has an allocation of the cpu device, which keeps no freed one for reuse.
#pragma once

#include <c10/core/Allocator.h>
#include <c10/cuda/CUDAStream.h>

namespace c10::cuda::CUDACachingAllocator {

C10_CUDA_API c10::Allocator* get();
C10_CUDA_API void* raw_alloc(size_t bytes);
C10_CUDA_API void raw_delete(void* pointer);

inline void* raw_alloc_with_stream(size_t bytes, cudaStream_t) { return raw_alloc(bytes); }
inline void recordStream(const DataPtr&, CUDAStream) {}
inline void emptyCache() {}

}  // namespace c10::cuda::CUDACachingAllocator
