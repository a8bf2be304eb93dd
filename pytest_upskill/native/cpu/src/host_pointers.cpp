#include "host_pointers.h"

#include <cstring>
#include <iterator>
#include <map>

#include "launch_state.h"
#include "module.h"
#include "report.h"

namespace upskill::cpu {

namespace {

std::map<uintptr_t, uintptr_t> symbols;  // ends by begins

constexpr char use_symbol[] = "name the variable in the kernel, or pass what cudaGetSymbolAddress gives";

// Calls visit(word) for each aligned word of the data.
template <class Visitor>
void visit_words(const void* data, size_t bytes, Visitor visit) {
  const auto address = reinterpret_cast<uintptr_t>(data);
  const size_t skip = -address % sizeof(uintptr_t);
  for (size_t i = skip; i + sizeof(uintptr_t) <= bytes; i += sizeof(uintptr_t)) {
    uintptr_t word;
    std::memcpy(&word, static_cast<const char*>(data) + i, sizeof word);
    visit(word);
  }
}

bool is_constant(const Module& module, uintptr_t address) {
  for (const Segment& segment : module.segments)
    if (!segment.writable && address - segment.begin < segment.bytes) return !is_code(address);
  return false;
}

void refuse(size_t index, const std::string& what) {
  report(Assertion::memory, "host-pointer", launch.pc,
         format("argument %zu of the launch of %s %s", index + 1, launch.kernel, what.c_str()));
}

void check_word(size_t index, uintptr_t word) {
  if (const std::string named = describe_named(word); !named.empty())
    refuse(index, format("holds the host's address of %s, which no kernel can use; %s", named.c_str(), use_symbol));
}

void check_argument(const Module& module, size_t index, const upskill_cpu_argument& argument) {
  const auto [begin, bytes, kind] = argument;
  if (kind == upskill_cpu_polymorphic)
    return refuse(index,
                  "is of a class with virtual functions, whose table is the host's; make the object in the kernel");
  const auto pointer = kind == upskill_cpu_array     ? reinterpret_cast<uintptr_t>(begin)
                       : kind == upskill_cpu_pointer ? *static_cast<const uintptr_t*>(begin)
                                                     : 0;
  if (kind == upskill_cpu_array) check_word(index, pointer);
  visit_words(begin, bytes, [&](uintptr_t word) { check_word(index, word); });
  if (pointer != 0 && !is_device_variable(pointer) && is_constant(module, pointer))
    refuse(index, "points to a constant of the host, such as a string; copy it to device memory");
}

}  // namespace

void note_symbol(uintptr_t begin, size_t bytes) { symbols[begin] = begin + bytes; }

bool is_symbol(uintptr_t address) {
  const auto after = symbols.upper_bound(address);
  return after != symbols.begin() && address < std::prev(after)->second;
}

std::string describe_named(uintptr_t address) {
  if (!is_device_variable(address) || is_symbol(address)) return "";
  const Variable* variable = device_variable_at(address);
  return variable != nullptr ? "the __device__ variable '" + readable_variable(variable->name.c_str()) + "'" : "";
}

void check_arguments() {
  const Module& module = module_of(reinterpret_cast<const void*>(launch.thread));
  if (module.variables.device.empty()) return;
  for (size_t i = 0; i < launch.argument_count; ++i) check_argument(module, i, launch.argument_places[i]);
}

void check_copied(const void* source, size_t bytes, uintptr_t pc) {
  std::string found;
  visit_words(source, bytes, [&](uintptr_t word) {
    if (found.empty() && is_device_variable(word)) found = describe_named(word);
  });
  if (!found.empty())
    report(Assertion::memory, "host-pointer", pc,
           format("the data copied to the device hold the host's address of %s, which no kernel can use; %s",
                  found.c_str(), use_symbol));
}

}  // namespace upskill::cpu
