// Conway's game of life on a torus, in one cooperative launch: all blocks wait for each other between generations.
#include <cooperative_groups.h>

#include "checked.cuh"

__global__ void live(unsigned char* a, unsigned char* b, int size, int generations) {
  auto grid = cooperative_groups::this_grid();
  for (int k = 0; k < generations; ++k) {
    for (int i = grid.thread_rank(); i < size * size; i += grid.size()) {
      const int x = i % size, y = i / size;
      int around = 0;
      for (int dy = -1; dy <= 1; ++dy)
        for (int dx = -1; dx <= 1; ++dx)
          if (dx != 0 || dy != 0) around += a[(y + dy + size) % size * size + (x + dx + size) % size];
      b[i] = around == 3 || (around == 2 && a[i]);
    }
    grid.sync();
    unsigned char* kept = a;
    a = b;
    b = kept;
  }
}

int main() {
  int size = 32, generations = 8;
  std::vector<unsigned char> cells(size * size), moved(size * size);
  for (int cell : {1, 34, 64, 65, 66}) cells[cell] = 1;  // a glider, which moves by one cell in four generations
  for (int i = 0; i < size * size; ++i) moved[(i / size + 2) % size * size + (i + 2) % size] = cells[i];
  unsigned char *a = to_device(cells), *b = on_device<unsigned char>(size * size);
  void* arguments[] = {&a, &b, &size, &generations};
  int blocks = 0;
  CHECKED(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, live, 64, 0));
  CHECKED(cudaLaunchCooperativeKernel((void*)live, dim3(min(blocks, 6)), dim3(64), arguments, 0, nullptr));
  CHECKED(cudaDeviceSynchronize());
  const bool right = to_host(a, size * size) == moved;
  CHECKED(cudaFree(a));
  CHECKED(cudaFree(b));
  return verdict("game of life", right);
}
