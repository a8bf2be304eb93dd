// Bodies that attract each other: each block brings tiles of them to shared memory.
#include "checked.cuh"

constexpr float softening = 1e-2f;

__host__ __device__ inline float3 pull(float3 sum, float4 on, float4 by) {
  const float x = by.x - on.x, y = by.y - on.y, z = by.z - on.z;
  const float squared = x * x + y * y + z * z + softening, inverse = 1.0f / sqrtf(squared);
  const float scale = by.w * inverse * inverse * inverse;
  sum.x += x * scale, sum.y += y * scale, sum.z += z * scale;
  return sum;
}

__global__ void step(float4* to, const float4* from, float4* velocity, int n, float dt) {
  extern __shared__ float4 tile[];
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  const float4 own = i < n ? from[i] : make_float4(0, 0, 0, 0);
  float3 force = make_float3(0, 0, 0);
  for (int first = 0; first < n; first += blockDim.x) {
    const int j = first + threadIdx.x;
    tile[threadIdx.x] = j < n ? from[j] : make_float4(0, 0, 0, 0);
    __syncthreads();
#pragma unroll 4
    for (int k = 0; k < blockDim.x; ++k) force = pull(force, own, tile[k]);
    __syncthreads();
  }
  if (i >= n) return;
  float4 v = velocity[i];
  v.x += dt * force.x, v.y += dt * force.y, v.z += dt * force.z;
  velocity[i] = v;
  to[i] = make_float4(own.x + dt * v.x, own.y + dt * v.y, own.z + dt * v.z, own.w);
}

int main() {
  const int n = 150, steps = 3;
  const float dt = 0.01f;
  auto numbers = wave(4 * n, 0.77f);
  std::vector<float4> position(n), velocity(n, make_float4(0, 0, 0, 0));
  for (int i = 0; i < n; ++i)
    position[i] = make_float4(numbers[4 * i], numbers[4 * i + 1], numbers[4 * i + 2], 1.0f / n);
  float4 *from = to_device(position), *to = on_device<float4>(n), *speed = to_device(velocity);
  for (int k = 0; k < steps; ++k) {
    step<<<(n + 63) / 64, 64, 64 * sizeof(float4)>>>(to, from, speed, n, dt);
    std::swap(from, to);
    const auto before = position;
    for (int i = 0; i < n; ++i) {
      float3 force = make_float3(0, 0, 0);
      for (int j = 0; j < n; ++j) force = pull(force, before[i], before[j]);
      velocity[i].x += dt * force.x, velocity[i].y += dt * force.y, velocity[i].z += dt * force.z;
      position[i].x += dt * velocity[i].x, position[i].y += dt * velocity[i].y, position[i].z += dt * velocity[i].z;
    }
  }
  double most = 0;
  const auto got = to_host(from, n);
  for (int i = 0; i < n; ++i) most = fmax(most, fabs(got[i].x - position[i].x) + fabs(got[i].z - position[i].z));
  for (float4* pointer : {from, to, speed}) CHECKED(cudaFree(pointer));
  return verdict("n-body", most < 1e-5);
}
