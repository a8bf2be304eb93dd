// Reports of a whole program, written at once to the file that UPSKILL_REPORT_FILE names, so that they survive a crash.
#pragma once

#include <string>

namespace upskill::cpu {

void write_to_file(const std::string& report);

}  // namespace upskill::cpu
