#include "knowledge.h"

#include <algorithm>

namespace upskill::cpu {

namespace {

// A thread's releases of one object that are told apart. Beyond these, two count as one: a race may be missed then.
constexpr size_t longest_log = 8;

Object* key_of(const Known::Acquired& entry) { return entry.object; }
uint32_t key_of(const Known::Passed& entry) { return entry.barrier; }
uint32_t time_of(const Known::Acquired& entry) { return entry.releases; }
uint32_t time_of(const Known::Passed& entry) { return entry.phase->number; }

template <class Entry>
bool includes(const std::vector<Entry>& all, const std::vector<Entry>& some) {
  auto next = all.begin();
  for (const Entry& entry : some) {
    while (next != all.end() && key_of(*next) < key_of(entry)) ++next;
    if (next == all.end() || key_of(*next) != key_of(entry) || time_of(*next) < time_of(entry)) return false;
  }
  return true;
}

template <class Entry>
std::vector<Entry> merged(const std::vector<Entry>& a, const std::vector<Entry>& b) {
  std::vector<Entry> result;
  result.reserve(a.size() + b.size());
  auto x = a.begin(), y = b.begin();
  while (x != a.end() && y != b.end()) {
    if (key_of(*x) == key_of(*y)) {
      result.push_back(time_of(*x) < time_of(*y) ? *y : *x);
      ++x, ++y;
    } else {
      result.push_back(key_of(*x) < key_of(*y) ? *x++ : *y++);
    }
  }
  result.insert(result.end(), x, a.end());
  result.insert(result.end(), y, b.end());
  return result;
}

template <class Entry>
void insert(std::vector<Entry>& list, const Entry& entry) {
  const auto at = std::lower_bound(list.begin(), list.end(), entry,
                                   [](const Entry& a, const Entry& b) { return key_of(a) < key_of(b); });
  if (at == list.end() || key_of(*at) != key_of(entry))
    list.insert(at, entry);
  else if (time_of(*at) < time_of(entry))
    *at = entry;
}

// The target's own copy, to be changed.
Known& own(Knowledge& target) {
  if (target == nullptr)
    target = std::make_shared<Known>();
  else if (target.use_count() != 1)
    target = std::make_shared<Known>(*target);
  return *target;
}

}  // namespace

void Object::note(uint32_t turn, int thread, Release release) {
  std::vector<Log>& all = logs[turn];
  auto log = std::find_if(all.begin(), all.end(), [&](const Log& known) { return known.thread == thread; });
  if (log == all.end()) log = all.insert(log, Log{thread, {}});
  std::vector<Release>& releases = log->releases;
  release.index = count++;
  if (!releases.empty() && std::equal(release.fence, release.fence + scopes, releases.back().fence) &&
      release.floor == releases.back().floor && release.warp_floor == releases.back().warp_floor)
    return;
  if (releases.size() == longest_log) {
    for (size_t i = 0; i < longest_log / 2; ++i) {
      const uint32_t index = releases[2 * i].index;
      releases[i] = releases[2 * i + 1];
      releases[i].index = index;
    }
    releases.resize(longest_log / 2);
  }
  releases.push_back(release);
}

void learn(Knowledge& target, const Knowledge& other) {
  if (other == nullptr || other == target) return;
  if (target == nullptr) {
    target = other;
    return;
  }
  if (includes(target->objects, other->objects) && includes(target->phases, other->phases)) return;
  if (includes(other->objects, target->objects) && includes(other->phases, target->phases)) {
    target = other;
    return;
  }
  target =
      std::make_shared<Known>(Known{merged(target->objects, other->objects), merged(target->phases, other->phases)});
}

void learn(Knowledge& target, Object& object) {
  if (target != nullptr && includes(target->objects, {Known::Acquired{&object, object.count}})) return;
  learn(target, object.known);
  insert(own(target).objects, Known::Acquired{&object, object.count});
}

void learn(Knowledge& target, uint32_t barrier, const std::shared_ptr<const Phase>& phase) {
  insert(own(target).phases, Known::Passed{barrier, phase});
}

void forget_phases_of(Knowledge& target, uint32_t turn) {
  if (target == nullptr || target->phases.empty()) return;
  std::vector<Known::Passed>& phases = own(target).phases;
  phases.erase(std::remove_if(phases.begin(), phases.end(),
                              [=](const Known::Passed& entry) {
                                const std::vector<Arrivals>& arrivals = entry.phase->arrivals;
                                return arrivals.size() == 1 && arrivals[0].turn == turn;
                              }),
               phases.end());
}

}  // namespace upskill::cpu
