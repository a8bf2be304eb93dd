#include "kernel_facts.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <utility>

#include "elf_file.h"
#include "launch_state.h"
#include "module.h"

namespace upskill::cpu {

namespace {

constexpr char variable[] = "upskill_cpu_bounds";

std::map<const int*, size_t> allowed;

// "_ZZ6kernelPfE", with which the symbols of the kernel's own static variables begin.
std::string scope_of(const std::string& symbol) {
  const std::string own = symbol.compare(0, 2, "_Z") == 0 ? symbol.substr(2) : std::to_string(symbol.size()) + symbol;
  return "_ZZ" + own + "E";
}

KernelFacts find_facts(const Module& module, const void* kernel) {
  const ElfFile file(module.path);
  const auto at = [&](const ElfW(Sym) & symbol, const void* address) {
    return module.base + symbol.st_value == reinterpret_cast<uintptr_t>(address);
  };
  std::string scope;
  file.visit_symbols([&](const ElfW(Sym) & symbol, const char* name) {
    if (ELF64_ST_TYPE(symbol.st_info) == STT_FUNC && at(symbol, kernel)) scope = scope_of(name);
  });
  KernelFacts facts;
  if (scope.empty()) return facts;
  const std::string bounds = scope + std::to_string(sizeof variable - 1) + variable;
  file.visit_symbols([&](const ElfW(Sym) & symbol, const char* name) {
    if (name == bounds) facts.bounds = reinterpret_cast<const int*>(module.base + symbol.st_value);
    if (ELF64_ST_TYPE(symbol.st_info) == STT_TLS && std::strncmp(name, scope.c_str(), scope.size()) == 0)
      facts.static_shared += symbol.st_size;
  });
  return facts;
}

}  // namespace

int KernelFacts::most_threads() const {
  return bounds != nullptr && *bounds > 0 ? std::min(*bounds, max_threads) : max_threads;
}

KernelFacts kernel_facts(const void* kernel) {
  static std::map<std::pair<int, const void*>, KernelFacts> known;  // by module
  const Module& module = module_of(kernel);
  const auto [entry, added] = known.try_emplace({module.serial, kernel});
  if (added) entry->second = find_facts(module, kernel);
  return entry->second;
}

std::string kernel_of(const int* bounds) {
  const Module& module = module_of(bounds);
  std::string name = "the kernel";
  ElfFile(module.path).visit_symbols([&](const ElfW(Sym) & symbol, const char* text) {
    if (module.base + symbol.st_value == reinterpret_cast<uintptr_t>(bounds)) name = readable_function(text);
  });
  return name;
}

void allow_dynamic_shared(const int* bounds, size_t bytes) { allowed[bounds] = bytes; }

size_t allowed_dynamic_shared(const int* bounds) {
  const auto found = allowed.find(bounds);
  return found != allowed.end() ? found->second : default_dynamic_shared;
}

}  // namespace upskill::cpu
