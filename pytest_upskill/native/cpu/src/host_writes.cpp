#include "host_writes.h"

#include <algorithm>
#include <iterator>
#include <map>

namespace upskill::cpu {

namespace {

std::map<uintptr_t, uintptr_t> ranges;  // ends by begins; they do not touch each other

}  // namespace

void note_host_write(uintptr_t address, size_t bytes) {
  uintptr_t begin = address, end = address + bytes;
  auto range = ranges.upper_bound(end);
  while (range != ranges.begin()) {
    --range;
    if (range->second < begin) break;
    begin = std::min(begin, range->first);
    end = std::max(end, range->second);
    range = ranges.erase(range);
  }
  ranges[begin] = end;
}

void forget_host_writes(uintptr_t begin, uintptr_t end) {
  auto range = ranges.upper_bound(begin);
  if (range != ranges.begin()) --range;
  while (range != ranges.end() && range->first < end) {
    const auto [from, to] = *range;
    if (to <= begin) {
      ++range;
      continue;
    }
    range = ranges.erase(range);
    if (from < begin) ranges[from] = begin;
    if (to > end) ranges[end] = to;
  }
}

bool is_initialised(uintptr_t address, size_t bytes) {
  const auto after = ranges.upper_bound(address);
  return after != ranges.begin() && address + bytes <= std::prev(after)->second;
}

}  // namespace upskill::cpu
