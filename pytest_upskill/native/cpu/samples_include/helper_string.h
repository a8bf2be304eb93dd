// For programs that were written for NVIDIA's CUDA samples and have left their Common folder behind: what those
// programs call to read their command line. The user's own header of this name goes first.
#pragma once
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>

#ifndef EXIT_WAIVED
#define EXIT_WAIVED 2
#endif
#ifndef STRNCASECMP
#define STRCASECMP strcasecmp
#define STRNCASECMP strncasecmp
#define STRCPY(target, length, source) strcpy(target, source)
#define SPRINTF sprintf
#define FOPEN(file, name, mode) (file = fopen(name, mode))
#define FOPEN_FAIL(result) (result == NULL)
#endif

// The text after "--name=" (dashes and "=" optional), or a null pointer if no argument has that name.
inline const char* upskill_samples_argument(int count, const char** arguments, const char* name) {
  const size_t length = strcspn(name, "=");
  for (int i = 1; i < count; ++i) {
    const char* text = arguments[i] + strspn(arguments[i], "-");
    if (text == arguments[i] || strncasecmp(text, name, length) != 0) continue;
    if (text[length] == '\0') return text + length;
    if (text[length] == '=') return text + length + 1;
  }
  return nullptr;
}
inline bool checkCmdLineFlag(int count, const char** arguments, const char* name) {
  return upskill_samples_argument(count, arguments, name) != nullptr;
}
inline int getCmdLineArgumentInt(int count, const char** arguments, const char* name) {
  const char* text = upskill_samples_argument(count, arguments, name);
  return text != nullptr ? atoi(text) : 0;
}
inline float getCmdLineArgumentFloat(int count, const char** arguments, const char* name) {
  const char* text = upskill_samples_argument(count, arguments, name);
  return text != nullptr ? static_cast<float>(atof(text)) : 0.0f;
}
inline bool getCmdLineArgumentString(int count, const char** arguments, const char* name, char** value) {
  const char* text = upskill_samples_argument(count, arguments, name);
  *value = const_cast<char*>(text);
  return text != nullptr;
}
// The file here or in the folders where samples keep their data; null if it is in none.
inline char* sdkFindFilePath(const char* name, const char*) {
  for (const char* folder : {"", "data/", "../data/", "../../Common/data/"}) {
    const std::string path = std::string(folder) + name;
    if (std::ifstream(path)) return strdup(path.c_str());
  }
  return nullptr;
}
