#include "elf_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>

namespace upskill::cpu {

ElfFile::ElfFile(const std::string& path) {
  const int file = open(path.empty() ? "/proc/self/exe" : path.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat status;
  if (file >= 0 && fstat(file, &status) == 0 && status.st_size > 0) {
    void* mapped = mmap(nullptr, static_cast<size_t>(status.st_size), PROT_READ, MAP_PRIVATE, file, 0);
    if (mapped != MAP_FAILED) contents = static_cast<const char*>(mapped), bytes = static_cast<size_t>(status.st_size);
  }
  if (file >= 0) close(file);
  const auto* header = reinterpret_cast<const ElfW(Ehdr)*>(contents);
  if (bytes < sizeof *header || header->e_shoff > bytes || bytes - header->e_shoff < sizeof *sections) return;
  sections = reinterpret_cast<const ElfW(Shdr)*>(contents + header->e_shoff);
  // With very many sections, their number and the table of names are in the first one.
  count = header->e_shnum != 0 ? header->e_shnum : sections->sh_size;
  names = header->e_shstrndx != SHN_XINDEX ? header->e_shstrndx : sections->sh_link;
  if (count > (bytes - header->e_shoff) / sizeof *sections) count = 0;
}

ElfFile::~ElfFile() {
  if (contents != nullptr) munmap(const_cast<char*>(contents), bytes);
}

bool ElfFile::holds(const ElfW(Shdr) & section) const {
  return section.sh_type != SHT_NOBITS && section.sh_offset <= bytes && section.sh_size <= bytes - section.sh_offset;
}

const char* ElfFile::text(size_t table, size_t place) const {
  if (table >= count || !holds(sections[table]) || place >= sections[table].sh_size) return "";
  const char* begin = contents + sections[table].sh_offset;
  return std::memchr(begin + place, '\0', sections[table].sh_size - place) != nullptr ? begin + place : "";
}

}  // namespace upskill::cpu
