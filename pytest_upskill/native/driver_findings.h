// The driver's findings of a call: lines of four fields, up to the size of an answer.
#ifndef UPSKILL_DRIVER_FINDINGS_H
#define UPSKILL_DRIVER_FINDINGS_H

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>

namespace upskill {

constexpr std::size_t kMostFindings = 64;
constexpr std::size_t kMostText = 48 << 10;

// Collects the lines of the answer.
class Findings {
 public:
  void add(const char* assertion, const char* kind, const std::string& message) {
    add_line(std::string(assertion) + '\t' + kind + "\t0\t" + flat(message));
  }

  void add_line(const std::string& line) {
    if (count_++ < kMostFindings && text_.size() + line.size() < kMostText) {
      text_ += line + '\n';
    }
  }

  std::string take() { return std::move(text_); }

 private:
  static std::string flat(std::string text) {
    std::replace_if(
        text.begin(), text.end(), [](char c) { return c == '\n' || c == '\t'; }, ' ');
    return text;
  }

  std::string text_;
  std::size_t count_ = 0;
};

}  // namespace upskill

#endif
