// Cooperative groups: blocks, tiles of a warp, coalesced threads; and the grid.
#ifndef UPSKILL_CPU_COOPERATIVE_GROUPS_H
#define UPSKILL_CPU_COOPERATIVE_GROUPS_H
#define _COOPERATIVE_GROUPS_H_

#include <type_traits>

#include "cuda_runtime.h"
#include "upskill_cpu/grid.h"
#include "upskill_cpu/split_barrier.h"

namespace cooperative_groups {

template <unsigned int Size, class Parent = void>
class thread_block_tile;

namespace details {

UPSKILL_CPU_INLINE unsigned int rank_in_block() {
  return threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
}
UPSKILL_CPU_INLINE unsigned int block_threads() { return blockDim.x * blockDim.y * blockDim.z; }
UPSKILL_CPU_INLINE unsigned int lane() { return rank_in_block() & 31; }

// A shuffle of any type that can be copied bit by bit, eight bytes at a time.
template <class T>
UPSKILL_CPU_INLINE T shuffle(unsigned int mask, const T& value, int source, int line) {
  static_assert(std::is_trivially_copyable_v<T>, "a group can exchange trivially copyable values only");
  unsigned long long words[(sizeof(T) + 7) / 8] = {};
  __builtin_memcpy(words, &value, sizeof value);
  for (auto& word : words) word = ::upskill::cpu::shuffle(mask, word, source, line);
  T result;
  __builtin_memcpy(static_cast<void*>(&result), words, sizeof result);
  return result;
}

// A value as tiles of several warps exchange it.
template <class T>
UPSKILL_CPU_INLINE uint64_t to_word(const T& value) {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= 8,
                "tiles of more than 32 threads exchange trivially copyable values of up to 8 bytes only");
  uint64_t word = 0;
  __builtin_memcpy(&word, &value, sizeof value);
  return word;
}
template <class T>
UPSKILL_CPU_UNCHECKED T shown_value(const uint64_t* shown, unsigned int rank) {
  const uint64_t word = shown[rank];
  T value;
  __builtin_memcpy(static_cast<void*>(&value), &word, sizeof value);
  return value;
}

}  // namespace details

class thread_block {
 public:
  UPSKILL_CPU_INLINE static void sync(int line = __builtin_LINE()) { __syncthreads(line); }
  UPSKILL_CPU_INLINE static unsigned int thread_rank() { return details::rank_in_block(); }
  UPSKILL_CPU_INLINE static unsigned int size() { return details::block_threads(); }
  UPSKILL_CPU_INLINE static unsigned int num_threads() { return details::block_threads(); }
  UPSKILL_CPU_INLINE static dim3 group_index() { return blockIdx; }
  UPSKILL_CPU_INLINE static dim3 thread_index() { return threadIdx; }
  UPSKILL_CPU_INLINE static dim3 group_dim() { return blockDim; }
  UPSKILL_CPU_INLINE static dim3 dim_threads() { return blockDim; }
};
UPSKILL_CPU_INLINE thread_block this_thread_block() { return {}; }

// Room for tiles of several warps, which GPUs of compute capability 8.0 or higher do not use either.
template <unsigned int MaxBlockSize = 1024>
struct alignas(8) block_tile_memory {};
template <unsigned int MaxBlockSize>
UPSKILL_CPU_INLINE thread_block this_thread_block(block_tile_memory<MaxBlockSize>&) {
  return {};
}

class grid_group {
 public:
  UPSKILL_CPU_INLINE static bool is_valid() { return upskill_cpu_grid_is_cooperative(); }
  UPSKILL_CPU_INLINE static void sync(int line = __builtin_LINE()) { upskill_cpu_grid_barrier(line); }
  UPSKILL_CPU_INLINE static unsigned long long block_rank() {
    return blockIdx.x + static_cast<unsigned long long>(gridDim.x) * (blockIdx.y + gridDim.y * blockIdx.z);
  }
  UPSKILL_CPU_INLINE static unsigned long long num_blocks() {
    return static_cast<unsigned long long>(gridDim.x) * gridDim.y * gridDim.z;
  }
  UPSKILL_CPU_INLINE static unsigned long long thread_rank() {
    return block_rank() * details::block_threads() + details::rank_in_block();
  }
  UPSKILL_CPU_INLINE static unsigned long long num_threads() { return num_blocks() * details::block_threads(); }
  UPSKILL_CPU_INLINE static unsigned long long size() { return num_threads(); }
  UPSKILL_CPU_INLINE static dim3 group_dim() { return gridDim; }
  UPSKILL_CPU_INLINE static dim3 dim_blocks() { return gridDim; }
  UPSKILL_CPU_INLINE static dim3 block_index() { return blockIdx; }
};
UPSKILL_CPU_INLINE grid_group this_grid() { return {}; }

// A group of threads of one warp: lanes `members()` of it, ranked in their order.
template <class Group>
class warp_group {
 public:
  UPSKILL_CPU_INLINE void sync(int line = __builtin_LINE()) const { __syncwarp(mask(), line); }
  UPSKILL_CPU_INLINE int any(int predicate, int line = __builtin_LINE()) const {
    return __any_sync(mask(), predicate, line);
  }
  UPSKILL_CPU_INLINE int all(int predicate, int line = __builtin_LINE()) const {
    return __all_sync(mask(), predicate, line);
  }
  UPSKILL_CPU_INLINE unsigned int ballot(int predicate, int line = __builtin_LINE()) const {
    return self().to_ranks(__ballot_sync(mask(), predicate, line));
  }
  template <class T>
  UPSKILL_CPU_INLINE unsigned int match_any(T value, int line = __builtin_LINE()) const {
    return self().to_ranks(__match_any_sync(mask(), value, line));
  }
  template <class T>
  UPSKILL_CPU_INLINE unsigned int match_all(T value, int& all, int line = __builtin_LINE()) const {
    return self().to_ranks(__match_all_sync(mask(), value, &all, line));
  }

  // For a source outside the group a thread gets its own value, as with CUDA's shuffles.
  template <class T>
  UPSKILL_CPU_INLINE T shfl(T value, int rank, int line = __builtin_LINE()) const {
    return details::shuffle(mask(), value, self().lane_of(static_cast<unsigned int>(rank) % self().num_threads()),
                            line);
  }
  template <class T>
  UPSKILL_CPU_INLINE T shfl_down(T value, unsigned int delta, int line = __builtin_LINE()) const {
    unsigned int rank = self().thread_rank(), count = self().num_threads();
    return details::shuffle(mask(), value, self().lane_of(delta < count - rank ? rank + delta : rank), line);
  }
  template <class T>
  UPSKILL_CPU_INLINE T shfl_up(T value, unsigned int delta, int line = __builtin_LINE()) const {
    unsigned int rank = self().thread_rank();
    return details::shuffle(mask(), value, self().lane_of(delta <= rank ? rank - delta : rank), line);
  }
  template <class T>
  UPSKILL_CPU_INLINE T shfl_xor(T value, unsigned int lane_mask, int line = __builtin_LINE()) const {
    unsigned int rank = self().thread_rank(), other = rank ^ lane_mask;
    return details::shuffle(mask(), value, self().lane_of(other < self().num_threads() ? other : rank), line);
  }

 private:
  UPSKILL_CPU_INLINE const Group& self() const { return static_cast<const Group&>(*this); }
  UPSKILL_CPU_INLINE unsigned int mask() const { return self().members(); }
};

// The position of a tile's lanes: tiles are cut from the warp in order.
template <unsigned int Size>
class tile_lanes {
  static_assert(Size >= 1 && (Size & (Size - 1)) == 0, "the size of a tile is a power of two, up to 1024");

 public:
  UPSKILL_CPU_INLINE static unsigned int thread_rank() { return details::lane() % Size; }
  UPSKILL_CPU_INLINE static constexpr unsigned int size() { return Size; }
  UPSKILL_CPU_INLINE static constexpr unsigned int num_threads() { return Size; }

  UPSKILL_CPU_INLINE static unsigned int members() { return (~0u >> (32 - Size)) << first_lane(); }
  UPSKILL_CPU_INLINE static int lane_of(unsigned int rank) { return static_cast<int>(first_lane() + rank); }
  UPSKILL_CPU_INLINE static unsigned int to_ranks(unsigned int lanes) {
    return members() & lanes ? lanes >> first_lane() : 0;
  }

 private:
  UPSKILL_CPU_INLINE static unsigned int first_lane() { return details::lane() & ~(Size - 1); }
};

// A tile of several warps: lanes of it exchange values of up to 8 bytes, as in CUDA.
template <unsigned int Size>
class warps_tile {
  static_assert(Size <= 1024 && (Size & (Size - 1)) == 0, "the size of a tile is a power of two, up to 1024");

 public:
  UPSKILL_CPU_INLINE static unsigned int thread_rank() { return details::rank_in_block() % Size; }
  UPSKILL_CPU_INLINE static constexpr unsigned int size() { return Size; }
  UPSKILL_CPU_INLINE static constexpr unsigned int num_threads() { return Size; }

  UPSKILL_CPU_INLINE static void sync(int line = __builtin_LINE()) { upskill_cpu_tile_exchange(Size, 0, line); }
  template <class T>
  UPSKILL_CPU_INLINE static T shfl(T value, unsigned int rank, int line = __builtin_LINE()) {
    return details::shown_value<T>(upskill_cpu_tile_exchange(Size, details::to_word(value), line), rank % Size);
  }
  UPSKILL_CPU_INLINE static int any(int predicate, int line = __builtin_LINE()) {
    return reduce_warps(
        __any_sync(~0u, predicate, line), [](int a, int b) { return a | b; }, line);
  }
  UPSKILL_CPU_INLINE static int all(int predicate, int line = __builtin_LINE()) {
    return reduce_warps(
        __all_sync(~0u, predicate, line), [](int a, int b) { return a & b; }, line);
  }

  // Combines the values of the tile's warps, which all lanes of a warp hold; those of the first `count` warps.
  template <class T, class Operation>
  UPSKILL_CPU_INLINE static T reduce_warps(const T& value, Operation&& operation, int line,
                                           unsigned int count = Size / 32) {
    const uint64_t* shown = upskill_cpu_tile_exchange(Size, details::to_word(value), line);
    T result = details::shown_value<T>(shown, 0);
    for (unsigned int warp = 1; warp < count; ++warp)
      result = operation(result, details::shown_value<T>(shown, 32 * warp));
    return result;
  }
};

namespace details {
template <class Group>
constexpr bool has_several_warps = false;
template <unsigned int Size, class Parent>
constexpr bool has_several_warps<thread_block_tile<Size, Parent>> = (Size > 32);
}  // namespace details

template <unsigned int Size, class Group>
class lanes_tile : public tile_lanes<Size>, public warp_group<Group> {};
template <unsigned int Size, class Group>
using tile_base = std::conditional_t<(Size > 32), warps_tile<Size>, lanes_tile<(Size > 32 ? 32 : Size), Group>>;

template <unsigned int Size, class Parent>
class thread_block_tile : public tile_base<Size, thread_block_tile<Size, Parent>> {
 public:
  UPSKILL_CPU_INLINE static unsigned int meta_group_rank() { return Parent::thread_rank() / Size; }
  UPSKILL_CPU_INLINE static unsigned int meta_group_size() { return (Parent::num_threads() + Size - 1) / Size; }
};

// A tile without its parent's type, for functions that take any tile of a size.
template <unsigned int Size>
class thread_block_tile<Size, void> : public tile_base<Size, thread_block_tile<Size, void>> {
 public:
  template <class Parent>
  UPSKILL_CPU_INLINE thread_block_tile(const thread_block_tile<Size, Parent>& tile)
      : meta_rank_(tile.meta_group_rank()), meta_size_(tile.meta_group_size()) {}
  UPSKILL_CPU_INLINE unsigned int meta_group_rank() const { return meta_rank_; }
  UPSKILL_CPU_INLINE unsigned int meta_group_size() const { return meta_size_; }

 private:
  unsigned int meta_rank_, meta_size_;
};

class coalesced_group : public warp_group<coalesced_group> {
 public:
  UPSKILL_CPU_INLINE explicit coalesced_group(unsigned int lanes) : lanes_(lanes) {}
  UPSKILL_CPU_INLINE unsigned int thread_rank() const {
    return static_cast<unsigned int>(__popc(lanes_ & ((1u << details::lane()) - 1)));
  }
  UPSKILL_CPU_INLINE unsigned int num_threads() const { return static_cast<unsigned int>(__popc(lanes_)); }
  UPSKILL_CPU_INLINE unsigned int size() const { return num_threads(); }
  UPSKILL_CPU_INLINE static unsigned int meta_group_rank() { return 0; }
  UPSKILL_CPU_INLINE static unsigned int meta_group_size() { return 1; }

  UPSKILL_CPU_INLINE unsigned int members() const { return lanes_; }
  UPSKILL_CPU_INLINE int lane_of(unsigned int rank) const {
    unsigned int lanes = lanes_;
    for (; rank > 0; --rank) lanes &= lanes - 1;
    return __builtin_ctz(lanes);
  }
  UPSKILL_CPU_INLINE unsigned int to_ranks(unsigned int lanes) const {
    unsigned int ranks = 0;
    for (unsigned int rank = 0; rank < num_threads(); ++rank) ranks |= (lanes >> lane_of(rank) & 1) << rank;
    return ranks;
  }

 private:
  unsigned int lanes_;
};
UPSKILL_CPU_INLINE coalesced_group coalesced_threads(int line = __builtin_LINE()) {
  return coalesced_group(__activemask(line));
}

// Any group, described at run time: the whole block, or some lanes of one warp.
class thread_group {
 public:
  UPSKILL_CPU_INLINE thread_group(const thread_block&) {}
  UPSKILL_CPU_INLINE thread_group(const coalesced_group& group) : lanes_(group.members()) {}
  template <unsigned int Size, class Parent>
  UPSKILL_CPU_INLINE thread_group(const thread_block_tile<Size, Parent>& tile) : lanes_(tile.members()) {}

  UPSKILL_CPU_INLINE void sync(int line = __builtin_LINE()) const {
    if (lanes_ == 0)
      __syncthreads(line);
    else
      __syncwarp(lanes_, line);
  }
  UPSKILL_CPU_INLINE unsigned int thread_rank() const {
    return lanes_ == 0 ? details::rank_in_block() : coalesced_group(lanes_).thread_rank();
  }
  UPSKILL_CPU_INLINE unsigned int num_threads() const {
    return lanes_ == 0 ? details::block_threads() : coalesced_group(lanes_).num_threads();
  }
  UPSKILL_CPU_INLINE unsigned int size() const { return num_threads(); }

  // The tile of `size` ranks, a power of two up to 32, to which the calling thread belongs.
  UPSKILL_CPU_INLINE thread_group tile(unsigned int size) const {
    unsigned int first = thread_rank() / size * size, count = num_threads() - first, lanes = 0;
    for (unsigned int rank = first; rank < first + (count < size ? count : size); ++rank)
      lanes |= 1u << (lanes_ == 0 ? rank & 31 : static_cast<unsigned int>(coalesced_group(lanes_).lane_of(rank)));
    return thread_group(coalesced_group(lanes));
  }

 private:
  unsigned int lanes_ = 0;  // 0: the block
};
UPSKILL_CPU_INLINE thread_group tiled_partition(const thread_group& group, unsigned int size) {
  return group.tile(size);
}

template <unsigned int Size>
UPSKILL_CPU_INLINE thread_block_tile<Size, thread_block> tiled_partition(const thread_block&) {
  return {};
}
template <unsigned int Size, unsigned int ParentSize, class Grandparent>
UPSKILL_CPU_INLINE thread_block_tile<Size, thread_block_tile<ParentSize, Grandparent>> tiled_partition(
    const thread_block_tile<ParentSize, Grandparent>&) {
  static_assert(Size <= ParentSize, "a tile cannot be larger than the group it is cut from");
  return {};
}
// The threads of a group for which the predicate, or the label, is the same.
template <class Group>
UPSKILL_CPU_INLINE coalesced_group binary_partition(const Group& group, bool predicate, int line = __builtin_LINE()) {
  unsigned int lanes = __ballot_sync(group.members(), predicate, line);
  return coalesced_group(predicate ? lanes : group.members() & ~lanes);
}
template <class Group, class Label>
UPSKILL_CPU_INLINE coalesced_group labeled_partition(const Group& group, Label label, int line = __builtin_LINE()) {
  return coalesced_group(__match_any_sync(group.members(), label, line));
}

template <class Group>
UPSKILL_CPU_INLINE void sync(const Group& group, int line = __builtin_LINE()) {
  group.sync(line);
}
template <class Group>
UPSKILL_CPU_INLINE auto thread_rank(const Group& group) {
  return group.thread_rank();
}
template <class Group>
UPSKILL_CPU_INLINE auto group_size(const Group& group) {
  return group.num_threads();
}

template <class T = void>
struct plus {
  template <class A>
  UPSKILL_CPU_INLINE A operator()(const A& a, const A& b) const {
    return static_cast<A>(a + b);
  }
};
template <class T = void>
struct less {
  template <class A>
  UPSKILL_CPU_INLINE A operator()(const A& a, const A& b) const {
    return b < a ? b : a;
  }
};
template <class T = void>
struct greater {
  template <class A>
  UPSKILL_CPU_INLINE A operator()(const A& a, const A& b) const {
    return a < b ? b : a;
  }
};
template <class T = void>
struct bit_and {
  template <class A>
  UPSKILL_CPU_INLINE A operator()(const A& a, const A& b) const {
    return a & b;
  }
};
template <class T = void>
struct bit_or {
  template <class A>
  UPSKILL_CPU_INLINE A operator()(const A& a, const A& b) const {
    return a | b;
  }
};
template <class T = void>
struct bit_xor {
  template <class A>
  UPSKILL_CPU_INLINE A operator()(const A& a, const A& b) const {
    return a ^ b;
  }
};

}  // namespace cooperative_groups

#endif  // UPSKILL_CPU_COOPERATIVE_GROUPS_H
