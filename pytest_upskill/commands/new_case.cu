__global__ $kernel {
  const int64_t $index = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if ($index < $dim) {
$writes
  }
}

$launcher {
  $name_kernel<<<static_cast<unsigned>(($dim + 255) / 256), 256, 0, stream>>>($passed);
}
