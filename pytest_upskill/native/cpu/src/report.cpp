#include "report.h"

#include <algorithm>
#include <atomic>
#include <cstdarg>
#include <cstdio>
#include <set>
#include <tuple>
#include <vector>

#include "module.h"
#include "report_file.h"

namespace upskill::cpu {

namespace {

struct Reports {
  std::vector<std::string> texts;
  std::set<std::tuple<std::string, uintptr_t, std::string>> seen;
};

Reports& reports() {
  static Reports instance;
  return instance;
}

thread_local cudaError_t current_error = cudaSuccess;  // each host thread has its own
std::atomic<cudaError_t> stuck_error = cudaSuccess;    // of the device

const char* name_of(Assertion assertion) {
  switch (assertion) {
    case Assertion::runs:
      return "runs";
    case Assertion::memory:
      return "memory";
    case Assertion::inputs:
      return "inputs";
    case Assertion::deterministic:
      return "deterministic";
  }
  return "runs";
}

std::string one_line(std::string text) {
  for (char& c : text)
    if (c == '\n' || c == '\t' || c == '\r') c = ' ';
  return text;
}

}  // namespace

void report(Assertion assertion, const char* kind, uintptr_t pc, const std::string& message) {
  // Without a place, reports are told apart by their text.
  if (!reports().seen.insert({kind, pc, pc == 0 ? message : std::string()}).second) return;
  const uintptr_t offset = offset_in_module(pc);
  const std::string place = offset == 0 ? "0" : format("0x%zx", static_cast<size_t>(offset));
  reports().texts.push_back(std::string(name_of(assertion)) + '\t' + kind + '\t' + place + '\t' + one_line(message));
  write_to_file(reports().texts.back());
}

bool is_new_report(const char* kind, uintptr_t pc) { return reports().seen.count({kind, pc, std::string()}) == 0; }

bool is_new_pair(uintptr_t a, uintptr_t b) {
  return reports().seen.insert({"pair", std::min(a, b), format("%zx", static_cast<size_t>(std::max(a, b)))}).second;
}

std::string name_place(uintptr_t pc) {
  const uintptr_t offset = offset_in_module(pc);
  return offset == 0 ? "" : format("<0x%zx>", static_cast<size_t>(offset));
}

size_t report_count() { return reports().texts.size(); }
const char* report_text(size_t index) { return index < report_count() ? reports().texts[index].c_str() : nullptr; }
void clear_reports() { reports() = Reports(); }

void set_error(cudaError_t error) { current_error = error; }
cudaError_t fail(cudaError_t error) {
  set_error(error);
  return error;
}
void set_sticky_error(cudaError_t error) { stuck_error = error; }
cudaError_t sticky_error() { return stuck_error; }
cudaError_t last_error() { return stuck_error != cudaSuccess ? sticky_error() : current_error; }
cudaError_t take_last_error() {
  const cudaError_t error = last_error();
  current_error = cudaSuccess;
  return error;
}
void clear_errors() {
  current_error = cudaSuccess;
  stuck_error = cudaSuccess;
}

std::string format(const char* pattern, ...) {
  char text[1024];
  va_list arguments;
  va_start(arguments, pattern);
  std::vsnprintf(text, sizeof text, pattern, arguments);
  va_end(arguments);
  return text;
}

}  // namespace upskill::cpu
