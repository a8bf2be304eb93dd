// The Mandelbrot set on blocks of two dimensions, drawn with letters.
#include "checked.cuh"

__host__ __device__ int iterations(float x, float y, int most) {
  float u = 0, v = 0;
  int i = 0;
  for (; i < most && u * u + v * v < 4; ++i) {
    const float next = u * u - v * v + x;
    v = 2 * u * v + y;
    u = next;
  }
  return i;
}

__global__ void draw(unsigned char* out, int width, int height, float2 corner, float2 step) {
  const int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
  if (x < width && y < height) out[y * width + x] = iterations(corner.x + x * step.x, corner.y + y * step.y, 60);
}

int main() {
  const int width = 48, height = 20;
  const float2 corner = make_float2(-2.2f, -1.2f), step = make_float2(3.2f / width, 2.4f / height);
  unsigned char* out = on_device<unsigned char>(width * height);
  draw<<<dim3((width + 15) / 16, (height + 7) / 8), dim3(16, 8)>>>(out, width, height, corner, step);
  const auto got = to_host(out, width * height);
  bool right = true;
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      const int i = got[y * width + x];
      right = right && i == iterations(corner.x + x * step.x, corner.y + y * step.y, 60);
      putchar(i == 60 ? '#' : i > 6 ? '+' : '.');
    }
    putchar('\n');
  }
  CHECKED(cudaFree(out));
  return verdict("mandelbrot", right);
}
