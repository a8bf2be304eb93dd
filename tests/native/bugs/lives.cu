// Memory used after its life, freed twice, lost, or of another machine.
#include <cuda_runtime.h>
#include <vector>

__global__ void copy(const float* x, float* y) {
  y[threadIdx.x] = x[threadIdx.x];  // bug 0: memory use-after-free, bug 1: memory host-pointer, bug 2: memory host-pointer, bug 3: memory use-after-free
}
struct Table {
  const float* values;
};
__global__ void look_up(Table table, float* y) {
  y[threadIdx.x] = table.values[threadIdx.x];  // bug 4: memory host-pointer
}

extern "C" void upskill_entry(int which, void* const* a, cudaStream_t stream) {
  const float* x = (const float*)a[0];
  float *y = (float*)a[1], *scratch = nullptr;
  static float* cache = nullptr;
  float local[64];
  switch (which) {
    case 0:
      cudaMalloc(&scratch, 256);
      cudaFree(scratch);
      copy<<<1, 64, 0, stream>>>(scratch, y);
      break;
    case 1: copy<<<1, 64, 0, stream>>>(local, y); break;
    case 2: {
      std::vector<float> large(10 << 20);
      copy<<<1, 64, 0, stream>>>(large.data(), y);
      break;
    }
    case 3:
      cudaMallocAsync(&scratch, 256, stream);
      cudaFreeAsync(scratch, stream);
      copy<<<1, 64, 0, stream>>>(x, scratch);
      break;
    case 4: look_up<<<1, 64, 0, stream>>>(Table{local}, y); break;
    case 5:
      cudaMalloc(&scratch, 256);
      cudaFree(scratch);
      cudaFree(scratch);  // bug 5: memory double-free
      break;
    case 6:
      cudaFree(y);  // bug 6: memory invalid-free
      break;
    case 7:
      cudaMalloc(&scratch, 256);
      cudaFree(scratch + 1);  // bug 7: memory invalid-free
      cudaFree(scratch);
      break;
    case 8:
      cudaMalloc(&scratch, 512);  // bug 8 again: memory leak
      copy<<<1, 64, 0, stream>>>(x, scratch);
      break;
    case 9:
      cudaMallocAsync((void**)&scratch, 768, stream);  // bug 9 again: memory leak
      copy<<<1, 64, 0, stream>>>(x, scratch);
      break;
    case 10:
      cudaMalloc(&scratch, 256);
      copy<<<1, 64, 0, stream>>>(x, scratch);
      copy<<<1, 64, 0, stream>>>(scratch, y);
      cudaFree(scratch);
      break;
    case 11:
      if (cache == nullptr) cudaMalloc(&cache, 256);
      copy<<<1, 64, 0, stream>>>(x, cache);
      copy<<<1, 64, 0, stream>>>(cache, y);
      break;
    case 12:
      cudaMalloc(&scratch, 256);
      cudaMemcpyAsync(scratch, local, 256, cudaMemcpyHostToDevice, stream);
      copy<<<1, 64, 0, stream>>>(scratch, y);
      cudaFreeAsync(scratch, stream);
      break;
  }
}
