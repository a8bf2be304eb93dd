#include "module_variables.h"

#include <algorithm>
#include <cstring>

namespace upskill::cpu {

namespace {

bool begins(const char* name, const char* prefix) { return std::strncmp(name, prefix, std::strlen(prefix)) == 0; }

// Tables that the compiler makes, which the code of kernels uses too, and constants of the headers.
bool is_of_no_one(const char* name) {
  for (const char* prefix :
       {"_ZTV", "_ZTI", "_ZTS", "_ZTT", "_ZGV", "_ZGR", "_ZNSt", "_ZSt", "_ZZNSt", "_ZZNKSt", "_ZZSt", "_ZN9__gnu_cxx",
        "_ZN7upskill", "_ZZN7upskill", "_ZN3cub", "_ZN6nvcuda", "_ZN4cuda"})
    if (begins(name, prefix)) return true;
  return std::strchr(name, '.') != nullptr || std::strstr(name, "upskill_cpu") != nullptr ||
         std::strstr(name, "__PRETTY_FUNCTION__") != nullptr || std::strstr(name, "8__func__") != nullptr ||
         std::strstr(name, "12__FUNCTION__") != nullptr;
}

// Whether kernels may use what is in the section, but for the host's variables in it.
bool is_common(const ElfW(Shdr) & section, const char* name) {
  return (section.sh_flags & SHF_WRITE) == 0 || begins(name, ".data.rel.ro") || begins(name, ".got");
}

bool before(const Variable& a, const Variable& b) { return a.begin < b.begin; }

// The parts of a range that no host variable occupies.
void add_without(std::vector<Segment>& segments, Segment range, const std::vector<Variable>& host) {
  const uintptr_t end = range.begin + range.bytes;
  for (auto variable = std::lower_bound(host.begin(), host.end(), Variable{"", range.begin, 0}, before);
       variable != host.end() && variable->begin < end; ++variable) {
    if (variable->begin > range.begin) segments.push_back({range.begin, variable->begin - range.begin, range.writable});
    range.begin = std::max(range.begin, std::min(end, variable->begin + variable->bytes));
  }
  if (range.begin < end) segments.push_back({range.begin, end - range.begin, range.writable});
}

}  // namespace

ModuleVariables separate_variables(uintptr_t base, const ElfFile& file) {
  ModuleVariables found;
  std::vector<Segment> common, open;
  for (const ElfW(Shdr) & section : file) {
    if ((section.sh_flags & SHF_ALLOC) == 0 || (section.sh_flags & SHF_TLS) != 0 || section.sh_size == 0) continue;
    const char* name = file.name(section);
    const Segment segment{base + section.sh_addr, section.sh_size, true};
    if (begins(name, "upskill_device"))
      found.device.push_back(segment);
    else if (std::strcmp(name, "upskill_managed") == 0)
      open.push_back(segment);
    else if (is_common(section, name))
      common.push_back({segment.begin, segment.bytes, false});
  }
  if (found.device.empty()) return found;
  file.visit_symbols([&](const ElfW(Sym) & symbol, const char* name) {
    if (ELF64_ST_TYPE(symbol.st_info) != STT_OBJECT || symbol.st_size == 0) return;
    const uintptr_t begin = base + symbol.st_value;
    const auto holds = [&](const Segment& segment) { return begin - segment.begin < segment.bytes; };
    if (std::any_of(found.device.begin(), found.device.end(), holds))
      found.of_device.push_back({name, begin, symbol.st_size});
    else if (!is_of_no_one(name) && std::none_of(open.begin(), open.end(), holds))
      found.of_host.push_back({name, begin, symbol.st_size});
  });
  for (auto* variables : {&found.of_device, &found.of_host}) std::sort(variables->begin(), variables->end(), before);
  found.segments = open;
  found.segments.insert(found.segments.end(), found.device.begin(), found.device.end());
  for (const Segment& range : common) add_without(found.segments, range, found.of_host);
  return found;
}

}  // namespace upskill::cpu
