// The file of a loaded program or library: its sections and symbols. Offsets are checked, since the file may be a
// student's; one that does not hold together has no sections.
#pragma once

#include <elf.h>
#include <link.h>

#include <cstddef>
#include <string>

namespace upskill::cpu {

class ElfFile {
 public:
  // An empty path is that of the program itself.
  explicit ElfFile(const std::string& path);
  ~ElfFile();
  ElfFile(const ElfFile&) = delete;
  ElfFile& operator=(const ElfFile&) = delete;

  const ElfW(Shdr) * begin() const { return sections; }
  const ElfW(Shdr) * end() const { return sections + count; }
  const char* name(const ElfW(Shdr) & section) const { return text(names, section.sh_name); }

  // Calls visit(symbol, name) for each defined symbol of the full table.
  template <class Visitor>
  void visit_symbols(Visitor visit) const {
    for (const ElfW(Shdr) & section : *this) {
      if (section.sh_type != SHT_SYMTAB || !holds(section) || section.sh_link >= count) continue;
      const auto* symbol = reinterpret_cast<const ElfW(Sym)*>(contents + section.sh_offset);
      for (const auto* last = symbol + section.sh_size / sizeof *symbol; symbol != last; ++symbol)
        if (symbol->st_shndx != SHN_UNDEF) visit(*symbol, text(section.sh_link, symbol->st_name));
    }
  }

 private:
  bool holds(const ElfW(Shdr) & section) const;
  const char* text(size_t table, size_t place) const;

  const char* contents = nullptr;
  size_t bytes = 0;
  const ElfW(Shdr) * sections = nullptr;
  size_t count = 0, names = 0;
};

}  // namespace upskill::cpu
