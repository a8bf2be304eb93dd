// Findings of the device, for upskill_report; and the device's error, for cudaGetLastError.
#pragma once

#include <cstdint>
#include <string>

#include "driver_types.h"

namespace upskill::cpu {

enum class Assertion { runs, memory, inputs, deterministic };

// Keeps the first report of each kind for each place in the code. `pc` is a return address, or 0.
void report(Assertion assertion, const char* kind, uintptr_t pc, const std::string& message);

// Whether report would keep it; avoids formatting a message that would be dropped.
bool is_new_report(const char* kind, uintptr_t pc);
// The same for a finding at two places, whichever comes first; notes the pair.
bool is_new_pair(uintptr_t a, uintptr_t b);

// A code address within a message, "<0x1a2b>", which the reader of the reports turns into "line 12"; or an empty text.
std::string name_place(uintptr_t pc);

size_t report_count();
const char* report_text(size_t index);
void clear_reports();

// A sticky error is what a faulting kernel leaves: every later call of the API fails with it.
void set_error(cudaError_t error);
cudaError_t fail(cudaError_t error);  // sets and returns it
void set_sticky_error(cudaError_t error);
cudaError_t sticky_error();
cudaError_t last_error();
cudaError_t take_last_error();
void clear_errors();

std::string format(const char* pattern, ...) __attribute__((format(printf, 1, 2)));

}  // namespace upskill::cpu
