#include "module.h"

#include <cxxabi.h>
#include <elf.h>
#include <link.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <map>
#include <set>
#include <utility>

#include "elf_file.h"

// The loader's own function: the address of a thread-local variable from its module and offset.
struct TlsIndex {
  unsigned long module, offset;
};
extern "C" void* __tls_get_addr(TlsIndex*);

namespace upskill::cpu {

namespace {

Module current;
unsigned long current_tls_module = 0;
unsigned long long unloads_seen = 0;

struct Search {
  uintptr_t address;
  Module found;
  unsigned long tls_module = 0;
};

int find_module(dl_phdr_info* info, size_t, void* data) {
  auto& search = *static_cast<Search*>(data);
  Module module;
  module.base = info->dlpi_addr;
  bool holds = false;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const ElfW(Phdr)& header = info->dlpi_phdr[i];
    const uintptr_t begin = info->dlpi_addr + header.p_vaddr;
    if (header.p_type == PT_TLS) module.shared_bytes = header.p_memsz;
    if (header.p_type != PT_LOAD) continue;
    module.segments.push_back({begin, header.p_memsz, (header.p_flags & PF_W) != 0});
    if ((header.p_flags & PF_X) != 0) module.code_begin = begin, module.code_end = begin + header.p_memsz;
    module.end = std::max(module.end, begin + header.p_memsz);
    holds |= search.address - begin < header.p_memsz;
  }
  if (!holds) return 0;
  search.found = std::move(module);
  search.found.path = info->dlpi_name;
  search.tls_module = info->dlpi_tls_modid;
  return 1;
}

int first_counts(dl_phdr_info* info, size_t, void* data) {
  *static_cast<unsigned long long*>(data) = info->dlpi_subs;
  return 1;
}

std::string demangle(const char* symbol) {
  int status = 0;
  char* demangled = abi::__cxa_demangle(symbol, nullptr, nullptr, &status);
  std::string name = status == 0 ? demangled : symbol;
  std::free(demangled);
  return name;
}

// The largest executable section: the compiled code, without the linker's stubs, which have no lines.
void find_code(Module& module, const ElfFile& file) {
  size_t largest = 0;
  for (const ElfW(Shdr) & section : file) {
    if ((section.sh_flags & SHF_EXECINSTR) == 0 || section.sh_size <= largest) continue;
    largest = section.sh_size;
    module.code_begin = module.base + section.sh_addr;
    module.code_end = module.code_begin + largest;
  }
}

// This host thread's block of the module's __shared__ variables.
uintptr_t shared_block(unsigned long tls_module) {
  TlsIndex index{tls_module, 0};
  return reinterpret_cast<uintptr_t>(__tls_get_addr(&index));
}

void mark_as_initialised(const std::vector<Variable>& guards) {
  for (const Variable& guard : guards) std::memset(reinterpret_cast<void*>(guard.begin), 1, guard.bytes);
}

// Each host thread that launches kernels of a module has __shared__ variables and guards of its own. A thread may have
// the block of one that has ended.
void follow_thread(Module& module) {
  static thread_local int marked = 0;
  const uintptr_t block = shared_block(current_tls_module), distance = block - module.shared_begin;
  if (distance == 0 && marked == module.serial) return;
  marked = module.serial;
  module.shared_begin = block;
  for (auto* variables : {&module.shared, &module.guards})
    for (Variable& variable : *variables) variable.begin += distance;
  mark_as_initialised(module.guards);
}

void find_shared_variables(Module& module, const ElfFile& file) {
  file.visit_symbols([&](const ElfW(Sym) & symbol, const char* name) {
    if (ELF64_ST_TYPE(symbol.st_info) != STT_TLS) return;
    const bool guard = std::strncmp(name, "_ZGV", 4) == 0;
    const Variable variable{readable_variable(name), module.shared_begin + symbol.st_value, symbol.st_size};
    (guard ? module.guards : module.shared).push_back(variable);
  });
  mark_as_initialised(module.guards);
  // Without symbols (a stripped library) the whole block counts as one variable.
  if (module.shared.empty()) module.shared.push_back({"__shared__", module.shared_begin, module.shared_bytes});
  std::sort(module.shared.begin(), module.shared.end(),
            [](const Variable& a, const Variable& b) { return a.begin < b.begin; });
}

}  // namespace

const Module& module_of(const void* address) {
  unsigned long long unloads = 0;
  dl_iterate_phdr(first_counts, &unloads);
  const auto wanted = reinterpret_cast<uintptr_t>(address);
  if (unloads == unloads_seen && wanted >= current.base && wanted < current.end) {
    if (current.shared_bytes != 0) follow_thread(current);
    return current;
  }
  Search search{wanted, {}};
  dl_iterate_phdr(find_module, &search);
  static const Module nothing;
  if (search.found.end == 0) return nothing;
  const int serial = current.serial + 1;
  current = std::move(search.found);
  current.serial = serial;
  unloads_seen = unloads;
  const ElfFile file(current.path);
  find_code(current, file);
  current.variables = separate_variables(current.base, file);
  if (!current.variables.device.empty()) current.segments = current.variables.segments;
  if (current.shared_bytes != 0) {
    current_tls_module = search.tls_module;
    current.shared_begin = shared_block(current_tls_module);
    find_shared_variables(current, file);
  }
  return current;
}

const Module& current_module() { return current; }

uintptr_t offset_in_module(uintptr_t pc) { return pc > current.base && pc < current.end ? pc - current.base - 1 : 0; }

const char* function_name(const void* address) {
  static std::set<std::string> texts;
  static std::map<std::pair<int, const void*>, const char*> known;  // by module
  const Module& module = module_of(address);
  const auto [entry, added] = known.try_emplace({module.serial, address}, nullptr);
  if (added)
    ElfFile(module.path).visit_symbols([&](const ElfW(Sym) & symbol, const char* name) {
      if (ELF64_ST_TYPE(symbol.st_info) == STT_FUNC &&
          module.base + symbol.st_value == reinterpret_cast<uintptr_t>(address))
        entry->second = texts.insert(readable_function(name)).first->c_str();
    });
  return entry->second;
}

namespace {

const Variable* variable_at(const std::vector<Variable>& sorted, uintptr_t address) {
  const auto after = std::upper_bound(sorted.begin(), sorted.end(), address,
                                      [](uintptr_t wanted, const Variable& one) { return wanted < one.begin; });
  return after != sorted.begin() && address - (after - 1)->begin < (after - 1)->bytes ? &*(after - 1) : nullptr;
}

}  // namespace

const Variable* device_variable_at(uintptr_t address) { return variable_at(current.variables.of_device, address); }
const Variable* host_variable_at(uintptr_t address) { return variable_at(current.variables.of_host, address); }

bool is_device_variable(uintptr_t address) {
  for (const Segment& segment : current.variables.device)
    if (address - segment.begin < segment.bytes) return true;
  return false;
}

// "void softmax<float>(float*)" -> "softmax<float>"; anonymous namespaces and what is between them stay.
std::string readable_function(const char* symbol) {
  std::string name = demangle(symbol);
  int depth = 0;
  for (size_t i = 0; i < name.size(); ++i) {
    depth += (name[i] == '<') - (name[i] == '>');
    if (depth != 0 || name[i] != '(' || name.compare(i, 11, "(anonymous ") == 0) continue;
    name.resize(i);
    break;
  }
  return name.compare(0, 5, "void ") == 0 ? name.substr(5) : name;
}

// "void softmax<float>(float*)::row" -> "row"
std::string readable_variable(const char* symbol) {
  const std::string name = demangle(symbol);
  const size_t scope = name.rfind("::");
  return scope == std::string::npos ? name : name.substr(scope + 2);
}

bool is_code(uintptr_t address) { return address >= current.code_begin && address < current.code_end; }

uintptr_t restore_address(uint32_t low) { return current.base + (low - static_cast<uint32_t>(current.base)); }

}  // namespace upskill::cpu
